package diff

import (
	"fmt"
	"maps"
	"net/textproto"
	"slices"
	"strings"

	"github.com/itchyny/gojq"

	"github.com/segue-run/segue/runbook"
)

// Rules say what is no difference. The zero value compares everything.
//
// Paths are those of the new system, except in Rename.
type Rules struct {
	LegacyAs      string            `param:"legacy-as" json:"legacy_as,omitempty" doc:"A jq program that brings the legacy system's JSON into the new shape, before anything else: '{robots: ., count: length}'."`
	NewAs         string            `param:"new-as" json:"new_as,omitempty" doc:"A jq program over the new system's JSON, such as '.robots'."`
	Rename        map[string]string `param:"rename" json:"rename,omitempty" doc:"Members that have another name in the new system, by their path in legacy: {'robots[*].ip_address': ip}."`
	Values        map[string]any    `param:"values" json:"values,omitempty" doc:"Words that are others in the new system, by path: {'robots[*].status': {running: online, stopped: offline}}."`
	Ignore        []string          `param:"ignore" json:"ignore,omitempty" doc:"Paths that are not compared: robots[*].last_seen, **.trace_id, metadata[\"a.b\"]; * is any member, ** any depth, . the whole body."`
	IgnoreHeaders []string          `param:"ignore-headers" json:"ignore_headers,omitempty" doc:"Headers that are not compared, beside those that belong to the connection or the server (Date, Server, Content-Length, …)."`
	Match         map[string]string `param:"match" json:"match,omitempty" doc:"By which key the items of an array are the same thing: {robots: id}; 'id|ip_address' takes the first that an item has."`
	Maps          []string          `param:"maps" json:"maps,omitempty" doc:"Objects whose names are data, as in {r1: {…}, r2: {…}}: below robots, robots.*.status is one field."`
	Unordered     []string          `param:"unordered" json:"unordered,omitempty" doc:"Arrays whose order means nothing."`
	Within        map[string]string `param:"within" json:"within,omitempty" doc:"How far apart values may be, by path: a number (0.01), a share (1%), or a time (5s)."`
	NullIsMissing bool              `param:"null-is-missing" json:"null_is_missing,omitempty" doc:"A member that is null is as good as one that is not there."`
	StrictTimes   bool              `param:"strict-times" json:"strict_times,omitempty" doc:"Times must also be written in the same zone. Else 12:00+02:00 is 10:00Z; without a zone it is UTC."`
}

// A Comparer compares answers by rules. It may be used by several goroutines.
type Comparer struct {
	rules     Rules
	legacyAs  *gojq.Code
	newAs     *gojq.Code
	patterns  []pattern
	renames   []pattern
	noHeaders map[string]bool
	root      *field // of the new shape
	old       *field // of legacy's, for renames
}

// A pattern is a path that some rule speaks of, and what the rule does to a
// field that fits.
type pattern struct {
	path  []segment
	apply func(*field)
}

// transport are headers of a connection, a server or a moment.
var transport = []string{
	"Age", "Alt-Svc", "Connection", "Content-Encoding", "Content-Length", "Date", "Keep-Alive", "Server", "Trailer",
	"Transfer-Encoding", "Upgrade", "Via",
}

// Validate reports the first rule that cannot be read, as *[runbook.FieldError].
func (r Rules) Validate() error {
	_, err := r.Compile()
	return err
}

// Compile makes the comparer.
func (r Rules) Compile() (*Comparer, error) {
	c := &Comparer{rules: r, noHeaders: map[string]bool{}}
	var err error
	if c.legacyAs, err = program("legacy-as", r.LegacyAs); err != nil {
		return nil, err
	}
	if c.newAs, err = program("new-as", r.NewAs); err != nil {
		return nil, err
	}
	for _, h := range slices.Concat(transport, r.IgnoreHeaders) {
		c.noHeaders[textproto.CanonicalMIMEHeaderKey(h)] = true
	}
	for _, add := range []func(*Comparer) error{r.flags, r.matches, r.tolerances, r.words, r.names} {
		if err := add(c); err != nil {
			return nil, err
		}
	}
	c.root, c.old = &field{}, &field{}
	c.root.learn(c.patterns)
	c.old.learn(c.renames)
	return c, nil
}

