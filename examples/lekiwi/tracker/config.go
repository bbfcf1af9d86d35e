package tracker

import "time"

// Config is read from the environment.
type Config struct {
	Addr        string `env:"TRACKER_ADDR" envDefault:":8005"`
	DatabaseURL string `env:"DATABASE_URL"`
	RedisURL    string `env:"REDIS_URL" envDefault:"redis://127.0.0.1:6379"`
	// EdgeLog is NGINX's log in the format that EdgeLogFormat gives.
	EdgeLog string `env:"EDGE_LOG" envDefault:"/var/log/nginx/lekiwi.log"`
	// MigrationConfig is the path of migration_config.yaml.
	MigrationConfig string `env:"MIGRATION_CONFIG" envDefault:"migration_config.yaml"`
	// Keep is how long request_logs and migration_tracking go back.
	Keep time.Duration `env:"TRACKING_KEEP" envDefault:"24h"`
	// Release is what the service says it is; the command fills in its build's.
	Release string `env:"RELEASE"`
}

// EdgeLogFormat is the directive that makes NGINX write what the tracker reads.
// The side is the upstream's name; who is served by none is not counted.
const EdgeLogFormat = `log_format lekiwi escape=json '{"at":"$msec","side":"$proxy_host","server":"$upstream_addr","method":"$request_method",'
        '"path":"$uri","status":"$status","time":"$request_time","robot":"$http_x_robot_id"}';`
