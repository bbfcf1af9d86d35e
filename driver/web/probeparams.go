package web

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
)

type probeParams struct {
	URL        string            `param:"url,required" doc:"Where the request goes. {id} in it, in headers, body and args is the request's own id."`
	Method     string            `param:"method" enum:"POST|PUT|PATCH|GET" doc:"How it is sent. It is sent again, with the same id, while the server cannot be reached, or answers 429 or 5xx." default:"POST"`
	Headers    map[string]string `param:"headers" doc:"Headers to send."`
	Body       string            `param:"body" doc:"The body to send."`
	SignHeader string            `param:"sign-header" doc:"The header that takes the body's signature: its HMAC-SHA256, in hex."`
	SignSecret string            `param:"sign-secret" doc:"The secret that signs the body."`
	Status     []int             `param:"status" doc:"The statuses that are right; any 2xx otherwise."`
	ID         string            `param:"id" doc:"A word in the id, which is segue-probe-<word>-<random>." default:"web"`
	Within     time.Duration     `param:"within" doc:"How long it may take until all is seen." default:"30s"`

	Bus         driver.Via[driver.MessageStore] `param:"bus" doc:"Await it in a stream: a connection with messages."`
	Stream      string                          `param:"stream" doc:"The stream that must store it, and no other. It must keep messages that are acknowledged."`
	Subject     string                          `param:"subject" doc:"The subject that it must be stored under; no wildcards."`
	Consumer    string                          `param:"consumer" doc:"The durable that must acknowledge it, and all before it: a message that was given back holds this up."`
	DeadLetters string                          `param:"dead-letters" doc:"The subject of dead letters; one that carries the id fails the probe and is taken back too." default:"dlq.<subject>"`

	DB     driver.Via[driver.RowStore] `param:"db" doc:"Await it in a database: a connection with rows."`
	Query  string                      `param:"query" doc:"The query that finds it, by $1."`
	Args   []any                       `param:"args" doc:"The values of $1, $2, …; one must hold {id}."`
	Expect string                      `param:"expect,expression" vars:"rows|row|value" doc:"What is true of the query's rows when it is there, of row (the first) or value (its first column), and is not before and after."`
	Undo   []string                    `param:"undo" doc:"Statements that delete its rows, and only its, by the same args. They run in one transaction."`

	Metrics driver.Via[driver.Numbers] `param:"metrics" doc:"Await it in metrics: a connection with numbers."`
	Grows   string                     `param:"grows" doc:"The query whose number must grow, of counters; no data counts as 0."`
}

const (
	placeholder   = "{id}"
	idPrefix      = "segue-probe-"
	defaultWord   = "web"
	defaultWithin = 30 * time.Second
)