func program(param, text string) (*gojq.Code, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // no program changes nothing
	}
	code, err := Program(text)
	if err != nil {
		return nil, &runbook.FieldError{Field: param, Problem: err.Error(), Remedy: "write one such as '{robots: ., count: length}'"}
	}
	return code, nil
}

// Program compiles a program of jq. It sees neither files nor the environment.
func Program(text string) (*gojq.Code, error) {
	q, err := gojq.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("that is no program of jq: %w", err)
	}
	code, err := gojq.Compile(q, gojq.WithEnvironLoader(func() []string { return nil }))
	if err != nil {
		return nil, fmt.Errorf("that is no program of jq: %w", err)
	}
	return code, nil
}

func (c *Comparer) on(param, path string, apply func(*field)) error {
	p, err := parsePath(path)
	if err != nil {
		return &runbook.FieldError{Field: param, Problem: err.Error(), Remedy: "write it like robots[*].status"}
	}
	c.patterns = append(c.patterns, pattern{p, apply})
	return nil
}

func (r Rules) flags(c *Comparer) error {
	for _, of := range []struct {
		param string
		paths []string
		set   func(*field)
	}{
		{"ignore", r.Ignore, func(f *field) { f.ignore = true }},
		{"unordered", r.Unordered, func(f *field) { f.unordered = true }},
		{"maps", r.Maps, func(f *field) { f.data = true }},
	} {
		for _, path := range of.paths {
			if err := c.on(of.param, path, of.set); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r Rules) matches(c *Comparer) error {
	for _, path := range slices.Sorted(maps.Keys(r.Match)) {
		keys := strings.Split(r.Match[path], "|")
		if slices.Contains(keys, "") {
			return &runbook.FieldError{Field: "match", Problem: fmt.Sprintf("%s has no key", path), Remedy: "name the member that an item is known by, such as id, or id|ip_address"}
		}
		if err := c.on("match", path, func(f *field) { f.keys = keys }); err != nil {
			return err
		}
	}
	return nil
}

func (r Rules) tolerances(c *Comparer) error {
	for _, path := range slices.Sorted(maps.Keys(r.Within)) {
		t, err := parseTolerance(r.Within[path])
		if err != nil {
			return &runbook.FieldError{Field: "within", Problem: fmt.Sprintf("%s: %v", path, err), Remedy: "write a number (0.01), a share (1%) or a time (5s)"}
		}
		if err := c.on("within", path, func(f *field) { f.within = t }); err != nil {
			return err
		}
	}
	return nil
}

func (r Rules) words(c *Comparer) error {
	for _, path := range slices.Sorted(maps.Keys(r.Values)) {
		words, ok := r.Values[path].(map[string]any)
		if !ok || len(words) == 0 {
			return &runbook.FieldError{Field: "values", Problem: fmt.Sprintf("%s has no words", path), Remedy: "write {running: online, stopped: offline}"}
		}
		known := map[string]string{}
		for old, fresh := range words {
			text, ok := fresh.(string)
			if !ok {
				return &runbook.FieldError{Field: "values", Problem: fmt.Sprintf("%s: what %s becomes is no text", path, old), Remedy: fmt.Sprintf("write it in quotes: %q", fmt.Sprint(fresh))}
			}
			known[old] = text
		}
		if err := c.on("values", path, func(f *field) { f.words = known }); err != nil {
			return err
		}
	}
	return nil
}

func (r Rules) names(c *Comparer) error {
	for _, path := range slices.Sorted(maps.Keys(r.Rename)) {
		p, err := parsePath(path)
		if err != nil || len(p) == 0 || p[len(p)-1].is != member || r.Rename[path] == "" {
			return &runbook.FieldError{Field: "rename", Problem: fmt.Sprintf("%s is not renamed", path), Remedy: "write the path of a member in legacy, and its new name: {'robots[*].ip_address': ip}"}
		}
		c.renames = append(c.renames, pattern{p, func(f *field) { f.rename = r.Rename[path] }})
	}
	return nil
}
