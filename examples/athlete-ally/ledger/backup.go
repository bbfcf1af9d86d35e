package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/nats-io/jsm.go"
	"github.com/nats-io/jsm.go/api"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// backupSuffix follows the name of a stream that was read in its backup.
const backupSuffix = " (backup)"

// manifest is what lies beside a backup: what it is of, and what its files are.
type manifest struct {
	Cluster string            `json:"cluster"`
	Stream  string            `json:"stream"`
	Taken   time.Time         `json:"taken"`
	LastSeq uint64            `json:"last_seq"`
	SHA256  map[string]string `json:"sha256"`

	dir string
}

const (
	manifestFile = "manifest.json"
	stopTime     = 2 * time.Second
)

// readBackups reads every stream of this cluster that is not live and has a
// whole backup in dir: the newest one.
func readBackups(ctx context.Context, dir, cluster string, live []string) ([]Stream, error) {
	found, err := newestBackups(dir, cluster, live)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	bench, err := startThrowAway()
	if err != nil {
		return nil, err
	}
	defer bench.stop()
	var out []Stream
	for _, m := range found {
		messages, err := bench.read(ctx, m)
		if err != nil {
			return nil, fmt.Errorf("read stream %s in its backup %s: %w", m.Stream, m.dir, err)
		}
		out = append(out, Stream{Name: m.Stream + backupSuffix, Messages: messages, Backup: true})
	}
	return out, nil
}

// newestBackups finds the newest whole backup of each stream that is not live.
func newestBackups(dir, cluster string, live []string) ([]manifest, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("look for backups: %w", err)
	}
	var all []manifest
	for _, e := range entries {
		raw, err := os.ReadFile(filepath.Join(dir, e.Name(), manifestFile))
		if err != nil {
			continue // no backup, or not a whole one
		}
		m := manifest{dir: filepath.Join(dir, e.Name())}
		if json.Unmarshal(raw, &m) == nil && m.Cluster == cluster && !slices.Contains(live, m.Stream) {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b manifest) int { return b.Taken.Compare(a.Taken) })
	var out []manifest
	for _, m := range all {
		taken := slices.ContainsFunc(out, func(newer manifest) bool { return newer.Stream == m.Stream })
		if !taken && m.whole() {
			out = append(out, m)
		}
	}
	return out, nil
}

// whole tells whether the files are what the manifest says.
func (m manifest) whole() bool {
	for name, want := range m.SHA256 {
		if got, err := sum(filepath.Join(m.dir, filepath.Base(name))); err != nil || got != want {
			return false
		}
	}
	return len(m.SHA256) > 0
}

func sum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// throwAway is a server in this process that nobody else can reach.
type throwAway struct {
	server *server.Server
	nc     *nats.Conn
	dir    string
}

func startThrowAway() (_ *throwAway, err error) {
	dir, err := os.MkdirTemp("", "athlete-ally-ledger-")
	if err != nil {
		return nil, fmt.Errorf("room for restoring backups: %w", err)
	}
	b := &throwAway{dir: dir}
	defer func() {
		if err != nil {
			b.stop()
		}
	}()
	b.server, err = server.NewServer(&server.Options{
		ServerName: "ledger", DontListen: true, JetStream: true, StoreDir: dir, NoLog: true, NoSigs: true,
	})
	if err != nil {
		return nil, fmt.Errorf("a server for restoring backups: %w", err)
	}
	b.server.Start()
	if !b.server.ReadyForConnections(10 * time.Second) {
		return nil, errors.New("a server for restoring backups: it does not start")
	}
	if b.nc, err = nats.Connect("", nats.InProcessServer(b.server), nats.Name("ledger")); err != nil {
		return nil, fmt.Errorf("a server for restoring backups: %w", err)
	}
	return b, nil
}

// stop does not wait for ever: a server that is stopped in the middle of a
// restore may wait for the rest of it.
func (b *throwAway) stop() {
	if b.nc != nil {
		b.nc.Close()
	}
	if b.server != nil {
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			b.server.Shutdown()
			b.server.WaitForShutdown()
		}()
		select {
		case <-stopped:
		case <-time.After(stopTime):
		}
	}
	_ = os.RemoveAll(b.dir) // it is in the temporary directory
}

// read restores a backup, reads it and takes it away again.
func (b *throwAway) read(ctx context.Context, m manifest) ([]Stored, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	// jsm.go waits an hour for the server's last answer, whatever ctx says.
	defer context.AfterFunc(ctx, b.nc.Close)()
	mgr, err := jsm.New(b.nc, jsm.WithTimeout(10*time.Second))
	if err != nil {
		return nil, err
	}
	cfg, err := m.config()
	if err != nil {
		return nil, err
	}
	_, state, err := mgr.RestoreSnapshotFromDirectory(ctx, m.Stream, m.dir, jsm.RestoreConfiguration(cfg))
	if err != nil {
		return nil, fmt.Errorf("restore: %w", errors.Join(context.Cause(ctx), err))
	}
	js, err := jetstream.New(b.nc)
	if err != nil {
		return nil, err
	}
	messages, err := readMessages(ctx, js, m.Stream)
	if err != nil {
		return nil, err
	}
	if uint64(len(messages)) != state.Msgs {
		return nil, fmt.Errorf("%d messages were restored and %d can be read", state.Msgs, len(messages))
	}
	return messages, js.DeleteStream(ctx, m.Stream)
}

// config is the stream's own, as a single server can hold it for a look: one
// replica, nothing that comes from elsewhere, and nothing that grows too old.
func (m manifest) config() (api.StreamConfig, error) {
	var meta struct {
		Config api.StreamConfig `json:"config"`
	}
	raw, err := os.ReadFile(filepath.Join(m.dir, jsm.SnapshotMetaFile))
	if err != nil {
		return api.StreamConfig{}, err
	}
	if err := json.Unmarshal(raw, &meta); err != nil {
		return api.StreamConfig{}, fmt.Errorf("its configuration: %w", err)
	}
	cfg := meta.Config
	cfg.Replicas, cfg.Placement, cfg.MaxAge = 1, nil, 0
	cfg.Sources, cfg.Mirror, cfg.RePublish = nil, nil, nil
	return cfg, nil
}

// clusterName is what backups know a system by.
func clusterName(nc *nats.Conn) string {
	if name := nc.ConnectedClusterName(); name != "" {
		return name
	}
	return nc.ConnectedServerName()
}
