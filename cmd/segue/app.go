package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/journal"
	"github.com/segue-run/segue/journal/sealed"
	"github.com/segue-run/segue/journal/sqlite"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/runner"
	"github.com/segue-run/segue/secret"
)

// app is what the commands share.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	catalog        *driver.Catalog
	hooks          hooks
	secrets        secret.Redactor

	state   string // --state
	actor   string // --as
	verbose bool
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "segue",
		Short: "Carries a live system from an old shape to a new one, and can put everything back",
		Long: `Segue carries a live system from an old shape to a new one without a gap in
service, and can put everything back at any moment. A migration is a runbook.

Exit codes: 0 done, 1 failed, 2 bad usage or bad runbook, 3 rolled back and
verified, 4 waiting for a person, 5 rolled back but unverified.`,
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          knownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	flags := root.PersistentFlags()
	flags.StringVar(&a.state, "state", defaultState(), "state directory: journal, your key, sealed states ($SEGUE_STATE)")
	flags.StringVar(&a.actor, "as", defaultActor(), "who you are ($SEGUE_ACTOR)")
	flags.BoolVarP(&a.verbose, "verbose", "v", false, "log every event to standard error, as JSON")
	root.AddGroup(
		&cobra.Group{ID: "write", Title: "Before a migration"},
		&cobra.Group{ID: "run", Title: "Carrying it out"},
		&cobra.Group{ID: "say", Title: "Telling a run what to do"},
		&cobra.Group{ID: "read", Title: "Looking at runs"},
	)
	add := func(group string, cmds ...*cobra.Command) {
		for _, c := range cmds {
			c.GroupID = group
			c.Args = usageArgs(c.Args)
			root.AddCommand(c)
		}
	}
	add("write", a.lintCommand(), a.planCommand(), a.checkCommand(), a.compareCommand(), a.loadCommand(), a.logsCommand(), a.schemaCommand(), a.kindsCommand(), a.exportCommand())
	add("run", a.runCommand(), a.teeCommand(), a.announceCommand(), a.alertCommand(), a.notifyCommand())
	add("say", a.signalCommands()...)
	add("read", a.readCommands()...)
	return root
}

// defaultState is the user's state directory, so that two runs on one machine
// cannot fight.
func defaultState() string {
	if dir := os.Getenv("SEGUE_STATE"); dir != "" {
		return dir
	}
	if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "segue")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return filepath.Join(os.TempDir(), fmt.Sprintf("segue-%d", os.Getuid()))
	}
	return filepath.Join(home, ".local", "state", "segue")
}

func defaultActor() string {
	if who := os.Getenv("SEGUE_ACTOR"); who != "" {
		return who
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "unknown"
}

// openReader opens the journal for looking at it.
func (a *app) openReader(ctx context.Context) (*sqlite.Reader, error) {
	r, err := sqlite.OpenReadOnly(ctx, a.state)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("nothing has been run with the state directory %s (see --state)", a.state)
	}
	return r, err
}

// openStore opens the journal for writing.
func (a *app) openStore(ctx context.Context) (*sqlite.Store, error) { return sqlite.Open(ctx, a.state) }

// runner makes the runner on a store.
func (a *app) runner(store journal.Store) (*runner.Runner, error) {
	vault, err := sealed.Open(filepath.Join(a.state, "sealed"))
	if err != nil {
		return nil, err
	}
	return &runner.Runner{
		Store: store, Drivers: a.catalog, Vault: vault,
		Secrets: &a.secrets, Log: a.log(), Version: version,
		Holder: holder(), Dead: dead, Boundary: a.hooks.boundary,
	}, nil
}

// planner makes a runner that only looks: it has neither journal nor vault.
func (a *app) planner() *runner.Runner {
	return &runner.Runner{Drivers: a.catalog, Secrets: &a.secrets, Log: a.log(), Version: version}
}

func (a *app) log() *slog.Logger {
	if !a.verbose {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewJSONHandler(redacting{a.stderr, &a.secrets}, nil))
}

// redacting keeps secrets out of what is written.
type redacting struct {
	w io.Writer
	r *secret.Redactor
}

func (w redacting) Write(p []byte) (int, error) {
	if _, err := w.w.Write(w.r.RedactBytes(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// values are --set and --values.
type values struct {
	set   []string
	files []string
}

func (v *values) flags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&v.set, "set", nil, "set an input, `name=value`; may be repeated")
	cmd.Flags().StringArrayVar(&v.files, "values", nil, "a YAML `file` of inputs; may be repeated")
}

// parse reads a runbook file with its values. The errors are usage errors.
func (a *app) parse(file string, v values, lint bool) (*runbook.Runbook, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, usage(fmt.Errorf("read the runbook: %w", err))
	}
	vals := runbook.Values{Set: v.set, Samples: lint}
	for _, name := range v.files {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, usage(fmt.Errorf("read the values: %w", err))
		}
		vals.Files = append(vals.Files, runbook.ValuesFile{Name: name, Text: text})
	}
	rb, err := runbook.Parse(file, text, a.catalog, vals)
	if err != nil {
		return nil, usage(err)
	}
	return rb, nil
}

// resolve finds the run that a person means: an ID, the beginning of one, a
// runbook's name (its newest run), or nothing: the newest run that is not
// over, else the newest.
func resolve(ctx context.Context, r journal.Reader, text string) (string, error) {
	runs, err := r.Runs(ctx, time.Now())
	if err != nil {
		return "", err
	}
	if len(runs) == 0 {
		return "", errors.New("nothing has been run yet (see --state)")
	}
	if text == "" {
		for _, run := range runs {
			if !run.Final {
				return run.Run, nil
			}
		}
		return runs[0].Run, nil
	}
	var found []string
	for _, run := range runs {
		switch {
		case run.Run == strings.ToUpper(text):
			return run.Run, nil
		case strings.HasPrefix(run.Run, strings.ToUpper(text)):
			found = append(found, run.Run)
		}
	}
	if len(found) == 0 {
		for _, run := range runs {
			if run.Name == text {
				return run.Run, nil
			}
		}
		return "", fmt.Errorf("no run is called %q (segue runs lists them)", text)
	}
	if len(found) > 1 {
		return "", fmt.Errorf("%q is the beginning of %d runs: %s", text, len(found), strings.Join(found, ", "))
	}
	return found[0], nil
}
