package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/renameio/v2"
	"github.com/oklog/ulid/v2"
	"github.com/spf13/cobra"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/journal"
	"github.com/segue-run/segue/runner"
)

// said is a signal command's flags.
type said struct {
	run, role, note, key string
	acceptDrift          bool
	wait                 time.Duration
}

// signalCommands are what a person tells a run. Each goes into the run's
// inbox; whoever carries the run out takes it, or refuses it with a reason.
func (a *app) signalCommands() []*cobra.Command {
	return []*cobra.Command{
		a.signalCommand(engine.SignalApprove, "approve [PHASE|STEP]", "Approve what waits for it; signed with your key", true),
		a.signalCommand(engine.SignalAttest, "attest TEXT", "Attest what no check can see", true),
		a.signalCommand(engine.SignalPause, "pause", "Start nothing new; guards keep watching", false),
		a.signalCommand(engine.SignalResume, "resume", "Go on after a pause, or begin a new attempt after a rollback", false),
		a.signalCommand(engine.SignalRetry, "retry", "Try again what failed, after looking at the world anew", false),
		a.signalCommand(engine.SignalSkip, "skip STEP", "Go on without a step", true),
		a.signalCommand(engine.SignalRollback, "rollback [TARGET]", "Put back: to the start (default), this phase, a phase's start, or a named target", true),
		a.signalCommand(engine.SignalAck, "ack", "Acknowledge that something is wrong: you see to it, and nobody else is called", false),
		a.signalCommand(engine.SignalAbort, "abort", "Stop everything, undo nothing, list what is left as it is", false),
		a.amendCommand(),
	}
}

func (a *app) signalCommand(kind engine.SignalKind, use, short string, takesOf bool) *cobra.Command {
	var s said
	cmd := &cobra.Command{Use: use, Short: short, RunE: func(cmd *cobra.Command, args []string) error {
		sig := engine.Signal{Kind: kind, Actor: a.actor, Role: s.role, Note: s.note, AcceptDrift: s.acceptDrift}
		if len(args) > 0 {
			sig.Of = args[0]
		}
		return a.send(cmd.Context(), s, sig)
	}}
	switch {
	case !takesOf:
		cmd.Args = cobra.NoArgs
	case kind == engine.SignalAttest, kind == engine.SignalSkip:
		cmd.Args = cobra.ExactArgs(1)
	default:
		cmd.Args = cobra.MaximumNArgs(1)
	}
	f := cmd.Flags()
	f.StringVar(&s.run, "run", "", "the `run`: an ID or its beginning, or a runbook's name; default the newest one")
	f.StringVar(&s.note, "note", "", "a remark for the journal")
	f.StringVar(&s.key, "key", "", "send once only: a repetition with the same `key` is the same signal")
	f.DurationVar(&s.wait, "wait", 5*time.Second, "how long to wait for the run's answer; 0: do not")
	if kind == engine.SignalApprove || kind == engine.SignalAttest {
		f.StringVar(&s.role, "role", "", "the role in which you say it")
	}
	if kind == engine.SignalRetry {
		f.BoolVar(&s.acceptDrift, "accept-drift", false, "take the world as it is found")
	}
	return cmd
}

func (a *app) send(ctx context.Context, s said, sig engine.Signal) error {
	store, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	run, err := addressee(ctx, store, s.run)
	if err != nil {
		return usage(err)
	}
	h, err := runner.Load(ctx, store, a.catalog, run)
	if err != nil {
		return err
	}
	if sig.Kind == engine.SignalApprove {
		sig.Digest = h.Runbook.Digest()
		if sig.Of == "" {
			sig.Of = h.State.AwaitingApproval(h.Runbook)
		}
	}
	key, err := a.signingKey()
	if err != nil {
		return err
	}
	sig = runner.Sign(run, sig, key)
	data, err := json.Marshal(sig)
	if err != nil {
		return err
	}
	if s.key == "" {
		s.key = ulid.Make().String()
	}
	id, err := store.Send(ctx, run, s.key, time.Now(), data)
	if errors.Is(err, journal.ErrFinal) {
		return fmt.Errorf("run %s is over (%s)", run, h.State.Status)
	}
	if err != nil {
		return err
	}
	if err := sameAsSent(ctx, store, run, id, sig.Kind); err != nil {
		return usage(err)
	}
	return a.answer(ctx, store, h, id, sig, s.wait)
}

