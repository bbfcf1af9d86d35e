package driver

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

type line struct{ url string }

func (*line) Close() error { return nil }

type lineParams struct {
	URL string `param:"url,required"`
}

// say is an action and a check that remembers how it was made.
type say struct {
	on   *line
	word string
}

func (s *say) Resources() []Resource                              { return nil }
func (s *say) Observe(context.Context) (state.State, error)       { return nil, nil }
func (s *say) Plan(state.State) (state.State, error)              { return nil, nil }
func (s *say) Apply(context.Context, Effect) (state.State, error) { return nil, nil }
func (s *say) Undo(context.Context, Effect) error                 { return nil }
func (s *say) Read(context.Context) evidence.Reading              { return evidence.Passed(s.word, "") }

func sayAction(_ context.Context, l *line, p sayParams) (Action, error) { return &say{l, p.Word}, nil }

type sayParams struct {
	Word string `param:"word"`
}

func catalog() *Catalog {
	c := &Catalog{}
	c.Add(
		Connects(About{Name: "line", Doc: "A line."}, func(_ context.Context, p lineParams) (Conn, error) { return &line{p.URL}, nil }),
		Acts(About{Name: "say", On: "line", Resumable: true}, sayAction),
		Acts(About{Name: "burn", Irreversible: true}, func(_ context.Context, _ Conn, p sayParams) (Action, error) {
			if p.Word == "" {
				return nil, errors.New("nothing to burn")
			}
			return &say{nil, p.Word}, nil
		}),
		Checks(About{Name: "heard", On: "line"}, func(_ context.Context, l *line, p sayParams) (Check, error) { return &say{l, p.Word}, nil }),
	)
	return c
}

func use(c *Catalog, class runbook.Class, name string, p runbook.Params) runbook.Use {
	k, _ := c.Kind(class, name)
	if k.Name == "" {
		k.Name = name
	}
	return runbook.Use{Kind: k, Params: p}
}

func TestCatalogListsWhatIsBuiltIn(t *testing.T) {
	c := catalog()
	got := map[runbook.Class][]string{}
	for _, class := range []runbook.Class{runbook.Connection, runbook.Action, runbook.Check} {
		for _, k := range c.Kinds(class) {
			got[class] = append(got[class], k.Name)
		}
	}
	want := map[runbook.Class][]string{runbook.Connection: {"line"}, runbook.Action: {"burn", "say"}, runbook.Check: {"heard"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if k, ok := c.Kind(runbook.Action, "burn"); !ok || !k.Irreversible || k.On != "" {
		t.Errorf("burn: %+v, %v", k, ok)
	}
	if _, ok := c.Kind(runbook.Check, "say"); ok {
		t.Error("an action is found among the checks")
	}
	if len((&Catalog{}).Kinds(runbook.Action)) != 0 {
		t.Error("an empty catalog has actions")
	}
}

func TestCatalogMakesWhatTheRunbookNames(t *testing.T) {
	c, ctx := catalog(), t.Context()
	conn, err := c.Open(ctx, use(c, runbook.Connection, "line", runbook.Params{"url": "tcp://${HOST}"}), given)
	if err != nil {
		t.Fatal(err)
	}
	if got := conn.(*line).url; got != "tcp://db1" {
		t.Errorf("opened %q", got)
	}
	action, err := c.Action(ctx, Only(conn), use(c, runbook.Action, "say", runbook.Params{"word": "hi"}), given)
	if err != nil || action.(*say).word != "hi" || action.(*say).on != conn {
		t.Errorf("action %+v, %v", action, err)
	}
	check, err := c.Check(ctx, Only(conn), use(c, runbook.Check, "heard", runbook.Params{"word": "hi"}), given)
	if err != nil || check.Read(ctx).Value != "hi" {
		t.Errorf("check %+v, %v", check, err)
	}
	alone, err := c.Action(ctx, nil, use(c, runbook.Action, "burn", runbook.Params{"word": "it"}), given)
	if err != nil || alone.(*say).on != nil {
		t.Errorf("an action without a connection: %+v, %v", alone, err)
	}
}

type other struct{}

func (other) Close() error { return nil }

// A kind may do with a connection or without: backups are found by a query, or
// as files.
func TestAKindThatNamesNoConnectionGetsNone(t *testing.T) {
	c := catalog()
	for name, make := range map[string]func() (any, error){
		"a check": func() (any, error) {
			return c.Check(t.Context(), nil, use(c, runbook.Check, "heard", runbook.Params{"word": "w"}), nil)
		},
		"an action": func() (any, error) {
			return c.Action(t.Context(), nil, use(c, runbook.Action, "say", runbook.Params{"word": "w"}), nil)
		},
	} {
		made, err := make()
		if got, ok := made.(*say); err != nil || !ok || got.on != nil {
			t.Errorf("%s: %v, %v", name, made, err)
		}
	}
}

func TestCatalogSaysWhatItCannotMake(t *testing.T) {
	c, ctx := catalog(), t.Context()
	for name, f := range map[string]func() error{
		`no connection kind "pipe" is built in`: func() error {
			_, err := c.Open(ctx, use(c, runbook.Connection, "pipe", nil), given)
			return err
		},
		`no action "shout" is built in`: func() error {
			_, err := c.Action(ctx, nil, use(c, runbook.Action, "shout", nil), given)
			return err
		},
		`no check "smelt" is built in`: func() error {
			_, err := c.Check(ctx, nil, use(c, runbook.Check, "smelt", nil), given)
			return err
		},
		"say cannot work on a driver.other": func() error {
			_, err := c.Action(ctx, Only(other{}), use(c, runbook.Action, "say", nil), given)
			return err
		},
		"parameter word: NOPE is not set": func() error {
			_, err := c.Check(ctx, Only(&line{}), use(c, runbook.Check, "heard", runbook.Params{"word": "${NOPE}"}), given)
			return err
		},
		"nothing to burn": func() error {
			_, err := c.Action(ctx, nil, use(c, runbook.Action, "burn", nil), given)
			return err
		},
	} {
		if err := f(); err == nil || err.Error() != name {
			t.Errorf("got %v, want %q", err, name)
		}
	}
}

func TestTwoPartsOfOneNamePanic(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("two actions are both named say")
		}
	}()
	catalog().Add(Acts(About{Name: "say"}, sayAction))
}

func TestErrorsSayWhatToDo(t *testing.T) {
	for want, err := range map[string]error{
		"nats cluster aa: subjects overlap (10065); instead: use nats.move": &Refusal{"nats cluster aa", "subjects overlap (10065)", "use nats.move"},
		"it is empty": &Refusal{Reason: "it is empty"},
		"kept stream A: 3 messages (nats stream rm A)": &Kept{What: "stream A", Cost: "3 messages", Hint: "nats stream rm A"},
		"kept stream A: 3 messages":                    &Kept{What: "stream A", Cost: "3 messages"},
	} {
		if err.Error() != want {
			t.Errorf("got %q, want %q", err, want)
		}
	}
}
