package discovery

import "time"

// Config is read from the environment.
type Config struct {
	Addr string `env:"DISCOVERY_ADDR" envDefault:":8001"`
	// StateURLs are the state-managers, whether they run or not.
	StateURLs []string `env:"STATE_URLS" envDefault:"http://127.0.0.1:8002"`
	// RobotURL is where a robot is asked; {ip} stands for its address.
	RobotURL string `env:"ROBOT_URL" envDefault:"http://{ip}:8080/status"`
	// MigrationConfig is the path of migration_config.yaml.
	MigrationConfig string `env:"MIGRATION_CONFIG" envDefault:"migration_config.yaml"`
	// FaultsFile says what to do wrong, for drills (service.Faults); "" nothing.
	FaultsFile string `env:"FAULTS_FILE"`
	// Release is what the service says it is; the command fills in its build's.
	Release string `env:"RELEASE"`

	SweepEvery time.Duration `env:"SWEEP_EVERY" envDefault:"30s"`
	// ProbeAfter is how long a robot may be silent before a sweep asks it.
	ProbeAfter   time.Duration `env:"PROBE_AFTER" envDefault:"60s"`
	ProbeTimeout time.Duration `env:"PROBE_TIMEOUT" envDefault:"1s"`
}
