package process

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxAnswer bounds what is read of an answer.
const maxAnswer = 16 << 20

// answerError is a call that process-compose refused.
type answerError struct {
	status int
	reason string
}

func (e *answerError) Error() string {
	if e.reason == "" {
		return fmt.Sprintf("status %d", e.status)
	}
	return fmt.Sprintf("status %d: %s", e.status, e.reason)
}

// unknown reports that there is no such process, or not at the moment.
func unknown(err error) bool {
	refused, ok := errors.AsType[*answerError](err)
	return ok && (strings.Contains(refused.reason, "no such process") || strings.Contains(refused.reason, "does not exist"))
}

// call makes one call of the API. Its errors never hold what was sent: a
// definition has secrets in its environment.
func (c *Conn) call(ctx context.Context, extra time.Duration, method, path string, in, out any) error {
	limit := c.timeout + extra
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %s", limit))
	defer cancel()
	if err := c.roundTrip(ctx, method, path, in, out); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fmt.Errorf("%s: %s %s: %w", c, method, path, err)
	}
	return nil
}

func (c *Conn) roundTrip(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return errors.New("what is to be sent is not JSON")
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return errors.New("that makes no URL")
	}
	if c.token != "" {
		req.Header.Set("X-PC-Token-Key", c.token)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		if wrong, ok := errors.AsType[*url.Error](err); ok {
			err = wrong.Err
		}
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		var refusal struct {
			Error string `json:"error"`
		}
		_ = json.Unmarshal(raw, &refusal) // without a reason the status must do
		return &answerError{resp.StatusCode, refusal.Error}
	}
	if out == nil {
		return nil
	}
	if json.Unmarshal(raw, out) != nil {
		return errors.New("the answer is not the JSON that process-compose gives")
	}
	return nil
}

// project is what process-compose tells of itself.
type project struct {
	Files []string `json:"fileNames"`
	Host  string   `json:"hostName"`
}

func (c *Conn) project(ctx context.Context) (project, error) {
	var p project
	return p, c.call(ctx, 0, http.MethodGet, "/project/state", nil, &p)
}

// status is how a replica is doing, as process-compose sees it.
type status struct {
	Name      string        `json:"name"`
	Namespace string        `json:"namespace"`
	Status    string        `json:"status"`
	Age       time.Duration `json:"age"` // since its process was started
	Ready     string        `json:"is_ready"`
	Restarts  int           `json:"restarts"`
	ExitCode  int           `json:"exit_code"`
	PID       int           `json:"pid"`
	Running   bool          `json:"is_running"`
}

// stopped reports that nothing runs, nor will by itself.
func (s status) stopped() bool {
	switch s.Status {
	case "Completed", "Error", "Skipped", "Disabled":
		return true
	}
	return false
}

// idle reports that the project defines it as disabled, and nobody has started
// it.
func (s status) idle() bool { return s.Status == "Disabled" }

func (s status) String() string {
	if s.stopped() && s.ExitCode != 0 {
		return fmt.Sprintf("%s, exit code %d", s.Status, s.ExitCode)
	}
	return s.Status
}

func (c *Conn) list(ctx context.Context) ([]status, error) {
	var all struct {
		Data []status `json:"data"`
	}
	return all.Data, c.call(ctx, 0, http.MethodGet, "/processes", nil, &all)
}

func (c *Conn) status(ctx context.Context, replica string) (status, error) {
	var s status
	return s, c.call(ctx, 0, http.MethodGet, "/process/"+url.PathEscape(replica), nil, &s)
}

func (c *Conn) definition(ctx context.Context, replica string) (definition, error) {
	var d definition
	return d, c.call(ctx, 0, http.MethodGet, "/process/info/"+url.PathEscape(replica), nil, &d)
}

// update gives a replica another definition and starts it. Only for one that
// does not run: see replace.
func (c *Conn) update(ctx context.Context, d definition) error {
	return c.call(ctx, 0, http.MethodPost, "/process", d, nil)
}

// start and stop are refused when it is so already.
func (c *Conn) start(ctx context.Context, replica string) error {
	return c.call(ctx, 0, http.MethodPost, "/process/start/"+url.PathEscape(replica), nil, nil)
}

func (c *Conn) stop(ctx context.Context, replica string, shutdown time.Duration) error {
	return c.call(ctx, shutdown, http.MethodPatch, "/process/stop/"+url.PathEscape(replica), nil, nil)
}

// logs are a replica's last lines since its definition was last replaced.
func (c *Conn) logs(ctx context.Context, replica string, lines int) ([]string, error) {
	var out struct {
		Logs []string `json:"logs"`
	}
	// Any other limit than 0 panics in process-compose.
	return out.Logs, c.call(ctx, 0, http.MethodGet, fmt.Sprintf("/process/logs/%s/%d/0", url.PathEscape(replica), lines), nil, &out)
}
