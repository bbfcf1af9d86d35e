package nats

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// streamInfo is what STREAM.INFO says. Its state and cluster are as the
// leader sees them.
type streamInfo struct {
	Config  config        `json:"config"`
	State   streamState   `json:"state"`
	Cluster *clusterInfo  `json:"cluster"`
	Sources []sourceState `json:"sources"`
	Created time.Time     `json:"created"`
	Now     time.Time     `json:"ts"` // by the server's clock
}

type streamState struct {
	Messages  uint64    `json:"messages"`
	Bytes     uint64    `json:"bytes"`
	FirstSeq  uint64    `json:"first_seq"`
	FirstTime time.Time `json:"first_ts"`
	LastSeq   uint64    `json:"last_seq"`
	LastTime  time.Time `json:"last_ts"` // when it was stored, also if it is gone
}

// sourceState is how far a stream has come in copying another. Active is how
// long ago it heard of it, -1 if it has not yet.
type sourceState struct {
	Name   string        `json:"name"`
	Lag    uint64        `json:"lag"`
	Active time.Duration `json:"active"`
}

type clusterInfo struct {
	Leader   string `json:"leader"`
	Replicas []peer `json:"replicas"`
}

type peer struct {
	Name    string        `json:"name"`
	Current bool          `json:"current"`
	Offline bool          `json:"offline"`
	Active  time.Duration `json:"active"`
	Lag     uint64        `json:"lag"`
}

func (i *streamInfo) name() string {
	var name string
	_ = json.Unmarshal(i.Config["name"], &name)
	return name
}

func (i *streamInfo) subjects() []string { return subjectsOf(i.Config) }

// stream returns nil if there is no such stream.
func (c *Conn) stream(ctx context.Context, name string) (*streamInfo, error) {
	var info streamInfo
	err := c.ask(ctx, "$JS.API.STREAM.INFO."+name, nil, &info)
	if hasCode(err, errNoStream) {
		return nil, nil //nolint:nilnil // absence is an answer
	}
	if err != nil {
		return nil, fmt.Errorf("look at stream %s: %w", name, err)
	}
	return &info, nil
}

func (c *Conn) createStream(ctx context.Context, mine func() error, name string, cfg config) (*streamInfo, error) {
	cfg["name"] = compact(name)
	var info streamInfo
	if err := c.tell(ctx, mine, "$JS.API.STREAM.CREATE."+name, cfg, &info); err != nil {
		return nil, fmt.Errorf("create stream %s: %w", name, err)
	}
	return &info, nil
}

func (c *Conn) updateStream(ctx context.Context, mine func() error, name string, cfg config) (*streamInfo, error) {
	var info streamInfo
	if err := c.tell(ctx, mine, "$JS.API.STREAM.UPDATE."+name, cfg, &info); err != nil {
		return nil, fmt.Errorf("update stream %s: %w", name, err)
	}
	return &info, nil
}

// setSubjects changes only a stream's subjects, in the configuration that
// info has, and leaves the new one there.
func (c *Conn) setSubjects(ctx context.Context, mine func() error, info *streamInfo, subjects []string) error {
	name := info.name()
	cfg := config{}
	for k, v := range info.Config {
		cfg[k] = v
	}
	putSubjects(name, cfg, subjects)
	now, err := c.updateStream(ctx, mine, name, cfg)
	if err != nil {
		return fmt.Errorf("give it the subjects [%s]: %w", quoted(subjects), err)
	}
	*info = *now
	return nil
}

func (c *Conn) deleteStream(ctx context.Context, mine func() error, name string) error {
	err := c.tell(ctx, mine, "$JS.API.STREAM.DELETE."+name, nil, nil)
	if err != nil && !hasCode(err, errNoStream) {
		return fmt.Errorf("delete stream %s: %w", name, err)
	}
	return nil
}

