package system

import (
	"bufio"
	"cmp"
	"crypto/rand"
	"fmt"
	"os"
	"strings"

	"github.com/segue-run/segue/examples/sandbox"
)

// Env is how to reach a system, as DIR/env holds it. There the variables of
// staging begin with STAGING_, and what an environment does not have is missing.
type Env struct {
	Environment string // Production or Staging

	NATSURL          string // credentials of the app account, all nodes
	NATSSystem       string // user:password of the system account
	NATSMonitors     []string
	DatabaseURL      string
	PrometheusURL    string
	AppsURL          string // process-compose: unix:///DIR/pc.sock
	IngestURL        string
	NormalizeURLs    []string
	MetricsURLs      []string // of normalize
	GreenURLs        []string // of normalize-green, whether it runs or not
	GreenMetricsURLs []string
	OuraSecret       string
	AdminToken       string // of normalize's fault page
	PostgresBackup   string // where backups of this database belong
	Dir              string // the system's directory
	Bin, NextBin     string // the services' program, and the next release of it
}

func (e Env) pairs() [][2]string {
	all := [][2]string{
		{"NATS_URL", e.NATSURL},
		{"NATS_SYSTEM_CREDS", e.NATSSystem},
		{"NATS_MONITOR_URLS", strings.Join(e.NATSMonitors, ",")},
		{"DATABASE_URL", e.DatabaseURL},
		{"PROMETHEUS_URL", e.PrometheusURL},
		{"APPS_URL", e.AppsURL},
		{"INGEST_URL", e.IngestURL},
		{"NORMALIZE_URL", first(e.NormalizeURLs)},
		{"NORMALIZE_URLS", strings.Join(e.NormalizeURLs, ",")},
		{"NORMALIZE_METRICS_URL", first(e.MetricsURLs)},
		{"NORMALIZE_METRICS_URLS", strings.Join(e.MetricsURLs, ",")},
		{"NORMALIZE_GREEN_URL", first(e.GreenURLs)},
		{"NORMALIZE_GREEN_URLS", strings.Join(e.GreenURLs, ",")},
		{"NORMALIZE_GREEN_METRICS_URL", first(e.GreenMetricsURLs)},
		{"NORMALIZE_GREEN_METRICS_URLS", strings.Join(e.GreenMetricsURLs, ",")},
		{"OURA_WEBHOOK_SECRET", e.OuraSecret},
		{"ADMIN_TOKEN", e.AdminToken},
		{"BACKUP_DIR", e.PostgresBackup},
		{"AA_DIR", e.Dir},
		{"AA_BIN", e.Bin},
		{"AA_NEXT_BIN", e.NextBin},
	}
	var out [][2]string
	for _, kv := range all {
		if kv[1] != "" {
			out = append(out, [2]string{prefix(e.Environment) + kv[0], kv[1]})
		}
	}
	return out
}

// Pairs are the variables as "NAME=value", for a process's environment.
func (e Env) Pairs() []string {
	var out []string
	for _, kv := range e.pairs() {
		out = append(out, kv[0]+"="+kv[1])
	}
	return out
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// write makes the file for its owner alone. No value needs quoting: none holds a
// space or a quote.
func (e Env) write(path string) error {
	var b strings.Builder
	for _, kv := range e.pairs() {
		fmt.Fprintf(&b, "%s=%s\n", kv[0], kv[1])
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("write the environment: %w", err)
	}
	return nil
}

func readEnv(path string) (Env, error) {
	f, err := os.Open(path)
	if err != nil {
		return Env{}, fmt.Errorf("read the environment: %w", err)
	}
	defer f.Close()
	kv := map[string]string{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if key, value, ok := strings.Cut(lines.Text(), "="); ok {
			kv[key] = value
		}
	}
	if err := lines.Err(); err != nil {
		return Env{}, fmt.Errorf("read the environment: %w", err)
	}
	environment := Production
	if kv[prefix(Staging)+"NATS_URL"] != "" {
		environment = Staging
	}
	text := func(key string) string { return kv[prefix(environment)+key] }
	list := func(key string) []string {
		if text(key) == "" {
			return nil
		}
		return strings.Split(text(key), ",")
	}
	return Env{
		Environment: environment,
		NATSURL:     text("NATS_URL"), NATSSystem: text("NATS_SYSTEM_CREDS"), NATSMonitors: list("NATS_MONITOR_URLS"),
		DatabaseURL: text("DATABASE_URL"), PrometheusURL: text("PROMETHEUS_URL"), AppsURL: text("APPS_URL"),
		IngestURL: text("INGEST_URL"), NormalizeURLs: list("NORMALIZE_URLS"), MetricsURLs: list("NORMALIZE_METRICS_URLS"),
		GreenURLs: list("NORMALIZE_GREEN_URLS"), GreenMetricsURLs: list("NORMALIZE_GREEN_METRICS_URLS"),
		OuraSecret: text("OURA_WEBHOOK_SECRET"), AdminToken: text("ADMIN_TOKEN"), PostgresBackup: text("BACKUP_DIR"),
		Dir: text("AA_DIR"), Bin: text("AA_BIN"), NextBin: text("AA_NEXT_BIN"),
	}, nil
}

// secrets of one system; they are made anew for each.
type secrets struct {
	app, sys, route, postgres, database, oura, admin string
}

func newSecrets() secrets {
	return secrets{rand.Text(), rand.Text(), rand.Text(), rand.Text(), rand.Text(), rand.Text(), rand.Text()}
}

func (s secrets) env(l sandbox.Dir, p ports, opt Options, sh shape) Env {
	e := Env{
		Environment:    cmp.Or(opt.Environment, Production),
		NATSSystem:     "sys:" + s.sys,
		DatabaseURL:    s.databaseURL(p),
		AppsURL:        "unix://" + l.Socket(),
		IngestURL:      "http://" + loopback(p.ingest),
		OuraSecret:     s.oura,
		AdminToken:     s.admin,
		PostgresBackup: l.Data("backup"),
		Dir:            string(l),
		Bin:            l.Bin(binApp),
		NextBin:        l.Bin(binNext),
	}
	if sh.prometheus {
		e.PrometheusURL = "http://" + loopback(p.prometheus)
	}
	var urls []string
	for i := range p.client {
		urls = append(urls, "nats://app:"+s.app+"@"+loopback(p.client[i]))
		e.NATSMonitors = append(e.NATSMonitors, "http://"+loopback(p.monitor[i]))
	}
	e.NATSURL = strings.Join(urls, ",")
	for i := range p.normalize {
		e.NormalizeURLs = append(e.NormalizeURLs, "http://"+loopback(p.normalize[i]))
		e.MetricsURLs = append(e.MetricsURLs, "http://"+loopback(p.metrics[i])+"/metrics")
	}
	for i := range p.green {
		e.GreenURLs = append(e.GreenURLs, "http://"+loopback(p.green[i]))
		e.GreenMetricsURLs = append(e.GreenMetricsURLs, "http://"+loopback(p.greenMetrics[i])+"/metrics")
	}
	return e
}

func (s secrets) databaseURL(p ports) string {
	return "postgres://athlete:" + s.database + "@" + loopback(p.postgres) + "/athlete_ally?sslmode=disable"
}

func (s secrets) postgresURL(p ports) string {
	return "postgres://postgres:" + s.postgres + "@" + loopback(p.postgres) + "/postgres?sslmode=disable"
}
