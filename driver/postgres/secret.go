package postgres

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// secret is the password, which no error text may show.
type secret string

// hide keeps err for errors.Is and As, and its text without the password.
func (s secret) hide(err error) error {
	text := err.Error()
	clean := text
	for _, form := range []string{string(s), url.QueryEscape(string(s)), url.PathEscape(string(s)), url.UserPassword("", string(s)).String()} {
		if form = strings.TrimPrefix(form, ":"); form != "" {
			clean = strings.ReplaceAll(clean, form, "[secret]")
		}
	}
	if clean == text {
		return err
	}
	return &hidden{text: clean, err: err}
}

type hidden struct {
	text string
	err  error
}

func (h *hidden) Error() string { return h.text }
func (h *hidden) Unwrap() error { return h.err }

var quoted = regexp.MustCompile("\"[^\"]*\"|'[^']*'|`[^`]*`")

// badURL says what is wrong with a connection's URL. Where in what cannot be
// parsed the password is, is anybody's guess: nothing of it is repeated but
// the host, where there is certainly one.
func badURL(raw string, err error) error {
	if parse, ok := errors.AsType[*pgconn.ParseConfigError](err); ok && parse.Unwrap() != nil {
		err = parse.Unwrap()
	}
	if wrong, ok := errors.AsType[*url.Error](err); ok {
		err = wrong.Err
	}
	reason := quoted.ReplaceAllString(err.Error(), "…")
	at := ""
	if i := strings.LastIndex(raw, "@"); i >= 0 && strings.Contains(raw[:i], "://") {
		host, _, _ := strings.Cut(raw[i+1:], "?")
		at = fmt.Sprintf(" at %q", host)
	}
	return fmt.Errorf("the URL of postgres%s cannot be used: %s; expected postgres://user:password@host:port/database", at, reason)
}
