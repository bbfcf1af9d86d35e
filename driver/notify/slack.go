package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
)

type slackParams struct {
	Webhook string        `param:"webhook" doc:"The URL of an incoming webhook: it posts into the channel that it was made for, and keeps no threads."`
	Token   string        `param:"token" doc:"A bot's token (xoxb-…) with chat:write: it posts into any channel that the bot is in, and each run is a thread."`
	Channel string        `param:"channel" doc:"The channel: #name or an ID. Of a webhook it is only a name, for people."`
	API     string        `param:"api" doc:"Where Slack's Web API is." default:"https://slack.com/api"`
	Timeout time.Duration `param:"timeout" doc:"How long an answer may take." default:"10s"`
}

const slackAPI = "https://slack.com/api"

// Validate implements what types cannot say.
func (p slackParams) Validate() error {
	if (p.Webhook == "") == (p.Token == "") {
		return &runbook.FieldError{Field: "webhook", Problem: "Slack is told by a webhook or with a bot's token", Remedy: "give one of webhook and token"}
	}
	if p.API != "" && p.Token == "" {
		return &runbook.FieldError{Field: "api", Problem: "api goes with token", Remedy: "remove it"}
	}
	return errors.Join(secretly("webhook", p.Webhook), secretly("token", p.Token), posts("api", p.API))
}

var slackAddress = regexp.MustCompile(`^(#[\p{L}0-9._-]{1,80}|[CGDUW][A-Z0-9]{6,})$`)

// Reaches says whom it can tell.
func (p slackParams) Reaches(to []string) error {
	switch {
	case p.Webhook != "" && len(to) > 0:
		return &runbook.FieldError{Field: "to", Problem: "a webhook posts into the channel that it was made for", Remedy: "leave to out, or give the connection a token in place of the webhook"}
	case p.Webhook == "" && p.Channel == "" && len(to) == 0:
		return &runbook.FieldError{Field: "to", Problem: "it is not said in which channel", Remedy: `write to: ["#channel"], or give the connection a channel`}
	}
	for _, a := range to {
		if !slackAddress.MatchString(a) {
			return &runbook.FieldError{Field: "to", Problem: fmt.Sprintf("%q is no channel and no member of Slack", a), Remedy: "write #channel, or the ID of a channel or member: C024BE91L, U024BE7LH"}
		}
	}
	return nil
}

// Slack posts into channels.
type Slack struct {
	*poster
	p slackParams
}

func slackPart() driver.Part {
	return driver.Connects(driver.About{Name: "slack", Doc: "A workspace of Slack.", Address: "slack"},
		func(_ context.Context, p slackParams) (*Slack, error) { return newSlack(p) })
}

func newSlack(p slackParams) (*Slack, error) {
	to := p.Webhook
	if to == "" {
		api := p.API
		if api == "" {
			api = slackAPI
		}
		to = strings.TrimSuffix(api, "/") + "/chat.postMessage"
	}
	post, err := newPoster(to, p.Timeout)
	if err != nil {
		return nil, fmt.Errorf("slack: %w", err)
	}
	return &Slack{post, p}, nil
}

// slackMessage is the body of a webhook and of chat.postMessage.
type slackMessage struct {
	Channel   string `json:"channel,omitempty"`
	Text      string `json:"text"`
	Thread    string `json:"thread_ts,omitempty"`
	Broadcast bool   `json:"reply_broadcast,omitempty"`
	Unfurl    bool   `json:"unfurl_links"`
}

// Tell posts the notice.
func (s *Slack) Tell(ctx context.Context, n driver.Notice, to, thread string) (string, error) {
	m := slackMessage{Text: slackText(n)}
	if s.p.Webhook != "" {
		_, err := s.post(ctx, m, nil)
		return "", err
	}
	if m.Channel = to; to == "" {
		m.Channel = s.p.Channel
	}
	// What is severe must not hide in a thread.
	m.Thread, m.Broadcast = thread, thread != "" && n.Severity <= "P2"
	raw, err := s.post(ctx, m, http.Header{"Authorization": {"Bearer " + s.p.Token}})
	if err != nil {
		return "", err
	}
	var a struct {
		OK    bool   `json:"ok"`
		Error string `json:"error"`
		TS    string `json:"ts"`
	}
	if err := json.Unmarshal(raw, &a); err != nil {
		return "", fmt.Errorf("%s gave an answer that is none of Slack's: %s", s.url.Host, excerpt(raw))
	}
	if !a.OK {
		return "", &driver.Undelivered{Err: fmt.Errorf("Slack says %s for %s", a.Error, m.Channel), Never: !slices.Contains(slackPassing, a.Error)} //nolint:staticcheck // a name
	}
	if thread != "" {
		return thread, nil
	}
	return a.TS, nil
}

// slackPassing are the errors of Slack that pass by themselves.
var slackPassing = []string{"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"}

var slackEscape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// slackMark stands at the head of what is severe.
var slackMark = map[string]string{"P1": ":rotating_light: ", "P2": ":warning: "}

// slackText is a notice in Slack's markup.
func slackText(n driver.Notice) string {
	const most = 12000 // Slack cuts off at 40,000, and people far before
	mark := slackMark[n.Severity]
	if n.Turn == driver.Closes {
		mark = ":white_check_mark: "
	}
	text := mark + "*" + slackEscape.Replace(n.Title) + "*"
	if n.Text != "" && n.Text != n.Title {
		text += "\n" + slackEscape.Replace(n.Text)
	}
	if c := n.Contact; c != nil {
		text += "\n" + slackMention(*c)
	}
	return cut(text, most)
}

var slackMember = regexp.MustCompile(`^[UW][A-Z0-9]{6,}$`)

func slackMention(c driver.Contact) string {
	if slackMember.MatchString(c.Slack) {
		return "<@" + c.Slack + ">"
	}
	return slackEscape.Replace(strings.TrimSpace(c.Name + " " + c.Phone))
}
