package system

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/segue-run/segue/examples/sandbox"
)

// Services, as process-compose's namespaces and Prometheus' jobs have them. The
// process of instance i is Instance(service, i).
const (
	Legacy        = "legacy"
	Discovery     = "discovery-service"
	State         = "state-manager"
	Monitor       = "websocket-monitor"
	Teleoperation = "teleoperation-service"
	Tracker       = "migration-tracker"
	// Tee is segue tee, which replays copies of requests to the first
	// discovery-service. It is there where segue lies beside lekiwi.
	Tee = "shadow-tee"
)

// Processes that have no instances.
const (
	Postgres   = "postgres"
	Redis      = "redis"
	NGINX      = "nginx"
	Prometheus = "prometheus"
)

// Instance names the process of an instance, counted from 0.
func Instance(service string, i int) string { return fmt.Sprintf("%s-%d", service, i) }

// The project that process-compose reads. It is written as JSON, which YAML
// includes.
type project struct {
	Version             string             `json:"version"`
	DisableEnvExpansion bool               `json:"disable_env_expansion"`
	LogLevel            string             `json:"log_level"`
	Processes           map[string]process `json:"processes"`
}

type process struct {
	Namespace    string       `json:"namespace"`
	Entrypoint   []string     `json:"entrypoint"`
	Environment  []string     `json:"environment,omitempty"`
	WorkingDir   string       `json:"working_dir"`
	LogLocation  string       `json:"log_location"`
	LogConfig    logConfig    `json:"log_configuration"`
	Availability availability `json:"availability"`
	Shutdown     shutdown     `json:"shutdown"`
	Disabled     bool         `json:"disabled,omitempty"`
}

type logConfig struct {
	DisableJSON     bool   `json:"disable_json"`
	NoColor         bool   `json:"no_color"`
	NoMetadata      bool   `json:"no_metadata"`
	AddTimestamp    bool   `json:"add_timestamp"`
	TimestampFormat string `json:"timestamp_format"`
	FlushEachLine   bool   `json:"flush_each_line"`
}

type availability struct {
	Restart string `json:"restart"`
	Backoff int    `json:"backoff_seconds"`
}

type shutdown struct {
	Signal  int `json:"signal"`
	Timeout int `json:"timeout_seconds"`
}

func newProcess(l sandbox.Dir, name, namespace string, signal syscall.Signal, entrypoint ...string) process {
	return process{
		Namespace: namespace, Entrypoint: entrypoint, WorkingDir: string(l), LogLocation: l.Log(name),
		LogConfig: logConfig{
			DisableJSON: true, NoColor: true, NoMetadata: true, AddTimestamp: true,
			TimestampFormat: "2006-01-02T15:04:05.000Z07:00", FlushEachLine: true,
		},
		Availability: availability{Restart: "always", Backoff: 1},
		Shutdown:     shutdown{Signal: int(signal), Timeout: 20},
	}
}

// writeProject says what runs.
func writeProject(l sandbox.Dir, p ports, env Env, opt Options, at programs) error {
	prj := project{Version: "0.5", DisableEnvExpansion: true, LogLevel: "info", Processes: map[string]process{}}
	pg := newProcess(l, Postgres, Postgres, syscall.SIGINT, at.postgres+"/postgres", "-D", l.Data("postgres"))
	pg.WorkingDir = l.Data("postgres")
	prj.Processes[Postgres] = pg
	prj.Processes[Redis] = newProcess(l, Redis, Redis, syscall.SIGTERM, at.redis, l.Conf("redis.conf"))
	// -e: before it has read its configuration it would write into /var/log.
	prj.Processes[NGINX] = newProcess(l, NGINX, NGINX, syscall.SIGQUIT, at.nginx, "-e", "stderr", "-c", nginxConf(l))
	prj.Processes[Prometheus] = newProcess(l, Prometheus, Prometheus, syscall.SIGTERM, at.prometheus,
		"--config.file="+l.Conf("prometheus.yml"), "--storage.tsdb.path="+l.Data("prometheus"),
		"--web.listen-address="+loopback(p.prometheus), "--log.level=warn")
	addServices(prj.Processes, l, p, env, opt)
	for name, proc := range prj.Processes {
		for _, arg := range append(proc.Entrypoint, proc.Environment...) {
			if strings.Contains(arg, "{{") {
				return fmt.Errorf("process %s: %q would be taken for a template", name, arg)
			}
		}
	}
	body, err := json.MarshalIndent(prj, "", "  ")
	if err != nil {
		return fmt.Errorf("write the project: %w", err)
	}
	if err := os.WriteFile(l.Conf("processes.yaml"), body, 0o600); err != nil {
		return fmt.Errorf("write the project: %w", err)
	}
	return nil
}

// addServices adds the instances of all services. Only the first of each is
// started, and of the new system not even that when there is only the legacy one.
func addServices(to map[string]process, l sandbox.Dir, p ports, env Env, opt Options) {
	database, redis := "DATABASE_URL="+env.DatabaseURL, "REDIS_URL="+env.RedisURL
	states := "STATE_URLS=" + strings.Join(env.StateURLs, ",")
	robots := "ROBOT_URL=http://" + env.FleetAddr + "/{ip}/status"
	add := func(service string, i int, vars ...string) {
		name := Instance(service, i)
		proc := newProcess(l, name, service, syscall.SIGTERM, l.Bin(binApp), service)
		proc.Environment = append([]string{"MIGRATION_CONFIG=" + env.MigrationConfig}, vars...)
		if opt.Release != "" {
			proc.Environment = append(proc.Environment, "RELEASE="+opt.Release)
		}
		if opt.Faults {
			proc.Environment = append(proc.Environment, "FAULTS_FILE="+faultsFile(l))
		}
		proc.Disabled = i > 0 || opt.LegacyOnly && service != Legacy && service != Tracker
		to[name] = proc
	}
	add(Legacy, 0, "LEGACY_ADDR="+loopback(p.legacy), robots)
	for i, port := range p.discovery {
		add(Discovery, i, "DISCOVERY_ADDR="+loopback(port), states, robots)
	}
	for i, port := range p.state {
		add(State, i, "STATE_ADDR="+loopback(port), database, redis, "LEGACY_URL="+env.LegacyURL)
	}
	// A garbage collection in the middle of telling ten thousand watchers takes a
	// core from it; memory is there.
	add(Monitor, 0, "MONITOR_ADDR="+loopback(p.monitor), "MONITOR_WS_ADDR="+loopback(p.monitorWS), states, "GOGC=400")
	add(Teleoperation, 0, "TELEOPERATION_ADDR="+loopback(p.teleoperation), database, states)
	add(Tracker, 0, "TRACKER_ADDR="+loopback(p.tracker), database, redis, "EDGE_LOG="+env.EdgeLog)
	if executable(l.Bin(binSegue)) {
		to[Tee] = newProcess(l, Tee, Tee, syscall.SIGTERM, l.Bin(binSegue), "tee", "--to", env.DiscoveryURLs[0], "--live", env.LegacyURL,
			"--listen", env.ShadowAddr, "--status", env.ShadowStatusAddr)
	}
}

func faultsFile(l sandbox.Dir) string { return l.Conf("faults.json") }
