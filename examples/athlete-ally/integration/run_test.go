package integration

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
)

func TestThereAreThirtyTestsOfDifferentNames(t *testing.T) {
	names := map[string]bool{}
	for _, tt := range Tests() {
		names[tt.Name] = true
		if tt.Asks == "" || tt.run == nil {
			t.Errorf("%s asks nothing", tt.Name)
		}
	}
	if len(names) != 30 {
		t.Errorf("%d names, want 30", len(names))
	}
}

func TestATestIsChosenByItsNameOrItsGroup(t *testing.T) {
	for name, tt := range map[string]struct {
		run  []string
		want int // -1: an error
	}{
		"nothing said":          {nil, 30},
		"a name":                {[]string{"rows/vendor-once"}, 1},
		"a name twice":          {[]string{"rows/vendor-once", "rows/vendor-once"}, 1},
		"a group":               {[]string{"rows"}, 5},
		"a group and a name":    {[]string{"rows", "bus/healthy"}, 6},
		"a name that is none":   {[]string{"rows/vendor"}, -1},
		"one of two that is":    {[]string{"rows/vendor-once", "no"}, -1},
		"an empty one":          {[]string{""}, -1},
		"a part of a name":      {[]string{"vendor-once"}, -1},
		"a group with its dash": {[]string{"rows/"}, -1},
	} {
		t.Run(name, func(t *testing.T) {
			chosen, err := choose(Tests(), tt.run)
			n := 0
			for _, is := range chosen {
				if is {
					n++
				}
			}
			if err != nil {
				n = -1
			}
			if n != tt.want {
				t.Errorf("%d chosen, error %v, want %d", n, err, tt.want)
			}
		})
	}
}

func TestOnlyWhatWasRunAndPassedIsPassed(t *testing.T) {
	run := func(f func(context.Context, *probe) error) Result {
		return ask(t.Context(), Test{Name: "x", run: f}, nil, 20*time.Millisecond)
	}
	for name, tt := range map[string]struct {
		run  func(context.Context, *probe) error
		want Verdict
	}{
		"it holds":  {func(context.Context, *probe) error { return nil }, Passed},
		"it panics": {func(context.Context, *probe) error { panic("no") }, Failed},
		"it never holds": {func(ctx context.Context, _ *probe) error {
			return await(ctx, func(context.Context) error { return errGone })
		}, Failed},
	} {
		t.Run(name, func(t *testing.T) {
			if r := run(tt.run); r.Verdict != tt.want || (r.Why == "") != (tt.want == Passed) {
				t.Errorf("%+v, want %s", r, tt.want)
			}
		})
	}
	t.Run("the line counts each", func(t *testing.T) {
		r := Report{Tests: []Result{{Verdict: Passed}, {Verdict: Failed}, {Verdict: Skipped}}, chosen: 2}
		r.count()
		if diff := cmp.Diff("1 passed, 1 failed, 1 skipped", r.Line()); diff != "" || r.OK() {
			t.Errorf("OK: %v, line (-want +got):\n%s", r.OK(), diff)
		}
	})
	t.Run("what was chosen and not run is not OK", func(t *testing.T) {
		r := Report{Tests: []Result{{Verdict: Passed}, {Verdict: Skipped}}, chosen: 2}
		if r.count(); r.OK() {
			t.Errorf("%+v", r)
		}
	})
	t.Run("nothing chosen is not OK", func(t *testing.T) {
		if (Report{}).OK() {
			t.Error("OK")
		}
	})
}

func TestAnAnswerIsHeardInBothFormsOfItsSubject(t *testing.T) {
	for name, tt := range map[string]struct{ subject, data, want string }{
		"the old form": {"$JS.ACK.S.normalize-oura.1.17.20.1700000000.0", "+ACK", answeredAck},
		"the new form": {"$JS.ACK._.hash.S.normalize-oura.1.17.20.1700000000.0.x", "-NAK {\"delay\": 5}", answeredNak},
		"given up":     {"$JS.ACK.S.normalize-oura.5.17.20.1700000000.0", "+TERM schema_invalid", answeredTerm},
		"another one":  {"$JS.ACK.S.normalize-oura.1.18.20.1700000000.0", "+ACK", ""},
		"no answer":    {"$JS.ACK.S", "+ACK", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := &settlements{answer: map[string]string{}}
			s.heard(&nats.Msg{Subject: tt.subject, Data: []byte(tt.data)})
			if got := s.of(place{stream: "S", seq: 17}); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}
