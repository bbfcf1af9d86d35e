package nats

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"github.com/segue-run/segue/driver/nats/natstest"
)

// A benchRun is one move of a live space, in one way. script/handover reads it.
type benchRun struct {
	Method         string         `json:"method"` // handover, plain, sourced or nothing
	Share          int            `json:"share"`  // percent of the rate that the machine holds
	Rate           int            `json:"rate"`   // messages a second
	Size           int            `json:"size"`   // bytes of a message
	Sent           int            `json:"sent"`
	Lost           int            `json:"lost"`
	Doubled        int            `json:"doubled"`
	ReorderedAcked int            `json:"reordered_acked"`
	ReorderedFAF   int            `json:"reordered_faf"`
	Errors         int            `json:"publisher_errors"`
	ByKind         map[string]int `json:"wrong_by_kind,omitempty"`
	StallMS        float64        `json:"stall_ms"`       // the longest that a publisher waited
	BareMS         float64        `json:"two_updates_ms"` // two bare updates under the same load, the median
	OwnerlessMS    float64        `json:"ownerless_ms,omitempty"`
	Failed         string         `json:"failed,omitempty"`
}

// handovers is where they are measured.
type handovers struct {
	*bench
	nodes *natstest.Nodes
}

// BenchmarkHandover runs what `make bench-handover` prints, and writes each
// run as a line of JSON to $SEGUE_HANDOVER_RUNS.
func BenchmarkHandover(b *testing.B) {
	path := os.Getenv("SEGUE_HANDOVER_RUNS")
	if path == "" {
		b.Fatal("SEGUE_HANDOVER_RUNS names no file: use make bench-handover")
	}
	out, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer out.Close()
	// Publishers share this process and do not in the field: to wait for its
	// collector is no stall of a handover's.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	n := natstest.Separate(b)
	x := &handovers{&bench{b, connect(b, n), n.JetStream(b), 3}, n}
	rate := x.steady()
	fmt.Printf("this machine holds %d messages a second, each written to two streams of three replicas\n", rate)
	enc := json.NewEncoder(out)
	for _, part := range []struct{ share, size int }{{10, 100}, {50, 100}, {80, 100}, {10, 10_000}} {
		for range 10 {
			for _, method := range []string{"handover", "plain", "sourced", "nothing"} {
				r := x.measure(method, part.share, max(60, rate*part.share/100), part.size)
				if err := enc.Encode(r); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	b.ReportMetric(0, "ns/op")
}

// steady finds the highest rate at which publishers of all kinds get their
// acknowledgements steadily: 999 of 1,000 within 20 ms, and no error. At a rate at
// which they wait for longer, queues grow as soon as anything happens. Each
// message is copied to a second stream meanwhile, as a handover does it and as
// long as the old stream stands by: a machine that cannot write all of it twice
// does not hold the rate.
func (b *handovers) steady() int {
	held := 300
	for rate := held; rate <= 40_000 && b.holds(rate); rate = rate * 5 / 4 {
		held = rate
	}
	return held
}

// holds reports whether the machine holds a rate, at the second try at the latest.
func (b *handovers) holds(rate int) bool {
	for range 2 {
		if b.acknowledges(rate) {
			return true
		}
	}
	return false
}

// acknowledges reports whether it does so for three seconds.
func (b *handovers) acknowledges(rate int) bool {
	p := newHanding(b.bench)
	if err := p.copies(); err != nil {
		b.t.Fatal(err)
	}
	l := newLoad(b.t, b.nodes, p.vendor, rate, 100)
	l.flows(rate / 4)
	l.forget()
	start, before := time.Now(), l.total()
	_ = sleep(b.t.Context(), 3*time.Second)
	sent := float64(l.total()-before) / time.Since(start).Seconds()
	l.stop()
	var delays []time.Duration
	errs := 0
	for _, p := range l.pubs {
		delays, errs = append(delays, p.delays...), errs+len(p.errs)
	}
	slices.Sort(delays)
	return errs == 0 && sent > 0.95*float64(rate) && len(delays) > 0 && delays[len(delays)*999/1000] < 20*time.Millisecond
}

func (b *handovers) measure(method string, share, rate, size int) benchRun {
	p := newHanding(b.bench).alone()
	defer func() { // disks are not for all runs at once
		for _, s := range []string{p.from, p.to} {
			_ = b.js.DeleteStream(b.t.Context(), s)
		}
	}()
	l := newLoad(b.t, b.nodes, p.vendor, rate, size)
	defer l.stop()
	l.flows(rate / 4)
	r := benchRun{Method: method, Share: share, Rate: rate, Size: size, BareMS: b.twoUpdates(p.from)}
	l.forget()
	var err error
	a := p.action()
	switch method {
	case "handover":
		_, err = a.Apply(b.t.Context(), p.effect(a))
		r.OwnerlessMS = p.voyage().Forward.Ownerless
	case "plain":
		err = b.c.hand(b.t.Context(), read, []string{p.vendor + ".>"}, b.info(p.from), b.info(p.to))
	case "sourced":
		if err = p.copies(); err == nil {
			err = b.c.hand(b.t.Context(), read, []string{p.vendor + ".>"}, b.info(p.from), b.info(p.to))
		}
	case "nothing": // but that one stream copies the other: how long publishers wait at this load anyway
		if err = p.copies(); err == nil {
			l.forget()
			err = sleep(b.t.Context(), 1500*time.Millisecond)
		}
	}
	if err != nil {
		r.Failed = err.Error()
	}
	l.flows(rate / 4)
	l.stop()
	var got tallied
	switch method {
	case "plain":
		got = l.compare(append(l.read(b.c, p.from), l.read(b.c, p.to)...))
	case "nothing":
		got = l.check(b.c, p.from)
	default:
		got = l.check(b.c, p.to)
	}
	r.Sent, r.Lost, r.Doubled = got.Sent, got.Lost, got.Doubled
	r.ReorderedAcked, r.ReorderedFAF, r.Errors, r.ByKind = got.ReorderedAcked, got.ReorderedFAF, got.Errors, got.byKind
	r.StallMS = ms(got.Worst)
	return r
}

// copies makes the new stream copy the old one, as a handover begins.
func (p *handing) copies() error {
	x := p.action().forward(read)
	x.start = 1
	var l leg
	if err := x.begin(p.t.Context(), &l); err != nil {
		return err
	}
	return x.copy(p.t.Context(), &l)
}

// twoUpdates is the median of what two bare updates of a stream take.
func (b *handovers) twoUpdates(stream string) float64 {
	info := b.info(stream)
	var all []time.Duration
	for n := range 9 {
		start := time.Now()
		for i := range 2 {
			info.Config["description"] = compact(fmt.Sprint(n, i))
			if _, err := b.c.updateStream(b.t.Context(), read, stream, info.Config); err != nil {
				b.t.Fatal(err)
			}
		}
		all = append(all, time.Since(start))
	}
	slices.Sort(all)
	return ms(all[len(all)/2])
}

// forget drops what publishers have waited for so far, and wait for now.
func (l *load) forget() {
	for _, p := range l.pubs {
		p.mu.Lock()
		p.delays, p.since = nil, time.Now()
		p.mu.Unlock()
	}
}
