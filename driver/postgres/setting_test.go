package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/postgres/postgrestest"
	"github.com/segue-run/segue/runbook"
)

// remembering is a run's effect, which is never in doubt.
func remembering(e driver.Effect) *driver.Effect {
	e.Mine = func() error { return nil }
	e.Save = func(_ context.Context, cursor any) (err error) {
		e.Cursor, err = json.Marshal(cursor)
		return err
	}
	return &e
}

func settingOf(t testing.TB, db *DB, p settingParams) driver.Action {
	t.Helper()
	if p.Timeout == 0 {
		p.Timeout = 20 * time.Second
	}
	a, err := newSettings(t.Context(), db, p)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func show(t testing.TB, s *postgrestest.Server, name string) string {
	t.Helper()
	return postgrestest.Value(t, s.URL("postgres"), "show "+name)
}

func TestSettingsThatAReloadBringsWalk(t *testing.T) {
	t.Parallel() // it has a server of its own
	s := postgrestest.Start(t)
	url := s.URL("postgres")
	drivertest.Walk(t, drivertest.Subject{
		World: func(t testing.TB) drivertest.World {
			postgrestest.Exec(t, url, "alter system reset all")
			postgrestest.Exec(t, url, "alter system set work_mem to '5MB'")
			postgrestest.Exec(t, url, "select pg_reload_conf()")
			await(t, url, "select setting = '5120' and (select setting from pg_settings where name = 'checkpoint_timeout') = '300' from pg_settings where name = 'work_mem'")
			db := connect(t, url)
			return drivertest.World{
				Action: func() driver.Action {
					return settingOf(t, db, settingParams{Set: map[string]string{"work_mem": "12MB", "checkpoint_timeout": "10min", "log_checkpoints": "no"}})
				},
				Disturb: func(context.Context) error {
					postgrestest.Exec(t, url, "alter system set work_mem to '9MB'")
					return nil
				},
			}
		},
	})
}

// restarter is a command that has the test restart its server.
func restarter(t testing.TB, s *postgrestest.Server) []string {
	t.Helper()
	dir, err := os.MkdirTemp("", "restart")
	if err != nil {
		t.Fatal(err)
	}
	asked, ended := filepath.Join(dir, "asked"), make(chan struct{})
	stop := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			if _, err := os.Stat(asked); err == nil {
				s.Stop(t)
				s.Restart(t)
				_ = os.Remove(asked)
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-ended; _ = os.RemoveAll(dir) })
	return []string{"sh", "-c", `touch "$0"; while [ -e "$0" ]; do sleep 0.01; done`, asked}
}

func TestSettingsThatARestartBringsWalk(t *testing.T) {
	t.Parallel() // it has a server of its own
	s := postgrestest.Start(t)
	restart := restarter(t, s)
	url := s.URL("postgres")
	drivertest.Walk(t, drivertest.Subject{
		Slow: true, Timeout: 2 * time.Minute, Promptly: 10 * time.Second,
		World: func(t testing.TB) drivertest.World {
			postgrestest.Exec(t, url, "alter system reset all")
			if show(t, s, "max_prepared_transactions") != "0" {
				s.Stop(t)
				s.Restart(t)
			}
			db := connect(t, url)
			return drivertest.World{
				Action: func() driver.Action {
					return settingOf(t, db, settingParams{Set: map[string]string{"max_prepared_transactions": "7", "work_mem": "6MB"}, Restart: restart})
				},
				Disturb: func(context.Context) error {
					postgrestest.Exec(t, url, "alter system set work_mem to '9MB'")
					return nil
				},
			}
		},
	})
}

