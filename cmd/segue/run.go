package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/journal"
	"github.com/segue-run/segue/journal/sqlite"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/runner"
	"github.com/segue-run/segue/view"
)

// running is the run command's flags.
type running struct {
	values
	resume bool
	wait   bool
	noWait bool
	plain  bool
	quiet  bool
	beside string
	ttl    time.Duration
}

func (a *app) runCommand() *cobra.Command {
	var o running
	cmd := &cobra.Command{
		Use:   "run RUNBOOK | run --resume [RUN]",
		Short: "Carry a runbook out, or go on with a run",
		Long: `Carry a runbook out in the foreground, or go on with a run after a crash, a
pause or a rollback. It plans first, and touches nothing if a step is refused.

Ctrl-C leaves the run as it is: segue run --resume goes on with it.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			arg := ""
			if len(args) > 0 {
				arg = args[0]
			}
			if arg == "" && !o.resume {
				return usage(errors.New("name a runbook, or --resume a run"))
			}
			return a.carryOut(cmd.Context(), o, arg)
		},
	}
	o.flags(cmd)
	f := cmd.Flags()
	f.BoolVar(&o.resume, "resume", false, "go on with a run; default the newest that is not over")
	f.BoolVar(&o.wait, "wait", false, "wait while another process carries the run out")
	f.BoolVar(&o.noWait, "no-wait", false, "end with exit code 4 when only a person can move the run on")
	f.BoolVar(&o.plain, "plain", false, "print lines instead of the live view")
	f.StringVar(&o.beside, "beside", "", "a `file` whose lines are shown beside the run: the load's rate, say")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print nothing but how it ended")
	f.DurationVar(&o.ttl, "lease", 15*time.Second, "how long a dead process's lease is waited for")
	_ = f.MarkHidden("lease")
	return cmd
}

func (a *app) carryOut(ctx context.Context, o running, arg string) error {
	store, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	r, err := a.runner(store)
	if err != nil {
		return err
	}
	r.TTL, r.Wait, r.LeaveWhenWaiting = o.ttl, o.wait, o.noWait
	var id string
	if o.resume {
		if id, err = resolve(ctx, store, arg); err != nil {
			return usage(err)
		}
	} else if id, err = a.begin(ctx, r, o, arg); err != nil {
		return err
	}
	ctx, interrupt := context.WithCancelCause(ctx)
	defer interrupt(nil)
	hide := a.show(store, id, o, func() { interrupt(errInterrupted) })
	told := a.tell(ctx, store, id)
	s, rb, err := r.Run(ctx, id, a.actor)
	hide()
	told(s != nil && !errors.Is(err, journal.ErrLeaseLost))
	return a.ended(id, rb, s, err)
}

// begin plans a runbook and makes a run of it.
func (a *app) begin(ctx context.Context, r *runner.Runner, o running, file string) (string, error) {
	rb, err := a.parse(file, o.values, false)
	if err != nil {
		return "", err
	}
	steps, err := r.Plan(ctx, rb)
	if errors.Is(err, runner.ErrRefused) {
		return "", fmt.Errorf("%w; nothing was touched:\n%w", err, refusedSteps(steps))
	}
	if err != nil {
		return "", err
	}
	return r.Start(ctx, rb, a.actor)
}

var errInterrupted = errors.New("interrupted")

// show shows the run beside its carrying out, until what it returns is called;
// that waits until the view has shown the end.
func (a *app) show(store *sqlite.Store, id string, o running, interrupt func()) (hide func()) {
	if o.quiet {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = view.Run(ctx, a.source(store, id), a.visible(), view.Options{Plain: o.plain, Interrupt: interrupt, Notes: notes(o.beside)}) // a view that fails is no reason to stop
	}()
	return func() {
		// The view follows the journal: give it the moment to see the last events.
		select {
		case <-done:
		case <-time.After(viewLag):
		}
		cancel()
		select {
		case <-done:
		case <-time.After(time.Second):
		}
	}
}

// printWaits says what a person has to do before the run can go on, and how.
func (a *app) printWaits(rb *runbook.Runbook, s *engine.State) {
	for _, w := range engine.Decide(rb, s, time.Now()).Waits {
		switch w.For {
		case "approval", "attestation":
			fmt.Fprintf(a.stdout, "  waits for %s: %s, by %s: %s\n", w.For, w.What, w.Who, w.Command)
		case "person":
			if w.Command != "" {
				fmt.Fprintf(a.stdout, "  next: %s\n", w.Command)
			}
		}
	}
}

// notes reads a file anew each time it is asked; none when there is no file.
func notes(file string) func() []string {
	if file == "" {
		return nil
	}
	return func() []string {
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil
		}
		lines := strings.Split(strings.TrimRight(string(raw), "\n"), "\n")
		return lines[:min(len(lines), 5)]
	}
}

const viewLag = 300 * time.Millisecond

// ended says how it ended, in a line, and with an exit code.
func (a *app) ended(id string, rb *runbook.Runbook, s *engine.State, err error) error {
	if s == nil {
		return err
	}
	if err != nil && s.Status.Final() {
		return fmt.Errorf("%w (the run is %s)", err, s.Status)
	}
	if err != nil && !errors.Is(err, runner.ErrNotFinal) {
		return fmt.Errorf("%w (the run is %s; segue run --resume %s goes on with it)", err, s.Status, id)
	}
	fmt.Fprintf(a.stdout, "run %s: %s", id, s.Status)
	if s.Pause != nil {
		fmt.Fprintf(a.stdout, ": %s", s.Pause.Why)
	}
	fmt.Fprintln(a.stdout)
	if errors.Is(err, errInterrupted) || errors.Is(err, context.Canceled) {
		fmt.Fprintf(a.stdout, "  interrupted, and left as it is: segue run --resume %s goes on with it\n", id)
	} else {
		a.printWaits(rb, s)
	}
	if code := codeFor(s); code != codeDone {
		return &exitError{code: code}
	}
	return nil
}
