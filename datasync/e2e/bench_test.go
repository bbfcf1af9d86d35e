package e2e

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/postgres/postgrestest"
)

// The benchmark writes its figures, beside what is there, to the file that
// SEGUE_DATA_BENCH names: `make bench-data`. SEGUE_DATA_ROWS is how many rows
// tables have, 5,000,000 otherwise.
const (
	benchFile = "SEGUE_DATA_BENCH"
	benchRows = "SEGUE_DATA_ROWS"
	benchStep = "SEGUE_DATA_STEP" // the runbook that a child process carries out
)

// people is a table of a realistic width: about 200 bytes a row.
const people = `create table people (id bigint primary key, name text not null, email text not null, status text not null, score double precision,
	address jsonb not null, created timestamptz not null, changed timestamptz not null, active boolean not null)`

const peopleRows = `insert into people select x, 'Person number ' || x, md5(x::text) || '@example.org', (array['online', 'offline', 'error'])[1 + mod(x, 3)], random() * 1000,
	jsonb_build_object('street', 'Street ' || mod(x, 997), 'zip', mod(x, 99999), 'city', 'City ' || mod(x, 101)), now() - x * interval '1 s', now(), mod(x, 7) = 0
	from generate_series(1, %d) x`

const peopleSync = `
segue: v1
name: sync
connections:
  a: {postgres: {url: "${A}"}}
  b: {postgres: {url: "${B}"}}
phases:
  - name: one
    steps:
      - name: sync
        sync.once: {from: a, read: {table: people}, to: b, write: {table: people}, key: [id], version: changed}
`

func TestBenchData(t *testing.T) {
	file := os.Getenv(benchFile)
	if file == "" {
		t.Skip("set " + benchFile + " to measure")
	}
	rows := 5_000_000
	if s := os.Getenv(benchRows); s != "" {
		var err error
		if rows, err = strconv.Atoi(s); err != nil {
			t.Fatalf("%s: %v", benchRows, err)
		}
	}
	var copies measured
	if os.Getenv("SEGUE_DATA_ONLY") == "" {
		copies = benchCopy(t, rows)
	}
	robots := benchRobots(t, min(rows, 100_000))
	record(t, file, map[string]float64{
		"copy_ratio": copies.ratio, "copy_rows": float64(rows), "copy_seconds": copies.ours.Seconds(), "copy_psql_seconds": copies.bare.Seconds(),
		"http_ratio": robots.ratio, "http_seconds": robots.ours.Seconds(), "http_bare_seconds": robots.bare.Seconds(),
		"peak_mib": max(copies.peak, robots.peak),
	})
}

type measured struct {
	ours, bare time.Duration
	ratio      float64
	peak       float64 // MiB
}

// benchCopy copies a table by psql and by a sync: the ratio is of rows a second.
func benchCopy(t *testing.T, rows int) measured {
	a := server.Database(t)
	postgrestest.Exec(t, a, people+";"+fmt.Sprintf(peopleRows, rows)+"; analyze people")
	bare, ours := server.Database(t), server.Database(t)
	postgrestest.Exec(t, bare, people)
	postgrestest.Exec(t, ours, people)
	var m measured
	m.bare = psqlCopy(t, a, bare)
	m.ours, m.peak = carryOut(t, peopleSync, map[string]string{"A": a, "B": ours})
	m.ratio = m.bare.Seconds() / m.ours.Seconds()
	const sum = "select count(*) || ' ' || sum(hashtextextended(people::text, 0)::numeric) from people"
	if want, got := postgrestest.Value(t, a, sum), postgrestest.Value(t, ours, sum); got != want {
		t.Errorf("the copy has %s, want %s", got, want)
	}
	t.Logf("%d rows: psql %s, sync %s, ratio %.2f, peak %.0f MiB", rows, m.bare, m.ours, m.ratio, m.peak)
	return m
}

func psqlCopy(t *testing.T, from, to string) time.Duration {
	t.Helper()
	out := exec.CommandContext(t.Context(), "psql", "-X", "-q", "-d", from, "-c", "copy people to stdout")
	in := exec.CommandContext(t.Context(), "psql", "-X", "-q", "-d", to, "-c", "copy people from stdin")
	var said bytes.Buffer
	out.Stderr, in.Stderr = &said, &said
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out.Stdout, in.Stdin = w, r
	began := time.Now()
	err = errors.Join(out.Start(), in.Start(), w.Close(), r.Close())
	if err = errors.Join(err, out.Wait(), in.Wait()); err != nil {
		t.Fatalf("psql: %v: %s", err, said.String())
	}
	return time.Since(began)
}

// carryOut applies a runbook's step in a process of its own, so that its memory
// can be told: it gives the time of Apply and the peak in MiB.
func carryOut(t *testing.T, text string, env map[string]string) (took time.Duration, peak float64) {
	t.Helper()
	given, err := json.Marshal(env)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], append([]string{"-test.run=^TestHelperCarriesOut$", "-test.v"}, strings.Fields(os.Getenv("HELPERARGS"))...)...) //nolint:gosec // this very test
	cmd.Env = append(os.Environ(), benchStep+"="+text, "STEP_ENV="+string(given))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("the sync: %v: %s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		var seconds, kib float64
		if n, _ := fmt.Sscanf(strings.TrimSpace(line), "took %f s, peak %f kB", &seconds, &kib); n == 2 {
			return time.Duration(seconds * float64(time.Second)), kib / 1024
		}
	}
	t.Fatalf("the sync does not say how it went: %s", out)
	return 0, 0
}

