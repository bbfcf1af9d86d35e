package exec

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/expr"
)

type checkParams struct {
	Argv   []string      `param:"argv,required" doc:"The command, which changes nothing."`
	Exit   int           `param:"exit" doc:"The exit status that it must end with." default:"0"`
	Expect string        `param:"expect,expression" vars:"output|body|exit" doc:"What must be true of output (trimmed), body (output as JSON) or exit."`
	Grace  time.Duration `param:"grace" doc:"How long it may take to end when it is asked to (SIGTERM), with all it started; then it is killed. For what must take back what it made." default:"40ms"`
	surroundings
}

// Validate implements what types cannot say.
func (p checkParams) Validate() error { return argvError("argv", p.Argv) }

// check measures what a command says.
type check struct {
	p      checkParams
	expect *expr.Expr
}

func checkCheck() driver.Part {
	return driver.Checks(driver.About{
		Name: "exec.check",
		Doc:  "A command ends with the exit status, and prints what is expected. Unknown when it cannot be run or does not end in time.",
	}, func(_ context.Context, _ driver.Conn, p checkParams) (driver.Check, error) { return newCheck(p) })
}

func newCheck(p checkParams) (*check, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	c := &check{p: p}
	if p.Expect != "" {
		e, err := expr.Compile(p.Expect, []string{"output", "body", "exit"})
		if err != nil {
			return nil, fmt.Errorf("exec.check: expect: %w", err)
		}
		c.expect = e
	}
	return c, nil
}

func (c *check) Read(ctx context.Context) evidence.Reading {
	var r evidence.Reading
	if got, err := c.p.patiently(ctx, max(c.p.Grace, grace), c.p.Argv); err != nil {
		r = evidence.Unsure(err.Error())
	} else {
		r = c.judge(got)
		r.Samples = 1
	}
	r.Source, r.Query = c.p.Argv[0], strings.Join(c.p.Argv, " ")
	r.Bound = strings.TrimSuffix(fmt.Sprintf("exit status %d, %s", c.p.Exit, c.p.Expect), ", ")
	return r
}

func (c *check) judge(got result) evidence.Reading {
	looksAtExit := c.expect != nil && slices.Contains(c.expect.Vars(), "exit")
	if got.exit != c.p.Exit && !looksAtExit {
		return evidence.Failed(fmt.Sprintf("exit status %d", got.exit), "", fmt.Sprintf("it ended with exit status %d%s", got.exit, said(got.errors)))
	}
	value := got.output
	if len(value) > 100 || strings.Contains(value, "\n") {
		value = fmt.Sprintf("%d lines", strings.Count(value, "\n")+1)
	}
	if c.expect == nil {
		return evidence.Passed(value, "")
	}
	vars := map[string]any{"output": got.output, "exit": int64(got.exit)}
	dec := json.NewDecoder(strings.NewReader(got.output))
	dec.UseNumber()
	var body any
	if dec.Decode(&body) == nil && !dec.More() {
		vars["body"] = body
	}
	verdict, err := c.expect.Eval(vars)
	r := evidence.Reading{Verdict: verdict, Value: value}
	switch {
	case err != nil:
		r.Verdict, r.Detail = evidence.Unknown, err.Error()
	case verdict == evidence.Fail:
		r.Detail = fmt.Sprintf("%s does not meet %s", value, c.p.Expect)
	}
	return r
}
