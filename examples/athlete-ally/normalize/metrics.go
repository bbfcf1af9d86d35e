package normalize

import (
	"net/http"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/segue-run/segue/examples/athlete-ally/event"
)

// Results of a message.
const (
	resultSuccess   = "success"
	resultProcessed = "processed"
	resultRetry     = "retry"
	resultDLQ       = "dlq"
	resultSchema    = "schema_invalid"
)

type metrics struct {
	registry *prometheus.Registry
	hrv      *prometheus.CounterVec
	vendor   *prometheus.CounterVec
	dlq      *prometheus.CounterVec
	pending  *prometheus.GaugeVec
	unacked  *prometheus.GaugeVec
	paused   *prometheus.GaugeVec
	took     *prometheus.HistogramVec
	database prometheus.Gauge
}

func newMetrics() *metrics {
	labels := []string{"result", "subject", "stream", "durable"}
	where := []string{"stream", "consumer"}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		hrv: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "normalize_hrv_messages_total", Help: "HRV messages by result.",
		}, labels),
		vendor: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "normalize_messages_total", Help: "Vendor messages by result.",
		}, labels),
		dlq: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dlq_messages_total", Help: "Messages copied to the dead letter stream.",
		}, []string{"consumer", "reason", "subject"}),
		pending: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "nats_consumer_num_pending", Help: "Messages not yet delivered; absent when unknown.",
		}, where),
		unacked: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "nats_consumer_num_ack_pending", Help: "Messages delivered and not acknowledged; absent when unknown.",
		}, where),
		paused: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "nats_consumer_paused", Help: "1 while the consumer delivers nothing on purpose; absent when unknown.",
		}, where),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "normalize_processing_seconds", Help: "Time from delivery to outcome.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15),
		}, []string{"durable"}),
		database: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "normalize_database_up", Help: "1 while the database answers.",
		}),
	}
	m.registry.MustRegister(m.hrv, m.vendor, m.dlq, m.pending, m.unacked, m.paused, m.took, m.database,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) counter(durable string) (*prometheus.CounterVec, string) {
	if durable == event.DurableHRV {
		return m.hrv, resultSuccess
	}
	return m.vendor, resultProcessed
}

// bound makes every result of a new binding known at 0, so that a rate over it
// starts with its first message.
func (m *metrics) bound(d durable, stream string) {
	vec, ok := m.counter(d.name)
	for _, result := range []string{ok, resultRetry, resultDLQ, resultSchema} {
		vec.WithLabelValues(result, d.subject, stream, d.name)
	}
	for _, reason := range []string{reasonSchema, reasonRefused, reasonExhausted} {
		m.dlq.WithLabelValues(d.name, reason, d.subject)
	}
}

func (m *metrics) outcome(d durable, subject, stream, result string, took time.Duration) {
	vec, _ := m.counter(d.name)
	vec.WithLabelValues(result, subject, stream, d.name).Inc()
	m.took.WithLabelValues(d.name).Observe(took.Seconds())
}

func (m *metrics) lag(stream, consumer string, info *jetstream.ConsumerInfo) {
	m.pending.WithLabelValues(stream, consumer).Set(float64(info.NumPending))
	m.unacked.WithLabelValues(stream, consumer).Set(float64(info.NumAckPending))
	paused := 0.0
	if info.Paused {
		paused = 1
	}
	m.paused.WithLabelValues(stream, consumer).Set(paused)
}

// lagUnknown takes the gauges away: an old number would pass for a new one.
func (m *metrics) lagUnknown(stream, consumer string) {
	m.pending.DeleteLabelValues(stream, consumer)
	m.unacked.DeleteLabelValues(stream, consumer)
	m.paused.DeleteLabelValues(stream, consumer)
}

func (m *metrics) page() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	return mux
}
