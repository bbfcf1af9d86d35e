package system

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"syscall"
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

func newProcess(l layout, name, namespace string, signal syscall.Signal, entrypoint ...string) process {
	return process{
		Namespace: namespace, Entrypoint: entrypoint, WorkingDir: string(l), LogLocation: l.log(name),
		LogConfig: logConfig{
			DisableJSON: true, NoColor: true, NoMetadata: true, AddTimestamp: true,
			TimestampFormat: "2006-01-02T15:04:05.000Z07:00", FlushEachLine: true,
		},
		Availability: availability{Restart: "always", Backoff: 1},
		Shutdown:     shutdown{Signal: int(signal), Timeout: 10},
	}
}

// writeProject says what runs. Instances of a service share a namespace.
func writeProject(l layout, p ports, env Env, opt Options, postgres, prometheus string) error {
	prj := project{Version: "0.5", DisableEnvExpansion: true, LogLevel: "info", Processes: map[string]process{}}
	for i := range nodes {
		name := nodeName(i)
		prj.Processes[name] = newProcess(l, name, "nats", syscall.SIGTERM, l.bin(binNATS), "-c", l.conf(name+".conf"))
	}
	pg := newProcess(l, "postgres", "postgres", syscall.SIGINT, postgres+"/postgres", "-D", l.data("postgres"))
	pg.WorkingDir = l.data("postgres")
	prj.Processes["postgres"] = pg
	prj.Processes["prometheus"] = newProcess(l, "prometheus", "prometheus", syscall.SIGTERM, prometheus,
		"--config.file="+l.conf("prometheus.yml"), "--storage.tsdb.path="+l.data("prometheus"),
		"--web.listen-address="+loopback(p.prometheus), "--log.level=warn")

	common := []string{"NATS_URL=" + env.NATSURL, "RELEASE=" + opt.Release}
	ingest := newProcess(l, "ingest-0", "ingest", syscall.SIGTERM, l.bin(binApp), "ingest")
	ingest.Environment = append(ingest.Environment, common...)
	ingest.Environment = append(ingest.Environment, "INGEST_ADDR="+loopback(p.ingest), "OURA_WEBHOOK_SECRET="+env.OuraSecret)
	prj.Processes["ingest-0"] = ingest
	for i := range instances {
		name := instanceName(i)
		proc := newProcess(l, name, "normalize", syscall.SIGTERM, l.bin(binApp), "normalize")
		proc.Environment = append(proc.Environment, common...)
		proc.Environment = append(proc.Environment,
			"NORMALIZE_ADDR="+loopback(p.normalize[i]), "METRICS_ADDR="+loopback(p.metrics[i]),
			"DATABASE_URL="+env.DatabaseURL, "EVENT_STREAM_MODE="+opt.Mode, "ADMIN_TOKEN="+env.AdminToken)
		prj.Processes[name] = proc
	}
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
	if err := os.WriteFile(l.conf("processes.yaml"), body, 0o600); err != nil {
		return fmt.Errorf("write the project: %w", err)
	}
	return nil
}

func instanceName(i int) string { return fmt.Sprintf("normalize-%d", i) }
