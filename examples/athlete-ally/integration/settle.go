package integration

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/segue-run/segue/examples/athlete-ally/event"
)

// settlements listens to what normalize answers to deliveries: no stream and no
// row tells of a message that was processed and changed nothing. It only reads
// along.
type settlements struct {
	mu     sync.Mutex
	answer map[string]string // stream/sequence to the latest answer
}

// The answers, as JetStream has them.
const (
	answeredAck  = "+ACK"
	answeredNak  = "-NAK"
	answeredTerm = "+TERM"
)

func watchSettlements(nc *nats.Conn) (*settlements, error) {
	s := &settlements{answer: map[string]string{}}
	for _, durable := range []string{event.DurableHRV, event.DurableOura} {
		// The second form names domain and account before the stream.
		for _, subject := range []string{"$JS.ACK.*." + durable + ".>", "$JS.ACK.*.*.*." + durable + ".>"} {
			if _, err := nc.Subscribe(subject, s.heard); err != nil {
				return nil, fmt.Errorf("listen to acknowledgements: %w", err)
			}
		}
	}
	if err := nc.Flush(); err != nil {
		return nil, fmt.Errorf("listen to acknowledgements: %w", err)
	}
	return s, nil
}

func (s *settlements) heard(m *nats.Msg) {
	tokens := strings.Split(m.Subject, ".")
	if len(tokens) > 9 {
		tokens = append(tokens[:2:2], tokens[4:]...)
	}
	if len(tokens) < 9 {
		return
	}
	stream, sequence := tokens[2], tokens[5]
	word, _, _ := strings.Cut(string(m.Data), " ")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer[stream+"/"+sequence] = word
}

func (s *settlements) of(at place) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answer[at.stream+"/"+strconv.FormatUint(at.seq, 10)]
}

// awaitSettled waits until normalize is done with a message for good.
func (b *bench) awaitSettled(ctx context.Context, at place) error {
	return await(ctx, func(ctx context.Context) error {
		switch answer := b.settled.of(at); answer {
		case answeredAck, answeredTerm:
			return nil
		case "":
			return b.passed(ctx, at)
		default:
			return fmt.Errorf("message %d of %s is not settled: normalize answered %s", at.seq, at.stream, answer)
		}
	})
}

// passed is for an answer that was not heard: the durable's floor tells as well,
// if nothing older holds it up.
func (b *bench) passed(ctx context.Context, at place) error {
	durable := durableOf(at.subject)
	if durable == "" {
		return nil
	}
	consumer, err := b.js.Consumer(ctx, at.stream, durable)
	if err != nil {
		return fmt.Errorf("message %d of %s is not settled: look at %s: %w", at.seq, at.stream, durable, err)
	}
	if consumer.CachedInfo().AckFloor.Stream < at.seq {
		return fmt.Errorf("message %d of %s is not settled: no answer of %s was seen", at.seq, at.stream, durable)
	}
	return nil
}

// durableOf is who reads a subject; "" for nobody.
func durableOf(subject string) string {
	switch subject {
	case event.SubjectHRV:
		return event.DurableHRV
	case event.SubjectOura:
		return event.DurableOura
	}
	return ""
}

var errGone = errors.New("it is not there any more")
