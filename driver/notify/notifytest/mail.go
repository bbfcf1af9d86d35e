package notifytest

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// A MailServer speaks SMTP.
type MailServer struct {
	Addr string

	user, password string
	mu             sync.Mutex
	fails          []*smtp.SMTPError
	taken          []Mail
}

// A Mail is one that a MailServer took.
type Mail struct {
	From   string
	To     []string
	Header mail.Header
	Body   string
	TLS    bool
}

// Mailbox starts a mail server. With a configuration of TLS it offers STARTTLS;
// with a user it takes mail from that one only.
func Mailbox(t testing.TB, config *tls.Config, user, password string) *MailServer {
	t.Helper()
	m := &MailServer{user: user, password: password}
	srv := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		_, secure := c.TLSConnectionState()
		return &mailSession{m: m, in: Mail{TLS: secure}}, nil
	}))
	srv.Domain, srv.TLSConfig = "localhost", config
	srv.ReadTimeout, srv.WriteTimeout = time.Minute, time.Minute
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.Addr = l.Addr().String()
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }() // it ends with Close
	t.Cleanup(func() { _ = srv.Close(); <-done })
	return m
}

// Fail makes the next mails fail, one after the other.
func (m *MailServer) Fail(how ...*smtp.SMTPError) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fails = append(m.fails, how...)
}

// Taken are the mails that it took.
func (m *MailServer) Taken() []Mail {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]Mail(nil), m.taken...)
}

// mailSession is one conversation.
type mailSession struct {
	m    *MailServer
	auth bool
	in   Mail
}

func (s *mailSession) AuthMechanisms() []string {
	if s.m.user == "" {
		return nil
	}
	return []string{sasl.Plain}
}

func (s *mailSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != s.m.user || password != s.m.password {
			return smtp.ErrAuthFailed
		}
		s.auth = true
		return nil
	}), nil
}

func (s *mailSession) Mail(from string, _ *smtp.MailOptions) error {
	if s.m.user != "" && !s.auth {
		return smtp.ErrAuthRequired
	}
	s.in.From = from
	return nil
}

func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if len(s.m.fails) > 0 {
		fail := s.m.fails[0]
		s.m.fails = s.m.fails[1:]
		return fail
	}
	s.in.To = append(s.in.To, to)
	return nil
}

func (s *mailSession) Data(r io.Reader) error {
	msg, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(msg.Body)
	if err != nil {
		return err
	}
	if msg.Header.Get("Message-ID") == "" || msg.Header.Get("Date") == "" {
		return errors.New("a mail without Message-ID or Date")
	}
	s.in.Header, s.in.Body = msg.Header, strings.ReplaceAll(string(body), "\r\n", "\n")
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.m.taken = append(s.m.taken, s.in)
	return nil
}

func (s *mailSession) Reset()        { s.in = Mail{TLS: s.in.TLS} }
func (s *mailSession) Logout() error { return nil }