// addressee is the run that a signal is for. Where several are not over, a
// person must say which: what is meant for one must not stop another.
func addressee(ctx context.Context, r journal.Reader, text string) (string, error) {
	if text == "" {
		runs, err := r.Runs(ctx, time.Now())
		if err != nil {
			return "", err
		}
		var open []string
		for _, run := range runs {
			if !run.Final {
				open = append(open, fmt.Sprintf("%s (%s)", run.Run, run.Name))
			}
		}
		if len(open) > 1 {
			return "", fmt.Errorf("%d runs are not over: say with --run which is meant: %s", len(open), strings.Join(open, ", "))
		}
	}
	return resolve(ctx, r, text)
}

// sameAsSent refuses a key under which another kind of signal was sent: the
// inbox holds that one, and not this.
func sameAsSent(ctx context.Context, r journal.Reader, run string, id int64, kind engine.SignalKind) error {
	messages, err := r.Inbox(ctx, run, id-1)
	if err != nil || len(messages) == 0 || messages[0].ID != id {
		return err
	}
	var sent engine.Signal
	if err := json.Unmarshal(messages[0].Data, &sent); err == nil && sent.Kind == kind {
		return nil
	}
	return fmt.Errorf("the key %q was used for another signal (%s): nothing was sent", messages[0].Key, sent.Kind)
}

// answer waits until the run has taken or refused the message.
func (a *app) answer(ctx context.Context, store journal.Reader, h *runner.History, id int64, sig engine.Signal, wait time.Duration) error {
	what := fmt.Sprintf("%s of run %s", sig.Kind, h.Run)
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	answered := errors.New("answered")
	refused := ""
	err := store.Follow(ctx, h.Run, 0, func(rec journal.Record) error {
		ev, err := engine.Unmarshal(rec.Type, rec.Version, rec.Data)
		if err != nil {
			return err
		}
		switch ev := ev.(type) {
		case engine.SignalTaken:
			if ev.Message == id && ev.Signal.Kind == sig.Kind {
				return answered
			}
		case engine.SignalRefused:
			if ev.Message == id {
				refused = ev.Reason
				return answered
			}
		}
		return nil
	})
	switch {
	case errors.Is(err, answered) && refused != "":
		return fmt.Errorf("%s is refused: %s", what, refused)
	case errors.Is(err, answered):
		fmt.Fprintf(a.stdout, "%s: taken\n", what)
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return a.unanswered(what, h.Run, store)
	}
	return err
}

// unanswered says that a signal waits in the inbox, and for whom.
func (a *app) unanswered(what, run string, store journal.Reader) error {
	holder, err := holderOf(context.Background(), store, run)
	if err != nil {
		return err
	}
	if holder != "" {
		fmt.Fprintf(a.stdout, "%s: in the inbox; %s carries the run out and has not answered yet\n", what, holder)
		return nil
	}
	fmt.Fprintf(a.stdout, "%s: in the inbox; nobody is carrying the run out now: segue run --resume %s\n", what, run)
	return nil
}

// signingKey is this user's key for signals, made when it is first needed.
func (a *app) signingKey() (ed25519.PrivateKey, error) {
	path := filepath.Join(a.state, "key")
	raw, err := os.ReadFile(path)
	if err == nil {
		if len(raw) != ed25519.PrivateKeySize {
			return nil, fmt.Errorf("%s is no key of segue's: %d bytes", path, len(raw))
		}
		return raw, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read your key: %w", err)
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make your key: %w", err)
	}
	if err := renameio.WriteFile(path, key, 0o600); err != nil {
		return nil, fmt.Errorf("keep your key: %w", err)
	}
	return key, nil
}
