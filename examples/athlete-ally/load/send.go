package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/examples/athlete-ally/event"
	"github.com/segue-run/segue/examples/athlete-ally/ingest"
	"github.com/segue-run/segue/examples/athlete-ally/publish"
)

// sender sends one message and writes into it what came back.
type sender interface {
	send(ctx context.Context, m *message)
}

type viaHTTP struct {
	client *http.Client
	base   string
	secret string
}

func (v viaHTTP) send(ctx context.Context, m *message) {
	path := map[Kind]string{HRV: "/api/v1/ingest/hrv", Sleep: "/api/v1/ingest/sleep", Oura: "/api/v1/webhook/oura"}[m.Kind]
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, v.base+path, bytes.NewReader(m.body))
	if err != nil {
		m.fail(err)
		return
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(ingest.HeaderRequestID, m.ID)
	if m.Kind == Oura {
		secret := v.secret
		if m.badlySig {
			secret += "wrong"
		}
		req.Header.Set(event.HeaderSignature, event.Sign(secret, m.body))
	}
	resp, err := v.client.Do(req)
	if err != nil {
		m.fail(err)
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		m.fail(err)
		return
	}
	m.answered(resp.StatusCode, body)
}

func (m *message) answered(code int, body []byte) {
	var answer struct {
		Duplicate bool   `json:"duplicate"`
		Stream    string `json:"stream"`
		Seq       uint64 `json:"seq"`
		Message   string `json:"message"`
	}
	_ = json.Unmarshal(body, &answer) // the code says what matters
	m.Code, m.Stream, m.Seq, m.Error = code, answer.Stream, answer.Seq, answer.Message
	switch {
	case code >= 500:
		m.Outcome = Unavailable
	case code >= 400:
		m.Outcome = Rejected
	case answer.Duplicate:
		m.Outcome = Duplicate
	default:
		m.Outcome = Acked
	}
}

func (m *message) fail(err error) { m.Outcome, m.Error = Failed, err.Error() }

func (m *message) natsMsg() *nats.Msg {
	msg := nats.NewMsg(m.Subject)
	msg.Data = m.body
	if m.msgID {
		msg.Header.Set(nats.MsgIdHdr, m.ID)
	} else {
		msg.Header.Set(event.HeaderMessageID, m.ID)
	}
	return msg
}

type viaJetStream struct{ publisher publish.Publisher }

func (v viaJetStream) send(ctx context.Context, m *message) {
	ack, err := v.publisher.Publish(ctx, m.natsMsg())
	if err != nil {
		m.fail(err)
		return
	}
	m.Outcome, m.Stream, m.Seq = Acked, ack.Stream, ack.Sequence
	if ack.Duplicate {
		m.Outcome = Duplicate
	}
}

type viaCore struct{ nc *nats.Conn }

func (v viaCore) send(_ context.Context, m *message) {
	if err := v.nc.PublishMsg(m.natsMsg()); err != nil {
		m.fail(err)
		return
	}
	m.Outcome = Sent
}

// target is the connections that the senders share.
type target struct {
	acked, core *nats.Conn
	senders     map[Via]sender
}

func dial(cfg Config) (*target, error) {
	acked, err := connect(cfg.NATSURL, "load acked", nats.ReconnectBufSize(-1))
	if err != nil {
		return nil, err
	}
	core, err := connect(cfg.NATSURL, "load core")
	if err != nil {
		acked.Close()
		return nil, err
	}
	js, err := jetstream.New(acked)
	if err != nil {
		return nil, fmt.Errorf("use JetStream: %w", err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute}
	return &target{acked: acked, core: core, senders: map[Via]sender{
		HTTP:      viaHTTP{&http.Client{Transport: transport, Timeout: 15 * time.Second}, cfg.IngestURL, cfg.OuraSecret},
		JetStream: viaJetStream{publish.Publisher{JS: js, Budget: 5 * time.Second, Timeout: 500 * time.Millisecond}},
		Core:      viaCore{core},
	}}, nil
}

func connect(url, name string, more ...nats.Option) (*nats.Conn, error) {
	nc, err := nats.Connect(url, append([]nats.Option{
		nats.Name(name), nats.MaxReconnects(-1), nats.ReconnectWait(100 * time.Millisecond), nats.Timeout(2 * time.Second),
		nats.PingInterval(2 * time.Second), nats.MaxPingsOutstanding(2),
	}, more...)...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	return nc, nil
}

// close waits until the server has what was published.
func (t *target) close() error {
	err := t.core.FlushTimeout(5 * time.Second)
	t.core.Close()
	t.acked.Close()
	if err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		return fmt.Errorf("flush the last core publishes: %w", err)
	}
	return nil
}
