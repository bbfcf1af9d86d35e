package redis

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/segue-run/segue/driver/redis/redistest"
)

func TestADumpIsProvedInAServerOfItsOwn(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	client := s.Client(t)
	// A server waits for more replicas to come, by default for five seconds.
	if err := client.ConfigSet(t.Context(), "repl-diskless-sync-delay", "0").Err(); err != nil {
		t.Fatal(err)
	}
	for key, ttl := range map[string]time.Duration{"robot:1": 0, "robot:2": time.Hour, "robot:3": 0} {
		if err := client.Set(t.Context(), key, "x"+key, ttl).Err(); err != nil {
			t.Fatal(err)
		}
	}
	// It has expired by the time that the dump is proved.
	if err := client.Set(t.Context(), "robot:4", "soon", 500*time.Millisecond).Err(); err != nil {
		t.Fatal(err)
	}
	for name, url := range map[string]string{"TCP": s.URL(0), "the socket": s.SocketURL(3)} {
		t.Run(name, func(t *testing.T) {
			c := connect(t, url)
			dir := t.TempDir()
			d, err := c.Dump(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			if client.Exists(t.Context(), "robot:4").Val() == 1 {
				if diff := cmp.Diff(map[string]int64{"db0": 4}, d.Counts); diff != "" {
					t.Errorf("counts (-want +got):\n%s", diff)
				}
			}
			deadline := time.Now().Add(30 * time.Second)
			for client.Exists(t.Context(), "robot:4").Val() == 1 && time.Now().Before(deadline) {
				time.Sleep(10 * time.Millisecond)
			}
			if err := c.Prove(t.Context(), dir, d); err != nil {
				t.Errorf("a dump that is right: %v", err)
			}
			// Negative controls: a value, a key more, a file that is cut off.
			otherwise := d
			otherwise.Detail = []byte(`"0000000000000000000000000000000000000001"`)
			if err := c.Prove(t.Context(), dir, otherwise); err == nil || !strings.Contains(err.Error(), "or other values") {
				t.Errorf("another digest: %v", err)
			}
			otherwise = d
			otherwise.Counts = map[string]int64{"db0": 5}
			if err := c.Prove(t.Context(), dir, otherwise); err == nil || !strings.Contains(err.Error(), "had map[db0:5]") {
				t.Errorf("another count: %v", err)
			}
			path := filepath.Join(dir, rdbFile)
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(path, info.Size()-10); err != nil {
				t.Fatal(err)
			}
			if err := c.Prove(t.Context(), dir, d); err == nil || !strings.Contains(err.Error(), "redis-server ended") {
				t.Errorf("cut off: %v", err)
			}
		})
	}
}

func TestADumpThatIsNotAllowedSaysSoWithoutThePassword(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	c := connect(t, s.URL(0))
	if _, err := c.ID(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.info(t.Context(), "server"); err != nil {
		t.Fatal(err)
	}
	if err := s.Client(t).ConfigSet(t.Context(), "requirepass", "another").Err(); err != nil {
		t.Fatal(err)
	}
	_, err := c.Dump(t.Context(), t.TempDir())
	if err == nil || strings.Contains(err.Error(), redistest.Password) {
		t.Errorf("%v", err)
	}
}
