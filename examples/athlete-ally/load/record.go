package load

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// Kind of data.
type Kind string

// The kinds.
const (
	HRV   Kind = "hrv"
	Sleep Kind = "sleep"
	Oura  Kind = "oura"
)

// Via is the way a message takes into the system.
type Via string

// The ways: through ingest, as an acknowledged JetStream publish, and as a core
// publish that nobody acknowledges.
const (
	HTTP      Via = "http"
	JetStream Via = "jetstream"
	Core      Via = "core"
)

// Outcome is what the publisher was told.
type Outcome string

// The outcomes.
const (
	Acked       Outcome = "acked"       // stored, says the system
	Duplicate   Outcome = "duplicate"   // stored before, says the system
	Rejected    Outcome = "rejected"    // 4xx: never taken
	Unavailable Outcome = "unavailable" // 5xx
	Failed      Outcome = "failed"      // no answer
	Sent        Outcome = "sent"        // nobody answers a core publish
)

// Record is one message sent and what came back. Times are Unix nanoseconds.
type Record struct {
	ID      string  `json:"id"`
	Lane    string  `json:"lane"`
	N       int     `json:"n"` // counts the lane's messages
	Kind    Kind    `json:"kind"`
	Via     Via     `json:"via"`
	Subject string  `json:"subject"`
	Key     string  `json:"key"`             // of its row: user|date, or the event's id
	Value   float64 `json:"value,omitempty"` // rmssd
	Bad     bool    `json:"bad,omitempty"`   // breaks the schema or the signature
	Repeat  bool    `json:"repeat,omitempty"`
	Due     int64   `json:"due"`
	SentAt  int64   `json:"sent"`
	DoneAt  int64   `json:"done"`
	Outcome Outcome `json:"outcome"`
	Code    int     `json:"code,omitempty"` // HTTP status
	Stream  string  `json:"stream,omitempty"`
	Seq     uint64  `json:"seq,omitempty"`
	Error   string  `json:"error,omitempty"`
}

// Accepted tells whether the system took responsibility for the message.
func (r Record) Accepted() bool { return r.Outcome == Acked || r.Outcome == Duplicate }

// journal appends records to a file; they are safe after close.
type journal struct {
	mu   sync.Mutex
	file *os.File
	buf  *bufio.Writer
	err  error
}

func createJournal(path string) (*journal, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	return &journal{file: f, buf: bufio.NewWriterSize(f, 1<<20)}, nil
}

func (j *journal) add(r Record) {
	line, err := json.Marshal(r)
	j.mu.Lock()
	defer j.mu.Unlock()
	if err == nil && j.err == nil {
		_, err = j.buf.Write(append(line, '\n'))
	}
	j.err = errors.Join(j.err, err)
}

func (j *journal) flush() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.err = errors.Join(j.err, j.buf.Flush())
}

// close reports the first thing that went wrong, too.
func (j *journal) close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := errors.Join(j.err, j.buf.Flush(), j.file.Sync(), j.file.Close()); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

// ReadJournal reads what a load wrote. A torn last line is an error: the load
// did not end in good order and knows more than its journal.
func ReadJournal(path string) ([]Record, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	defer f.Close()
	var out []Record
	dec := json.NewDecoder(bufio.NewReaderSize(f, 1<<20))
	for {
		var r Record
		err := dec.Decode(&r)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("journal %s, record %d: %w", path, len(out)+1, err)
		}
		out = append(out, r)
	}
}
