package nats

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/jsm.go"
	"github.com/nats-io/jsm.go/backup"

	"github.com/segue-run/segue/internal/disk"
)

// saved is the file beside a snapshot's archive: the stream's configuration,
// and its state when the snapshot began.
type saved struct {
	Config config     `json:"config"`
	State  savedState `json:"state"`
}

type savedState struct {
	Messages uint64    `json:"messages"`
	LastSeq  uint64    `json:"last_seq"`
	LastTime time.Time `json:"last_ts"`
}

func readSaved(dir string) (saved, error) {
	var s saved
	raw, err := os.ReadFile(filepath.Join(dir, jsm.SnapshotMetaFile))
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return s, fmt.Errorf("%s: %w", jsm.SnapshotMetaFile, err)
	}
	return s, nil
}

// read goes through a snapshot's whole archive and takes down what is in it.
// A chunk that was lost on the way (the connection broke, the leader changed)
// breaks the archive, and nothing else would tell. Archives of servers before
// 2.15 are of another format: there the server's word is taken.
func (m *manifest) read(ctx context.Context, dir string) error {
	s, err := readSaved(dir)
	if err != nil {
		return err
	}
	m.Messages, m.LastSeq = s.State.Messages, s.State.LastSeq
	path, err := jsm.SnapshotDataPath(dir)
	if err != nil {
		return err
	}
	if filepath.Base(path) == jsm.SnapshotLegacyDataFile {
		if m.Messages > 0 {
			m.Newest = &mark{Seq: m.LastSeq, Time: s.State.LastTime}
		}
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	m.Messages, m.Newest, m.Consumers = 0, nil, nil
	sum := sha256.New()
	for d := backup.NewDecoder(disk.Heeding(ctx, f)); ; {
		item, err := d.Next()
		if err != nil {
			return fmt.Errorf("the snapshot is not whole: %w", err)
		}
		switch it := item.(type) {
		case *backup.Consumer:
			c, err := consumerOf(it)
			if err != nil {
				return err
			}
			m.Consumers = append(m.Consumers, c)
		case *backup.Message:
			m.Messages++
			m.Newest = &mark{Seq: it.Seq, Time: time.Unix(0, it.Ts).UTC()}
			_, _ = fmt.Fprintf(sum, "%d %d %q %d %d\n", it.Seq, it.Ts, it.Subject, it.HdrSize, it.PayloadSize)
			if _, err := io.Copy(sum, it.Body); err != nil {
				return fmt.Errorf("the snapshot is not whole: message %d: %w", it.Seq, err)
			}
		case backup.End:
			m.content = hex.EncodeToString(sum.Sum(nil))
			return nil
		}
	}
}

func consumerOf(it *backup.Consumer) (savedConsumer, error) {
	var c struct {
		Config struct {
			Durable  string `json:"durable_name"`
			Replicas int64  `json:"num_replicas"`
		} `json:"config"`
		State struct {
			Delivered position `json:"delivered"`
			AckFloor  position `json:"ack_floor"`
		} `json:"state"`
	}
	if err := json.Unmarshal(it.Data, &c); err != nil {
		return savedConsumer{}, fmt.Errorf("consumer %s in the snapshot: %w", it.Name, err)
	}
	return savedConsumer{it.Name, c.Config.Durable != "", c.Config.Replicas, c.State.Delivered, c.State.AckFloor}, nil
}
