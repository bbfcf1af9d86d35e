package web

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/expr"
	"github.com/segue-run/segue/secret"
	"github.com/segue-run/segue/state"
)

// probe sends one request with an id of its own, sees what becomes of it, and
// takes that away again.
//
// Its effect is that nothing is left behind: it owns whether the last message
// on its subject is one of its own. That it was done shows only in what Apply
// returns (probed: true, and what was seen), as the world keeps no trace of
// it; Observe does not speak of it, so that it is always something to do and
// never drift. The cursor has the id before anything is sent: what a crash
// leaves is taken away by whoever comes next.
type probe struct {
	p        probeParams
	where    string // without what keys are passed in
	expect   *expr.Expr
	client   *http.Client
	secrets  *secret.Redactor // what an answer may repeat, and nothing may show
	resource driver.Resource
}

func probeAction() driver.Part {
	return driver.Acts(driver.About{
		Name: "web.probe", Resumable: true,
		Doc: "Sends a request with an id of its own, sees it stored in a stream and nowhere else, acknowledged, in the database, in the metrics, and takes back its message and its rows, and only them.",
	}, func(ctx context.Context, _ driver.Conn, p probeParams) (driver.Action, error) {
		return newProbe(ctx, p)
	})
}

func newProbe(ctx context.Context, p probeParams) (*probe, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("web.probe: %w", err)
	}
	u, err := url.Parse(p.URL)
	if err != nil || u.Host == "" {
		return nil, errors.New("web.probe: the url is none") // err repeats it, with what secret is in it
	}
	a := &probe{p: p.withDefaults(), where: u.Scheme + "://" + u.Host + u.Path, client: newClient(), secrets: &secret.Redactor{}}
	a.secrets.Add(p.SignSecret)
	for name, value := range p.Headers {
		if secret.Looks(name) || strings.EqualFold(name, "cookie") {
			a.secrets.Add(value)
		}
	}
	if p.Expect != "" {
		if a.expect, err = expr.Compile(p.Expect, []string{"rows", "row", "value"}); err != nil {
			return nil, fmt.Errorf("web.probe: expect: %w", err)
		}
	}
	if a.resource, err = a.identify(ctx); err != nil {
		return nil, err
	}
	return a, nil
}

func (p probeParams) withDefaults() probeParams {
	if p.Method == "" {
		p.Method = http.MethodPost
	}
	if p.ID == "" {
		p.ID = defaultWord
	}
	if p.Within <= 0 {
		p.Within = defaultWithin
	}
	if p.DeadLetters == "" {
		p.DeadLetters = "dlq." + p.Subject
	}
	return p
}

// identify says what the probe writes. Its rows have an id of their own, so
// nobody else can write them: the place in the stream is what is claimed.
func (a *probe) identify(ctx context.Context) (driver.Resource, error) {
	if !a.p.Bus.Given() {
		_, at, _ := strings.Cut(a.where, "://")
		return driver.Resource{ID: "web:" + strings.TrimSuffix(at, "/") + "/probe/" + a.p.ID, Name: "test requests " + a.p.ID + " to " + a.where}, nil
	}
	bus, err := a.p.Bus.Open(ctx)
	if err != nil {
		return driver.Resource{}, err
	}
	if _, can := bus.(driver.Acknowledger); a.p.Consumer != "" && !can {
		return driver.Resource{}, fmt.Errorf("web.probe: connection %s cannot tell what consumers acknowledge: remove consumer", a.p.Bus)
	}
	return driver.Resource{
		ID:   bus.StreamID(a.p.Stream) + "/probe/" + a.p.Subject + "/" + a.p.ID,
		Name: "test messages " + a.p.ID + " on " + a.p.Subject + " of stream " + a.p.Stream,
	}, nil
}

// probeCursor says what to look for and from where on.
type probeCursor struct {
	ID    string            `json:"id"`
	After map[string]uint64 `json:"after,omitempty"` // each stream's last sequence before anything was sent
	Clean bool              `json:"clean,omitempty"` // all was seen, and taken away
}

func (a *probe) Resources() []driver.Resource { return []driver.Resource{a.resource} }

// Observe tells whether the last message on the subject is a probe's.
func (a *probe) Observe(ctx context.Context) (state.State, error) {
	f := state.Fields{}
	if a.p.Bus.Given() {
		bus, err := a.p.Bus.Open(ctx)
		if err != nil {
			return nil, err
		}
		m, err := bus.Latest(ctx, a.p.Stream, a.p.Subject)
		if err != nil {
			return nil, err
		}
		f["left-behind"] = field(m != nil && m.Carries(idPrefix+a.p.ID+"-"))
	}
	return state.State{a.resource.ID: f}, nil
}

// Plan wants nothing left behind, unless something is already: whose that is
// only its own cursor knows, and it is not taken away for another.
func (a *probe) Plan(before state.State) (state.State, error) {
	want := state.Fields{"probed": field(true)}
	if left := before[a.resource.ID]["left-behind"]; a.p.Bus.Given() && string(left) != "true" {
		want["left-behind"] = field(false)
	}
	return state.State{a.resource.ID: want}, nil
}

// field panics on what has no JSON form, which is a programming error.
func field(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("web: encode a field: %v", err))
	}
	return raw
}

func (a *probe) Resume(ctx context.Context, e driver.Effect) (state.State, error) {
	return a.Apply(ctx, e)
}

func (a *probe) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	if err := a.clean(ctx, e, settle); err != nil { // an attempt before this one
		return nil, fmt.Errorf("web.probe: take away what an earlier attempt left: %w", err)
	}
	bounded, cancel := context.WithTimeoutCause(ctx, a.p.Within, fmt.Errorf("not within %s", a.p.Within))
	defer cancel()
	w := &walk{a: a, id: idPrefix + a.p.ID + "-" + strings.ToLower(rand.Text()), seen: state.Fields{}}
	if err := w.begin(bounded); err != nil {
		return nil, fmt.Errorf("web.probe %s: before anything was sent: %w", a.where, err)
	}
	cur := probeCursor{ID: w.id, After: w.after}
	if err := e.Save(ctx, cur); err != nil {
		return nil, err
	}
	e.Cursor = field(cur)
	err := w.pass(bounded, e)
	if errors.Is(err, driver.ErrNotMine) {
		return nil, err
	}
	patience := time.Duration(0)
	if err != nil {
		err = fmt.Errorf("web.probe %s (%s): %w", a.where, w.id, err)
		patience = settle
	}
	if err := errors.Join(err, a.cleanAnyway(ctx, e, patience)); err != nil {
		return nil, err
	}
	cur.Clean = true
	if err := e.Save(ctx, cur); err != nil {
		return nil, err
	}
	return e.Want.With(state.State{a.resource.ID: w.seen}), nil
}

// Undo takes away the probe's message and rows if they are still there.
func (a *probe) Undo(ctx context.Context, e driver.Effect) error { return a.clean(ctx, e, settle) }
