package fleet

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/segue-run/segue/examples/lekiwi/robot"
)

// Kind is what was sent.
type Kind string

// The kinds.
const (
	Heartbeat Kind = "heartbeat"
	Poll      Kind = "poll"
	Start     Kind = "start" // of a teleoperation session
	Quality   Kind = "quality"
	Stop      Kind = "stop"
)

// Outcome is what the sender was told.
type Outcome string

// The outcomes.
const (
	Acked       Outcome = "acked"       // kept, says the system
	Missing     Outcome = "missing"     // 404: a poll of a robot that is not known there
	Rejected    Outcome = "rejected"    // 4xx: never taken
	Unavailable Outcome = "unavailable" // 5xx to the end
	Failed      Outcome = "failed"      // no answer to the end
)

// Sent is one thing sent and what came back. Times are Unix nanoseconds.
type Sent struct {
	Kind Kind   `json:"kind"`
	ID   string `json:"id,omitempty"` // of a heartbeat; of a session, as the system named it
	// Robot is the key of whom it is about.
	Robot string `json:"robot,omitempty"`
	N     int    `json:"n"` // counts a robot's heartbeats, and the sessions
	Via   Via    `json:"via"`

	// What a heartbeat said besides what its robot always says.
	Status        robot.Reported `json:"status,omitempty"`
	Version       string         `json:"version,omitempty"`
	Teleoperation bool           `json:"teleoperation,omitempty"`
	LastSeen      robot.Time     `json:"last_seen,omitzero"`

	Operator string `json:"operator,omitempty"`
	// Started is when a session began, as its operator was told.
	Started time.Time `json:"started,omitzero"`

	Due     int64   `json:"due"`
	SentAt  int64   `json:"sent"` // for the first time
	DoneAt  int64   `json:"done"`
	Tries   int     `json:"tries"`
	Outcome Outcome `json:"outcome"`
	Code    int     `json:"code,omitempty"` // HTTP status of the last answer
	// Durable is what an answer over HTTP said; an ack does not say.
	Durable bool   `json:"durable,omitempty"`
	Error   string `json:"error,omitempty"`
}

// Journal is what a load wrote down.
type Journal struct {
	Robots []Robot
	Sent   []Sent
}

// line is one line of the file: a robot, or something sent.
type line struct {
	Robot *Robot `json:"robot,omitempty"`
	Sent  *Sent  `json:"sent,omitempty"`
}

// writer appends to a journal's file; what was added is safe after close.
type writer struct {
	mu   sync.Mutex
	file *os.File
	buf  *bufio.Writer
	err  error
}

func createJournal(path string, robots []Robot) (*writer, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	w := &writer{file: f, buf: bufio.NewWriterSize(f, 1<<20)}
	for i := range robots {
		w.add(line{Robot: &robots[i]})
	}
	return w, nil
}

func (w *writer) add(l line) {
	raw, err := json.Marshal(l)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil && w.err == nil {
		_, err = w.buf.Write(append(raw, '\n'))
	}
	w.err = errors.Join(w.err, err)
}

// close reports the first thing that went wrong, too.
func (w *writer) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := errors.Join(w.err, w.buf.Flush(), w.file.Sync(), w.file.Close()); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

// ReadJournal reads what one load wrote, or several one after the other. A torn
// last line is an error: the load did not end in good order and knows more than
// its journal.
func ReadJournal(path string) (Journal, error) {
	f, err := os.Open(path)
	if err != nil {
		return Journal{}, fmt.Errorf("journal: %w", err)
	}
	defer f.Close()
	var out Journal
	dec := json.NewDecoder(bufio.NewReaderSize(f, 1<<20))
	for n := 1; ; n++ {
		var l line
		err := dec.Decode(&l)
		switch {
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return Journal{}, fmt.Errorf("journal %s, line %d: %w", path, n, err)
		case l.Robot != nil:
			out.Robots = append(out.Robots, *l.Robot)
		case l.Sent != nil:
			out.Sent = append(out.Sent, *l.Sent)
		default:
			return Journal{}, fmt.Errorf("journal %s, line %d: neither a robot nor something sent", path, n)
		}
	}
}
