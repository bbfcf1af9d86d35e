package main

import (
	"context"
	"encoding/json"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/segue-run/segue/journal"
	"github.com/segue-run/segue/view"
)

func (a *app) watchCommand() *cobra.Command {
	var plain, asJSON bool
	cmd := &cobra.Command{
		Use:   "watch [RUN]",
		Short: "Watch a run while it goes on; q leaves the view, the run goes on",
		Long:  "Watch a run while it goes on; q leaves the view, the run goes on. Where there is\nno terminal it prints lines." + whichRun,
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := a.openReader(cmd.Context())
			if err != nil {
				return err
			}
			defer r.Close()
			id, err := resolve(cmd.Context(), r, arg(args))
			if err != nil {
				return usage(err)
			}
			if asJSON {
				return a.followJSON(cmd.Context(), r, id)
			}
			return view.Run(cmd.Context(), a.source(r, id), a.visible(), view.Options{Plain: plain})
		},
	}
	cmd.Flags().BoolVar(&plain, "plain", false, "print lines also on a terminal")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the journal's events as they come, one JSON object a line")
	return cmd
}

// source is a run in the journal, to be shown.
func (a *app) source(r journal.Reader, id string) view.Source {
	return view.Journal{Reader: r, Catalog: a.catalog, Run: id, Dead: dead}
}

// visible is where a view draws: a terminal as it is (what is shown comes out
// of the journal, which holds no secrets), all else redacted.
func (a *app) visible() io.Writer {
	if file, ok := a.stdout.(*os.File); ok {
		return file
	}
	return redacting{a.stdout, &a.secrets}
}

// followJSON prints a run's records until it is over.
func (a *app) followJSON(ctx context.Context, r journal.Reader, id string) error {
	enc := json.NewEncoder(redacting{a.stdout, &a.secrets})
	enc.SetEscapeHTML(false)
	err := r.Follow(ctx, id, 0, func(rec journal.Record) error {
		if err := enc.Encode(rec); err != nil {
			return err
		}
		switch rec.Type {
		case "run.completed", "run.aborted", "run.rolled-back":
			return io.EOF
		}
		return nil
	})
	if err == io.EOF || ctx.Err() != nil { //nolint:errorlint // Follow returns it as it is
		return nil
	}
	return err
}
