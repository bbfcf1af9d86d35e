package nats

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
	"time"
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
	// Three nodes and all publishers share this process, as they would not. To wait
	// for its collector is no stall of a handover's. Nor is to wait for a goroutine
	// that computes, which Go lets have its processor for 10 ms: each node gets as
	// many as there are, as a process of its own would, and the kernel parts them.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(3 * runtime.NumCPU()))
	x := &bench{b, connect(b, shared), shared.JetStream(b), 3}
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
// acknowledgements steadily: none waits for more than 20 ms, and none gets an
// error. Where some wait for longer although nothing happens, what they wait for
// when something does is no measure of it. Each message is copied to a second
// stream meanwhile, as a handover does it and as long as the old stream stands by:
// a machine that cannot write all of it twice does not hold the rate. A rate may
// fail once.
func (b *bench) steady() int {
	held := 300
	for rate := held; rate <= 40_000 && (b.holds(rate) || b.holds(rate)); rate = rate * 5 / 4 {
		held = rate
	}
	return held
}

// holds reports whether the machine holds a rate for three seconds.
func (b *bench) holds(rate int) bool {
	p := newHanding(b)
	if err := p.copies(); err != nil {
		b.t.Fatal(err)
	}
	l := newLoad(b.t, shared, p.vendor, rate, 100)
	l.flows(rate / 4)
	l.forget()
	start, before := time.Now(), l.total()
	_ = sleep(b.t.Context(), 3*time.Second)
	sent := float64(l.total()-before) / time.Since(start).Seconds()
	l.stop()
	errs, answered, worst := 0, 0, time.Duration(0)
	for _, p := range l.pubs {
		errs, answered = errs+len(p.errs), answered+len(p.delays)
		for _, d := range p.delays {
			worst = max(worst, d)
		}
	}
	return errs == 0 && answered > 0 && sent > 0.95*float64(rate) && worst < 20*time.Millisecond
}

func (b *bench) measure(method string, share, rate, size int) benchRun {
	p := newHanding(b).alone()
	defer func() { // disks are not for all runs at once
		for _, s := range []string{p.from, p.to} {
			_ = b.js.DeleteStream(b.t.Context(), s)
		}
	}()
	l := newLoad(b.t, shared, p.vendor, rate, size)
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
func (b *bench) twoUpdates(stream string) float64 {
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
