package system

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/segue-run/segue/examples/athlete-ally/event"
	"github.com/segue-run/segue/examples/athlete-ally/normalize"
	"github.com/segue-run/segue/examples/sandbox"
)

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
		Shutdown:     shutdown{Signal: int(signal), Timeout: 10},
	}
}

// programs are the executables that are not in the system's directory.
type programs struct {
	postgres, prometheus string // a folder, a file
}

// writeProject says what runs. Instances of a service share a namespace.
func writeProject(l sandbox.Dir, p ports, env Env, opt Options, sh shape, at programs) error {
	prj := project{Version: "0.5", DisableEnvExpansion: true, LogLevel: "info", Processes: map[string]process{}}
	for i := range sh.nodes {
		name := nodeName(i)
		prj.Processes[name] = newProcess(l, name, "nats", syscall.SIGTERM, l.Bin(binNATS), "-c", l.Conf(name+".conf"))
	}
	pg := newProcess(l, Postgres, "postgres", syscall.SIGINT, at.postgres+"/postgres", "-D", l.Data("postgres"))
	pg.WorkingDir = l.Data("postgres")
	prj.Processes[Postgres] = pg
	if sh.prometheus {
		prj.Processes[Prometheus] = newProcess(l, Prometheus, "prometheus", syscall.SIGTERM, at.prometheus,
			"--config.file="+l.Conf("prometheus.yml"), "--storage.tsdb.path="+l.Data("prometheus"),
			"--web.listen-address="+loopback(p.prometheus), "--log.level=warn")
	}
	addServices(prj.Processes, l, p, env, opt, sh)
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

// addServices adds ingest, normalize and its green twin. Without a release
// asked for, each says what its build says.
func addServices(to map[string]process, l sandbox.Dir, p ports, env Env, opt Options, sh shape) {
	var release []string
	if opt.Release != "" {
		release = []string{"RELEASE=" + opt.Release}
	}
	bus := "NATS_URL=" + env.NATSURL
	ingest := newProcess(l, Ingest, "ingest", syscall.SIGTERM, l.Bin(sh.app), "ingest")
	ingest.Environment = append([]string{bus, "INGEST_ADDR=" + loopback(p.ingest), "OURA_WEBHOOK_SECRET=" + env.OuraSecret}, release...)
	to[Ingest] = ingest
	worker := func(name, namespace, app string, addr, metrics int, more ...string) process {
		proc := newProcess(l, name, namespace, syscall.SIGTERM, l.Bin(app), "normalize")
		proc.Environment = append([]string{
			bus, "NORMALIZE_ADDR=" + loopback(addr), "METRICS_ADDR=" + loopback(metrics),
			"DATABASE_URL=" + env.DatabaseURL, "ADMIN_TOKEN=" + env.AdminToken,
		}, more...)
		return proc
	}
	for i := range p.normalize {
		blue := worker(Normalize(i), "normalize", sh.app, p.normalize[i], p.metrics[i], "EVENT_STREAM_MODE="+opt.Mode)
		blue.Environment = append(blue.Environment, release...)
		to[Normalize(i)] = blue
	}
	for i := range p.green {
		// Its vendor candidates are left to their default, which follows
		// AA_STREAM_CANDIDATES in an emergency rollback.
		green := worker(Green(i), "normalize-green", binNext, p.green[i], p.greenMetrics[i],
			"EVENT_STREAM_MODE="+normalize.ModeMulti, "AA_STREAM_CANDIDATES="+event.StreamCore+","+event.StreamLegacy)
		green.Disabled = true
		to[Green(i)] = green
	}
}
