package processtest

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// role tells a test binary that it is to be a service.
const role = "PROCESSTEST_ROLE=service"

// Service makes the processes NAME-0 … of a service that is the test's own
// binary. Each has its address in ADDR, and at http://{ADDR}/health it answers
// {"status", "version" (RELEASE), "pid", "env": {…}}. BROKEN=exit ends it at
// once with exit code 3, BROKEN=sick makes it answer 503.
func Service(t testing.TB, name string, replicas int, env ...string) []Process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out []Process
	for i := range replicas {
		out = append(out, Process{
			Name: fmt.Sprintf("%s-%d", name, i), Namespace: name, Entrypoint: []string{self},
			Environment: append([]string{role, "ADDR=" + freeAddr(t)}, env...),
		})
	}
	return out
}

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Main is a TestMain that lets the binary be a service, too.
func Main(m *testing.M) {
	key, value, _ := strings.Cut(role, "=")
	if os.Getenv(key) != value {
		os.Exit(m.Run())
	}
	fmt.Println("starts with version", os.Getenv("RELEASE"))
	if os.Getenv("BROKEN") == "exit" {
		fmt.Println("cannot go on")
		os.Exit(3)
	}
	err := serve()
	fmt.Println("ends:", err)
	os.Exit(1)
}

func serve() error {
	env := map[string]string{}
	for _, pair := range os.Environ() {
		key, value, _ := strings.Cut(pair, "=")
		env[key] = value
	}
	http.HandleFunc("GET /say/{line}", func(_ http.ResponseWriter, r *http.Request) { fmt.Println(r.PathValue("line")) })
	http.HandleFunc("GET /health", func(rw http.ResponseWriter, _ *http.Request) {
		if env["BROKEN"] == "sick" {
			rw.WriteHeader(http.StatusServiceUnavailable)
		}
		_ = json.NewEncoder(rw).Encode(map[string]any{
			"status": "healthy", "version": env["RELEASE"], "pid": os.Getpid(), "args": os.Args[1:], "env": env,
		})
	})
	server := http.Server{Addr: env["ADDR"], ReadHeaderTimeout: time.Second}
	return server.ListenAndServe()
}

// Health is what a replica says of itself.
type Health struct {
	Version string            `json:"version"`
	PID     int               `json:"pid"`
	Args    []string          `json:"args"`
	Env     map[string]string `json:"env"`
}

// Ask asks a replica what it runs with.
func (o *Orchestrator) Ask(name string) (Health, error) {
	var h Health
	addr := o.addr(name)
	if addr == "" {
		return h, fmt.Errorf("%s has no address", name)
	}
	client := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + addr + "/health")
	if err != nil {
		return h, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return h, fmt.Errorf("%s answers %s", name, resp.Status)
	}
	return h, json.NewDecoder(resp.Body).Decode(&h)
}

func disabled(definition json.RawMessage) bool {
	var d struct{ Disabled bool }
	_ = json.Unmarshal(definition, &d)
	return d.Disabled
}

// Disabled makes processes that run only when somebody starts them.
func Disabled(processes []Process) []Process {
	for i := range processes {
		processes[i].Disabled = true
	}
	return processes
}

// addr is the replica's address at the start.
func (o *Orchestrator) addr(name string) string {
	var d struct{ Environment []string }
	_ = json.Unmarshal(o.originals[name], &d)
	for _, pair := range d.Environment {
		if addr, ok := strings.CutPrefix(pair, "ADDR="); ok {
			return addr
		}
	}
	return ""
}

// Say makes a replica write a line.
func (o *Orchestrator) Say(t testing.TB, name, line string) {
	t.Helper()
	client := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + o.addr(name) + "/say/" + line)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
}

// AwaitHealthy returns when all replicas that have an address, and are not
// disabled, answer.
func (o *Orchestrator) AwaitHealthy(t testing.TB) {
	t.Helper()
	for name := range o.originals {
		if o.addr(name) != "" && !disabled(o.originals[name]) {
			Await(t, name+" to answer", func() error { _, err := o.Ask(name); return err })
		}
	}
}

// Await looks until a condition holds.
func Await(t testing.TB, what string, look func() error) {
	t.Helper()
	if err := await(what, look); err != nil {
		t.Fatal(err)
	}
}

func await(what string, look func() error) error {
	over := time.NewTimer(20 * time.Second)
	defer over.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := look()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-over.C:
			return fmt.Errorf("waited in vain for %s: %w", what, err)
		}
	}
}

// AwaitHealthyOnly returns when these replicas answer.
func (o *Orchestrator) AwaitHealthyOnly(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		Await(t, name+" to answer", func() error { _, err := o.Ask(name); return err })
	}
}
