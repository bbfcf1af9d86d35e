package notify

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"os"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
)

type mailParams struct {
	Server   string        `param:"server,required" doc:"The mail server: host:port."`
	From     string        `param:"from,required" doc:"The sender: segue@host, or \"Name <segue@host>\"."`
	User     string        `param:"user" doc:"The user, if the server asks for one."`
	Password string        `param:"password" doc:"Its password."`
	TLS      string        `param:"tls" enum:"starttls|tls|none" doc:"How the connection is encrypted: by STARTTLS, from the first byte on, or not at all." default:"starttls"`
	CA       string        `param:"ca" doc:"A PEM file of the authorities that its certificate may be from; the system's otherwise."`
	Timeout  time.Duration `param:"timeout" doc:"How long the whole conversation may take." default:"30s"`
}

// Validate implements what types cannot say.
func (p mailParams) Validate() error {
	var errs []error
	if !strings.Contains(p.Server, "${") {
		if _, port, err := net.SplitHostPort(p.Server); err != nil || !number(port) {
			errs = append(errs, &runbook.FieldError{Field: "server", Problem: "it is not host:port", Remedy: "write mail.host:587"})
		}
	}
	if !strings.Contains(p.From, "${") {
		if _, err := mail.ParseAddress(p.From); err != nil {
			errs = append(errs, &runbook.FieldError{Field: "from", Problem: "that is no address of e-mail", Remedy: "write segue@host"})
		}
	}
	switch {
	case (p.User == "") != (p.Password == ""):
		errs = append(errs, &runbook.FieldError{Field: "user", Problem: "user and password go together", Remedy: "give both, or none"})
	case p.User != "" && p.TLS == "none":
		errs = append(errs, &runbook.FieldError{Field: "tls", Problem: "the password would go over the wire for all to read", Remedy: "write tls: starttls, or leave user and password out"})
	case p.CA != "" && p.TLS == "none":
		errs = append(errs, &runbook.FieldError{Field: "ca", Problem: "without TLS there is no certificate", Remedy: "remove it"})
	}
	return errors.Join(append(errs, secretly("password", p.Password))...)
}

func number(text string) bool {
	n, err := strconv.Atoi(text)
	return err == nil && n > 0 && n < 1<<16
}

// Reaches says whom it can tell.
func (p mailParams) Reaches(to []string) error {
	if len(to) == 0 {
		return &runbook.FieldError{Field: "to", Problem: "it is not said to whom", Remedy: "write to: [name@host]"}
	}
	for _, a := range to {
		if _, err := mail.ParseAddress(a); err != nil {
			return &runbook.FieldError{Field: "to", Problem: fmt.Sprintf("%q is no address of e-mail", a), Remedy: "write name@host, or the name of a contact"}
		}
	}
	return nil
}

const mailTimeout = 30 * time.Second

// Mail sends e-mail through one server.
type Mail struct {
	p    mailParams
	host string
	port int
	tls  *tls.Config
}

func mailPart() driver.Part {
	return driver.Connects(driver.About{Name: "smtp", Doc: "A mail server.", Address: "email"},
		func(_ context.Context, p mailParams) (*Mail, error) { return newMail(p) })
}

// newMail does not connect: nobody waits for a mail server.
func newMail(p mailParams) (*Mail, error) {
	host, port, err := net.SplitHostPort(p.Server)
	if err != nil || !number(port) {
		return nil, errors.New("smtp: the server is not host:port")
	}
	if _, err := mail.ParseAddress(p.From); err != nil {
		return nil, errors.New("smtp: from is no address of e-mail")
	}
	m := &Mail{p: p, host: host, tls: &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}}
	m.port, _ = strconv.Atoi(port)
	if p.Timeout <= 0 {
		m.p.Timeout = mailTimeout
	}
	if p.CA != "" {
		pem, err := os.ReadFile(p.CA)
		if err != nil {
			return nil, fmt.Errorf("smtp: read the authorities: %w", err)
		}
		m.tls.RootCAs = x509.NewCertPool()
		if !m.tls.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("smtp: %s holds no PEM certificate", p.CA)
		}
	}
	return m, nil
}

