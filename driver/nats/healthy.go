package nats

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
)

// healthy asserts what facts.md found to be health: a dead peer shows as
// offline and current at once, and /healthz of the others stays green. It is
// a health check: what cannot be reached fails.
type healthy struct {
	c *Conn
	p healthyParams
}

type healthyParams struct {
	On      string   `param:"on,required,connection"`
	Nodes   *int64   `param:"nodes" doc:"how many nodes must answer; needs the connection's system account"`
	Streams []string `param:"streams" doc:"look only at these streams and their consumers; all of the account by default"`
}

func newHealthy(_ context.Context, c *Conn, p healthyParams) (driver.Check, error) {
	return &healthy{c, p}, nil
}

const (
	healthTimeout = 5 * time.Second
	pingTimeout   = time.Second
	// silent is for how long a replica may not have been heard of.
	silent = 5 * time.Second
)

func (h *healthy) Read(ctx context.Context) evidence.Reading {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	r := h.patient(ctx)
	r.Source = h.c.String()
	r.Query = "$SYS.REQ.SERVER.PING, PING.JSZ, STREAM.LIST, CONSUMER.LIST"
	return r
}

// A replica that follows under load is behind for moments, a sick one stays
// behind: what counts is what every look within the patience shows.
const (
	patience  = 1200 * time.Millisecond
	lookEvery = 100 * time.Millisecond
)

func (h *healthy) patient(ctx context.Context) evidence.Reading {
	until := time.Now().Add(patience)
	var always map[string]bool // replicas that were behind at each look
	for {
		r, behind := h.read(ctx)
		if r.Verdict != evidence.Fail || len(behind) == 0 {
			return r
		}
		if always == nil {
			always = behind
		}
		for key := range always {
			if !behind[key] {
				delete(always, key)
			}
		}
		if len(always) == 0 && len(behind) == strings.Count(r.Detail, "; ")+1 {
			// Each was seen current, if not all at once.
			return evidence.Passed(r.Value, r.Bound)
		}
		if time.Now().After(until) {
			return r
		}
		select {
		case <-ctx.Done():
			return r
		case <-time.After(lookEvery):
		}
	}
}

// read looks once; behind are the replicas that fail by lagging alone.
func (h *healthy) read(ctx context.Context) (r evidence.Reading, behind map[string]bool) {
	bound := "all leaders set, all replicas current"
	var wrong []string
	nodes := "nodes not counted"
	if h.p.Nodes != nil {
		want := int(*h.p.Nodes)
		bound = fmt.Sprintf("%d nodes, ", want) + bound
		if h.c.sys == nil {
			return evidence.Unsure("nodes can only be counted through the system account: give the connection system:"), nil
		}
		n, bad, err := h.cluster(ctx, want)
		nodes = fmt.Sprintf("%d of %d nodes", n, want)
		if err != nil {
			return evidence.Failed(nodes, bound, err.Error()), nil
		}
		wrong = append(wrong, bad...)
	}
	streams, consumers, bad, err := h.assets(ctx)
	if err != nil {
		return evidence.Failed(nodes, bound, strings.Join(append(wrong, err.Error()), "; ")), nil
	}
	wrong = append(wrong, bad...)
	value := fmt.Sprintf("%s, %d streams, %d consumers", nodes, streams, consumers)
	if len(wrong) > 0 {
		return evidence.Failed(value, bound, strings.Join(wrong, "; ")), lagging(wrong)
	}
	return evidence.Passed(value, bound), nil
}

// lagging picks the replicas that are behind out of what is wrong.
func lagging(wrong []string) map[string]bool {
	out := map[string]bool{}
	for _, text := range wrong {
		if replica, _, ok := strings.Cut(text, notCurrent); ok {
			out[replica] = true
		} else if replica, _, ok := strings.Cut(text, lags); ok {
			out[replica] = true
		}
	}
	return out
}

const (
	notCurrent = " is not current"
	lags       = " lags by "
)

func (h *healthy) cluster(ctx context.Context, want int) (n int, wrong []string, err error) {
	n, err = h.c.answering(ctx, want, pingTimeout)
	if err != nil {
		return n, nil, err
	}
	if n < want {
		wrong = append(wrong, fmt.Sprintf("only %d of %d nodes answer", n, want))
	}
	m, err := h.c.askMeta(ctx)
	if err != nil {
		return n, nil, err
	}
	if want > 1 {
		wrong = append(wrong, (&clusterInfo{m.Leader, m.Replicas}).wrong("meta group", false)...)
	}
	return n, wrong, nil
}

func (h *healthy) assets(ctx context.Context) (streams, consumers int, wrong []string, err error) {
	all, missing, err := h.c.streams(ctx)
	if err != nil {
		return 0, 0, nil, err
	}
	asked := map[string]bool{}
	for _, s := range h.p.Streams {
		asked[s] = true
	}
	mind := func(name string) bool { return len(h.p.Streams) == 0 || asked[name] }
	for _, name := range missing {
		if mind(name) {
			delete(asked, name)
			wrong = append(wrong, "stream "+name+" has no leader that answers")
		}
	}
	for _, info := range all {
		name := info.name()
		if !mind(name) {
			continue
		}
		delete(asked, name)
		streams++
		wrong = append(wrong, info.Cluster.wrong("stream "+name, true)...)
		cs, missing, err := h.c.consumers(ctx, name)
		if err != nil {
			return 0, 0, wrong, err
		}
		for _, m := range missing {
			wrong = append(wrong, fmt.Sprintf("consumer %s of stream %s has no leader that answers", m, name))
		}
		for _, ci := range cs {
			consumers++
			wrong = append(wrong, ci.Cluster.wrong("consumer "+ci.Name+" of stream "+name, true)...)
		}
	}
	for _, name := range sorted(h.p.Streams) {
		if asked[name] {
			wrong = append(wrong, "there is no stream "+name)
		}
	}
	return streams, consumers, wrong, nil
}

// wrong lists what is not as it should be in a group of replicas. A single
// server has none.
func (c *clusterInfo) wrong(what string, lag bool) []string {
	if c == nil {
		return nil
	}
	var out []string
	if c.Leader == "" {
		out = append(out, what+" has no leader")
	}
	for _, r := range c.Replicas {
		switch {
		case r.Offline:
			out = append(out, fmt.Sprintf("%s: replica %s is offline", what, r.Name))
		case !r.Current:
			out = append(out, fmt.Sprintf("%s: replica %s"+notCurrent, what, r.Name))
		case lag && r.Lag > 0:
			out = append(out, fmt.Sprintf("%s: replica %s"+lags+"%d", what, r.Name, r.Lag))
		case r.Active > silent:
			out = append(out, fmt.Sprintf("%s: replica %s was last heard of %s ago", what, r.Name, r.Active.Truncate(time.Millisecond)))
		}
	}
	return out
}
