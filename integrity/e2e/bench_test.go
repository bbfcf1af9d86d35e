package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/postgres"
	"github.com/segue-run/segue/driver/postgres/postgrestest"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/integrity"
)

// The benchmark writes its figures, beside what is there, to the file that
// SEGUE_DATA_BENCH names: `make bench-data`. SEGUE_DATA_ROWS is how many rows
// tables have, 5,000,000 otherwise.
const (
	benchFile  = "SEGUE_DATA_BENCH"
	benchRows  = "SEGUE_DATA_ROWS"
	benchChild = "SEGUE_DATA_CHECK" // set in the process that is measured
	planted    = 100
)

// people is a table of a realistic width: about 200 bytes a row.
const people = `create table people (id bigint primary key, name text not null, email text not null, status text not null, score double precision,
	address jsonb not null, created timestamptz not null, changed timestamptz not null, active boolean not null)`

const peopleRows = `insert into people select x, 'Person number ' || x, md5(x::text) || '@example.org', (array['online', 'offline', 'error'])[1 + mod(x, 3)], x * 0.1,
	jsonb_build_object('street', 'Street ' || mod(x, 997), 'zip', mod(x, 99999), 'city', 'City ' || mod(x, 101)), '2026-01-01'::timestamptz - x * interval '1 s', '2026-01-01', mod(x, 7) = 0
	from generate_series(1, %d) x`

// bare is what data.equal is measured by: an md5 of each row's text, summed up.
// It is the cheaper one of two; md5(string_agg(md5(t::text), ” order by id)) takes
// longer, as it also sorts.
const bare = `select count(*), sum(('x' || left(md5(t::text), 16))::bit(64)::bigint) from people t`

type measured struct {
	Seconds float64          `json:"seconds"`
	Verdict evidence.Verdict `json:"verdict"`
	Report  integrity.Report `json:"report"`
	Detail  string           `json:"detail"`
	peak    float64          // MiB
}

// TestHelperCompares is the process that is measured.
func TestHelperCompares(t *testing.T) {
	if os.Getenv(benchChild) == "" {
		return
	}
	made := drivertest.Make(t, `segue: v1
name: test
connections:
  a: {postgres: {url: "${A}"}}
  b: {postgres: {url: "${B}"}}
checks:
  it: {data.equal: {left: a, left-at: {table: people}, right: b, right-at: {table: people}, settle: 0s}}
phases:
  - name: one
    require: [it]
    steps: [{name: nothing, postgres.change: {on: a, do: select 1, undo: select 1, observe: select 1, want: 1}}]
`, map[string]string{"A": os.Getenv("A"), "B": os.Getenv("B")}, slices.Concat(postgres.Parts(), integrity.Parts())...)
	began := time.Now()
	r := made.Checks["it"].Read(t.Context())
	out := measured{Seconds: time.Since(began).Seconds(), Verdict: r.Verdict, Detail: r.Detail}
	if err := json.Unmarshal(r.Raw, &out.Report); err != nil {
		t.Fatalf("%v: %s", err, r.Detail)
	}
	raw, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = os.Stdout.Write(append(raw, '\n'))
}

// compared has a process of its own compare two databases.
func compared(t *testing.T, a, b string) measured {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestHelperCompares$") //nolint:gosec,noctx // this very test
	cmd.Env = append(os.Environ(), benchChild+"=1", "A="+a, "B="+b)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	raw, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s%s", err, raw, errs.Bytes())
	}
	var out measured
	if err := json.NewDecoder(bytes.NewReader(raw)).Decode(&out); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	out.peak = float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss) / 1024
	return out
}

func TestBenchEqual(t *testing.T) {
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
	a, b := server.Database(t), server.Database(t)
	onBoth := func(sql string) time.Duration {
		began := time.Now()
		var wg sync.WaitGroup
		for _, url := range []string{a, b} {
			wg.Go(func() { postgrestest.Exec(t, url, sql) })
		}
		wg.Wait()
		return time.Since(began)
	}
	onBoth(people + ";" + fmt.Sprintf(peopleRows, rows))
	onBoth("vacuum analyze people")
	onBoth("select count(*) from people where name = ''") // hint bits, caches

	var plain, equal, differing []float64
	peak := 0.0
	for range 3 { // by turns: what else the machine does falls on both
		plain = append(plain, onBoth(bare).Seconds())
		m := compared(t, a, b)
		if m.Verdict != evidence.Pass || m.Report.Left != int64(rows) {
			t.Fatalf("equal tables: %+v", m)
		}
		equal, peak = append(equal, m.Seconds), max(peak, m.peak)
	}
	postgrestest.Exec(t, b, fmt.Sprintf(`update people set score = score + 0.001 where id in (select 1 + (i * 7919) %% %d from generate_series(1, %d) i)`, rows, planted))
	found := int64(0)
	for range 3 {
		m := compared(t, a, b)
		if m.Verdict != evidence.Fail || m.Report.Missing+m.Report.Extra+m.Report.Doubled > 0 {
			t.Fatalf("planted differences: %+v", m)
		}
		found = m.Report.Fields["score"]
		differing, peak = append(differing, m.Seconds), max(peak, m.peak)
	}
	record(t, file, map[string]float64{
		"verify_ratio": median(equal) / median(plain), "verify_seconds": median(equal), "verify_md5_seconds": median(plain),
		"diff_ratio": median(differing) / median(equal), "diff_seconds": median(differing), "diff_found": float64(found), "diff_planted": planted,
		"verify_rows": float64(rows), "verify_peak_mib": peak, "peak_mib": peak,
	})
}

func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}

// record adds figures to those that are in the file.
func record(t *testing.T, file string, figures map[string]float64) {
	t.Helper()
	all := map[string]float64{}
	raw, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(raw, &all)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for name, v := range figures {
		if name == "peak_mib" { // of all that were measured
			v = max(v, all[name])
		}
		all[name] = v
		t.Logf("%s %.3f", name, v)
	}
	if raw, err = json.MarshalIndent(all, "", "  "); err == nil {
		err = os.WriteFile(file, append(raw, '\n'), 0o644) //nolint:gosec // figures for everybody
	}
	if err != nil {
		t.Fatal(err)
	}
}
