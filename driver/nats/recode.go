package nats

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/nats-io/jsm.go"
	"github.com/nats-io/jsm.go/backup"
)

// archiveOf is a backup's archive as it is to be sent. Most often that is the
// file. A stream is restored on one node first, and the server refuses there
// consumers that have replicas of their own (10126): these are written anew,
// as are archives that shall bring no consumers.
func archiveOf(b found, consumers bool) (io.ReadCloser, error) {
	path, err := jsm.SnapshotDataPath(b.dir)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	asItIs := consumers || len(b.Consumers) == 0
	for _, k := range b.Consumers {
		asItIs = asItIs && k.Replicas <= 1
	}
	if asItIs || filepath.Base(path) == jsm.SnapshotLegacyDataFile {
		return f, nil
	}
	r, w := io.Pipe()
	go func() {
		defer func() { _ = f.Close() }()
		_ = w.CloseWithError(recode(f, w, consumers))
	}()
	return r, nil
}

// recode copies an archive without consumers, or with such as have replicas
// as the stream.
func recode(from io.Reader, to io.Writer, consumers bool) error {
	d, e := backup.NewDecoder(from), backup.NewEncoder(to)
	for {
		item, err := d.Next()
		if err != nil {
			return fmt.Errorf("read the snapshot: %w", err)
		}
		switch it := item.(type) {
		case *backup.State:
			if !consumers {
				it.State.Consumers = 0
			}
			err = e.WriteState(it.Ts, it.State)
		case *backup.Consumer:
			if consumers {
				err = writeConsumer(e, it)
			}
		case *backup.Message:
			err = e.WriteMessage(it)
		case backup.End:
			if err := e.WriteEnd(); err != nil {
				return err
			}
			return e.Close()
		}
		if err != nil {
			return fmt.Errorf("write the snapshot anew: %w", err)
		}
	}
}

func writeConsumer(e *backup.Encoder, it *backup.Consumer) error {
	var c struct {
		Config config          `json:"config"`
		State  json.RawMessage `json:"state"`
	}
	if err := json.Unmarshal(it.Data, &c); err != nil {
		return err
	}
	c.Config["num_replicas"] = compact(0)
	return e.WriteConsumer(it.Name, it.Ts, compact(c))
}
