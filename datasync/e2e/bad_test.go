package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/postgres/postgrestest"
)

// spoil makes n records of a fleet bad, in five ways, and says which.
func spoil(records []map[string]any, n int) map[string]string {
	out := map[string]string{}
	for i := range n {
		r := records[i*len(records)/n]
		id := r["id"].(string)
		switch i % 5 {
		case 0:
			r["last_seen"], out[id] = "yesterday", "last_seen"
		case 1:
			delete(r, "last_seen")
			out[id] = "last_seen"
		case 2:
			r["ssh_port"], out[id] = "twenty-two", "ssh_port"
		case 3: // what only the table refuses
			r["ssh_port"], out[id] = 3_000_000_000, "ssh_port"
		case 4:
			r["status"], out[id] = 7, "status"
		}
	}
	return out
}

// strict is the sync to a table, where an unknown status is none.
func strict(more string) string {
	text := strings.Replace(toTable, ", unknown: offline}, default: offline}", "}}", 1)
	text = strings.Replace(text, "want: {id: 10.0.0.9, ip: 10.0.0.9, status: offline, type", "want: {id: 10.0.0.9, ip: 10.0.0.9, type", 1)
	return text + more
}

func TestBadRecordsAreCountedAndKeptAsideWithTheirReasons(t *testing.T) {
	t.Parallel()
	records := fleet(1000)
	bad := spoil(records, 25)
	legacy, db := newRobots(t, records...), server.Database(t)
	postgrestest.Exec(t, db, table)
	file := filepath.Join(t.TempDir(), "aside.jsonl")
	env := map[string]string{"LEGACY": legacy.URL, "DB": db}

	got := counts(apply(t, strict(fmt.Sprintf("          bears: 25\n          aside: %s\n", file)), env))
	if want := "read 1000, changed 975, unchanged 0, bad 25, deleted 0"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if n := postgrestest.Value(t, db, "select count(*) from robots"); n != "975" {
		t.Errorf("the table has %s rows, want 975", n)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		var l struct {
			Field, Reason string
			Record        map[string]any
		}
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		id, _ := l.Record["id"].(string)
		if bad[id] != l.Field || l.Reason == "" {
			t.Errorf("%q is aside for its %s (%s), want %s", id, l.Field, l.Reason, bad[id])
		}
		delete(bad, id)
	}
	if len(bad) > 0 {
		t.Errorf("not aside are %v", bad)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v (%v), want 0600", info.Mode().Perm(), err)
	}
}

func TestOneBadRecordMoreThanIsBorneFailsAndIsFoundAgain(t *testing.T) {
	t.Parallel()
	records := fleet(100)
	records[70]["ssh_port"] = "twenty-two"
	legacy, db := newRobots(t, records...), server.Database(t)
	postgrestest.Exec(t, db, table)
	env := map[string]string{"LEGACY": legacy.URL, "DB": db}
	file := filepath.Join(t.TempDir(), "aside.jsonl")
	made := drivertest.Make(t, strict("          aside: "+file+"\n"), env, parts()...)
	l := &life{}
	for range 2 { // the second time from the cursor: it must not be passed over
		a := made.Again("sync")
		_, err := a.Apply(t.Context(), l.effect(a, t))
		if err == nil || !strings.Contains(err.Error(), `ssh_port is "twenty-two"`) || !strings.Contains(err.Error(), "robot-00070") {
			t.Fatalf("the error is %v", err)
		}
	}
	if text, err := os.ReadFile(file); err != nil || bytes.Count(text, []byte("\n")) != 1 {
		t.Errorf("aside is %s (%v), want one line", text, err)
	}
	records[70]["ssh_port"] = 22
	a := made.Again("sync")
	if _, err := a.Apply(t.Context(), l.effect(a, t)); err != nil {
		t.Fatal(err)
	}
	if n := postgrestest.Value(t, db, "select count(*) from robots"); n != "100" {
		t.Errorf("the table has %s rows, want 100", n)
	}
}

func TestWhatTheOtherServerRejectsIsKeptAside(t *testing.T) {
	t.Parallel()
	records := fleet(60)
	records[13]["ssh_port"] = 99999
	legacy, next := newRobots(t, records...), newRobots(t)
	file := filepath.Join(t.TempDir(), "aside.jsonl")
	got := counts(apply(t, fmt.Sprintf(toImport, 50)+"          bears: 1\n          aside: "+file+"\n", map[string]string{"LEGACY": legacy.URL, "NEW": next.URL}))
	if want := "read 60, changed 59, unchanged 0, bad 1, deleted 0"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), `"reason":"is no port"`) {
		t.Errorf("aside is %s (%v)", text, err)
	}
}

// A constraint of the table's own says not which record breaks it.
func TestATablesConstraintIsHeldAgainstTheRecordThatBreaksIt(t *testing.T) {
	t.Parallel()
	legacy, db := newRobots(t, fleet(200)...), server.Database(t)
	postgrestest.Exec(t, db, table+`; alter table robots add check (id <> 'robot-00123');
		insert into robots (id, type, status, last_seen) values ('not empty', '', '', '2025-01-01')`)
	file := filepath.Join(t.TempDir(), "aside.jsonl")
	got := counts(apply(t, toTable+"          bears: 1\n          aside: "+file+"\n", map[string]string{"LEGACY": legacy.URL, "DB": db}))
	if want := "read 200, changed 199, unchanged 0, bad 1, deleted 0"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), `robot-00123`) || !strings.Contains(string(text), "violates check constraint") {
		t.Errorf("aside is %s (%v)", text, err)
	}
}

// The step says how many it bears: one more is a failure, and kept aside too.
func TestTheTwentySixthBadRecordOfAStepThatBearsTwentyFiveFails(t *testing.T) {
	t.Parallel()
	records := fleet(1000)
	bad := spoil(records, 26)
	legacy, db := newRobots(t, records...), server.Database(t)
	postgrestest.Exec(t, db, table)
	file := filepath.Join(t.TempDir(), "aside.jsonl")
	a := drivertest.Make(t, strict(fmt.Sprintf("          bears: 25\n          aside: %s\n", file)), map[string]string{"LEGACY": legacy.URL, "DB": db}, parts()...).Actions["sync"]
	_, err := a.Apply(t.Context(), (&life{}).effect(a, t))
	if err == nil || !strings.Contains(err.Error(), "26 so far, 25 are borne") || !strings.Contains(err.Error(), "they are in "+file) {
		t.Errorf("the error is %v", err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for id := range bad {
		if bytes.Count(text, []byte(`"`+id+`"`)) != 1 {
			t.Errorf("%s is aside %d times, want once", id, bytes.Count(text, []byte(`"`+id+`"`)))
		}
	}
}
