package files

import (
	"strings"
	"testing"
)

func set(k string, v any) yamlParams { return yamlParams{Set: map[string]any{k: v}} }

func unset(keys ...string) yamlParams { return yamlParams{Unset: keys} }

// Each case is also undone, and must then be as before, byte by byte.
var yamlCases = []struct {
	name         string
	before, want string
	p            yamlParams
}{
	{"a number keeps its comment", "a: 1   # why\nb: 2\n", "a: 7   # why\nb: 2\n", set("a", int64(7))},
	{"a fraction stays one", "a: 1\n", "a: 2.0\n", set("a", 2.0)},
	{"a large fraction is one for YAML 1.1 too", "a: 1\n", "a: 1.0e+21\n", set("a", 1e21)},
	{"a bool", "rollout:\n    flags:\n        - x\n    on: false\n", "rollout:\n    flags:\n        - x\n    on: true\n", set("rollout.on", true)},
	{"null", "a: 1\n", "a: null\n", set("a", nil)},
	{"text that needs no quotes has none", "a: old\n", "a: new value\n", set("a", "new value")},
	{"quotes of before stay", "a: 'old'\nb: \"old\"\n", "a: 'it''s'\nb: \"new\"\n", yamlParams{Set: map[string]any{"a": "it's", "b": "new"}}},
	{"true as text is quoted", "a: old\n", "a: \"true\"\n", set("a", "true")},
	{"1.10 as text is quoted", "a: old\n", "a: \"1.10\"\n", set("a", "1.10")},
	{"no as text is quoted", "a: old\n", "a: \"no\"\n", set("a", "no")},
	{"a date as text is quoted", "a: old\n", "a: \"2026-01-02\"\n", set("a", "2026-01-02")},
	{"a time as text is quoted", "a: old\n", "a: \"12:30:45\"\n", set("a", "12:30:45")},
	{"nothing as text is quoted", "a: old\n", "a: \"\"\n", set("a", "")},
	{"text that begins a comment is quoted", "a: old\n", "a: \"x #y\"\n", set("a", "x #y")},
	{"text with a colon is quoted", "a: old\n", "a: \"x: y\"\n", set("a", "x: y")},
	{"text with a line end is quoted", "a: old\n", "a: \"x\\ny\"\n", set("a", "x\ny")},
	{"an address, a duration and a size need no quotes", "a: 1\nb: 1\nc: 1\nd: 1\n", "a: nats://h:4222\nb: 30s\nc: 512Mi\nd: 10.0.0.1\n", yamlParams{Set: map[string]any{"a": "nats://h:4222", "b": "30s", "c": "512Mi", "d": "10.0.0.1"}}},
	{"a number in the place of quoted text", "port: \"1\"\n", "port: 4222\n", set("port", int64(4222))},
	{"hexadecimal comes back as it was", "a: 0x1F\n", "a: 32\nb: 1\n", yamlParams{Set: map[string]any{"a": int64(32), "b": int64(1)}}},
	{"a tilde comes back as it was", "a: ~\n", "a: 1\n", set("a", int64(1))},
	{"a value that is not there yet", "a:\nb: 1\n", "a: x\nb: 1\n", set("a", "x")},
	{"a value that is not there yet, before a comment", "a: # todo\nb: 1\n", "a: x # todo\nb: 1\n", set("a", "x")},
	{"an anchor that nobody uses stays", "a: &here 1\n", "a: &here 2\n", set("a", int64(2))},
	{"a missing end of the last line stays missing", "a: 1", "a: 2", set("a", int64(2))},
	{"a key is added where the last line has no end", "a: 1", "a: 1\nb: 2", set("b", int64(2))},
	{"ends of lines as on Windows", "a: 1\r\nb:\r\n  c: 1\r\nd: 1\r\n", "a: 2\r\nb:\r\n  c: 1\r\n  e: x\r\nd: 1\r\n", yamlParams{Set: map[string]any{"a": int64(2), "b.e": "x"}}},
	{"a byte order mark", "\ufeffa: 1\n", "\ufeffa: 2\nb: 1\n", yamlParams{Set: map[string]any{"a": int64(2), "b": int64(1)}}},
	{"letters beyond ASCII before it", "é: {ü: ä, b: 1}\n", "é: {ü: ä, b: 2}\n", set("é.b", int64(2))},
	{"tabs between", "a:\t1\t# x\n", "a:\t2\t# x\n", set("a", int64(2))},

	{"a key is added behind the last and its comment", "a: 1\nb: 2 # last\n\n# the end\n", "a: 1\nb: 2 # last\nc: x\n\n# the end\n", set("c", "x")},
	{"a key is added to a mapping within", "a:\n    b: 1\n\nc: 1\n", "a:\n    b: 1\n    d: 2\n\nc: 1\n", set("a.d", int64(2))},
	{"parents that are missing are added", "a:\n    b: 1\nc: 1\n", "a:\n    b: 1\nc: 1\nx:\n    w:\n        z: 1\n", set("x.w.z", int64(1))},
	{"a key of a mapping that is null", "a:\nb: 1\n", "a:\n  x: 1\nb: 1\n", set("a.x", int64(1))},
	{"a key of a mapping that is null, with a comment", "a: null # none\nb: 1\n", "a: # none\n  x: 1\nb: 1\n", set("a.x", int64(1))},
	{"a key of an empty mapping", "a: {}\nb: 1\n", "a: {x: 1}\nb: 1\n", set("a.x", int64(1))},
	{"several levels beneath an empty mapping", "a: {}\nb: 1\n", "a: {x: {\"y\": 1}}\nb: 1\n", set("a.x.y", int64(1))},
	{"a key between brackets", "a: {b: 1, c: 2} # x\n", "a: {b: 1, c: 2, d: \"y, z\"} # x\n", set("a.d", "y, z")},
	{"a key between brackets over lines", "{\n  \"a\": 1,\n  \"b\": {\"c\": \"x\"}\n}\n", "{\n  \"a\": 1,\n  \"b\": {\"c\": \"x\"},\n  \"d\": \"y\"\n}\n", set("d", "y")},
	{"a key between brackets over lines with a last comma", "a: {\n  b: 1, # one\n  c: 2, # two\n}\n", "a: {\n  b: 1, # one\n  c: 2, # two\n  d: 3,\n}\n", set("a.d", int64(3))},
	{"JSON stays JSON", "{\"a\": 1, \"b\": [1, 2]}", "{\"a\": \"x\", \"b\": [1, 2]}", set("a", "x")},
	{"a key behind a text of several lines", "a: |\n  x\n\n  y\n\n# end\n", "a: |\n  x\n\n  y\nb: 1\n\n# end\n", set("b", int64(1))},
	{"a key behind a text that keeps its empty lines", "a: |+\n  x\n\n", "a: |+\n  x\n\nb: 1\n", set("b", int64(1))},
	{"a key behind a list at the same indentation", "a:\n- 1\n- 2\n", "a:\n- 1\n- 2\nb: 1\n", set("b", int64(1))},
	{"a key that looks like a number is quoted", "a: 1\n", "a: 1\n\"80\": x\n", set("80", "x")},
	{"a key that is a number", "ports:\n  80: a\n", "ports:\n  80: b\n", set("ports.80", "b")},
	{"a key with dots", "m:\n  app.io/name: a\n", "m:\n  app.io/name: b\n", set(`m."app.io/name"`, "b")},
	{"a key with dots is added", "m:\n  a: 1\n", "m:\n  a: 1\n  app.io/name: b\n", set(`m.'app.io/name'`, "b")},
	{"a key beside a merge", "b: &b {x: 1}\nc:\n  <<: *b\n  y: 1\n", "b: &b {x: 1}\nc:\n  <<: *b\n  y: 2\n", set("c.y", int64(2))},
	{"a file of comments", "# nothing yet\n", "# nothing yet\na: 1\n", set("a", int64(1))},
	{"an empty file", "", "a:\n  b: 1\n", set("a.b", int64(1))},
	{"an empty document", "---\n", "---\na: 1\n", set("a", int64(1))},

	{"an element of a list", "s:\n  - port: 1\n    host: a\n  - port: 2\n", "s:\n  - port: 4222\n    host: a\n  - port: 2\n", set("s[0].port", int64(4222))},
	{"a key of an element is added", "s:\n  - port: 1\n  - port: 2\n", "s:\n  - port: 1\n    host: a\n  - port: 2\n", set("s[0].host", "a")},
	{"an element between brackets", "s: [1, two, 3]\n", "s: [1, \"2\", 3]\n", set("s[1]", "2")},
	{"a list of scalars", "s:\n  - a # x\n  - b\nt: 1\n", "s:\n  - c\n  - \"1\"\n  - 2\nt: 1\n", set("s", []any{"c", "1", int64(2)})},
	{"a list in brackets", "s: [a, b]\n", "s: [c, \"d,e\"]\n", set("s", []any{"c", "d,e"})},
	{"an empty list in the place of one", "s:\n- a\n- b\nt: 1\n", "s: []\nt: 1\n", set("s", []any{})},
	{"a mapping of scalars keeps the order of keys", "m:\n  z: 1\n  a: 2\nt: 1\n", "m:\n  z: 3\n  b: x\nt: 1\n", set("m", map[string]any{"b": "x", "z": int64(3)})},
	{"a scalar in the place of a mapping", "m:\n  a: 1\n  b: 2\nt: 1\n", "m: none\nt: 1\n", set("m", "none")},
	{"a mapping in the place of a scalar", "m: none\nt: 1\n", "m: {a: 1}\nt: 1\n", set("m", map[string]any{"a": int64(1)})},

	{"text over lines is replaced", "a: |\n  x\n  y\nb: 1\n", "a: z\nb: 1\n", set("a", "z")},
	{"text over lines stays over lines", "a: |\n  x\n  y\nb: 1\n", "a: |\n  u\n\n  v\nb: 1\n", set("a", "u\n\nv\n")},
	{"folded text is replaced", "a: >-\n    x\n    y\n\nb: 1\n", "a: z\n\nb: 1\n", set("a", "z")},
	{"plain text over lines is replaced", "a: x\n  y\n\n  z # c\nb: 1\n", "a: new # c\nb: 1\n", set("a", "new")},
	{"quoted text over lines is replaced", "a: \"x\n  y\\\"\"\nb: 'p\n  q'\n", "a: \"1\"\nb: '2'\n", yamlParams{Set: map[string]any{"a": "1", "b": "2"}}},

	{"a key is taken out with its line", "a: 1\nb: 2 # two\n# about c\nc: 3\n", "a: 1\n# about c\nc: 3\n", unset("b")},
	{"the first key is taken out", "a: 1\nb: 2\n", "b: 2\n", unset("a")},
	{"the last key is taken out, without an end of line", "a: 1\nb: 2", "a: 1", unset("b")},
	{"a mapping is taken out", "a:\n  x: 1 # p\n\n  y:\n    - 1\nb: 2\n", "b: 2\n", unset("a")},
	{"the only key leaves an empty mapping", "a:\n  x: 1\nb: 2\n", "a: {}\nb: 2\n", unset("a.x")},
	{"the only key with a comment leaves an empty mapping", "a:\n  x: 1 # one\nb: 2\n", "a:\n  {} # one\nb: 2\n", unset("a.x")},
	{"the only key of the document", "# x\na: 1\n", "# x\n{}\n", unset("a")},
	{"the first key of an element", "s:\n  - a: 1 # x\n    b: 2\n", "s:\n  - b: 2\n", unset("s[0].a")},
	{"a key between brackets is taken out", "a: {b: 1, c: 2, d: 3}\n", "a: {b: 1, d: 3}\n", unset("a.c")},
	{"the first key between brackets", "a: {b: 1, c: 2}\n", "a: {c: 2}\n", unset("a.b")},
	{"the last key between brackets", "a: {b: 1, c: 2}\n", "a: {b: 1}\n", unset("a.c")},
	{"the only key between brackets", "a: {b: 1}\n", "a: {}\n", unset("a.b")},
	{"the last key of JSON over lines", "{\n  \"a\": 1,\n  \"b\": 2\n}\n", "{\n  \"a\": 1\n}\n", unset("b")},
	{"two keys are taken out", "a: 1\nb: 2\nc: 3\n", "b: 2\n", unset("a", "c")},
	{"all keys are taken out", "a: 1\nb: 2\n", "{}\n", unset("a", "b")},
	{"what is not there cannot be taken out", "a: 1\n", "a: 1\nb: 1\n", yamlParams{Set: map[string]any{"b": int64(1)}, Unset: []string{"x.y"}}},
	{"keys are set and taken out at once", "a: 1\nb:\n  c: 1\n", "a: 2\nb: {}\nd:\n  e: 1\n", yamlParams{Set: map[string]any{"a": int64(2), "d.e": int64(1)}, Unset: []string{"b.c"}}},
	{"one of several documents", "a: 1\n---\na: 2\n---\na: 3\n", "a: 1\n---\na: x\nb: 1\n---\na: 3\n", yamlParams{Document: new(1), Set: map[string]any{"a": "x", "b": int64(1)}}},
	{"a document that ends with dots", "a: 1\n...\n", "a: 1\nb: 2\n...\n", set("b", int64(2))},
	{"a directive before it", "%YAML 1.1\n---\na: 1\n", "%YAML 1.1\n---\na: 2\n", set("a", int64(2))},
	{"a key given twice elsewhere is nobody's business", "x: 1\nx: 2\na: 1\n", "x: 1\nx: 2\na: 2\n", set("a", int64(2))},
}

