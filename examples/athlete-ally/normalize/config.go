package normalize

import (
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/examples/athlete-ally/event"
)

// Modes of EVENT_STREAM_MODE.
const (
	ModeMulti  = "multi"
	ModeSingle = "single"
)

// Config is read from the environment.
type Config struct {
	Addr             string        `env:"NORMALIZE_ADDR" envDefault:":4102"`
	MetricsAddr      string        `env:"METRICS_ADDR" envDefault:":9464"`
	NATSURL          string        `env:"NATS_URL" envDefault:"nats://127.0.0.1:4223"`
	DatabaseURL      string        `env:"DATABASE_URL"`
	Release          string        `env:"RELEASE" envDefault:"dev"`
	Mode             string        `env:"EVENT_STREAM_MODE" envDefault:"multi"`
	Candidates       []string      `env:"AA_STREAM_CANDIDATES" envDefault:"AA_CORE_HOT,ATHLETE_ALLY_EVENTS"`
	VendorCandidates []string      `env:"AA_VENDOR_STREAM_CANDIDATES" envDefault:"AA_VENDOR_HOT,ATHLETE_ALLY_EVENTS"`
	LookEvery        time.Duration `env:"LOOK_EVERY" envDefault:"500ms"`
	Workers          int           `env:"WORKERS" envDefault:"16"`
	RetryDelay       time.Duration `env:"RETRY_DELAY" envDefault:"5s"`
	// KeepDelay is how long a dead letter without a home waits for its next try.
	KeepDelay time.Duration `env:"DLQ_KEEP_DELAY" envDefault:"10s"`
	// AdminToken opens POST /admin/fault; without it there is no such page.
	AdminToken string `env:"ADMIN_TOKEN"`

	// The settings of durables that single mode may have to create.
	AckWaitMS     int `env:"ACK_WAIT_MS" envDefault:"60000"`
	OuraAckWaitMS int `env:"OURA_ACK_WAIT_MS" envDefault:"15000"`
	MaxDeliver    int `env:"MAX_DELIVER" envDefault:"5"`
	MaxAckPending int `env:"MAX_ACK_PENDING" envDefault:"1000"`
}

// durable is one consumer name and where it may be found.
type durable struct {
	name       string
	subject    string
	candidates []string
	ackWait    time.Duration
}

func (c Config) durables() ([]durable, error) {
	core, vendor := c.Candidates, c.VendorCandidates
	switch c.Mode {
	case ModeMulti:
	case ModeSingle:
		core, vendor = []string{event.StreamLegacy}, []string{event.StreamLegacy}
	default:
		return nil, fmt.Errorf("EVENT_STREAM_MODE is %q: want %s or %s", c.Mode, ModeMulti, ModeSingle)
	}
	return []durable{
		{event.DurableHRV, event.SubjectHRV, core, time.Duration(c.AckWaitMS) * time.Millisecond},
		{event.DurableOura, event.SubjectOura, vendor, time.Duration(c.OuraAckWaitMS) * time.Millisecond},
	}, nil
}

// consumerConfig is what single mode creates; the seed's own settings.
func (c Config) consumerConfig(d durable) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable:       d.name,
		FilterSubject: d.subject,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       d.ackWait,
		MaxDeliver:    c.MaxDeliver,
		MaxAckPending: c.MaxAckPending,
		DeliverPolicy: jetstream.DeliverAllPolicy,
		ReplayPolicy:  jetstream.ReplayInstantPolicy,
	}
}
