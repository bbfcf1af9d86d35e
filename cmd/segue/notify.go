package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/journal"
	"github.com/segue-run/segue/journal/sqlite"
	"github.com/segue-run/segue/notify"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/runner"
)

// farewell is how long the end of a run waits for those who have not been told:
// long enough for a second try, and short enough for whoever waits.
const farewell = 5 * time.Second

// tell tells people of a run beside its carrying out, from when this process has
// its lease. What it returns ends that, and says whether the run is still this
// process's to tell of.
func (a *app) tell(ctx context.Context, store *sqlite.Store, id string) (end func(ours bool)) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop, ours := make(chan struct{}), make(chan struct{})
	var beside sync.WaitGroup
	var left int
	awaiting, awaited := context.WithCancel(ctx)
	beside.Go(func() { a.awaitLease(awaiting, store, id, ours) })
	beside.Go(func() {
		select {
		case <-ctx.Done():
			return
		case <-ours:
		case <-stop: // it was over before: what is left to tell is for whoever looks at it last
		}
		var err error
		if left, err = a.post(store, id, holder()).Deliver(ctx, stop, farewell); err != nil && ctx.Err() == nil {
			fmt.Fprintln(a.stderr, "segue: "+a.secrets.Redact(fmt.Sprintf("people are not told of this run: %v", err)))
		}
	})
	return func(mine bool) {
		if !mine {
			cancel()
		}
		awaited()
		close(stop)
		beside.Wait()
		cancel()
		if left > 0 && mine {
			fmt.Fprintf(a.stderr, "segue: %d notices are not delivered: segue status %s says why, and segue notify %s tries again\n", left, id, id)
		}
	}
}

// awaitLease closes ours when the journal says that this process has the lease.
func (a *app) awaitLease(ctx context.Context, store *sqlite.Store, id string, ours chan struct{}) {
	found := errors.New("found")
	err := store.Follow(ctx, id, 0, func(rec journal.Record) error {
		ev, err := engine.Unmarshal(rec.Type, rec.Version, rec.Data)
		if acq, ok := ev.(engine.Acquired); err == nil && ok && acq.Holder == holder() {
			return found
		}
		return nil
	})
	if errors.Is(err, found) {
		close(ours)
	}
}

// post brings a run's notices to their receivers.
func (a *app) post(store *sqlite.Store, id, holder string) *notify.Post {
	return &notify.Post{
		Store: store, Drivers: a.catalog, Run: id, Secrets: &a.secrets, Log: a.log(), Holder: holder,
		Ask: func(ctx context.Context, rb *runbook.Runbook, checks []string) ([]runner.Checked, error) {
			return a.planner().Check(ctx, rb, checks)
		},
	}
}

func (a *app) notifyCommand() *cobra.Command {
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "notify [RUN]",
		Short: "Deliver the notices of a run that are not delivered yet",
		Long: `Deliver the notices of a run that are not delivered yet, as far as they were not
refused for good. Whoever carries a run out does so by itself; this is for what was
left when that ended. Exits with 1 when some are still not delivered.` + whichRun,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.deliver(cmd.Context(), arg(args), wait) },
	}
	cmd.Flags().DurationVar(&wait, "wait", 30*time.Second, "how long to try")
	return cmd
}

func (a *app) deliver(ctx context.Context, run string, wait time.Duration) error {
	store, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	id, err := resolve(ctx, store, run)
	if err != nil {
		return usage(err)
	}
	who, err := holderOf(ctx, store, id)
	if err != nil {
		return err
	}
	if who != "" {
		return fmt.Errorf("%s carries run %s out, and tells people itself", who, id)
	}
	stop := make(chan struct{})
	close(stop)
	left, err := a.post(store, id, "").Deliver(ctx, stop, wait)
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("interrupted: %d notices of run %s are not delivered", left, id)
	case err != nil:
		return err
	case left > 0:
		return fmt.Errorf("%d notices of run %s are not delivered: segue status %s says why", left, id, id)
	}
	fmt.Fprintf(a.stdout, "nothing of run %s is left to be told\n", id)
	return nil
}

func (a *app) announceCommand() *cobra.Command {
	var vals values
	cmd := &cobra.Command{
		Use:   "announce RUNBOOK",
		Short: "Tell people of a migration before it begins",
		Long: `Tell people of a migration before it begins: fills the templates of the routes that
are about announcements, and sends each. Exits with 1 when somebody could not be
told. segue report --template NAME --runbook FILE shows what would be sent.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			rb, err := a.parse(args[0], vals, false)
			if err != nil {
				return err
			}
			return a.announce(cmd.Context(), rb)
		},
	}
	vals.flags(cmd)
	return cmd
}

func (a *app) announce(ctx context.Context, rb *runbook.Runbook) error {
	told, err := a.post(nil, "", "").Announce(ctx, rb)
	if err != nil {
		return usage(err)
	}
	return a.sayTold(told)
}

// sayTold says who was told; the error, who was not.
func (a *app) sayTold(told []notify.Announced) error {
	var failed []error
	for _, t := range told {
		if t.Err != nil {
			failed = append(failed, fmt.Errorf("%s is not told: %w", t.To, t.Err))
			continue
		}
		fmt.Fprintf(a.stdout, "told: %s\n", t.To)
	}
	return errors.Join(failed...)
}
