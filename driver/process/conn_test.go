package process

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/process/processtest"
	"github.com/segue-run/segue/runbook"
)

func TestTheSameOrchestratorHasOneIdentity(t *testing.T) {
	t.Parallel()
	o := processtest.Start(t, processtest.Process{Name: "idle", Entrypoint: []string{"sleep", "1000"}})
	link := t.TempDir() + "/s"
	check(t, os.Symlink(strings.TrimPrefix(o.API, "unix://"), link))
	direct := connect(t, o)
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			if r.In.Header.Get("X-PC-Token-Key") != "tok" {
				t.Error("the token is not sent")
			}
			r.SetURL(&url.URL{Scheme: "http", Host: "process-compose"})
		},
		Transport: direct.client.Transport,
	})
	t.Cleanup(proxy.Close)
	want, err := direct.ID(t.Context())
	check(t, err)
	host, err := os.Hostname()
	check(t, err)
	if want != "process:"+host+o.Dir+"/project.yaml" {
		t.Errorf("identity %q", want)
	}
	for _, p := range []connParams{{API: "unix://" + link}, {API: proxy.URL, Token: "tok"}} {
		c, err := open(p)
		check(t, err)
		if got, err := c.ID(t.Context()); got != want || err != nil {
			t.Errorf("by %s it is %q, %v", p.API, got, err)
		}
	}
}

func TestACallEndsWithItsContextAndItsDeadline(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	t.Cleanup(silent.Close)
	t.Cleanup(func() { close(hang) })
	c, err := open(connParams{API: silent.URL, Timeout: 50 * time.Millisecond})
	check(t, err)
	began := time.Now()
	_, err = c.list(t.Context())
	if err == nil || !strings.Contains(err.Error(), "process-compose at "+c.where+": GET /processes: no answer within 50ms") || time.Since(began) > time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = c.service(ctx, "web"); err == nil || !strings.Contains(err.Error(), "canceled") {
		t.Errorf("cancelled: %v", err)
	}
}

func TestParamsAreRefused(t *testing.T) {
	t.Parallel()
	for want, p := range map[string]interface{ Validate() error }{
		"api: that is no address of process-compose":     connParams{API: "localhost:8080"},
		"set: no variable is given":                      envParams{},
		"unset: A is also set":                           envParams{Set: map[string]string{"A": "1"}, Unset: []string{"A"}},
		`set: a variable is named "A=B"`:                 envParams{Set: map[string]string{"A=B": "1"}},
		"health: that is no URL of HTTP":                 envParams{Set: map[string]string{"A": "1"}, rolling: rolling{asking: asking{"{ADDR}/health"}}},
		"shows: the step does not change B":              envParams{Set: map[string]string{"A": "1"}, witnessing: witnessing{map[string]string{"B": "b"}}},
		"command: nothing is to be deployed":             deployParams{},
		"command: an argv is no shell string":            deployParams{Command: []string{"app serve"}},
		"says: it takes one of says and never":           logsParams{Says: "a", Never: "b"},
		"never: error parsing regexp: missing closing ]": logsParams{Never: "["},
		"replicas: there cannot be fewer than none":      statusParams{Replicas: -1},
		"running: of 2 replicas 3 cannot run":            statusParams{Replicas: 2, Running: new(3)},
		"running: there cannot be fewer than none":       statusParams{Running: new(-1)},
		"at-least: running says exactly how many":        statusParams{Running: new(1), AtLeast: 1},
		"at-least: of 2 replicas 3 cannot work":          statusParams{Replicas: 2, AtLeast: 3},
		"answers: none is to run, so none can answer":    statusParams{Running: new(0), answering: answering{map[string]string{"a": "b"}}},
		`answers: "a..b" is no field`:                    statusParams{answering: answering{map[string]string{"a..b": "c"}}},
		"any: it goes with says":                         logsParams{Never: "x", Any: true},
		"since: it goes with says":                       logsParams{Never: "x", Since: "y"},
		"since: error parsing regexp":                    logsParams{Says: "x", Since: "("},
		"replicas: fewer than none cannot run":           scaleParams{Replicas: -1},
		"answers: none is to run, so none can":           scaleParams{answering: answering{map[string]string{"a": "b"}}},
	} {
		if err := p.Validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestThePartsAreWhatTheRunbookNames(t *testing.T) {
	t.Parallel()
	var c driver.Catalog
	c.Add(Parts()...)
	for class, names := range map[runbook.Class][]string{
		runbook.Connection: {"process"},
		runbook.Action:     {"process.deploy", "process.env", "process.remove", "process.restart", "process.scale"},
		runbook.Check:      {"process.logs", "process.status"},
	} {
		var got []string
		for _, k := range c.Kinds(class) {
			got = append(got, k.Name)
			if class == runbook.Action && !k.Resumable {
				t.Errorf("%s is not resumable", k.Name)
			}
		}
		if strings.Join(got, " ") != strings.Join(names, " ") {
			t.Errorf("%v, want %v", got, names)
		}
	}
}
