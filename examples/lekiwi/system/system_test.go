package system_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/examples/lekiwi/api"
	"github.com/segue-run/segue/examples/lekiwi/robot"
	"github.com/segue-run/segue/examples/lekiwi/state"
	"github.com/segue-run/segue/examples/lekiwi/system"
	"github.com/segue-run/segue/examples/lekiwi/system/systemtest"
)

func TestSystem(t *testing.T) {
	sys := systemtest.Start(t, system.Options{})
	env := sys.Env
	if n := len(systemtest.Processes(sys.Dir)); n < 10 { // the control of what is asked at the end
		t.Errorf("only %d processes of the system are seen", n)
	}
	discovery, states, teleoperation := env.DiscoveryURLs[0], env.StateURLs[0], env.TeleoperationURL
	fleet(t, env.FleetAddr)

	t.Run("clients are served by the legacy system, and the tracker sees it", func(t *testing.T) {
		post(t, env.EdgeURL+api.PathRobotStatus, `{"id":"r1","hostname":"xle-1","ip_address":"10.0.0.1","status":"running","teleoperation":true}`, nil)
		var r robot.Record
		if get(t, env.EdgeURL+api.PathRobots+"/r1", &r); r.Hostname != "xle-1" {
			t.Errorf("%+v", r)
		}
		var all api.Robots
		if get(t, env.LegacyURL+api.PathRobots, &all); all.Total != 1 {
			t.Errorf("%+v", all)
		}
		awaitMetric(t, env.TrackerURL, "migration_traffic_split 0")
		await(t, "migration_tracking", func() bool {
			return rows(t, env.DatabaseURL, "SELECT count(*) FROM migration_tracking WHERE system = 'legacy' AND robot_id = 'r1'") == 1 // the path names it
		})
		awaitMetric(t, env.LegacyURL, `robots_total{system="legacy",type="xlerobot"} 1`)
		awaitMetric(t, env.LegacyURL, `teleoperation_sessions_active{system="legacy"} 1`)
	})
	t.Run("what is brought over is noted, and both have the same robots", func(t *testing.T) {
		var all api.Robots
		get(t, env.LegacyURL+api.PathRobots, &all)
		body, err := json.Marshal(all)
		fatal(t, err)
		post(t, states+api.PathImport, string(body), nil)
		var st api.SyncStatus
		if get(t, states+api.PathSyncStatus, &st); st.Status != "ok" || st.LegacyRobots != 1 || st.Robots != 1 {
			t.Errorf("%+v", st)
		}
		var check api.CountCheck
		if get(t, states+api.PathRobotCheck, &check); check.Match == nil || !*check.Match {
			t.Errorf("%+v", check)
		}
		var was, is robot.Record
		get(t, env.LegacyURL+api.PathRobots+"/r1", &was)
		get(t, discovery+api.PathRobots+"/r1", &is)
		if a, b := asJSON(t, was), asJSON(t, is); a != b {
			t.Errorf("legacy %s\nnew    %s", a, b)
		}
		awaitMetric(t, env.TrackerURL, "migration_last_sync_timestamp ")
		awaitMetric(t, env.TrackerURL, `robots_total{system="new",type="xlerobot"} 1`)
		awaitMetric(t, teleoperation, `teleoperation_sessions_active{system="new"} 1`) // as the robot says
	})
	t.Run("every page of every service answers", func(t *testing.T) {
		for base, paths := range map[string][]string{
			env.LegacyURL:  {"/health", "/metrics", "/robots", "/robots/r1", "/robots/count", "/deployments"},
			discovery:      {"/health", "/api/v2/health", "/api/v2/robots", "/api/v2/robots/r1", "/api/v2/discover/10.0.0.1", "/api/v2/metrics", "/metrics", "/robots", "/robots/count", "/deployments"},
			states:         {"/health", "/metrics", "/api/sync/status", "/api/validation/robot-count", "/api/v2/changes"},
			env.MonitorURL: {"/health", "/metrics"}, teleoperation: {"/health", "/metrics", "/api/v2/sessions"}, env.TrackerURL: {"/health", "/metrics"},
		} {
			for _, path := range paths {
				if code := get(t, base+path, nil); code != 200 {
					t.Errorf("%s%s: %d", base, path, code)
				}
			}
		}
		var d api.Discovered
		if get(t, discovery+"/api/v2/discover/10.0.0.1", &d); !d.Answer || d.Type != robot.XLERobot {
			t.Errorf("%+v", d)
		}
	})
	t.Run("each flag changes its service while it runs, and is said", func(t *testing.T) { flags(t, sys) })
	t.Run("scaled instances join, serve and leave, and no request fails", func(t *testing.T) { scale(t, sys) })
	t.Run("PostgreSQL has the seed's settings", func(t *testing.T) {
		if n := rows(t, env.DatabaseURL, "SELECT current_setting('max_connections')::int"); n != 200 {
			t.Errorf("max_connections %d", n)
		}
		if n := rows(t, env.DatabaseURL, "SELECT count(*) FROM pg_stat_statements WHERE query LIKE '%robots%'"); n == 0 {
			t.Error("pg_stat_statements has no statement")
		}
	})
	t.Run("a legacy system that is gone comes back with the new one's robots", func(t *testing.T) {
		revived, _, err := sys.Revive(t.Context())
		if fatal(t, err); revived {
			t.Error("one that is healthy was started again")
		}
		fatal(t, sys.StopProcess(t.Context(), system.Instance(system.Legacy, 0)))
		revived, robots, err := sys.Revive(t.Context())
		if fatal(t, err); !revived || robots == 0 {
			t.Errorf("revived: %t, with %d robots", revived, robots)
		}
		var n, m api.Count
		get(t, env.LegacyURL+api.PathRobotCount, &n)
		get(t, discovery+api.PathRobotCount, &m)
		if n.Total != m.Total || n.Total != robots {
			t.Errorf("the legacy system has %d robots, the new one %d", n.Total, m.Total)
		}
	})
	t.Run("Prometheus has the figures of both systems", func(t *testing.T) {
		for query, want := range map[string]int{
			`http_requests_total{system="legacy",service="legacy",path="/robot/status",status="200"}`:       1,
			`count(http_request_duration_seconds_bucket{system="new",service="discovery-service"})>bool 10`: 1,
			`robots_total{system="new"}`: 3, `robots_total{system="legacy"}`: 3,
			`pg_settings_max_connections`: 1, `redis_memory_max_bytes`: 1, `migration_expected_split`: 1, `migration_phase_start_timestamp`: 1,
			`teleoperation_sessions_active`: 2,
		} {
			var got struct {
				Data struct{ Result []any }
			}
			await(t, query, func() bool {
				get(t, env.PrometheusURL+"/api/v1/query?query="+strings.NewReplacer("+", "%2B", " ", "%20").Replace(query), &got)
				return len(got.Data.Result) == want
			})
		}
	})
	t.Run("the read model is what the events make", func(t *testing.T) {
		conn, err := pgx.Connect(t.Context(), env.DatabaseURL)
		fatal(t, err)
		defer conn.Close(context.Background())
		got, err := state.Rebuild(t.Context(), conn, false)
		fatal(t, err)
		if got.Differing != 0 || got.Robots == 0 {
			t.Errorf("%+v", got)
		}
	})
}

