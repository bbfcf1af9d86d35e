package relay

import (
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
)

// Stored is a message as a stream holds it.
type Stored struct {
	Subject string
	Header  nats.Header
	Data    []byte
	Seq     uint64
	// Source and SourceSeq say of which stream's message it is a copy; Source
	// is "" for what was published to this stream.
	Source    string
	SourceSeq uint64
}

// sourceHeader is what a stream adds to what it copies.
const sourceHeader = "Nats-Stream-Source"

// Heard is a message as it was published.
type Heard struct {
	msg *nats.Msg
	at  int // its place
	// Stored: the stream that gave the subjects away has it.
	stored bool
	// forwarded: it was published to the private prefix, with the relay's own
	// reply subject if own.
	forwarded, own bool
	// ack is the sequence under which the new stream took what was forwarded
	// with the relay's own reply; 0 without an answer.
	ack       uint64
	duplicate bool   // the new stream had its Nats-Msg-Id already
	refused   string // the new stream's refusal
}

func (h *Heard) key() string { return key(h.msg.Subject, h.msg.Header, h.msg.Data) }

// id is what a stream tells repeats of a publish by; "" if it has none.
func (h *Heard) id() string { return h.msg.Header.Get(nats.MsgIdHdr) }

func (s *Stored) key() string { return key(s.Subject, s.Header, s.Data) }

// key is equal for messages that nobody could tell apart.
func key(subject string, header nats.Header, data []byte) string {
	names := make([]string, 0, len(header))
	for name := range header {
		if name != sourceHeader {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var b strings.Builder
	b.WriteString(subject)
	for _, name := range names {
		b.WriteString("\x00" + name)
		for _, v := range header[name] {
			b.WriteString("\x01" + v)
		}
	}
	b.WriteString("\x02")
	b.Write(data)
	return b.String()
}
