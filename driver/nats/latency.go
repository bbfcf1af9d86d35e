package nats

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

// latency measures the round trip to each node of the cluster: to the server
// that is connected and from it, over a route, to the node. Without a system
// account only the server that is connected answers.
type latency struct {
	c *Conn
	p latencyParams
}

type latencyParams struct {
	On    string        `param:"on,required,connection"`
	Below time.Duration `param:"below,required" doc:"the median of a few round trips to the slowest node; to every node with the connection's system account, else to the one that is connected"`
}

func (p latencyParams) Validate() error {
	if p.Below <= 0 {
		return &runbook.FieldError{Field: "below", Problem: "no round trip takes so little", Remedy: "write a time, such as 10ms"}
	}
	return nil
}

func newLatency(_ context.Context, c *Conn, p latencyParams) (driver.Check, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return &latency{c, p}, nil
}

// trips is how many round trips there are to each node.
const trips = 3

func (l *latency) Read(ctx context.Context) evidence.Reading {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	measure, query := l.connected, "PING of the connected server"
	if l.c.sys != nil {
		measure, query = l.every, "$SYS.REQ.SERVER.PING"
	}
	nodes := map[string][]time.Duration{}
	for range trips {
		round, err := measure(ctx)
		if err != nil {
			return sourced(evidence.Unsure(err.Error()), l.c, query)
		}
		for name, took := range round {
			nodes[name] = append(nodes[name], took)
		}
	}
	return sourced(l.judge(nodes), l.c, query)
}

func (l *latency) judge(nodes map[string][]time.Duration) evidence.Reading {
	median := map[string]time.Duration{}
	for name, all := range nodes {
		slices.Sort(all)
		median[name] = all[len(all)/2]
	}
	names := slices.SortedFunc(maps.Keys(median), func(a, b string) int { return int(median[b] - median[a]) })
	var texts []string
	for _, name := range names {
		texts = append(texts, name+" "+median[name].Round(time.Microsecond).String())
	}
	value, bound := "slowest "+strings.Join(texts, ", "), "below "+tidy(l.p.Below)
	r := evidence.Passed(value, bound)
	if median[names[0]] >= l.p.Below {
		r = evidence.Failed(value, bound, "the round trip to "+texts[0])
	}
	r.Samples = int64(len(names) * trips)
	return r
}

func (l *latency) connected(ctx context.Context) (map[string]time.Duration, error) {
	start := time.Now()
	if err := l.c.nc.FlushWithContext(ctx); err != nil {
		return nil, fmt.Errorf("%s: ping: %w", l.c, err)
	}
	return map[string]time.Duration{l.c.nc.ConnectedServerName(): time.Since(start)}, nil
}

// every asks all nodes at once and fails unless all that the cluster is made
// of answer.
func (l *latency) every(ctx context.Context) (map[string]time.Duration, error) {
	m, err := l.c.askMeta(ctx)
	if err != nil {
		return nil, err
	}
	silent := map[string]bool{}
	if m.Size == 0 { // a single node
		silent[l.c.nc.ConnectedServerName()] = true
	} else {
		silent[m.Leader] = true
		for _, r := range m.Replicas {
			silent[r.Name] = true
		}
	}
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	out := map[string]time.Duration{}
	start := time.Now()
	err = l.c.everyNode(ctx, "$SYS.REQ.SERVER.PING", nil, func(data []byte) bool {
		took := time.Since(start)
		var pong struct {
			Server struct {
				Name    string `json:"name"`
				Cluster string `json:"cluster"`
			} `json:"server"`
		}
		if json.Unmarshal(data, &pong) == nil && pong.Server.Cluster == l.c.nc.ConnectedClusterName() {
			out[pong.Server.Name] = took
			delete(silent, pong.Server.Name)
		}
		return len(silent) > 0
	})
	if err == nil && len(silent) > 0 {
		err = fmt.Errorf("%s: no answer within %s from %s", l.c, pingTimeout, quoted(slices.Sorted(maps.Keys(silent))))
	}
	return out, err
}
