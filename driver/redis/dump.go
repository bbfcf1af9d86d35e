package redis

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/internal/disk"
	"github.com/segue-run/segue/internal/throwaway"
)

var _ driver.Dumper = (*Conn)(nil)

const rdbFile = "dump.rdb"

// Dump implements driver.Dumper: all databases of the server, as a replica gets
// them. The server forks for it, as for a BGSAVE.
func (c *Conn) Dump(ctx context.Context, dir string) (driver.Dump, error) {
	d := driver.Dump{Taken: time.Now()}
	var err error
	if d.ID, err = c.ID(ctx); err != nil {
		return d, err
	}
	info, err := c.info(ctx, "server")
	if err != nil {
		return d, err
	}
	d.Server = info["redis_version"]
	if version, err := exec.CommandContext(ctx, "redis-cli", "--version").Output(); err == nil {
		d.Tools = map[string]string{"redis-cli": strings.TrimPrefix(strings.TrimSpace(string(version)), "redis-cli ")}
	}
	path := filepath.Join(dir, rdbFile)
	if err := c.fetch(ctx, path); err != nil {
		return d, fmt.Errorf("dump of %s: %w", c, c.secrets.Error(err))
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return d, err
	}
	now, err := held(ctx, path)
	if err != nil {
		return d, fmt.Errorf("dump of %s: it cannot be read: %w", c, err)
	}
	d.Counts = now.keys
	d.Detail, err = json.Marshal(now.digest)
	return d, err
}

// fetch has redis-cli, which speaks a replica's language, get the file.
func (c *Conn) fetch(ctx context.Context, path string) error {
	o := c.client.Options()
	args := []string{"--rdb", path, "--no-auth-warning"}
	if o.Network == "unix" {
		args = append(args, "-s", o.Addr)
	} else {
		host, port, _ := strings.Cut(o.Addr, ":")
		if i := strings.LastIndex(o.Addr, ":"); i >= 0 {
			host, port = strings.Trim(o.Addr[:i], "[]"), o.Addr[i+1:]
		}
		args = append(args, "-h", host, "-p", port)
	}
	if o.Username != "" {
		args = append(args, "--user", o.Username)
	}
	if o.TLSConfig != nil {
		args = append(args, "--tls", "--sni", o.TLSConfig.ServerName)
	}
	cmd := exec.CommandContext(ctx, "redis-cli", args...) //nolint:gosec // Redis's own
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	if o.Password != "" { // unlike arguments it is for nobody else to read
		cmd.Env = append(cmd.Env, "REDISCLI_AUTH="+o.Password)
	}
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
		return fmt.Errorf("redis-cli (Debian's package redis-tools): %w: %s", err, lines[len(lines)-1])
	}
	return nil
}

// Prove implements driver.Dumper.
func (c *Conn) Prove(ctx context.Context, dir string, d driver.Dump) error {
	var digest string
	if err := json.Unmarshal(d.Detail, &digest); err != nil {
		return fmt.Errorf("what the dump of %s holds: %w", c, err)
	}
	now, err := held(ctx, filepath.Join(dir, rdbFile))
	if err != nil {
		return fmt.Errorf("restore the dump of %s in a server of its own: %w", c, err)
	}
	if !maps.Equal(now.keys, d.Counts) {
		return fmt.Errorf("what is restored is not what was dumped: it has keys %v, and had %v", now.keys, d.Counts)
	}
	if now.digest != digest {
		return errors.New("what is restored is not what was dumped: as many keys, and others, or other values")
	}
	return nil
}

// A content is what a server holds.
type content struct {
	keys   map[string]int64 // by database
	digest string
}

// served is a server of its own that starts on an RDB file.
type served struct {
	*throwaway.Instance
}

// serve starts one. It starts as a replica, of nobody: else it would leave out the
// keys that have expired since.
func serve(ctx context.Context, rdb string) (_ served, err error) {
	server, err := exec.LookPath("redis-server")
	if err != nil {
		return served{}, fmt.Errorf("%w: there is no redis-server, Debian's package: %w", driver.ErrNoInstance, err)
	}
	i, err := throwaway.New()
	if err != nil {
		return served{}, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, i.Close())
		}
	}()
	if err := copyTo(ctx, i, rdb); err != nil {
		return served{}, err
	}
	client := served{i}.client(0)
	defer func() { _ = client.Close() }()
	ready := func(ctx context.Context) error { return client.Ping(ctx).Err() }
	return served{i}, i.Start(ctx, ready, server, "--port", "0", "--unixsocket", "s", "--dir", i.Dir, "--dbfilename", rdbFile, "--save", "",
		"--appendonly", "no", "--databases", "4096", "--replicaof", "127.0.0.1 1", "--enable-debug-command", "local")
}

// client speaks to one of its databases.
func (s served) client(db int) *redis.Client {
	return redis.NewClient(&redis.Options{
		Network: "unix", Addr: filepath.Join(s.Dir, "s"), DB: db, DisableIdentity: true, MaxRetries: -1,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
}

// keys counts the keys of each database that has any, db0 and so on.
func keys(ctx context.Context, client *redis.Client) (map[string]int64, error) {
	space, err := client.Info(ctx, "keyspace").Result()
	if err != nil {
		return nil, err
	}
	out := map[string]int64{}
	for line := range strings.Lines(space) { // db0:keys=1,expires=0,avg_ttl=0
		name, rest, ok := strings.Cut(strings.TrimSpace(line), ":keys=")
		if !ok {
			continue
		}
		n, _, _ := strings.Cut(rest, ",")
		if out[name], err = strconv.ParseInt(n, 10, 64); err != nil {
			return nil, fmt.Errorf("how many keys %s has: %w", name, err)
		}
	}
	return out, nil
}

// held is what an RDB file has.
func held(ctx context.Context, rdb string) (out content, err error) {
	s, err := serve(ctx, rdb)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	client := s.client(0)
	defer func() { _ = client.Close() }()
	if out.keys, err = keys(ctx, client); err != nil {
		return out, err
	}
	out.digest, err = client.Do(ctx, "debug", "digest").Text()
	return out, err
}

// copyTo puts the file where the server, which is another user, can read it.
func copyTo(ctx context.Context, i *throwaway.Instance, rdb string) error {
	raw, err := os.Open(rdb)
	if err != nil {
		return err
	}
	defer func() { _ = raw.Close() }()
	path := filepath.Join(i.Dir, rdbFile)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.ReadFrom(disk.Heeding(ctx, raw))
	return errors.Join(err, f.Close(), i.Give(path))
}
