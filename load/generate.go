package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/segue-run/segue/driver"
)

// A plan is what is sent, how often and for how long.
type plan struct {
	target  *url.URL
	paths   []string
	method  string
	headers map[string]string
	body    string
	rps     int
	lasts   time.Duration
	patient time.Duration // how long an answer may take from when it was due
	atOnce  int           // requests under way
}

// A job is a request that is due.
type job struct {
	path string
	due  time.Time
}

// run sends the load and waits for the answers. When ctx ends, it ends with
// what it has, and says so.
func (p plan) run(ctx context.Context) (Result, error) {
	client := p.client()
	defer client.CloseIdleConnections()
	counts := newTally()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	began := time.Now()
	// The queue holds all that could be due, so that the pace waits for nobody.
	queue := make(chan job, p.all())
	var workers sync.WaitGroup
	told := make(chan struct{})
	go func() {
		defer close(told)
		p.tell(ctx, counts, began)
	}()
	p.pace(ctx, counts, began, queue, func() {
		workers.Go(func() {
			for j := range queue {
				p.send(ctx, client, counts, j)
			}
		})
	})
	close(queue)
	workers.Wait()
	interrupted := ctx.Err()
	cancel()
	<-told
	r := counts.result()
	r.Target, r.RPS, r.Seconds = p.target.String(), p.rps, time.Since(began).Seconds()
	if interrupted != nil {
		return r, fmt.Errorf("it was ended after %s of %s", time.Since(began).Round(time.Second), p.lasts)
	}
	return r, nil
}

// all is how many requests there are.
func (p plan) all() int { return int(float64(p.rps) * p.lasts.Seconds()) }

// pace puts each request into the queue when it is due, and another worker to
// it when all are busy.
func (p plan) pace(ctx context.Context, counts *tally, began time.Time, queue chan<- job, another func()) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	workers := 0
	for i := range p.all() {
		due := began.Add(time.Duration(float64(i) / float64(p.rps) * float64(time.Second)))
		if wait := time.Until(due); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				return
			}
		}
		if ctx.Err() != nil {
			return
		}
		counts.begun(time.Since(due))
		queue <- job{p.paths[i%len(p.paths)], due}
		if workers < p.atOnce && counts.underWay() > workers {
			workers++
			another()
		}
	}
}

func (t *tally) underWay() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return int(t.open)
}

// send asks one. It has as long as is left since it was due: one that waited in
// the queue for longer is not sent any more.
func (p plan) send(ctx context.Context, client *http.Client, counts *tally, j job) {
	ctx, cancel := context.WithDeadline(ctx, j.due.Add(p.patient))
	defer cancel()
	status, err := p.ask(ctx, client, j.path)
	took := time.Since(j.due)
	switch {
	case err != nil && ctx.Err() != nil:
		counts.ended(took, fmt.Sprintf("no answer within %s", p.patient), false)
	case err != nil:
		counts.ended(took, cause(err), false)
	case status >= 400:
		counts.ended(took, fmt.Sprintf("status %d", status), true)
	default:
		counts.ended(took, "", true)
	}
}

func (p plan) ask(ctx context.Context, client *http.Client, path string) (status int, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, p.method, p.target.String()+path, strings.NewReader(p.body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("User-Agent", "segue-load")
	for k, v := range p.headers {
		req.Header.Set(k, v)
		if strings.EqualFold(k, "host") {
			req.Host = v
		}
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// cause leaves the URL out, so that errors of one kind are one.
func cause(err error) string {
	if wrong, ok := errors.AsType[*url.Error](err); ok {
		err = wrong.Err
	}
	text := err.Error()
	if i := strings.LastIndex(text, ": "); i >= 0 {
		text = text[i+2:] // "connection refused" without the ports
	}
	return text
}

func (p plan) client() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost, transport.Proxy = p.atOnce, p.atOnce, nil
	transport.ForceAttemptHTTP2 = false
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

const tellEvery = 200 * time.Millisecond

func (p plan) tell(ctx context.Context, counts *tally, began time.Time) {
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		r, since := counts.result(), time.Since(began)
		driver.Tell(ctx, driver.Progress{
			Done: min(since, p.lasts).Seconds(), Of: p.lasts.Seconds(), What: "seconds", Left: max(p.lasts-since, time.Nanosecond),
			Note: fmt.Sprintf("%d requests due, p50 %.1f ms, p99 %.1f ms, %d errors", r.Due, r.P50, r.P99, r.Errors),
		})
	}
}