// Close has nothing to close: each mail is a connection of its own.
func (m *Mail) Close() error { return nil }

// Tell sends the notice. The first one to an address begins a thread that
// later ones answer.
func (m *Mail) Tell(ctx context.Context, n driver.Notice, to, thread string) (string, error) {
	msg, id, err := m.message(n, to, thread)
	if err != nil {
		return "", &driver.Undelivered{Err: err, Never: true}
	}
	client, err := gomail.NewClient(m.host, m.options()...)
	if err != nil {
		return "", fmt.Errorf("mail server %s: %w", m.p.Server, err)
	}
	ctx, cancel := context.WithTimeout(ctx, m.p.Timeout)
	defer cancel()
	if err := client.DialAndSendWithContext(ctx, msg); err != nil {
		return "", m.undelivered(err)
	}
	if thread == "" {
		return id, nil
	}
	return thread, nil
}

// undelivered tells a refusal of the mail from a server that cannot now.
func (m *Mail) undelivered(err error) error {
	un := &driver.Undelivered{Err: fmt.Errorf("mail server %s: %w", m.p.Server, err)}
	if sent, ok := errors.AsType[*gomail.SendError](err); ok {
		un.Never = sent.ErrorCode() >= 500 && !sent.IsTemp()
	}
	return un
}

func (m *Mail) options() []gomail.Option {
	policy := gomail.TLSMandatory
	if m.p.TLS == "none" {
		policy = gomail.NoTLS
	}
	options := []gomail.Option{gomail.WithTLSPolicy(policy), gomail.WithTLSConfig(m.tls), gomail.WithPort(m.port), gomail.WithTimeout(m.p.Timeout)}
	if m.p.TLS == "tls" {
		options = append(options, gomail.WithSSL())
	}
	if m.p.User != "" {
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(m.p.User), gomail.WithPassword(m.p.Password))
	}
	return options
}

func (m *Mail) message(n driver.Notice, to, thread string) (*gomail.Msg, string, error) {
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	if err := msg.From(m.p.From); err != nil {
		return nil, "", fmt.Errorf("the sender: %w", err)
	}
	if err := msg.To(to); err != nil {
		return nil, "", fmt.Errorf("the receiver: %w", err)
	}
	subject, text := subject(n)
	msg.Subject(subject)
	msg.SetDateWithValue(n.At)
	id := m.messageID(n.Key, to)
	msg.SetMessageIDWithValue(id)
	if thread != "" {
		msg.SetGenHeader(gomail.HeaderInReplyTo, "<"+thread+">")
		msg.SetGenHeader(gomail.HeaderReferences, "<"+thread+">")
	}
	// RFC 3834: nobody's absence is to be answered to.
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	if n.Severity == "P1" {
		msg.SetImportance(gomail.ImportanceUrgent)
	}
	if n.Run != "" {
		text += "\n\n-- \n" + n.Runbook + ", run " + n.Run + "\n"
	}
	msg.SetBodyString(gomail.TypeTextPlain, text)
	return msg, id, nil
}

// messageID is the same for the same notice to the same address.
func (m *Mail) messageID(key, to string) string {
	sum := sha256.Sum256([]byte(key + "\x00" + to))
	host := m.host
	if a, err := mail.ParseAddress(m.p.From); err == nil {
		_, host, _ = strings.Cut(a.Address, "@")
	}
	return "segue." + hex.EncodeToString(sum[:16]) + "@" + host
}

// subject says how severe it is before anything else.
func subject(n driver.Notice) (subject, text string) {
	subject = n.Title
	if n.Severity != "" && n.Severity <= "P2" {
		subject = "[" + n.Severity + "] " + subject
	}
	if text = n.Text; text == "" {
		text = n.Title
	}
	if c := n.Contact; c != nil {
		text += "\n\nFor " + strings.TrimSpace(c.Name+" "+c.Phone)
	}
	return subject, text
}
