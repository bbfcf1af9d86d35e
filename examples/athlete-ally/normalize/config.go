package normalize

import (
	"errors"
	"fmt"
	"slices"
	"strings"
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
	Addr        string `env:"NORMALIZE_ADDR" envDefault:":4102"`
	MetricsAddr string `env:"METRICS_ADDR" envDefault:":9464"`
	NATSURL     string `env:"NATS_URL" envDefault:"nats://127.0.0.1:4223"`
	DatabaseURL string `env:"DATABASE_URL"`
	// Release is what the service says it is; the command fills in its build's.
	Release string `env:"RELEASE"`
	Mode    string `env:"EVENT_STREAM_MODE" envDefault:"multi"`
	// Candidates of the HRV durable, the preferred stream first. The legacy
	// stream alone means single mode, unless VendorCandidates says otherwise.
	Candidates []string `env:"AA_STREAM_CANDIDATES" envDefault:"AA_CORE_HOT,ATHLETE_ALLY_EVENTS"`
	// VendorCandidates of the Oura durable; empty means AA_VENDOR_HOT and the
	// legacy stream.
	VendorCandidates []string      `env:"AA_VENDOR_STREAM_CANDIDATES"`
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

// resolved is the configuration with its mode and all candidates as they are
// meant.
func (c Config) resolved() (Config, error) {
	legacy := []string{event.StreamLegacy}
	c.Candidates, c.VendorCandidates = names(c.Candidates), names(c.VendorCandidates)
	switch {
	case c.Mode != ModeMulti && c.Mode != ModeSingle:
		return c, fmt.Errorf("EVENT_STREAM_MODE is %q: want %s or %s", c.Mode, ModeMulti, ModeSingle)
	case c.Mode == ModeMulti && len(c.Candidates) == 0:
		return c, errors.New("AA_STREAM_CANDIDATES names no stream: leave it out for the default, or name the streams with commas between")
	case slices.Equal(c.Candidates, legacy) && len(c.VendorCandidates) == 0:
		// The seed's emergency rollback says no more than this, and means both.
		c.Mode = ModeSingle
	case len(c.VendorCandidates) == 0:
		c.VendorCandidates = []string{event.StreamVendor, event.StreamLegacy}
	}
	if c.Mode == ModeSingle {
		c.Candidates, c.VendorCandidates = legacy, legacy
	}
	return c, nil
}

// names takes out of a list what a person's hand leaves in it: spaces, empty
// places, a name twice.
func names(list []string) []string {
	var out []string
	for _, name := range list {
		if name = strings.TrimSpace(name); name != "" && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

func (c Config) durables() []durable {
	return []durable{
		{event.DurableHRV, event.SubjectHRV, c.Candidates, time.Duration(c.AckWaitMS) * time.Millisecond},
		{event.DurableOura, event.SubjectOura, c.VendorCandidates, time.Duration(c.OuraAckWaitMS) * time.Millisecond},
	}
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
