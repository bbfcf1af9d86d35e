package relay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// A Mark is one place in the flow of messages: what was published before it is
// in what the relay heard before Index, and in Owner up to Last if Owner took
// it.
type Mark struct {
	Owner string
	Last  uint64
	Index int
}

// ProbeHeader is in every probe, so that who hears one can tell.
const ProbeHeader = "Segue-Fence"

const impossible = "18446744073709551615" // no stream's last sequence

func isProbe(m *nats.Msg) bool { return m.Header.Get(nats.ExpectedLastSeqHdr) == impossible }

type answer struct {
	Stream    string `json:"stream"`
	Seq       uint64 `json:"seq"`
	Duplicate bool   `json:"duplicate"`
	Error     *struct {
		Code        int    `json:"err_code"`
		Description string `json:"description"`
	} `json:"error"`
}

func answerOf(data []byte) answer {
	var a answer
	_ = json.Unmarshal(data, &a) // what is none is empty
	return a
}

// Probe asks the owner of a concrete subject for its exact last sequence,
// counting what it has taken and not yet stored. Nothing is stored by it.
func (r *Relay) Probe(ctx context.Context, subject string) (owner string, last uint64, err error) {
	owner, last, _, err = r.probe(ctx, subject)
	return owner, last, err
}

// Align is a Probe on a subject of the relay's own space, together with the
// place in which the relay heard it.
func (r *Relay) Align(ctx context.Context, subject string) (Mark, error) {
	owner, last, reply, err := r.probe(ctx, subject)
	if err != nil {
		return Mark{}, err
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		r.mu.Lock()
		i, ok := r.marks[reply]
		r.mu.Unlock()
		if ok {
			return Mark{owner, last, i}, nil
		}
		select {
		case <-tick.C:
		case <-r.broken:
			return Mark{}, r.Err()
		case <-ctx.Done():
			return Mark{}, fmt.Errorf("hear the relay's own probe on %s: %w", subject, context.Cause(ctx))
		}
	}
}

func (r *Relay) probe(ctx context.Context, subject string) (owner string, last uint64, reply string, err error) {
	ch := make(chan *nats.Msg, 1)
	r.mu.Lock()
	r.probes++
	reply = r.inbox + "p" + strconv.Itoa(r.probes)
	r.answers[reply] = ch
	r.mu.Unlock()
	m := nats.NewMsg(subject)
	m.Reply = reply
	m.Header.Set(nats.ExpectedLastSeqHdr, impossible)
	m.Header.Set(ProbeHeader, "1")
	if err := r.nc.PublishMsg(m); err != nil {
		return "", 0, "", fmt.Errorf("probe %s: %w", subject, err)
	}
	select {
	case m := <-ch:
		a := answerOf(m.Data)
		if m.Header.Get("Status") == "503" || a.Error == nil {
			return "", 0, "", fmt.Errorf("probe %s: %w", subject, errNoOwner)
		}
		_, n, found := strings.Cut(a.Error.Description, "wrong last sequence: ")
		last, err := strconv.ParseUint(n, 10, 64)
		if !found || err != nil {
			return "", 0, "", fmt.Errorf("probe %s: stream %s answers %q", subject, a.Stream, a.Error.Description)
		}
		return a.Stream, last, reply, nil
	case <-r.broken:
		return "", 0, "", fmt.Errorf("probe %s: %w", subject, r.Err())
	case <-ctx.Done():
		return "", 0, "", fmt.Errorf("probe %s: %w", subject, context.Cause(ctx))
	}
}

var errNoOwner = errors.New("no stream answers")
