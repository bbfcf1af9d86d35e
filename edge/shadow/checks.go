package shadow

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/segue-run/segue/compare"
	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/edge/tee"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

type processedParams struct {
	Lost    *runbook.Percent `param:"lost" doc:"How many of the copies may be lost at most: dropped, not answered, or answered with 5xx." default:"1%"`
	Over    time.Duration    `param:"over" doc:"Only what came within this time counts." default:"1m"`
	Samples int64            `param:"min-samples" doc:"How many copies it takes at least to pass." default:"100"`
}

// Validate implements what types cannot say.
func (p processedParams) Validate() error {
	switch {
	case p.Lost != nil && (*p.Lost < 0 || *p.Lost >= 100):
		return &runbook.FieldError{Field: "lost", Problem: "that is no bound", Remedy: "write 1%"}
	case p.Over < 0:
		return &runbook.FieldError{Field: "over", Problem: "a time is not negative", Remedy: "write 1m"}
	case p.Samples < 0:
		return &runbook.FieldError{Field: "min-samples", Problem: "that many do not come", Remedy: "write 100"}
	}
	return nil
}

// processed judges what became of the copies since its first look.
type processed struct {
	conn    *Conn
	lost    float64
	over    time.Duration
	samples int64

	mu    sync.Mutex
	looks []look // those that still count, the oldest first
}

type look struct {
	at time.Time
	tee.Counts
}

func processedCheck() driver.Part {
	return driver.Checks(driver.About{
		Name: "shadow.processed", On: kind,
		Doc: "Copies of live requests come to the tee, and the new side answers them. Unknown while too few came.",
	}, func(_ context.Context, conn *Conn, p processedParams) (driver.Check, error) {
		return newProcessed(conn, p)
	})
}

func newProcessed(conn *Conn, p processedParams) (*processed, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("shadow.processed: %w", err)
	}
	c := &processed{conn: conn, lost: 0.01, over: time.Minute, samples: 100}
	if p.Lost != nil {
		c.lost = float64(*p.Lost) / 100
	}
	if p.Over > 0 {
		c.over = p.Over
	}
	if p.Samples > 0 {
		c.samples = p.Samples
	}
	return c, nil
}

func (c *processed) Read(ctx context.Context) evidence.Reading {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, err := c.conn.counts(ctx)
	if err != nil {
		return evidence.Unsure(err.Error())
	}
	at := time.Now()
	if n := len(c.looks); n > 0 && now.In < c.looks[n-1].In {
		c.looks = nil // the tee has restarted
	}
	for len(c.looks) > 0 && at.Sub(c.looks[0].at) > c.over {
		c.looks = c.looks[1:]
	}
	c.looks = append(c.looks, look{at, now})
	r := c.judge(c.looks[0].Counts, now)
	r.Source, r.Query = c.conn.String(), "GET http://"+c.conn.at+"/status"
	return r
}

// judge is about the copies of which it is known what became of them.
func (c *processed) judge(was, now tee.Counts) evidence.Reading {
	well := func(n tee.Counts) int64 { return n.Replayed - n.Errors5x }
	lost := func(n tee.Counts) int64 { return n.Failed + n.Errors5x + n.Full + n.Large + n.Left }
	good, bad := well(now)-well(was), lost(now)-lost(was)
	all := good + bad
	r := evidence.Reading{Samples: all, Bound: fmt.Sprintf("at most %s lost", evidence.Percent(c.lost))}
	if all == 0 {
		r.Detail = fmt.Sprintf("no copy was replayed while it was counted; %d wait", now.Waiting)
		return r
	}
	share := float64(bad) / float64(all)
	r.Value = fmt.Sprintf("%d of %d copies answered, %s lost", good, all, evidence.Percent(share))
	switch {
	case all < c.samples:
		r.Detail = fmt.Sprintf("%d copies of the %d that are needed", all, c.samples)
	case share > c.lost:
		r.Verdict = evidence.Fail
		r.Detail = fmt.Sprintf("%d not answered, %d answered with 5xx, %d dropped", now.Failed-was.Failed, now.Errors5x-was.Errors5x, now.Full+now.Large+now.Left-was.Full-was.Large-was.Left)
	default:
		r.Verdict = evidence.Pass
	}
	return r
}

type alikeParams struct {
	Pairs  int64            `param:"min-pairs" doc:"How many copies must have been compared to pass." default:"100"`
	AtMost *runbook.Percent `param:"at-most" doc:"How many of the compared copies may differ." default:"0%"`
}

// Validate implements what types cannot say.
func (p alikeParams) Validate() error {
	switch {
	case p.Pairs < 0:
		return &runbook.FieldError{Field: "min-pairs", Problem: "that many are not compared", Remedy: "write 100"}
	case p.AtMost != nil && (*p.AtMost < 0 || *p.AtMost >= 100):
		return &runbook.FieldError{Field: "at-most", Problem: "that is no bound", Remedy: "write 0.1%"}
	}
	return nil
}

// alike judges what a comparison has shown since it began.
type alike struct {
	conn   *Conn
	pairs  int64
	atMost float64
}

func alikeCheck() driver.Part {
	return driver.Checks(driver.About{
		Name: "shadow.alike", On: kind,
		Doc: "The new system answers copies of live requests as the live one does, as far as shadow.compare has compared them. Unknown while too few were compared, or none are.",
	}, func(_ context.Context, conn *Conn, p alikeParams) (driver.Check, error) { return newAlike(conn, p) })
}

func newAlike(conn *Conn, p alikeParams) (*alike, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("shadow.alike: %w", err)
	}
	c := &alike{conn: conn, pairs: 100}
	if p.Pairs > 0 {
		c.pairs = p.Pairs
	}
	if p.AtMost != nil {
		c.atMost = float64(*p.AtMost) / 100
	}
	return c, nil
}

func (c *alike) Read(ctx context.Context) evidence.Reading {
	now, err := c.conn.compared(ctx)
	if err != nil {
		return evidence.Unsure(err.Error())
	}
	r := c.judge(now)
	r.Source, r.Query = c.conn.String(), "GET http://"+c.conn.at+"/compare"
	if raw, err := json.Marshal(now.Report); err == nil {
		r.Raw = raw
	}
	return r
}

func (c *alike) judge(now tee.Compared) evidence.Reading {
	if now.Sample == 0 {
		return evidence.Unsure("the tee compares nothing: shadow.compare has it do so")
	}
	now.Report.Wanted = c.pairs
	share := now.Report.Share()
	r := now.Report.Reading(func(string) bool { return true }) // what clients ask for is what counts
	r.Bound = fmt.Sprintf("at most %s of %d or more differ", evidence.Percent(c.atMost), c.pairs)
	switch {
	case r.Verdict == evidence.Fail && share <= c.atMost && now.Report.Pairs >= c.pairs:
		r.Verdict, r.Detail = evidence.Pass, fmt.Sprintf("%s differ, which is allowed: %s", evidence.Percent(share), r.Detail)
	case r.Verdict == evidence.Fail && share <= c.atMost:
		r.Verdict, r.Detail = evidence.Unknown, fmt.Sprintf("%d copies of the %d that are needed were compared", now.Report.Pairs, c.pairs)
	case r.Verdict == evidence.Unknown && now.Report.Pairs < c.pairs:
		r.Detail = fmt.Sprintf("%d copies of the %d that are needed were compared", now.Report.Pairs, c.pairs)
	}
	if now.Report.Judged(compare.Difference) > 0 {
		r.Value += fmt.Sprintf(", %s of the copies differ", evidence.Percent(share))
	}
	return r
}
