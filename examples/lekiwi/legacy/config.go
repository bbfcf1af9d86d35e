package legacy

import "time"

// Config is read from the environment.
type Config struct {
	Addr string `env:"LEGACY_ADDR" envDefault:":8000"`
	// RobotURL is where a robot is asked; {ip} stands for its address.
	RobotURL string `env:"ROBOT_URL" envDefault:"http://{ip}:8080/status"`
	// PollEvery is how long it takes to ask all robots once, at least.
	PollEvery time.Duration `env:"POLL_EVERY" envDefault:"30s"`
	// PollTimeout is how long a robot may take, and holds the others up.
	PollTimeout time.Duration `env:"POLL_TIMEOUT" envDefault:"200ms"`
	// Release is what the service says it is; the command fills in its build's.
	Release string `env:"RELEASE"`
}