func TestYAMLChangesNothingElseAndComesBack(t *testing.T) {
	for _, c := range yamlCases {
		t.Run(c.name, func(t *testing.T) {
			c.p.Path = put(t, "c.yaml", c.before)
			p := run(t, yamlOf(t, c.p))
			same(t, "applied", c.want, content(t, c.p.Path))
			p.undo()
			same(t, "undone", c.before, content(t, c.p.Path))
		})
	}
}

func TestYAMLRefusesWithThePlace(t *testing.T) {
	for _, c := range []struct {
		name, text, want string
		p                yamlParams
	}{
		{"an alias", "a: &x {b: 1}\nc: *x\n", ":2:4: c stands for what is written as &x", set("c.b", int64(2))},
		{"an alias itself", "a: &x 1\nc: *x\n", ":2:4: c stands for", set("c", int64(2))},
		{"what an alias stands for", "a: &x {b: 1}\nc: *x\n", ":2:4: *x stands for a,", set("a.b", int64(2))},
		{"what holds an anchor that is used", "a: {b: &x 1}\nc: *x\n", ":2:4: *x stands for a part", unset("a")},
		{"a key that comes by a merge", "b: &b {x: 1}\nc:\n  <<: *b\n  y: 1\n", ":3:3: c.x comes by a merge", set("c.x", int64(2))},
		{"what would be merged once it is gone", "b: &b {x: 1}\nc:\n  <<: *b\n  x: 1\n  y: 1\n", "cannot be changed by itself", unset("c.x")},
		{"a tag", "a: !secret x\n", ":1:4: a has the tag !secret", set("a", "y")},
		{"a key given twice", "m:\n  a: 1\n  a: 2\n", ":3:3: m.a is given twice, first on line 2", set("m.a", int64(3))},
		{"a tab as indentation", "m:\n\ta: 1\n", "this is not YAML", set("m.a", int64(3))},
		{"a path through a text", "a: x\n", ":1:4: a is a text, not a mapping", set("a.b", int64(1))},
		{"a path through a list", "a: [1]\n", ":1:4: a is a list, not a mapping", set("a.b", int64(1))},
		{"an element that is not there", "a: [1]\n", ":1:4: a has no element 1, it has 1", set("a[1]", int64(1))},
		{"an element of nothing", "b: 1\n", "there is no list", set("a[0]", int64(1))},
		{"several documents", "a: 1\n---\na: 2\n", ":2:1: the file has 2 documents", set("a", int64(1))},
		{"a document that is not there", "a: 1\n", "has no document 3", yamlParams{Document: new(3), Set: map[string]any{"a": int64(1)}}},
		{"what is no YAML", "a: [1\n", "this is not YAML", set("a", int64(1))},
		{"what is not UTF-8", "a: \xff\n", "is not UTF-8", set("a", int64(1))},
		{"a mapping without brackets", "a: [b: 1]\n", "cannot be added to a mapping without brackets", set("a[0].c", int64(1))},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.p.Path = put(t, "c.yaml", c.text)
			_, err := planned(t, yamlOf(t, c.p))
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.p.Path) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			same(t, "after the refusal", c.text, content(t, c.p.Path))
		})
	}
}
