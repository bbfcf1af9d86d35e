package fleet

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/segue-run/segue/examples/lekiwi/api"
)

// operatorsAtWork ask and drive, all at once, but no more than there is room for.
type operatorsAtWork struct {
	*fleet
	room chan struct{}
}

func (o *operatorsAtWork) once(ctx context.Context, s *Sent, r request) (wait time.Duration, again bool) {
	select {
	case o.room <- struct{}{}:
	case <-ctx.Done():
		s.Outcome, s.Error = Failed, errAbandoned.Error()
		return 0, false
	}
	defer func() { <-o.room }()
	if s.SentAt == 0 {
		s.SentAt = time.Now().UnixNano()
	}
	return o.try(ctx, s, r)
}

// poll asks once: who looks at a page and gets none sees that.
func (o *operatorsAtWork) poll(ctx context.Context, s Sent, path string) {
	o.once(ctx, &s, request{http.MethodGet, o.cfg.URL + path, s.Robot, nil, nil, o.desk(s.N)})
	o.sent(s)
}

// drive is one session from its start to its stop. If the load ends before, so
// does the session. Start and stop are insisted on; a report of quality is not.
func (o *operatorsAtWork) drive(load, ctx context.Context, start time.Time, v drive) {
	r := &o.robots[v.robot]
	say := func(k Kind, id string, due time.Time) Sent {
		return Sent{Kind: k, ID: id, Via: HTTP, N: v.n, Robot: r.Key, Operator: v.operator, Due: due.UnixNano()}
	}
	begin := say(Start, "", start.Add(v.from))
	body, err := json.Marshal(api.SessionStart{RobotID: r.Key, Operator: v.operator})
	if err != nil {
		panic(err) // two strings
	}
	var session api.Session
	o.insist(ctx, &begin, request{http.MethodPost, o.cfg.SessionsURL + api.PathSessions, r.Key, body, &session, o.client})
	begin.ID, begin.Started = session.ID, session.StartedAt
	o.sent(begin)
	if begin.Outcome != Acked {
		return
	}
	at := o.cfg.SessionsURL + api.PathSessions + "/" + url.PathEscape(session.ID)
	half, end := start.Add((v.from+v.to)/2), start.Add(v.to)
	if sleep(load, time.Until(half)) {
		report := say(Quality, session.ID, half)
		body, err := json.Marshal(api.Quality{LatencyMS: float64(20 + v.n%50), PacketLoss: float64(v.n%5) / 100})
		if err != nil {
			panic(err) // two numbers
		}
		o.once(ctx, &report, request{http.MethodPost, at + "/quality", r.Key, body, nil, o.client})
		o.sent(report)
	}
	if !sleep(load, time.Until(end)) {
		end = time.Now()
	}
	stop := say(Stop, session.ID, end)
	o.insist(ctx, &stop, request{http.MethodDelete, at, r.Key, nil, nil, o.client})
	o.sent(stop)
}

// insist asks again for as long as there is use.
func (o *operatorsAtWork) insist(ctx context.Context, s *Sent, r request) {
	for {
		wait, again := o.once(ctx, s, r)
		if !again || !sleep(ctx, wait) {
			return
		}
	}
}

// newDesks are where operators sit, each with an address of its own on the
// loopback: an edge that knows clients by their addresses tells them apart.
func newDesks() []*http.Client {
	out := make([]*http.Client, operators)
	for i := range out {
		dial := net.Dialer{Timeout: answerTime, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+i))}} //nolint:gosec // there are fewer than 255
		out[i] = &http.Client{Transport: &http.Transport{DialContext: dial.DialContext, MaxIdleConnsPerHost: inFlight, IdleConnTimeout: time.Minute}, Timeout: answerTime}
	}
	return out
}

// desk is whose question number n is.
func (f *fleet) desk(n int) *http.Client { return f.desks[n%len(f.desks)] }
