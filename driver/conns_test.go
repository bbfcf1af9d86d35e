package driver

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

// meter is a connection that provides numbers, and nothing else.
type meter struct{ line }

func (*meter) Number(context.Context, string) (float64, bool, error) { return 7, true, nil }

type crossParams struct {
	From Via[Numbers]  `param:"from,required" doc:"where the number is"`
	To   Via[RowStore] `param:"to"`
	Also string        `param:"also,connection"`
}

// cross is a check on its own connection and on another system's.
type cross struct{ p crossParams }

func (c *cross) Read(ctx context.Context) evidence.Reading {
	n, err := c.p.From.Open(ctx)
	if err != nil {
		return evidence.Unsure(err.Error())
	}
	if _, _, err := n.Number(ctx, "x"); err != nil {
		return evidence.Unsure(err.Error())
	}
	return evidence.Passed(c.p.From.String(), "")
}

func crossing() *Catalog {
	c := catalog()
	c.Add(
		Connects(About{Name: "meter"}, func(context.Context, lineParams) (*meter, error) { return nil, errors.New("out of order") }),
		Checks(About{Name: "cross", On: "line"}, func(_ context.Context, _ *line, p crossParams) (Check, error) { return &cross{p}, nil }),
	)
	return c
}

// house opens connections by name and notes which.
type house struct {
	conns  map[string]Conn
	opened []string
}

func (h *house) open(_ context.Context, name string) (Conn, error) {
	h.opened = append(h.opened, name)
	c, ok := h.conns[name]
	if !ok {
		return nil, errors.New("no connection is called " + name)
	}
	return c, nil
}

func TestAConnectionProvidesWhatItsTypeCan(t *testing.T) {
	c := crossing()
	for name, want := range map[string][]string{"meter": {"numbers"}, "line": nil} {
		if k, _ := c.Kind(runbook.Connection, name); !slices.Equal(k.Provides, want) {
			t.Errorf("%s provides %v, want %v", name, k.Provides, want)
		}
	}
	k, _ := c.Kind(runbook.Check, "cross")
	want := []runbook.Field{
		{Name: "from", Doc: "where the number is", Type: runbook.ConnRef, Required: true, Needs: "numbers"},
		{Name: "to", Type: runbook.ConnRef, Needs: "rows"},
		{Name: "also", Type: runbook.ConnRef},
	}
	if d := cmp.Diff(want, k.Fields); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestAConnectionThatFailsToOpenIsNone(t *testing.T) {
	c := crossing()
	if conn, err := c.Open(t.Context(), use(c, runbook.Connection, "meter", runbook.Params{"url": "u"}), given); conn != nil || err == nil {
		t.Errorf("got %#v, %v", conn, err)
	}
}

func TestOtherConnectionsAreOpenedWhenTheyAreNeeded(t *testing.T) {
	c, ctx := crossing(), t.Context()
	h := &house{conns: map[string]Conn{"wire": &line{}, "gauge": &meter{}}}
	check, err := c.Check(ctx, h.open, use(c, runbook.Check, "cross", runbook.Params{"on": "wire", "from": "gauge", "to": "gauge"}), given)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"wire"}, h.opened); d != "" {
		t.Errorf("before it was read (-want +got):\n%s", d)
	}
	if r := check.Read(ctx); r.Value != "gauge" {
		t.Errorf("read %+v", r)
	}
	if d := cmp.Diff([]string{"wire", "gauge"}, h.opened); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	p := check.(*cross).p
	if _, err := p.To.Open(ctx); err == nil || !strings.Contains(err.Error(), "connection gauge is a *driver.meter, which has no rows") {
		t.Errorf("what it cannot do: %v", err)
	}
	if !p.From.Given() || (crossParams{}).From.Given() {
		t.Error("what is given, and what is not, are mistaken")
	}
}

func TestAViaSaysWhenItCannotBeOpened(t *testing.T) {
	c, ctx := crossing(), t.Context()
	h := &house{conns: map[string]Conn{"wire": &line{}}}
	check, err := c.Check(ctx, h.open, use(c, runbook.Check, "cross", runbook.Params{"on": "wire", "from": "gauge"}), given)
	if err != nil {
		t.Fatal(err)
	}
	if r := check.Read(ctx); r.Verdict != evidence.Unknown || r.Detail != "no connection is called gauge" {
		t.Errorf("read %+v", r)
	}
	var unbound Via[Numbers]
	if _, err := unbound.Open(ctx); err == nil {
		t.Error("a parameter that was not given opens")
	}
	if _, err := c.Check(ctx, h.open, use(c, runbook.Check, "cross", runbook.Params{"on": "wire", "from": int64(3)}), given); err == nil {
		t.Error("3 names a connection")
	}
}

func TestAnAbilityThatIsNonePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a parameter asks for what nobody knows")
		}
	}()
	Checks(About{Name: "odd"}, func(context.Context, Conn, struct {
		X Via[Conn] `param:"x"`
	},
	) (Check, error) {
		return nil, nil //nolint:nilnil // never made
	})
}

func TestAListOfConnectionsIsOpenedOneByOne(t *testing.T) {
	type params struct {
		Of []Via[Numbers] `param:"of,required" doc:"all of them"`
	}
	c, ctx := crossing(), t.Context()
	var got params
	c.Add(Checks(About{Name: "many"}, func(_ context.Context, _ Conn, p params) (Check, error) { got = p; return nil, nil }))
	k, _ := c.Kind(runbook.Check, "many")
	want := []runbook.Field{{Name: "of", Doc: "all of them", Type: runbook.List, Elem: runbook.ConnRef, Required: true, Needs: "numbers"}}
	if d := cmp.Diff(want, k.Fields); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	h := &house{conns: map[string]Conn{"a": &meter{}, "b": &line{}}}
	if _, err := c.Check(ctx, h.open, use(c, runbook.Check, "many", runbook.Params{"of": []any{"a", "b"}}), given); err != nil {
		t.Fatal(err)
	}
	if len(got.Of) != 2 || len(h.opened) != 0 {
		t.Fatalf("%v, with %v opened", got.Of, h.opened)
	}
	if _, err := got.Of[0].Open(ctx); err != nil {
		t.Error(err)
	}
	if _, err := got.Of[1].Open(ctx); err == nil || !strings.Contains(err.Error(), "has no numbers") {
		t.Errorf("what it cannot do: %v", err)
	}
	for _, wrong := range []any{"a", []any{int64(3)}} {
		if _, err := c.Check(ctx, h.open, use(c, runbook.Check, "many", runbook.Params{"of": wrong}), given); err == nil {
			t.Errorf("%v names connections", wrong)
		}
	}
}