// streams lists all streams of the account. missing are those whose leader
// did not answer, and that are not gone by now. One that was made a moment ago
// may not be among them: the meta leader, whose list it is, may apply an
// assignment after the stream's leader, which said that it is there.
func (c *Conn) streams(ctx context.Context) (all []streamInfo, missing []string, err error) {
	list, err := pages(func(offset int) (out []item[streamInfo], total int, err error) {
		var page struct {
			Total   int               `json:"total"`
			Streams []streamInfo      `json:"streams"`
			Missing []string          `json:"missing"`
			Offline map[string]string `json:"offline"`
		}
		if err := c.askList(ctx, "$JS.API.STREAM.LIST", map[string]int{"offset": offset}, &page); err != nil {
			return nil, 0, err
		}
		for i := range page.Streams {
			out = append(out, item[streamInfo]{page.Streams[i].name(), &page.Streams[i]})
		}
		return unanswered(out, page.Missing, page.Offline), page.Total, nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("list the streams of account %s: %w", c.account, err)
	}
	all, missing = apart(list)
	if len(missing) > 0 {
		there, err := c.streamNames(ctx)
		if err != nil {
			return nil, nil, err
		}
		missing = slices.DeleteFunc(missing, func(s string) bool { return !slices.Contains(there, s) })
	}
	return all, missing, nil
}

// leaders lists all streams but one and fails when some leader does not
// answer, also not a second time: a stream that is being made or restored has
// none for a moment.
func (c *Conn) leaders(ctx context.Context, but string) ([]streamInfo, error) {
	for try := 0; ; try++ {
		all, missing, err := c.streams(ctx)
		if err != nil {
			return nil, err
		}
		missing = slices.DeleteFunc(missing, func(s string) bool { return s == but })
		if len(missing) == 0 {
			return all, nil
		}
		if try > 0 {
			return nil, fmt.Errorf("%s: the leaders of streams %s do not answer", c, quoted(missing))
		}
	}
}

// streamNames lists the names that are taken in the account. The meta leader
// answers, so that streams without a leader are among them, and such as are
// being restored.
func (c *Conn) streamNames(ctx context.Context) ([]string, error) {
	names, err := c.names(ctx, "$JS.API.STREAM.NAMES", "streams")
	if err != nil {
		return nil, fmt.Errorf("list the streams of account %s: %w", c.account, err)
	}
	return names, nil
}

// names reads a list of names.
func (c *Conn) names(ctx context.Context, subject, key string) ([]string, error) {
	all, err := pages(func(offset int) (out []item[struct{}], total int, err error) {
		var page map[string]json.RawMessage
		if err := c.ask(ctx, subject, map[string]int{"offset": offset}, &page); err != nil {
			return nil, 0, err
		}
		return unanswered(out, list(page[key]), nil), int(number(page["total"])), nil
	})
	if err != nil {
		return nil, err
	}
	_, names := apart(all)
	return names, nil
}

// message is a stored message.
type message struct {
	Subject string
	Seq     uint64
	Time    time.Time
	Header  string // as on the wire
	Data    []byte
}

// header returns the first value of a header, "" if there is none.
func (m *message) header(name string) string {
	for _, line := range strings.Split(m.Header, "\r\n") {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.EqualFold(k, name) {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// message asks the stream's leader; nil if there is none. The request is
// {seq}, {last_by_subj} or {seq, next_by_subj}.
func (c *Conn) message(ctx context.Context, stream string, req map[string]any) (*message, error) {
	var reply struct {
		Message struct {
			Subject string    `json:"subject"`
			Seq     uint64    `json:"seq"`
			Time    time.Time `json:"time"`
			Header  string    `json:"hdrs"`
			Data    []byte    `json:"data"`
		} `json:"message"`
	}
	err := c.ask(ctx, "$JS.API.STREAM.MSG.GET."+stream, req, &reply)
	if hasCode(err, errNoMessage) {
		return nil, nil //nolint:nilnil // absence is an answer
	}
	if err != nil {
		return nil, fmt.Errorf("read a message of stream %s: %w", stream, err)
	}
	m := reply.Message
	header, err := base64.StdEncoding.DecodeString(m.Header)
	if err != nil {
		return nil, fmt.Errorf("headers of message %d of stream %s: %w", m.Seq, stream, err)
	}
	return &message{m.Subject, m.Seq, m.Time, string(header), m.Data}, nil
}

func (c *Conn) deleteMessage(ctx context.Context, mine func() error, stream string, seq uint64) error {
	req := map[string]any{"seq": seq, "no_erase": true}
	err := c.tell(ctx, mine, "$JS.API.STREAM.MSG.DELETE."+stream, req, nil)
	if _, refused := errors.AsType[*replyError](err); refused {
		if m, lookErr := c.message(ctx, stream, map[string]any{"seq": seq}); lookErr == nil && m == nil {
			return nil // it is not there any more
		}
	}
	if err != nil {
		return fmt.Errorf("delete message %d of stream %s: %w", seq, stream, err)
	}
	return nil
}
