package notify

import (
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/notify/notifytest"
)

func TestAMailIsSentByTheServersRules(t *testing.T) {
	config, ca := notifytest.Certificate(t)
	box := notifytest.Mailbox(t, config, "segue", "pa55word")
	p := mailParams{Server: box.Addr, From: "Segue <segue@lekiwi.com>", User: "segue", Password: "pa55word", CA: ca}
	m, err := newMail(p)
	if err != nil {
		t.Fatal(err)
	}
	n := noticeOf("P1")
	n.Contact = &driver.Contact{Name: "Ada Lind", Phone: "+49 30 23125 101"}
	thread, err := m.Tell(t.Context(), n, "migration-team@lekiwi.com", "")
	if err != nil {
		t.Fatal(err)
	}
	next := noticeOf("P4")
	next.Key = "01RUN/8"
	if again, err := m.Tell(t.Context(), next, "migration-team@lekiwi.com", thread); err != nil || again != thread {
		t.Fatalf("%q, %v", again, err)
	}
	got := box.Taken()
	if len(got) != 2 || !got[0].TLS || got[0].From != "segue@lekiwi.com" || len(got[0].To) != 1 || got[0].To[0] != "migration-team@lekiwi.com" {
		t.Fatalf("taken: %+v", got)
	}
	if subject := got[0].Header.Get("Subject"); subject != "[P1] lekiwi: guard errors fires" {
		t.Errorf("subject: %q", subject)
	}
	if !strings.Contains(got[0].Body, "2 % < 1 % & \"more\"") || !strings.Contains(got[0].Body, "For Ada Lind +49 30 23125 101") || !strings.Contains(got[0].Body, "lekiwi, run 01RUN") {
		t.Errorf("body: %s", got[0].Body)
	}
	if id := got[0].Header.Get("Message-ID"); id != "<"+thread+">" || got[1].Header.Get("In-Reply-To") != id || got[1].Header.Get("References") != id {
		t.Errorf("the second does not answer the first: %v", got[1].Header)
	}
	if got[0].Header.Get("Auto-Submitted") != "auto-generated" || strings.HasPrefix(got[1].Header.Get("Subject"), "[") {
		t.Errorf("headers: %v %v", got[0].Header, got[1].Header)
	}
	// The same notice is the same mail.
	if _, err := m.Tell(t.Context(), n, "migration-team@lekiwi.com", ""); err != nil {
		t.Fatal(err)
	}
	if again := box.Taken()[2]; again.Header.Get("Message-ID") != got[0].Header.Get("Message-ID") {
		t.Errorf("Message-ID %s, and then %s", got[0].Header.Get("Message-ID"), again.Header.Get("Message-ID"))
	}
}

func TestAMailThatTheServerDoesNotTake(t *testing.T) {
	config, ca := notifytest.Certificate(t)
	box := notifytest.Mailbox(t, config, "segue", "pa55word")
	right := mailParams{Server: box.Addr, From: "segue@lekiwi.com", User: "segue", Password: "pa55word", CA: ca, Timeout: 20 * time.Second}
	tell := func(p mailParams) error {
		m, err := newMail(p)
		if err != nil {
			t.Fatal(err)
		}
		_, err = m.Tell(t.Context(), noticeOf("P1"), "a@lekiwi.com", "")
		return err
	}
	box.Fail(&smtp.SMTPError{Code: 450, EnhancedCode: smtp.EnhancedCode{4, 2, 1}, Message: "mailbox busy"}, &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox"})
	if err := tell(right); undelivered(t, err).Never {
		t.Errorf("busy: %v", err)
	}
	if err := tell(right); !undelivered(t, err).Never || !strings.Contains(err.Error(), "no such mailbox") {
		t.Errorf("no such mailbox: %v", err)
	}
	wrong := right
	wrong.Password = "s3cr3t-but-wrong"
	if err := tell(wrong); err == nil || strings.Contains(err.Error(), wrong.Password) {
		t.Errorf("a wrong password: %v", err)
	}
	distrusted := right
	distrusted.CA = ""
	if err := tell(distrusted); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate of nobody's: %v", err)
	}
	plain := notifytest.Mailbox(t, nil, "", "")
	bare := mailParams{Server: plain.Addr, From: "segue@lekiwi.com"}
	if err := tell(bare); err == nil || len(plain.Taken()) > 0 {
		t.Errorf("a server without STARTTLS was told in the open: %v", err)
	}
	bare.TLS = "none"
	if err := tell(bare); err != nil || len(plain.Taken()) != 1 {
		t.Errorf("in the open, as asked for: %v", err)
	}
}

func TestWhatAMailNeeds(t *testing.T) {
	for _, c := range []struct {
		p    mailParams
		want string
	}{
		{mailParams{Server: "mail", From: "a@b"}, "server: it is not host:port"},
		{mailParams{Server: "mail:0", From: "a@b"}, "server: it is not host:port"},
		{mailParams{Server: "mail:25", From: "segue"}, "from: that is no address of e-mail"},
		{mailParams{Server: "mail:25", From: "a@b", User: "u"}, "user: user and password go together"},
		{mailParams{Server: "mail:25", From: "a@b", User: "u", Password: "${P}", TLS: "none"}, "tls: the password would go over the wire"},
	} {
		if err := c.p.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %s", c.p, err, c.want)
		}
	}
	p := mailParams{Server: "mail:25", From: "a@b"}
	if p.Validate() != nil || p.Reaches(nil) == nil || p.Reaches([]string{"x"}) == nil || p.Reaches([]string{"a@b", "B <b@c>"}) != nil {
		t.Error("what is right is refused, or what is wrong is not")
	}
}
