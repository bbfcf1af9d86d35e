package state

import "time"

// Config is read from the environment.
type Config struct {
	Addr        string `env:"STATE_ADDR" envDefault:":8002"`
	DatabaseURL string `env:"DATABASE_URL"`
	RedisURL    string `env:"REDIS_URL" envDefault:"redis://127.0.0.1:6379"`
	// LegacyURL is asked by /api/validation/robot-count.
	LegacyURL string `env:"LEGACY_URL" envDefault:"http://127.0.0.1:8000"`
	// MigrationConfig is the path of migration_config.yaml.
	MigrationConfig string `env:"MIGRATION_CONFIG" envDefault:"migration_config.yaml"`
	// FaultsFile says what to do wrong, for drills (service.Faults); "" nothing.
	FaultsFile string `env:"FAULTS_FILE"`
	// Release is what the service says it is; the command fills in its build's.
	Release string `env:"RELEASE"`
	// CacheTTL is how long a robot stays in Redis that nothing is heard of.
	CacheTTL time.Duration `env:"CACHE_TTL" envDefault:"3600s"`
	// FlushTime is how long the service tries at its end to write what it has
	// accepted.
	FlushTime time.Duration `env:"FLUSH_TIME" envDefault:"8s"`
}
