package system

import (
	"bufio"
	"crypto/rand"
	"fmt"
	"os"
	"strings"
)

// Env is how to reach a system, as DIR/env holds it.
type Env struct {
	NATSURL        string // credentials of the app account, all nodes
	NATSSystem     string // user:password of the system account
	NATSMonitors   []string
	DatabaseURL    string
	PrometheusURL  string
	AppsURL        string // process-compose: unix:///DIR/pc.sock
	IngestURL      string
	NormalizeURLs  []string
	MetricsURLs    []string // of normalize
	OuraSecret     string
	AdminToken     string // of normalize's fault page
	PostgresBackup string // where backups of this database belong
}

func (e Env) pairs() [][2]string {
	return [][2]string{
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
		{"OURA_WEBHOOK_SECRET", e.OuraSecret},
		{"ADMIN_TOKEN", e.AdminToken},
		{"BACKUP_DIR", e.PostgresBackup},
	}
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
	list := func(key string) []string { return strings.Split(kv[key], ",") }
	return Env{
		NATSURL: kv["NATS_URL"], NATSSystem: kv["NATS_SYSTEM_CREDS"], NATSMonitors: list("NATS_MONITOR_URLS"),
		DatabaseURL: kv["DATABASE_URL"], PrometheusURL: kv["PROMETHEUS_URL"], AppsURL: kv["APPS_URL"],
		IngestURL: kv["INGEST_URL"], NormalizeURLs: list("NORMALIZE_URLS"), MetricsURLs: list("NORMALIZE_METRICS_URLS"),
		OuraSecret: kv["OURA_WEBHOOK_SECRET"], AdminToken: kv["ADMIN_TOKEN"], PostgresBackup: kv["BACKUP_DIR"],
	}, nil
}

// secrets of one system; they are made anew for each.
type secrets struct {
	app, sys, route, postgres, database, oura, admin string
}

func newSecrets() secrets {
	return secrets{rand.Text(), rand.Text(), rand.Text(), rand.Text(), rand.Text(), rand.Text(), rand.Text()}
}

func (s secrets) env(l layout, p ports) Env {
	e := Env{
		NATSSystem:     "sys:" + s.sys,
		DatabaseURL:    s.databaseURL(p),
		PrometheusURL:  "http://" + loopback(p.prometheus),
		AppsURL:        "unix://" + l.socket(),
		IngestURL:      "http://" + loopback(p.ingest),
		OuraSecret:     s.oura,
		AdminToken:     s.admin,
		PostgresBackup: l.data("backup"),
	}
	var urls []string
	for i := range nodes {
		urls = append(urls, "nats://app:"+s.app+"@"+loopback(p.client[i]))
		e.NATSMonitors = append(e.NATSMonitors, "http://"+loopback(p.monitor[i]))
	}
	e.NATSURL = strings.Join(urls, ",")
	for i := range instances {
		e.NormalizeURLs = append(e.NormalizeURLs, "http://"+loopback(p.normalize[i]))
		e.MetricsURLs = append(e.MetricsURLs, "http://"+loopback(p.metrics[i])+"/metrics")
	}
	return e
}

func (s secrets) databaseURL(p ports) string {
	return "postgres://athlete:" + s.database + "@" + loopback(p.postgres) + "/athlete_ally?sslmode=disable"
}

func (s secrets) postgresURL(p ports) string {
	return "postgres://postgres:" + s.postgres + "@" + loopback(p.postgres) + "/postgres?sslmode=disable"
}
