package ingest

import (
	"time"
)

// Config is read from the environment.
type Config struct {
	Addr       string `env:"INGEST_ADDR" envDefault:":4101"`
	NATSURL    string `env:"NATS_URL" envDefault:"nats://127.0.0.1:4223"`
	OuraSecret string `env:"OURA_WEBHOOK_SECRET"`
	// Release is what the service says it is; the command fills in its build's.
	Release       string        `env:"RELEASE"`
	PublishBudget time.Duration `env:"PUBLISH_BUDGET" envDefault:"5s"`
	// PublishTimeout bounds one try; a lost answer is asked for again.
	PublishTimeout time.Duration `env:"PUBLISH_TIMEOUT" envDefault:"500ms"`
}
