package backup

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/evidence"
)

// rack is a shelf with bundles of one file, which takes no server.
type rack struct {
	t    testing.TB
	p    bundleParams
	dir  string
	file string
}

func newRack(t testing.TB, key string) *rack {
	t.Helper()
	r := &rack{t: t, dir: t.TempDir()}
	r.file = filepath.Join(r.dir, "app.yaml")
	if err := os.WriteFile(r.file, []byte("mode: old\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	always := time.Duration(0)
	r.p = bundleParams{where: where{Dir: filepath.Join(r.dir, "bundles"), Key: key}, Files: []string{r.file}, Fresh: &always}
	return r
}

func (r *rack) check(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rack) shelf() *shelf {
	r.t.Helper()
	s, err := r.p.shelf()
	r.check(err)
	return s
}

// at makes a bundle that says it is as old, and has a part of a connection if one is named.
func (r *rack) at(old time.Duration, parts ...string) *bundle {
	r.t.Helper()
	s := r.shelf()
	m := &manifest{Segue: version, Name: s.name, Taken: time.Now().Add(-old), Parts: map[string]driver.Dump{}}
	for _, part := range parts {
		m.Parts[part] = driver.Dump{ID: part}
	}
	dir := filepath.Join(s.dir, s.name+"-"+m.Taken.UTC().Format(takenForm))
	r.check(os.MkdirAll(dir, 0o700))
	r.check(os.WriteFile(filepath.Join(dir, "content"), fmt.Append(nil, old), 0o600))
	r.check(m.sum(r.t.Context(), dir))
	r.check(m.write(dir, s.key))
	return &bundle{m, dir}
}

// make makes a bundle by the action.
func (r *rack) make() driver.Effect {
	r.t.Helper()
	b, err := newBundling(r.p, nil)
	r.check(err)
	before, err := b.Observe(r.t.Context())
	r.check(err)
	want, err := b.Plan(before)
	r.check(err)
	e := driver.Effect{Before: before, Want: want, Mine: func() error { return nil }}
	e.Save = func(_ context.Context, cursor any) (err error) {
		e.Cursor, err = json.Marshal(cursor)
		return err
	}
	_, err = b.Apply(r.t.Context(), e)
	r.check(err)
	return e
}

func (r *rack) reads(newer time.Duration, proven bool, want evidence.Verdict, text string) {
	r.t.Helper()
	is := (&age{r.shelf(), newer, proven}).Read(r.t.Context())
	if is.Verdict != want || !strings.Contains(is.Detail, text) {
		r.t.Errorf("%v %s; want %v %s", is.Verdict, is.Detail, want, text)
	}
}

func TestTheAgeOfABundle(t *testing.T) {
	t.Parallel()
	r := newRack(t, "secret")
	r.reads(time.Hour, false, evidence.Fail, "there is no good bundle")
	r.at(2 * time.Hour)
	r.reads(time.Hour, false, evidence.Fail, "the newest good bundle is 2h0m0s old")
	r.reads(3*time.Hour, false, evidence.Pass, "")
	r.at(-10 * time.Second) // clocks differ a little
	r.reads(time.Hour, false, evidence.Pass, "")
	r.at(-2 * time.Hour)
	r.reads(3*time.Hour, false, evidence.Fail, "is of 2h0m0s from now")
	r.reads(3*time.Hour, true, evidence.Fail, "is of 2h0m0s from now")
}

func TestABundleThatIsNotProvenDoesNotCountWhereThatIsAskedFor(t *testing.T) {
	t.Parallel()
	private, public := pair(t)
	r := newRack(t, private)
	s := r.shelf()
	old, young := r.at(2*time.Hour, "db"), r.at(time.Minute, "db", "cache")
	r.reads(time.Hour, false, evidence.Pass, "")
	r.reads(time.Hour, true, evidence.Fail, young.base()+": backup.proven has not restored its cache, db")
	r.check(s.proved(old, []string{"db"}))
	r.reads(time.Hour, true, evidence.Fail, "the newest good bundle is 2h0m0s old")
	r.check(s.proved(young, []string{"db"}))
	r.reads(time.Hour, true, evidence.Fail, "has not restored its cache")
	r.check(s.proved(young, []string{"cache"}))
	r.reads(time.Hour, true, evidence.Pass, "")

	// The public half is enough to tell; it proves nothing itself.
	r.p.Key = public
	r.reads(time.Hour, true, evidence.Pass, "")
	r.check(os.Remove(young.dir + proofEnding))
	r.check(r.shelf().proved(young, []string{"db", "cache"}))
	r.reads(time.Hour, true, evidence.Fail, "has not restored its cache, db")

	// A proof that is forged, or another bundle's, is none.
	raw, err := os.ReadFile(old.dir + proofEnding)
	r.check(err)
	for _, forged := range []string{
		string(raw), strings.ReplaceAll(string(raw), old.Signature, young.Signature), "{}", "no JSON",
	} {
		r.check(os.WriteFile(young.dir+proofEnding, []byte(forged), 0o600))
		r.reads(time.Hour, true, evidence.Fail, "has not restored its cache, db")
	}
}

func TestWhoeverHasAnotherKeyOrChangesTheManifestIsFoundOut(t *testing.T) {
	t.Parallel()
	private, public := pair(t)
	_, other := pair(t)
	r := newRack(t, private)
	r.make()
	r.p.Key = public
	r.reads(time.Hour, false, evidence.Pass, "")
	if _, err := newBundling(r.p, nil); err == nil || !strings.Contains(err.Error(), "a public key only checks") {
		t.Errorf("a bundle signed by a public key: %v", err)
	}
	names, err := r.shelf().names()
	r.check(err)
	path := filepath.Join(r.p.Dir, names[0], manifestFile)
	raw, err := os.ReadFile(path)
	r.check(err)
	b, err := r.shelf().open(names[0])
	r.check(err)
	if b.Host == "" || b.By == "" || b.Made.Before(b.Taken) {
		t.Errorf("the manifest says nothing of who made it, and when: %+v", b.manifest)
	}
	for name, c := range map[string]struct {
		key    string
		change func(string) string
		want   string
	}{
		"another key":     {other, func(s string) string { return s }, "its signature does not fit"},
		"an HMAC's key":   {"secret", func(s string) string { return s }, "hmac-sha256 was expected"},
		"no signature":    {public, func(s string) string { return strings.Replace(s, b.Signature, "", 1) }, "it is not signed"},
		"a size":          {public, func(s string) string { return strings.Replace(s, `"size": 10`, `"size": 11`, 1) }, "its signature does not fit"},
		"a path":          {public, func(s string) string { return strings.Replace(s, r.file, "/etc/passwd", 1) }, "its signature does not fit"},
		"its time":        {public, func(s string) string { return strings.Replace(s, `"taken": "2`, `"taken": "3`, 1) }, "its signature does not fit"},
		"a file it hides": {public, func(s string) string { return strings.Replace(s, "001-app", "002-app", 1) }, "its signature does not fit"},
	} {
		changed := c.change(string(raw))
		if c.key == public && changed == string(raw) {
			t.Errorf("%s: nothing was changed", name)
		}
		r.check(os.WriteFile(path, []byte(changed), 0o600))
		r.p.Key = c.key
		r.reads(time.Hour, false, evidence.Fail, c.want)
	}
}

func TestWhichBundlesStay(t *testing.T) {
	t.Parallel()
	const h = time.Hour
	for name, c := range map[string]struct {
		r        retention
		ages     []time.Duration // of those that were there
		proven   []int           // of these
		spoilt   []int
		unsigned []int
		gone     []int
	}{
		"all, when nothing is said":     {retention{}, []time.Duration{h, 2 * h}, nil, nil, nil, nil},
		"the newest three":              {retention{Keep: 3}, []time.Duration{h, 2 * h, 3 * h, 4 * h}, nil, nil, nil, []int{2, 3}},
		"the younger ones":              {retention{KeepFor: 150 * time.Minute}, []time.Duration{h, 2 * h, 3 * h, 4 * h}, nil, nil, nil, []int{2, 3}},
		"either":                        {retention{Keep: 2, KeepFor: 150 * time.Minute}, []time.Duration{h, 2 * h, 3 * h, 4 * h}, nil, nil, nil, []int{2, 3}},
		"the new one, though all old":   {retention{KeepFor: time.Nanosecond}, []time.Duration{h, 2 * h}, nil, nil, nil, []int{0, 1}},
		"the last that was proved":      {retention{Keep: 2}, []time.Duration{h, 2 * h, 3 * h, 4 * h}, []int{2, 3}, nil, nil, []int{1, 3}},
		"a proved one among the newest": {retention{Keep: 2}, []time.Duration{h, 2 * h, 3 * h}, []int{0, 2}, nil, nil, []int{1, 2}},
		"what is not good counts not":   {retention{Keep: 2}, []time.Duration{h, 2 * h, 3 * h}, nil, []int{0}, nil, []int{2}},
		"a proved one that is not good": {retention{Keep: 1}, []time.Duration{h, 2 * h, 3 * h}, []int{0, 1}, []int{0}, nil, []int{2}},
		"what is somebody else's":       {retention{Keep: 1}, []time.Duration{h, 2 * h}, nil, nil, []int{1}, []int{0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRack(t, "secret")
			r.p.retention = c.r
			var had []*bundle
			for _, old := range c.ages {
				had = append(had, r.at(old, "db"))
			}
			for _, i := range c.proven {
				r.check(r.shelf().proved(had[i], []string{"db"}))
			}
			for _, i := range c.spoilt {
				r.check(os.WriteFile(filepath.Join(had[i].dir, "content"), []byte("other"), 0o600))
			}
			for _, i := range c.unsigned {
				r.check(had[i].write(had[i].dir, key{secret: []byte("another")}))
			}
			e := r.make()
			var gone []int
			for i, b := range had {
				if _, err := os.Stat(b.dir); os.IsNotExist(err) {
					gone = append(gone, i)
					if _, err := os.Stat(b.dir + proofEnding); err == nil {
						t.Errorf("the proof of %d stays", i)
					}
				}
			}
			if diff := cmp.Diff(c.gone, gone); diff != "" {
				t.Errorf("gone (-want +got):\n%s", diff)
			}
			b, err := newBundling(r.p, nil)
			r.check(err)
			if text := b.Costs(e.Before, e.Want); (text != "") != c.r.given() {
				t.Errorf("costs: %q", text)
			}
			kept, ok := b.Undo(t.Context(), e).(*driver.Kept) //nolint:errorlint // as it is returned
			if !ok || strings.Contains(kept.Cost, "deleted for it") != (len(gone) > 0) {
				t.Errorf("undo: %v", kept)
			}
			if left, err := filepath.Glob(filepath.Join(r.p.Dir, ".partial*")); err != nil || len(left) > 0 {
				t.Errorf("left: %v, %v", left, err)
			}
		})
	}
}

func TestWalkOfABundleThatTakesThePlaceOfOlderOnes(t *testing.T) {
	t.Parallel()
	drivertest.Walk(t, drivertest.Subject{
		MayKeep: true, NothingToDisturb: true, Secrets: []string{"a key of tests"},
		World: func(t testing.TB) drivertest.World {
			r := newRack(t, "a key of tests")
			r.p.Fresh, r.p.Keep = nil, 1
			r.at(2 * time.Hour)
			r.at(time.Hour)
			return drivertest.World{Action: func() driver.Action {
				b, err := newBundling(r.p, nil)
				r.check(err)
				return b
			}}
		},
	})
}
