// Package stateclient is how Lekiwi's services speak to the state-managers.
//
// It knows several, whether they run or not, and goes to one after the other;
// one that is away is left out for a moment. Events have keys, so one that is
// brought to two is kept once.
package stateclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/segue-run/segue/examples/lekiwi/api"
	"github.com/segue-run/segue/examples/lekiwi/robot"
)

// ErrUnavailable is there when no state-manager answers, or those that do
// cannot reach PostgreSQL. The same may be asked again later.
var ErrUnavailable = errors.New("no state-manager is available")

// Client speaks to state-managers.
type Client struct {
	servers []*server
	http    *http.Client
	turn    atomic.Uint64
}

// server is one state-manager.
type server struct {
	url  string
	back atomic.Int64 // until when it is left out, in Unix nanoseconds
}

// leaveOut is for how long one that is away is not asked, while others answer.
const leaveOut = time.Second

// New makes a client of state-managers at these URLs.
func New(urls []string) (*Client, error) {
	c := &Client{http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute}}}
	for _, u := range urls {
		if u = strings.TrimRight(strings.TrimSpace(u), "/"); u != "" {
			c.servers = append(c.servers, &server{url: u})
		}
	}
	if len(c.servers) == 0 {
		return nil, errors.New("STATE_URLS names no state-manager: write http://127.0.0.1:8002")
	}
	return c, nil
}

// answerTime bounds the answer of one state-manager, beyond what it was asked to
// wait.
const answerTime = 10 * time.Second

// call asks one state-manager after the other until one answers.
func (c *Client) call(ctx context.Context, wait time.Duration, method, path string, in, out any) (status int, err error) {
	var body []byte
	if in != nil {
		if body, err = json.Marshal(in); err != nil {
			return 0, fmt.Errorf("%s %s: %w", method, path, err)
		}
	}
	var away error
	for _, to := range c.order() {
		status, raw, err := c.once(ctx, wait, method, to.url+path, body)
		switch {
		case ctx.Err() != nil:
			return 0, fmt.Errorf("%s %s: %w", method, path, context.Cause(ctx))
		case err != nil || status == http.StatusServiceUnavailable:
			if err == nil {
				err = fmt.Errorf("%s %s%s: %d", method, to.url, path, status)
			}
			away = errors.Join(away, err)
			to.back.Store(time.Now().Add(leaveOut).UnixNano())
		case status == http.StatusNotFound:
			return status, nil
		case status >= http.StatusBadRequest:
			return status, fmt.Errorf("%s %s%s: %d %s", method, to.url, path, status, bytes.TrimSpace(raw))
		default:
			if out != nil {
				if err := json.Unmarshal(raw, out); err != nil {
					return status, fmt.Errorf("%s %s%s: %w", method, to.url, path, err)
				}
			}
			return status, nil
		}
	}
	return 0, fmt.Errorf("%w: %w", ErrUnavailable, away)
}

// order is whom to ask, one after the other: by turns, and last those that were
// away a moment ago.
func (c *Client) order() []*server {
	n := len(c.servers)
	first := int(c.turn.Add(1) % uint64(n)) //nolint:gosec // less than n
	now := time.Now().UnixNano()
	var there, away []*server
	for i := range n {
		if s := c.servers[(first+i)%n]; s.back.Load() > now {
			away = append(away, s)
		} else {
			there = append(there, s)
		}
	}
	return append(there, away...)
}

func (c *Client) once(ctx context.Context, wait time.Duration, method, url string, body []byte) (int, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, wait+answerTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err //nolint:wrapcheck // it names the URL
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	// Every request may be made twice: what is posted has keys.
	req.Header["Idempotency-Key"] = nil
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, nil, err //nolint:wrapcheck // it names method and URL
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil, fmt.Errorf("%s %s: %w", method, url, err)
	}
	return resp.StatusCode, raw, nil
}

// Append keeps events. Those that cannot be taken are in the answer.
func (c *Client) Append(ctx context.Context, events []robot.Event) (api.Appended, error) {
	var out api.Appended
	_, err := c.call(ctx, 0, http.MethodPost, api.PathEvents, api.Events{Events: events}, &out)
	return out, err
}

// Import keeps records of the legacy system.
func (c *Client) Import(ctx context.Context, in api.Robots) (api.Imported, error) {
	var out api.Imported
	_, err := c.call(ctx, 0, http.MethodPost, api.PathImport, in, &out)
	return out, err
}

// Robot reads one.
func (c *Client) Robot(ctx context.Context, id string) (r robot.Robot, exists bool, err error) {
	status, err := c.call(ctx, 0, http.MethodGet, api.PathV2Robots+"/"+url.PathEscape(id), nil, &r)
	return r, status != http.StatusNotFound, err
}

// Remove deletes one.
func (c *Client) Remove(ctx context.Context, id string) (existed bool, err error) {
	status, err := c.call(ctx, 0, http.MethodDelete, api.PathV2Robots+"/"+url.PathEscape(id), nil, nil)
	return status != http.StatusNotFound, err
}

// pageSize of Robots.
const pageSize = 10_000

// Robots reads all, by id.
func (c *Client) Robots(ctx context.Context) ([]robot.Robot, error) {
	var all []robot.Robot
	for after := ""; ; {
		var page api.RobotPage
		query := url.Values{"limit": {strconv.Itoa(pageSize)}, "after": {after}}
		if _, err := c.call(ctx, 0, http.MethodGet, api.PathV2Robots+"?"+query.Encode(), nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Robots...)
		if after = page.Next; after == "" {
			return all, nil
		}
	}
}

// Count counts them.
func (c *Client) Count(ctx context.Context) (api.Count, error) {
	var out api.Count
	_, err := c.call(ctx, 0, http.MethodGet, api.PathRobotCount, nil, &out)
	return out, err
}

// Deployments reads the newest.
func (c *Client) Deployments(ctx context.Context) (api.Deployments, error) {
	var out api.Deployments
	_, err := c.call(ctx, 0, http.MethodGet, api.PathDeployments, nil, &out)
	return out, err
}

// Ping asks whether one is available.
func (c *Client) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, err := c.call(ctx, 0, http.MethodGet, api.PathHealth, nil, nil)
	return err
}

const (
	followWait = 20 * time.Second
	followRest = 500 * time.Millisecond // after an error
)

// Follow gives each change from now on to told, in order, until ctx ends. While
// no state-manager is available it waits; what has changed meanwhile comes then.
// What changes after begun was called, if it is not nil, is told.
func (c *Client) Follow(ctx context.Context, log *slog.Logger, begun func(), told func([]api.Change)) {
	next, away := int64(-1), false
	for ctx.Err() == nil {
		query := fmt.Sprintf("?after=%d&limit=1000&wait=%d", next, int(followWait.Seconds()))
		var got api.Changes
		_, err := c.call(ctx, followWait, http.MethodGet, api.PathChanges+query, nil, &got)
		if err != nil {
			if !away && ctx.Err() == nil {
				log.Warn("changes cannot be followed", "error", err)
			}
			away = true
			select {
			case <-time.After(followRest):
			case <-ctx.Done():
			}
			continue
		}
		if away {
			log.Info("changes are followed again", "after", next)
		}
		if next < 0 && begun != nil {
			begun()
		}
		away, next = false, got.Next
		if len(got.Changes) > 0 {
			told(got.Changes)
		}
	}
}
