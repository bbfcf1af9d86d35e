package state

import "github.com/prometheus/client_golang/prometheus"

// measure says how writing goes. What the stores hold is the tracker's to say:
// of it there is one.
func (s *server) measure(to prometheus.Registerer) {
	gauge := func(name, help string, value func() float64) {
		to.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	gauge("state_events_pending", "Events that wait for the database.", func() float64 { return float64(s.writer.pending()) })
	gauge("state_database_up", "1 while writes succeed.", func() float64 { return flag(!s.writer.away.Load()) })
	gauge("state_cache_trusted", "1 while reads go to Redis.", func() float64 { return flag(s.cache.trusted()) })
	to.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "state_batches_total", Help: "Transactions that have written events.",
	}, func() float64 { return float64(s.writer.batches.Load()) }))
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