func TestASettingIsInForceAfterwardsAndGoneAfterUndo(t *testing.T) {
	t.Parallel() // it has a server of its own
	s := postgrestest.Start(t)
	db := connect(t, s.URL("postgres"))
	postgrestest.Exec(t, s.URL("postgres"), "alter system set max_prepared_transactions to 0") // what undo is to bring back
	a := settingOf(t, db, settingParams{Set: map[string]string{"max_prepared_transactions": "12", "log_lock_waits": "true", "checkpoint_timeout": "1h"}, Restart: restarter(t, s)})
	undo, err := applied(t, a)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"max_prepared_transactions": "12", "log_lock_waits": "on", "checkpoint_timeout": "1h"} {
		if got := show(t, s, name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	if err := undo(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"max_prepared_transactions": "0", "log_lock_waits": "off", "checkpoint_timeout": "5min"} {
		if got := show(t, s, name); got != want {
			t.Errorf("undone, %s is %s, want %s", name, got, want)
		}
	}
	if left := postgrestest.Value(t, s.URL("postgres"), "select string_agg(name || '=' || setting, ' ') from pg_file_settings where sourcefile like '%auto.conf'"); left != "max_prepared_transactions=0" {
		t.Errorf("postgresql.auto.conf has %q", left)
	}
}

func TestSettingsThatCannotBeAreRefusedAndNothingChanges(t *testing.T) {
	t.Parallel() // it has a server of its own
	s := postgrestest.Start(t)
	url := s.URL("postgres")
	db := connect(t, url)
	for name, c := range map[string]struct {
		set  map[string]string
		want string
	}{
		"unknown":                {map[string]string{"max_connection": "300"}, "it has no parameter max_connection"},
		"on the command line":    {map[string]string{"max_connections": "300"}, "comes from its command line"},
		"of the session":         {map[string]string{"statement_timeout": "1s"}, "comes from its client"},
		"a start, and no way":    {map[string]string{"max_prepared_transactions": "5"}, "say with restart"},
		"never":                  {map[string]string{"block_size": "1"}, "cannot be set at all"},
		"a list":                 {map[string]string{"search_path": "a, b"}, "is to be a list"},
		"a word for a number":    {map[string]string{"work_mem": "lots"}, `is a number, and no "lots"`},
		"a time for memory":      {map[string]string{"work_mem": "5min"}, "units of kB"},
		"neither on nor off":     {map[string]string{"log_lock_waits": "perhaps"}, "is on or off"},
		"out of range":           {map[string]string{"work_mem": "1kB"}, "outside the valid range"},
		"a word that is none of": {map[string]string{"wal_compression": "best"}, "wal_compression"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := applied(t, settingOf(t, db, settingParams{Set: c.set}))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v\nwant %q", err, c.want)
			}
			if left := postgrestest.Value(t, url, "select count(*) from pg_file_settings where sourcefile like '%auto.conf'"); left != "0" {
				t.Errorf("postgresql.auto.conf has %s lines", left)
			}
		})
	}
}

func TestARestartThatFailsSaysWhatTheCommandSaid(t *testing.T) {
	t.Parallel() // it has a server of its own
	s := postgrestest.Start(t)
	db := connect(t, s.URL("postgres"))
	undo, err := applied(t, settingOf(t, db, settingParams{Set: map[string]string{"max_prepared_transactions": "5"}, Restart: []string{"sh", "-c", "echo no such unit >&2; exit 5"}}))
	if err == nil || !strings.Contains(err.Error(), "exit status 5: no such unit") {
		t.Errorf("%v", err)
	}
	if err := undo(); err != nil { // it is not in force, so that no restart is needed
		t.Errorf("undo: %v", err)
	}
	if show(t, s, "max_prepared_transactions") != "0" {
		t.Error("it is in force")
	}
}

func TestValuesAreToldAsTheServerTellsThem(t *testing.T) {
	for _, c := range []struct{ typ, unit, text, want string }{
		{"integer", "8kB", "2GB", "262144"},
		{"integer", "8kB", "16384", "16384"},
		{"integer", "kB", "64MB", "65536"},
		{"integer", "MB", "1.5GB", "1536"},
		{"integer", "s", "10min", "600"},
		{"integer", "ms", "1h", "3600000"},
		{"integer", "", "300", "300"},
		{"real", "", "0.90", "0.9"},
		{"real", "ms", "2s", "2000"},
		{"bool", "", "YES", "on"},
		{"bool", "", "0", "off"},
		{"enum", "", "Replica", "replica"},
		{"string", "", "A b", "A b"},
		{"integer", "B", "1kB", "1024"},
		{"integer", "", "5MB", ""},
		{"integer", "ms", "5MB", ""},
		{"integer", "kB", "5 mb", ""},
		{"bool", "", "maybe", ""},
		{"integer", "kB", "", ""},
	} {
		got, err := parameter{Name: "p", Type: c.typ, Unit: c.unit}.normal(c.text)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s in %q: %q, %v; want %q", c.text, c.unit, got, err, c.want)
		}
	}
}

func TestParametersOfSessionsAndSettingsAreToldWithTheField(t *testing.T) {
	zero := runbook.Percent(0)
	for _, c := range []struct {
		p     interface{ Validate() error }
		field string
	}{
		{sessionsParams{}, "below"},
		{sessionsParams{Below: &zero}, "below"},
		{sessionsParams{Fewer: new(0)}, "fewer-than"},
		{sessionsParams{Fewer: new(1), For: -1}, "for"},
		{terminateParams{}, "for"},
		{terminateParams{whose{States: []string{"active"}}, time.Minute}, "states"},
		{settingParams{}, "set"},
		{settingParams{Set: map[string]string{"a b": "1"}}, "set"},
		{settingParams{Set: map[string]string{"a": "1"}, Restart: []string{""}}, "restart"},
	} {
		wrong, ok := errors.AsType[*runbook.FieldError](c.p.Validate())
		if !ok || wrong.Field != c.field || wrong.Remedy == "" {
			t.Errorf("%+v: %+v", c.p, wrong)
		}
	}
}
