package nats

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// BenchmarkMoveWindow measures the switch of nats.move on three replicas
// against two bare stream updates, and what a publisher that waits for
// acknowledgements feels of it.
func BenchmarkMoveWindow(b *testing.B) {
	x := &bench{b, connect(b, shared), shared.JetStream(b), 3}
	p := newTopology(x)
	from, to := p.info(p.from), p.info(p.to)
	var hands, bares, stalls []time.Duration
	for n := range 20 {
		start := time.Now()
		for _, info := range []*streamInfo{from, to} {
			info.Config["description"] = compact(fmt.Sprint(n))
			if _, err := x.c.updateStream(b.Context(), read, info.name(), info.Config); err != nil {
				b.Fatal(err)
			}
		}
		bares = append(bares, time.Since(start))
		pub := x.publisher(p.oura(), fmt.Sprintf("%s-%d", p.vendor, n))
		_ = sleep(b.Context(), 20*time.Millisecond)
		start = time.Now()
		if err := x.c.hand(b.Context(), read, []string{p.vendor + ".>"}, from, to); err != nil {
			b.Fatal(err)
		}
		hands = append(hands, time.Since(start))
		_ = sleep(b.Context(), 20*time.Millisecond)
		pub.stop()
		stalls = append(stalls, pub.worst)
		from, to = to, from
	}
	for _, s := range [][]time.Duration{hands, bares, stalls} {
		slices.Sort(s)
	}
	mid, last := len(hands)/2, len(hands)-1
	b.ReportMetric(ms(bares[mid]), "two-bare-updates-ms")
	b.ReportMetric(ms(hands[mid]), "switch-median-ms")
	b.ReportMetric(ms(hands[last]), "switch-worst-ms")
	b.ReportMetric(ms(stalls[mid]), "stall-median-ms")
	b.ReportMetric(ms(stalls[last]), "stall-worst-ms")
	b.ReportMetric(float64(stalls[last])/float64(bares[mid]), "worst-stall/two-bare-updates")
	b.ReportMetric(0, "ns/op")
}