// flags turns each one on and sees what is another then.
func flags(t *testing.T, sys *system.System) {
	env := sys.Env
	before, err := os.ReadFile(env.MigrationConfig)
	fatal(t, err)
	detail := func(base, key string) func() string {
		return func() string {
			var h api.Health
			get(t, base+"/health", &h)
			return fmt.Sprintf("%v %v", h.Detail[key], h.Flags)
		}
	}
	for _, tt := range []struct {
		flag   string
		detail func() string
		off    string
		on     string
	}{
		{"event_driven_discovery", detail(env.DiscoveryURLs[0], "discovery"), "sweep", "events"},
		{"persistent_state", detail(env.StateURLs[0], "writes"), "behind", "through"},
		{"websocket_monitoring", detail(env.MonitorURL, "changes"), "poll", "push"},
		{"teleoperation_optimization", detail(env.TeleoperationURL, "robots"), "asked for", "copied"},
	} {
		if got, want := tt.detail(), tt.off+" map["+tt.flag+":false]"; got != want {
			t.Errorf("off: %s, want %s", got, want)
		}
		before = bytes.ReplaceAll(before, []byte(tt.flag+": false"), []byte(tt.flag+": true"))
		fatal(t, os.WriteFile(env.MigrationConfig, before, 0o600))
		want := tt.on + " map[" + tt.flag + ":true]"
		await(t, want, func() bool { return tt.detail() == want })
	}
	// What that comes to: kept before it is answered, taken on and asked at once,
	// and watchers are told of it.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, env.MonitorWSURL, nil)
	fatal(t, err)
	defer ws.CloseNow()
	fatal(t, wsjson.Write(ctx, ws, api.Message{Type: api.TypeSubscribe, Topics: []string{"robot:r2"}}))
	expect(ctx, t, ws, func(m api.Message) bool { return m.Type == api.TypeSubscribed })
	var done api.Accepted
	post(t, env.DiscoveryURLs[0]+api.PathRobotStatus, `{"id":"r2","ip_address":"10.0.0.2","status":"running"}`, &done)
	if !done.Durable {
		t.Errorf("%+v", done)
	}
	expect(ctx, t, ws, func(m api.Message) bool {
		return m.Type == api.TypeState && m.Change.RobotID == "r2" && m.Change.Robot.Lifecycle == robot.Ready
	})
	var session api.Session
	if code := post(t, env.TeleoperationURL+api.PathSessions, `{"robot_id":"r2","operator":"ann"}`, &session); code != 201 {
		t.Fatalf("%d %+v", code, session)
	}
	if code := post(t, env.TeleoperationURL+api.PathSessions+"/"+session.ID+"/quality", `{"latency_ms":20,"packet_loss":0}`, nil); code != 202 {
		t.Errorf("quality: %d", code)
	}
}

