package system

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"github.com/segue-run/segue/examples/lekiwi/database"
	"github.com/segue-run/segue/examples/sandbox"
)

// Env is how to reach a system, as DIR/env holds it.
type Env struct {
	EdgeURL          string   // NGINX, where clients come in
	EdgeWSURL        string   // ws://…/ws, through it
	LegacyURL        string   // the monolith, beside the edge
	DiscoveryURLs    []string // whether they run or not, as the next
	DiscoveryAddr    string   // host:port of the first, to put load on
	StateURLs        []string
	MonitorURL       string
	MonitorWSURL     string // ws://…/ws
	TeleoperationURL string
	TrackerURL       string
	FleetAddr        string // where the fleet is to answer for its robots
	DatabaseURL      string // lekiwi_heartbeat, as lekiwi_admin
	SuperURL         string // lekiwi_heartbeat, as the superuser
	DamagedURL       string // what it is called once another one has taken its place
	ServerURL        string // the server's own database, as the superuser
	RedisURL         string
	PrometheusURL    string
	AppsURL          string // process-compose: unix:///DIR/pc.sock
	NGINXConf        string
	NGINXControl     string // an address that is left for Segue
	NGINXLogs        string // the folder for NGINX's logs
	EdgeLog          string // the edge's own log
	ShadowAddr       string // addresses that are left for a tee
	ShadowStatusAddr string
	MigrationConfig  string // the file
	BackupDir        string
	BackupKey        string // what signs backups
	Dir, Bin         string
}

// fields names each variable, and where it is.
func (e *Env) fields() []struct {
	name string
	text *string
	list *[]string
} {
	type field = struct {
		name string
		text *string
		list *[]string
	}
	return []field{
		{"EDGE_URL", &e.EdgeURL, nil},
		{"EDGE_WS_URL", &e.EdgeWSURL, nil},
		{"LEGACY_URL", &e.LegacyURL, nil},
		{"DISCOVERY_URLS", nil, &e.DiscoveryURLs},
		{"DISCOVERY_ADDR", &e.DiscoveryAddr, nil},
		{"STATE_URLS", nil, &e.StateURLs},
		{"MONITOR_URL", &e.MonitorURL, nil},
		{"MONITOR_WS_URL", &e.MonitorWSURL, nil},
		{"TELEOPERATION_URL", &e.TeleoperationURL, nil},
		{"TRACKER_URL", &e.TrackerURL, nil},
		{"FLEET_ADDR", &e.FleetAddr, nil},
		{"DATABASE_URL", &e.DatabaseURL, nil},
		{"POSTGRES_SUPERUSER_URL", &e.SuperURL, nil},
		{"POSTGRES_DAMAGED_URL", &e.DamagedURL, nil},
		{"POSTGRES_SERVER_URL", &e.ServerURL, nil},
		{"REDIS_URL", &e.RedisURL, nil},
		{"PROMETHEUS_URL", &e.PrometheusURL, nil},
		{"APPS_URL", &e.AppsURL, nil},
		{"NGINX_CONF", &e.NGINXConf, nil},
		{"NGINX_CONTROL", &e.NGINXControl, nil},
		{"NGINX_LOGS", &e.NGINXLogs, nil},
		{"EDGE_LOG", &e.EdgeLog, nil},
		{"SHADOW_ADDR", &e.ShadowAddr, nil},
		{"SHADOW_STATUS_ADDR", &e.ShadowStatusAddr, nil},
		{"MIGRATION_CONFIG", &e.MigrationConfig, nil},
		{"BACKUP_DIR", &e.BackupDir, nil},
		{"BACKUP_KEY", &e.BackupKey, nil},
		{"LEKIWI_DIR", &e.Dir, nil},
		{"LEKIWI_BIN", &e.Bin, nil},
	}
}

// Pairs are the variables as NAME=value, for a process's environment. Of a list
// X_URLS the first is X_URL as well.
func (e Env) Pairs() []string {
	var out []string
	for _, f := range e.fields() {
		if f.text != nil {
			out = append(out, f.name+"="+*f.text)
			continue
		}
		out = append(out, f.name+"="+strings.Join(*f.list, ","))
		if len(*f.list) > 0 {
			out = append(out, strings.TrimSuffix(f.name, "S")+"="+(*f.list)[0])
		}
	}
	return out
}

// write makes the file for its owner alone. No value needs quoting: none holds a
// space or a quote.
func (e Env) write(path string) error {
	if err := os.WriteFile(path, []byte(strings.Join(e.Pairs(), "\n")+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the environment: %w", err)
	}
	return nil
}

func readEnv(path string) (Env, error) {
	file, err := os.Open(path)
	if err != nil {
		return Env{}, fmt.Errorf("read the environment: %w", err)
	}
	defer file.Close()
	values := map[string]string{}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if key, value, ok := strings.Cut(lines.Text(), "="); ok {
			values[key] = value
		}
	}
	if err := lines.Err(); err != nil {
		return Env{}, fmt.Errorf("read the environment: %w", err)
	}
	var e Env
	for _, f := range e.fields() {
		switch value := values[f.name]; {
		case f.text != nil:
			*f.text = value
		case value != "":
			*f.list = strings.Split(value, ",")
		}
	}
	return e, nil
}

func (s secrets) env(l sandbox.Dir, p ports) Env {
	web := func(port int) string { return "http://" + loopback(port) }
	e := Env{
		EdgeURL: web(p.edge), EdgeWSURL: "ws://" + loopback(p.edge) + "/ws", DiscoveryAddr: loopback(p.discovery[0]), LegacyURL: web(p.legacy), MonitorURL: web(p.monitor), MonitorWSURL: "ws://" + loopback(p.monitorWS) + "/ws",
		TeleoperationURL: web(p.teleoperation), TrackerURL: web(p.tracker), FleetAddr: loopback(p.fleet),
		DatabaseURL: s.databaseURL(p), SuperURL: s.superURL(p, database.Name), DamagedURL: s.superURL(p, database.Damaged), ServerURL: s.superURL(p, "postgres"), RedisURL: s.redisURL(p), PrometheusURL: web(p.prometheus),
		AppsURL: "unix://" + l.Socket(), NGINXConf: nginxConf(l), NGINXControl: loopback(p.edgeControl), NGINXLogs: l.Path("log"),
		EdgeLog: edgeLog(l), ShadowAddr: loopback(p.shadow), ShadowStatusAddr: loopback(p.shadowStatus),
		MigrationConfig: migrationConfig(l), BackupDir: l.Data("backup"), BackupKey: s.backup, Dir: string(l), Bin: l.Bin(binApp),
	}
	for _, port := range p.discovery {
		e.DiscoveryURLs = append(e.DiscoveryURLs, web(port))
	}
	for _, port := range p.state {
		e.StateURLs = append(e.StateURLs, web(port))
	}
	return e
}