// TestHelperCarriesOut is the process of carryOut.
func TestHelperCarriesOut(t *testing.T) {
	text := os.Getenv(benchStep)
	if text == "" {
		t.Skip("it is for others")
	}
	var env map[string]string
	if err := json.Unmarshal([]byte(os.Getenv("STEP_ENV")), &env); err != nil {
		t.Fatal(err)
	}
	a := drivertest.Make(t, text, env, parts()...).Actions["sync"]
	began := time.Now()
	if _, err := a.Apply(t.Context(), (&life{}).effect(a, t)); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	status, err := os.ReadFile("/proc/self/status") // rusage has the parent's peak
	if err != nil {
		t.Fatal(err)
	}
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	peak, _, _ = strings.Cut(peak, "kB")
	fmt.Printf("took %f s, peak %s kB\n", took.Seconds(), strings.TrimSpace(peak))
}

// benchRobots brings robots from an HTTP server to a table by a bare loop and by
// a sync, five times in turn, as each takes less than a second: it gives the pair
// whose ratio of times is in the middle.
func benchRobots(t *testing.T, n int) measured {
	legacy := newRobots(t, fleet(n)...)
	text := strings.Replace(toTable, "batch-size: 50", "batch-size: 1000", 1)
	pairs := make([]measured, 5)
	peak := 0.0
	for i := range pairs {
		bare, ours := server.Database(t), server.Database(t)
		postgrestest.Exec(t, bare, table)
		postgrestest.Exec(t, ours, table)
		m := &pairs[i]
		m.bare = bareLoop(t, legacy.URL, bare)
		m.ours, m.peak = carryOut(t, text, map[string]string{"LEGACY": legacy.URL, "DB": ours})
		m.ratio, peak = m.ours.Seconds()/m.bare.Seconds(), max(peak, m.peak)
		const sum = "select count(*) || ' ' || md5(string_agg(robots::text, ',' order by id)) from robots"
		if want, got := postgrestest.Value(t, bare, sum), postgrestest.Value(t, ours, sum); got != want {
			t.Errorf("the sync brought %s, want %s", got, want)
		}
		t.Logf("%d robots: bare %s, sync %s, ratio %.2f, peak %.0f MiB", n, m.bare, m.ours, m.ratio, m.peak)
	}
	slices.SortFunc(pairs, func(a, b measured) int { return cmp.Compare(a.ratio, b.ratio) })
	middle := pairs[len(pairs)/2]
	middle.peak = peak
	return middle
}

// bareLoop is the least that does the same: a page is asked for, decoded, put
// into the table's form and copied, one after the other.
func bareLoop(t *testing.T, from, to string) time.Duration {
	t.Helper()
	ctx := t.Context()
	began := time.Now()
	conn, err := pgx.Connect(ctx, to)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background()) //nolint:errcheck // of a test
	for after := ""; ; {
		resp, err := http.Get(from + "/robots?limit=1000&after=" + after) //nolint:noctx,gosec // of a test
		if err != nil {
			t.Fatal(err)
		}
		var page struct {
			Next   string
			Robots []struct {
				ID, Hostname, Status string
				IP                   string `json:"ip_address"`
				LastSeen             string `json:"last_seen"`
				Teleoperation        bool
				SSHPort              int32 `json:"ssh_port"`
			}
		}
		err = errors.Join(json.NewDecoder(resp.Body).Decode(&page), resp.Body.Close())
		if err != nil {
			t.Fatal(err)
		}
		rows := make([][]any, 0, len(page.Robots))
		for _, r := range page.Robots {
			seen, err := time.Parse("2006-01-02T15:04:05", r.LastSeen)
			if err != nil {
				t.Fatal(err)
			}
			kind := "lekiwi"
			if strings.Contains(r.Hostname, "xle") {
				kind = "xlerobot"
			}
			rows = append(rows, []any{r.ID, kind, map[string]string{"running": "online"}[r.Status], r.IP, seen, r.SSHPort, r.Teleoperation})
		}
		_, err = conn.CopyFrom(ctx, pgx.Identifier{"robots"}, []string{"id", "type", "status", "ip", "last_seen", "ssh_port", "driven"}, pgx.CopyFromRows(rows))
		if err != nil {
			t.Fatal(err)
		}
		if after = page.Next; after == "" {
			return time.Since(began)
		}
	}
}

// record adds figures to a JSON file, which others write to as well.
func record(t *testing.T, file string, figures map[string]float64) {
	t.Helper()
	all := map[string]any{}
	if raw, err := os.ReadFile(file); err == nil {
		if err := json.Unmarshal(raw, &all); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	for name, v := range figures {
		if old, ok := all[name].(float64); ok && name == "peak_mib" {
			v = max(v, old)
		}
		all[name] = v
	}
	raw, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(raw, '\n'), 0o644); err != nil { //nolint:gosec // figures
		t.Fatal(err)
	}
}
