package nats

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/internal/disk"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

// restore brings a stream back from a backup that nats.backup took.
//
//	send    the server makes the stream from the snapshot, on one node; it owns
//	        no subject and sources nothing, and its metadata say that it is on
//	        its way
//	whole   its last message and its durables are there
//	spread  it gets its replicas
//	open    one update gives it its subjects and says what it was restored from
//
// So a half-restored stream is told from a whole one by anybody, takes no
// message meanwhile, and may be deleted. A restore that ends half-way leaves a
// name in the cluster that is taken and has no stream (STREAM.INFO 10059, a
// new restore 10130): that is deleted too.
type restore struct {
	c   *Conn
	p   restoreParams
	dir string // the real path of from
	id  string
}

type restoreParams struct {
	On        string         `param:"on,required,connection"`
	Stream    string         `param:"stream,required" doc:"it must not exist"`
	From      string         `param:"from,required" doc:"the directory that nats.backup wrote to; the newest whole backup of the stream is taken"`
	Backup    string         `param:"backup" doc:"this one: the name of its directory in from"`
	Consumers *bool          `param:"consumers" default:"true" doc:"with its consumers, as far as they were"`
	Closed    bool           `param:"closed" doc:"true: it gets neither subjects nor sources, whoever has them now"`
	Foreign   bool           `param:"foreign" doc:"true: a backup of another cluster or account will do"`
	MaxAge    *time.Duration `param:"max-age" doc:"in place of the stream's own: messages that are older go at once; 0s: never"`
	Replicas  *int64         `param:"replicas" doc:"in place of the stream's own"`
}

func (p restoreParams) Validate() error {
	wrong := func(field, problem, remedy string) error {
		return &runbook.FieldError{Field: field, Problem: problem, Remedy: remedy}
	}
	switch {
	case p.Backup != "" && (filepath.Base(p.Backup) != p.Backup || p.Backup[0] == '.'):
		return wrong("backup", "\""+p.Backup+"\" is not the name of a directory in from", "write the name alone, such as ORDERS-20260102T150405.000Z")
	case p.MaxAge != nil && *p.MaxAge != 0 && *p.MaxAge < 100*time.Millisecond:
		return wrong("max-age", "JetStream takes nothing below 100ms", "write 0s (never) or at least 100ms")
	case p.Replicas != nil && (*p.Replicas < 1 || *p.Replicas > 5):
		return wrong("replicas", "JetStream takes 1 to 5", "write an odd number, such as 3")
	}
	return validStream("stream", p.Stream)
}

func newRestore(_ context.Context, c *Conn, p restoreParams) (driver.Action, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	dir, err := disk.Real(p.From)
	if err != nil {
		return nil, fmt.Errorf("restore stream %s: %w", p.Stream, err)
	}
	return &restore{c: c, p: p, dir: dir, id: c.streamID(p.Stream)}, nil
}

func (a *restore) consumers() bool { return a.p.Consumers == nil || *a.p.Consumers }

func (a *restore) Resources() []driver.Resource {
	return []driver.Resource{{ID: a.id, Name: "stream " + a.p.Stream + " on nats cluster " + a.c.cluster}}
}

// What a stream's metadata say of its restoring: the backup's name.
const (
	restoringKey = "segue.restoring"
	restoredKey  = "segue.restored"
)

func (i *streamInfo) metadata() map[string]string {
	var m map[string]string
	_ = json.Unmarshal(i.Config["metadata"], &m)
	return m
}

// reserved is a stream's name that is taken without a stream: it is being
// restored (or created) now, or that ended half-way.
const reserved = "?"

func (a *restore) Observe(ctx context.Context) (state.State, error) {
	info, taken, err := a.look(ctx)
	if err != nil {
		return nil, err
	}
	return a.seen(info, taken), nil
}

// look finds the stream; taken: there is none, and its name is taken.
func (a *restore) look(ctx context.Context) (info *streamInfo, taken bool, err error) {
	if info, err = a.c.stream(ctx, a.p.Stream); err != nil || info != nil {
		return info, false, err
	}
	names, err := a.c.streamNames(ctx)
	if err != nil {
		return nil, false, err
	}
	for _, name := range names {
		taken = taken || name == a.p.Stream
	}
	return nil, taken, nil
}

func (a *restore) seen(info *streamInfo, taken bool) state.State {
	switch {
	case taken:
		return state.State{a.id: {"exists": compact(true), "restoring": compact(reserved)}}
	case info == nil:
		return state.State{a.id: {"exists": compact(false)}}
	}
	f := state.Fields{"exists": compact(true), "subjects": compact(info.subjects())}
	if name := info.metadata()[restoringKey]; name != "" {
		f["restoring"] = compact(name)
	} else {
		f["restored"] = compact(info.metadata()[restoredKey])
	}
	return state.State{a.id: f}
}
