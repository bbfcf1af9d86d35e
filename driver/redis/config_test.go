package redis

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/redis/redistest"
)

func configOf(t testing.TB, c *Conn, rewrite bool, set map[string]string) *config {
	t.Helper()
	a, err := newConfig(t.Context(), c, configParams{set, rewrite})
	check(t, err)
	return a
}

func TestConfigWalks(t *testing.T) {
	for name, rewrite := range map[string]bool{"running": false, "and its file": true} {
		t.Run(name, func(t *testing.T) {
			s := redistest.Start(t)
			r := s.Client(t)
			drivertest.Walk(t, drivertest.Subject{
				Secrets: []string{"old-master-pw", "new-master-pw"},
				World: func(t testing.TB) drivertest.World {
					c := connect(t, s.URL(0))
					check(t, r.Do(t.Context(), "config", "set", "maxmemory", "64mb", "maxmemory-policy", "noeviction", "masterauth", "old-master-pw").Err())
					return drivertest.World{
						Action: func() driver.Action {
							return configOf(t, c, rewrite, map[string]string{"maxmemory": "128mb", "maxmemory-policy": "allkeys-lru", "masterauth": "new-master-pw"})
						},
						Disturb: func(ctx context.Context) error { return r.ConfigSet(ctx, "maxmemory", "1gb").Err() },
					}
				},
			})
		})
	}
}

func TestTheFileIsWrittenOnlyIfTold(t *testing.T) {
	s := redistest.Start(t)
	c := connect(t, s.URL(0))
	file := func() string {
		t.Helper()
		raw, err := os.ReadFile(s.Config)
		check(t, err)
		return string(raw)
	}
	was := file()
	undo, err := do(t.Context(), configOf(t, c, false, map[string]string{"maxmemory": "1gb"}))
	check(t, err)
	if file() != was {
		t.Error("the file was written")
	}
	check(t, undo())
	undo, err = do(t.Context(), configOf(t, c, true, map[string]string{"maxmemory": "1gb"}))
	check(t, err)
	if !strings.Contains(file(), "maxmemory 1gb") || !strings.Contains(file(), "# of a test") {
		t.Errorf("the file: %s", file())
	}
	s.Stop()
	s.Restart(t)
	if got := s.Client(t).ConfigGet(t.Context(), "maxmemory").Val()["maxmemory"]; got != "1073741824" {
		t.Errorf("after a restart maxmemory is %s", got)
	}
	check(t, undo())
	if !strings.Contains(file(), "maxmemory 64mb") {
		t.Errorf("the file, undone: %s", file())
	}
}

func TestWhatTheServerRefusesChangesNothing(t *testing.T) {
	s := redistest.Start(t)
	r, c := s.Client(t), connect(t, s.URL(0))
	raw, err := os.ReadFile(s.Config)
	check(t, err)
	for name, c := range map[string]struct {
		a    *config
		want string
	}{
		"an unknown setting":          {configOf(t, c, false, map[string]string{"maxmemori": "1gb"}), "it has no setting maxmemori"},
		"a wrong value":               {configOf(t, c, false, map[string]string{"maxmemory": "1gb", "maxmemory-policy": "some-lru"}), "maxmemory-policy"},
		"a wrong value, with a file":  {configOf(t, c, true, map[string]string{"maxmemory": "1gb", "maxmemory-policy": "some-lru"}), "maxmemory-policy"},
		"what only a start can set":   {configOf(t, c, true, map[string]string{"databases": "3"}), "immutable"},
		"a text where a number is to": {configOf(t, c, false, map[string]string{"maxmemory": "lots"}), "maxmemory"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := do(t.Context(), c.a); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v\nwant %q", err, c.want)
			}
			if got := r.ConfigGet(t.Context(), "maxmemory").Val()["maxmemory"]; got != "67108864" {
				t.Errorf("maxmemory is %s", got)
			}
			if now, err := os.ReadFile(s.Config); err != nil || string(now) != string(raw) {
				t.Errorf("the file is %s, %v", now, err)
			}
		})
	}
}

// A file that cannot be written takes the settings back with it.
func TestAFileThatCannotBeWrittenTakesTheSettingsBack(t *testing.T) {
	s := redistest.Start(t)
	r, c := s.Client(t), connect(t, s.URL(0))
	check(t, os.Chmod(s.Dir, 0o500))                    //nolint:gosec // nobody may write it
	defer func() { check(t, os.Chmod(s.Dir, 0o700)) }() //nolint:gosec // its owner may again
	_, err := do(t.Context(), configOf(t, c, true, map[string]string{"maxmemory": "1gb"}))
	if err == nil || !strings.Contains(err.Error(), "ewrit") {
		t.Errorf("%v", err)
	}
	if got := r.ConfigGet(t.Context(), "maxmemory").Val()["maxmemory"]; got != "67108864" {
		t.Errorf("maxmemory is %s", got)
	}
}

func TestAmountsOfMemoryAreWrittenAsTheServerDoes(t *testing.T) {
	for _, c := range []struct{ text, is, want string }{
		{"4gb", "0", "4294967296"},
		{"4GB", "1", "4294967296"},
		{"1k", "1", "1000"},
		{"100", "1", "100"},
		{"allkeys-lru", "noeviction", "allkeys-lru"},
		{"1gb", "yes", "1gb"},
		{"99999999999999999999gb", "1", "99999999999999999999gb"},
		{"9999999999gb", "1", "9999999999gb"},
	} {
		if got := asShown(c.text, c.is); got != c.want {
			t.Errorf("%s becomes %s, want %s", c.text, got, c.want)
		}
	}
}
