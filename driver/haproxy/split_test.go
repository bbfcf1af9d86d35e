package haproxy

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/haproxy/haproxytest"
	"github.com/segue-run/segue/edge"
	"github.com/segue-run/segue/edge/edgetest"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/internal/soak"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

func paramsOf(s *haproxytest.Server, percent float64) splitParams {
	return splitParams{New: runbook.Percent(percent), Map: s.Map}
}

// effect is a run's, which is never in doubt.
func effect(before, want state.State) driver.Effect {
	return driver.Effect{
		Before: before, Want: want,
		Save: func(context.Context, any) error { return nil },
		Mine: func() error { return nil },
	}
}

// to sets a share as a run does, and returns what undoes it.
func to(t testing.TB, s *haproxytest.Server, percent float64) func() {
	t.Helper()
	a := splitOf(t, s, percent)
	before, err := a.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want, err := a.Plan(before)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Apply(t.Context(), effect(before, want)); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := splitOf(t, s, percent).Undo(t.Context(), effect(before, want)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSharesAreAsAskedStickyAndMonotone(t *testing.T) {
	const n = 20000
	for _, c := range []struct {
		name, sample, header string
		key                  func(int) string
	}{
		{"by header", "req.hdr(X-Robot-Id)", "X-Robot-Id", edgetest.Plain},
		{"by cookie", "req.cook(robot)", "Cookie", func(k int) string { return fmt.Sprintf("a=b; robot=%d; c=d", k) }},
		{"by address", "src", "", edgetest.Address},
		{"by the address that a proxy tells", "req.hdr_ip(X-Forwarded-For)", "X-Forwarded-For", func(k int) string { return fmt.Sprintf("10.1.%d.%d", k/250, k%250) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := n
			if c.name != "by header" && !soak.On() {
				n = 4000
			}
			s := haproxytest.Start(t, func(file string) string { return Lines(file, c.sample, "new", "legacy") })
			first := edgetest.Sides(t, s.Addr, n, c.header, c.key)
			if k := edgetest.Share(first, "new"); k != 0 {
				t.Errorf("at 0 %% the new side served %d", k)
			}
			was := first
			for _, percent := range []float64{10, 25, 50, 100} {
				to(t, s, percent)
				now := edgetest.Sides(t, s.Addr, n, c.header, c.key)
				edgetest.WithinBinomial(t, edgetest.Share(now, "new"), n, percent/100)
				edgetest.StaysOnNew(t, was, now)
				if percent == 25 {
					edgetest.Same(t, now, edgetest.Sides(t, s.Addr, n, c.header, c.key))
				}
				t.Logf("%g %%: %d of %d", percent, edgetest.Share(now, "new"), n)
				was = now
			}
			to(t, s, 0)
			edgetest.Same(t, first, edgetest.Sides(t, s.Addr, n, c.header, c.key))
		})
	}
}

func TestARequestWithoutTheKeyGoesByItsAddress(t *testing.T) {
	s := haproxytest.Start(t, byHeader)
	to(t, s, 50)
	for _, header := range []map[string]string{{}, {keyHeader: ""}} {
		sides := map[string]int{}
		for range 50 {
			c := edgetest.Client{Addr: s.Addr}
			side, _, err := c.Do("GET", "/", "", header)
			c.Close()
			if err != nil {
				t.Fatal(err)
			}
			sides[side]++
		}
		if len(sides) != 1 {
			t.Errorf("one address without the key was served by %v", sides)
		}
	}
	to(t, s, 100)
	c := edgetest.Client{Addr: s.Addr}
	defer c.Close()
	if side, _, err := c.Do("GET", "/", "", nil); err != nil || side != "new" {
		t.Errorf("at 100 %% one without the key was served by %s, %v", side, err)
	}
}

func TestUndoIsExact(t *testing.T) {
	s := haproxytest.Start(t, byHeader)
	src, err := os.ReadFile(s.Map)
	if err != nil {
		t.Fatal(err)
	}
	undo := to(t, s, 33.33)
	undo()
	now, err := os.ReadFile(s.Map)
	if err != nil || string(now) != string(src) {
		t.Errorf("the file is %q, and was %q; %v", now, src, err)
	}
}

func TestTheShareOutlivesARestart(t *testing.T) {
	s := haproxytest.Start(t, byHeader)
	to(t, s, 25)
	before := edgetest.Sides(t, s.Addr, 500, keyHeader, edgetest.Plain)
	s.Kill()
	s.Launch(t)
	edgetest.Same(t, before, edgetest.Sides(t, s.Addr, 500, keyHeader, edgetest.Plain))
}

func TestAHundredChangesUnderLoadFailNothing(t *testing.T) {
	changes := 20
	if soak.On() {
		changes = 100
	}
	s := haproxytest.Start(t, byHeader)
	load := edgetest.StartLoad(t, s.Addr, keyHeader, 8)
	for i := range changes {
		to(t, s, []float64{10, 25, 50, 100, 0}[i%5])
		after := load.Done() + 100
		edgetest.Await(t, "a hundred requests", func() error {
			if n := load.Done(); n < after {
				return fmt.Errorf("%d of %d", n, after)
			}
			return nil
		})
	}
	got := load.Stop()
	t.Logf("%d changes: done %v, failed %v", changes, got.Done, got.Failed)
	if edgetest.Total(got.Failed) != 0 || got.Done["WS"] == 0 || got.Done["POST"] == 0 || got.Done["GET"] == 0 {
		t.Errorf("%+v", got)
	}
}

func TestWhatIsWrongIsSaidAndNothingChanges(t *testing.T) {
	for name, c := range map[string]struct {
		harm func(t *testing.T, s *haproxytest.Server, p *splitParams)
		want string
	}{
		"HAProxy does not run":      {func(_ *testing.T, s *haproxytest.Server, _ *splitParams) { s.Kill() }, "is HAProxy running"},
		"no such map":               {func(_ *testing.T, _ *haproxytest.Server, p *splitParams) { p.Map = "/no/such.map" }, "set-var(txn.segue_bucket)"},
		"no such key":               {func(_ *testing.T, _ *haproxytest.Server, p *splitParams) { p.NewSide = "newer" }, "add the line `newer 0`"},
		"no such old side":          {func(_ *testing.T, _ *haproxytest.Server, p *splitParams) { p.OldSide = "old" }, "no backend old"},
		"a file with words in it":   {func(t *testing.T, s *haproxytest.Server, _ *splitParams) { s.Write(t, "split.map", "new half\n") }, `split.map:1: the key new: "half" is no share`},
		"a key twice":               {func(t *testing.T, s *haproxytest.Server, _ *splitParams) { s.Write(t, "split.map", "new 0\n\nnew 1\n") }, "split.map:3: the key new is there a second time, after line 1"},
		"a file edited by hand":     {func(t *testing.T, s *haproxytest.Server, _ *splitParams) { s.Write(t, "split.map", "new 3000\n") }, "splits at 0%, and"},
		"a file that is gone":       {func(t *testing.T, s *haproxytest.Server, _ *splitParams) { remove(t, s.Map) }, "is not there"},
		"a file that is no file":    {func(t *testing.T, s *haproxytest.Server, _ *splitParams) { remove(t, s.Map); mkdir(t, s.Map) }, "no regular file"},
		"a share over the whole":    {func(_ *testing.T, _ *haproxytest.Server, p *splitParams) { p.New = 101 }, "no share of the traffic"},
		"a share that is too fine":  {func(_ *testing.T, _ *haproxytest.Server, p *splitParams) { p.New = 0.001 }, "finer than a split"},
		"a command in the map name": {func(_ *testing.T, _ *haproxytest.Server, p *splitParams) { p.Map = "/x;shutdown frontend edge" }, "no absolute path"},
		"a side with a space":       {func(_ *testing.T, _ *haproxytest.Server, p *splitParams) { p.NewSide = "new 1" }, "no name of a backend"},
	} {
		t.Run(name, func(t *testing.T) {
			s := haproxytest.Start(t, byHeader)
			p := paramsOf(s, 10)
			c.harm(t, s, &p)
			src, _ := os.ReadFile(s.Map)
			err := planned(t.Context(), connTo(t, s), p)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v: want %q", err, c.want)
			}
			if now, _ := os.ReadFile(s.Map); string(now) != string(src) {
				t.Errorf("the file changed: %q", now)
			}
		})
	}
}

func planned(ctx context.Context, conn *Conn, p splitParams) error {
	a, err := newSplit(conn, p)
	if err != nil {
		return err
	}
	before, err := a.Observe(ctx)
	if err != nil {
		return err
	}
	others, err := a.Survey(ctx)
	if err != nil {
		return err
	}
	_, err = a.PlanAmong(before, others)
	return err
}

func TestRollbackBringsTrafficBackWhateverWasDoneToTheFile(t *testing.T) {
	for name, harm := range map[string]func(t *testing.T, s *haproxytest.Server){
		"edited": func(t *testing.T, s *haproxytest.Server) { s.Write(t, "split.map", "new 3000\n") },
		"broken": func(t *testing.T, s *haproxytest.Server) { s.Write(t, "split.map", "other 1\nnew x\nnew y") },
		"gone":   func(t *testing.T, s *haproxytest.Server) { remove(t, s.Map) },
	} {
		t.Run(name, func(t *testing.T) {
			s := haproxytest.Start(t, byHeader)
			undo := to(t, s, 100)
			harm(t, s)
			undo()
			if k := edgetest.Share(edgetest.Sides(t, s.Addr, 100, keyHeader, edgetest.Plain), "new"); k != 0 {
				t.Errorf("the new side still serves %d of 100", k)
			}
			s.Kill()
			s.Launch(t)
			if k := edgetest.Share(edgetest.Sides(t, s.Addr, 100, keyHeader, edgetest.Plain), "new"); k != 0 {
				t.Errorf("after a restart the new side serves %d of 100", k)
			}
		})
	}
}

// What a step that goes forward refuses is no obstacle to a target's first step.
func TestAFirstStepGoesOverAFileThatWasEdited(t *testing.T) {
	s := haproxytest.Start(t, byHeader)
	to(t, s, 100)
	s.Write(t, "split.map", "new 3000\n")
	a := splitOf(t, s, 0)
	before, err := a.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Plan(before); err == nil {
		t.Error("a step that goes forward is not refused")
	}
	want, err := a.PlanOver(before)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Apply(t.Context(), effect(before, want)); err != nil {
		t.Fatal(err)
	}
	for _, when := range []string{"at once", "after a restart"} {
		if k := edgetest.Share(edgetest.Sides(t, s.Addr, 100, keyHeader, edgetest.Plain), "new"); k != 0 {
			t.Errorf("%s the new side serves %d of 100", when, k)
		}
		s.Kill()
		s.Launch(t)
	}
}

func TestUndoWritesTheFileWhileHAProxyIsAway(t *testing.T) {
	s := haproxytest.Start(t, byHeader)
	a := splitOf(t, s, 100)
	before, err := a.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want, err := a.Plan(before)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Apply(t.Context(), effect(before, want)); err != nil {
		t.Fatal(err)
	}
	s.Kill()
	if err := a.Undo(t.Context(), effect(before, want)); err == nil || !strings.Contains(err.Error(), "is HAProxy running") {
		t.Errorf("undo says %v", err)
	}
	s.Launch(t)
	if k := edgetest.Share(edgetest.Sides(t, s.Addr, 100, keyHeader, edgetest.Plain), "new"); k != 0 {
		t.Errorf("it starts with the new side serving %d of 100", k)
	}
}

const asWritten = `
segue: v1
name: all-of-haproxy
connections:
  edge: {haproxy: {socket: "${SOCKET}"}}
checks:
  tenth: {edge.share: {edge: edge, new: 10%, look: 20s}}
  none:  {edge.share: {edge: edge, new: 0%, look: 100ms}}
phases:
  - name: canary
    steps:
      - name: A tenth
        haproxy.split: {on: edge, new: 10%, map: "${MAP}"}
`

func TestPartsWorkAsWrittenAndTheShareIsCounted(t *testing.T) {
	s := haproxytest.Start(t, byHeader)
	made := drivertest.Make(t, asWritten, map[string]string{"SOCKET": s.Socket, "MAP": s.Map}, append(Parts(), edge.Parts()...)...)
	a := made.Actions["A tenth"]
	before, err := a.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want, err := a.Plan(before)
	if err != nil {
		t.Fatal(err)
	}
	if r := made.Checks["none"].Read(t.Context()); r.Verdict != evidence.Unknown || r.Detail == "" {
		t.Errorf("without traffic: %+v", r)
	}
	edgetest.Sides(t, s.Addr, 500, keyHeader, edgetest.Plain)
	if r := made.Checks["none"].Read(t.Context()); r.Verdict != evidence.Pass || r.Samples != 500 {
		t.Errorf("before: %+v", r)
	}
	if _, err := a.Apply(t.Context(), effect(before, want)); err != nil {
		t.Fatal(err)
	}
	read := make(chan evidence.Reading, 1)
	go func() { read <- made.Checks["tenth"].Read(t.Context()) }()
	for range 3 {
		edgetest.Sides(t, s.Addr, 2000, keyHeader, edgetest.Plain)
	}
	r := <-read
	for range 3 { // the first look may have come late
		if r.Verdict == evidence.Pass {
			break
		}
		go func() { read <- made.Checks["tenth"].Read(t.Context()) }()
		edgetest.Sides(t, s.Addr, 2000, keyHeader, edgetest.Plain)
		r = <-read
	}
	if r.Verdict != evidence.Pass {
		t.Errorf("at a tenth: %+v", r)
	}
	if r := made.Checks["none"].Read(t.Context()); r.Verdict != evidence.Fail || !strings.Contains(r.Detail, "no exception") {
		t.Errorf("a tenth is none: %+v", r)
	}
}

func remove(t testing.TB, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t testing.TB, path string) {
	t.Helper()
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
}

// What people are told to write is what is tested here.
func TestTheDocumentedLinesAreTheTestedOnes(t *testing.T) {
	doc, err := os.ReadFile("../../docs/edge.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.ReplaceAll(Lines("/etc/haproxy/split.map", "req.hdr(X-Robot-Id)", "new", "legacy"), "\n", "\n    ")
	if !strings.Contains(string(doc), lines) {
		t.Errorf("docs/edge.md does not have\n%s", lines)
	}
}