// scale starts and stops instances behind the edge while clients go on.
func scale(t *testing.T, sys *system.System) {
	env := sys.Env
	// All goes to the new side, as Segue would have it.
	conf, err := os.ReadFile(env.NGINXConf)
	fatal(t, err)
	fatal(t, os.WriteFile(env.NGINXConf, bytes.ReplaceAll(conf, []byte("default legacy; }"), []byte("default new; }")), 0o600))
	fatal(t, sys.StopProcess(t.Context(), system.NGINX))
	fatal(t, sys.StartProcess(t.Context(), system.NGINX))
	fatal(t, sys.AwaitHealthy(t.Context()))

	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	var sent, failed atomic.Int64
	for i := range 4 {
		clients.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				body := fmt.Sprintf(`{"id":"scaled-%d","status":"running","message_id":"%d"}`, i, n)
				resp, err := http.Post(env.EdgeURL+api.PathRobotStatus, "application/json", strings.NewReader(body)) //nolint:noctx // a test
				if err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
					if resp.StatusCode != 200 {
						err = errors.New(resp.Status)
					}
				}
				if sent.Add(1); err != nil {
					failed.Add(1)
					t.Error(err)
				}
			}
		})
	}
	names := []string{system.Instance(system.Discovery, 1), system.Instance(system.Discovery, 2), system.Instance(system.State, 1)}
	for _, name := range names {
		fatal(t, sys.StartProcess(t.Context(), name))
	}
	fatal(t, sys.AwaitHealthy(t.Context()))
	for i, base := range env.DiscoveryURLs {
		await(t, fmt.Sprintf("discovery-service-%d to serve", i), func() bool {
			return counted(t, base, `path="/robot/status",service="discovery-service",status="200"`) > 10
		})
	}
	for i, base := range env.StateURLs {
		await(t, fmt.Sprintf("state-manager-%d to serve", i), func() bool {
			return counted(t, base, `path="/api/v2/events",service="state-manager",status="200"`) > 10
		})
	}
	for _, name := range append(names, system.Instance(system.Discovery, 1)) {
		fatal(t, sys.StopProcess(t.Context(), name))
	}
	stop()
	clients.Wait()
	t.Logf("%d requests, %d failed", sent.Load(), failed.Load())
	// Each was kept once.
	events := rows(t, env.DatabaseURL, "SELECT count(*) FROM events WHERE kind = 'heartbeat' AND robot_id LIKE 'scaled-%'")
	if int64(events) != sent.Load() {
		t.Errorf("%d heartbeats were sent, %d are kept", sent.Load(), events)
	}
	await(t, "the tracker to see the new side", func() bool {
		_, after, ok := strings.Cut(page(t, env.TrackerURL+"/metrics"), "\nmigration_traffic_split ")
		var percent float64
		_, err := fmt.Sscan(after, &percent)
		return ok && err == nil && percent > 50 // the legacy side has served in the last minute, too
	})
}

// fleet answers for all robots.
func fleet(t *testing.T, addr string) {
	t.Helper()
	listener, err := net.Listen("tcp", addr)
	fatal(t, err)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{ip}/status", func(w http.ResponseWriter, r *http.Request) {
		ip := r.PathValue("ip")
		n := ip[strings.LastIndexByte(ip, '.')+1:]
		fmt.Fprintf(w, `{"id":"r%s","hostname":"xle-%s","ip_address":%q,"status":"running","teleoperation":%t}`, n, n, ip, n == "1")
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
}

func TestDownLeavesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made-by-somebody-else")
	fatal(t, os.MkdirAll(dir, 0o700))
	if err := system.Down(t.Context(), dir); err == nil {
		t.Error("a directory that is no system's was taken away")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Error(err)
	}
	fatal(t, system.Down(t.Context(), filepath.Join(dir, "nothing")))
}
