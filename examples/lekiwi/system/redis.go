package system

import (
	"fmt"
	"os"

	"github.com/segue-run/segue/examples/sandbox"
)

// writeRedis has Redis keep nothing on disk: it is a cache.
func writeRedis(l sandbox.Dir, p ports, s secrets) error {
	conf := fmt.Sprintf(`bind 127.0.0.1
port %d
dir %s
requirepass %s
maxmemory 2gb
maxmemory-policy allkeys-lru
save ""
appendonly no
daemonize no
`, p.redis, l.Data("redis"), s.redis)
	if err := os.MkdirAll(l.Data("redis"), 0o700); err != nil {
		return fmt.Errorf("configure Redis: %w", err)
	}
	if err := os.WriteFile(l.Conf("redis.conf"), []byte(conf), 0o600); err != nil {
		return fmt.Errorf("write the configuration of Redis: %w", err)
	}
	return nil
}