var (
	idWord       = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$`)
	argumentForm = regexp.MustCompile(`\$[0-9]`)
)

// Validate implements what types cannot say.
func (p probeParams) Validate() error {
	for _, check := range []func() *runbook.FieldError{p.badRequest, p.badBus, p.badDB, p.badMetrics} {
		if bad := check(); bad != nil {
			return bad
		}
	}
	if !p.Bus.Given() && !p.DB.Given() && !p.Metrics.Given() {
		return &runbook.FieldError{Field: "url", Problem: "nothing is awaited behind it", Remedy: "give bus, db or metrics (a check http asks no more than the answer)"}
	}
	return nil
}

func (p probeParams) badRequest() *runbook.FieldError {
	u, err := url.Parse(p.URL)
	late := strings.Contains(p.URL, "${") // only known when it is opened
	switch {
	case !late && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https"):
		return &runbook.FieldError{Field: "url", Problem: "that is no URL of HTTP", Remedy: "write http://host:port/path"}
	case p.SignHeader != "" && p.SignSecret == "":
		return &runbook.FieldError{Field: "sign-header", Problem: "there is no secret to sign with", Remedy: "give sign-secret"}
	case p.SignHeader == "" && p.SignSecret != "":
		return &runbook.FieldError{Field: "sign-secret", Problem: "there is no header for the signature", Remedy: "give sign-header"}
	case p.ID != "" && !idWord.MatchString(p.ID):
		return &runbook.FieldError{Field: "id", Problem: fmt.Sprintf("%q is no word of an id", p.ID), Remedy: "write small letters, digits and dashes, at most 32, as in phase1"}
	case !strings.Contains(p.URL+p.Body+strings.Join(slices.Collect(maps.Values(p.Headers)), " "), placeholder):
		return &runbook.FieldError{Field: "body", Problem: "nothing of the request holds " + placeholder + ", by which it is known again", Remedy: "write " + placeholder + " in body, headers or url"}
	case p.Method == "GET" && p.Body != "":
		return &runbook.FieldError{Field: "body", Problem: "a GET has no body", Remedy: "remove it, or write method: POST"}
	}
	for _, s := range p.Status {
		if s < 100 || s > 599 {
			return &runbook.FieldError{Field: "status", Problem: fmt.Sprintf("%d is no status of HTTP", s), Remedy: "write some from 100 to 599"}
		}
	}
	return nil
}

func (p probeParams) badBus() *runbook.FieldError {
	if !p.Bus.Given() {
		return first("bus", "a connection with messages", map[string]bool{
			"stream": p.Stream != "", "subject": p.Subject != "", "consumer": p.Consumer != "", "dead-letters": p.DeadLetters != "",
		})
	}
	switch {
	case p.Stream == "":
		return &runbook.FieldError{Field: "bus", Problem: "nothing says which stream must store it", Remedy: "give stream"}
	case p.Subject == "":
		return &runbook.FieldError{Field: "bus", Problem: "nothing says under which subject it is stored", Remedy: "give subject"}
	case strings.ContainsAny(p.Subject, "*> "):
		return &runbook.FieldError{Field: "subject", Problem: "a message goes to one subject", Remedy: "write it without wildcards"}
	case strings.ContainsAny(p.DeadLetters, "*> "):
		return &runbook.FieldError{Field: "dead-letters", Problem: "a message goes to one subject", Remedy: "write it without wildcards"}
	}
	return nil
}

func (p probeParams) badDB() *runbook.FieldError {
	if !p.DB.Given() {
		return first("db", "a connection with rows", map[string]bool{
			"query": p.Query != "", "args": p.Args != nil, "expect": p.Expect != "", "undo": p.Undo != nil,
		})
	}
	marked := slices.ContainsFunc(p.Args, func(a any) bool {
		s, ok := a.(string)
		return ok && strings.Contains(s, placeholder)
	})
	switch {
	case p.Query == "":
		return &runbook.FieldError{Field: "db", Problem: "nothing says how to find it there", Remedy: "give query"}
	case strings.Contains(p.Query, placeholder):
		return &runbook.FieldError{Field: "query", Problem: placeholder + " is no part of a query", Remedy: `write $1, and args: ["{id}"]`}
	case p.Expect == "":
		return &runbook.FieldError{Field: "db", Problem: "nothing says when it is there", Remedy: `give expect, as in "rows.size() == 1"`}
	case !marked:
		return &runbook.FieldError{Field: "args", Problem: "no argument holds " + placeholder + ": which rows are its own?", Remedy: `write args: ["{id}"]`}
	case !argumentForm.MatchString(p.Query):
		return &runbook.FieldError{Field: "query", Problem: "it asks for no argument, and so finds others' rows", Remedy: "write … where event_id = $1"}
	case len(p.Undo) == 0:
		return &runbook.FieldError{Field: "db", Problem: "nothing says how its rows are taken back", Remedy: "give undo: [delete from … where … = $1]"}
	}
	for _, s := range p.Undo {
		if !argumentForm.MatchString(s) {
			return &runbook.FieldError{Field: "undo", Problem: "a statement takes no argument, and so touches others' rows: " + s, Remedy: "write … where event_id = $1"}
		}
	}
	return nil
}

func (p probeParams) badMetrics() *runbook.FieldError {
	if !p.Metrics.Given() {
		return first("metrics", "a connection with numbers", map[string]bool{"grows": p.Grows != ""})
	}
	if p.Grows == "" {
		return &runbook.FieldError{Field: "metrics", Problem: "nothing says which number grows", Remedy: "give grows, a query"}
	}
	return nil
}

// first is the fault of what is given without what it belongs to.
func first(needs, what string, given map[string]bool) *runbook.FieldError {
	for _, f := range slices.Sorted(maps.Keys(given)) {
		if given[f] {
			return &runbook.FieldError{Field: f, Problem: "it says nothing without " + needs, Remedy: "give " + needs + ": " + what}
		}
	}
	return nil
}
