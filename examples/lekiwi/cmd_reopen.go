package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/segue-run/segue/examples/lekiwi/database"
	"github.com/segue-run/segue/examples/lekiwi/system"
)

func newReopen() *cobra.Command {
	var dir string
	var look bool
	cmd := &cobra.Command{
		Use:   "reopen --dir DIR",
		Short: "Let services write to a restored database, if nothing is missing in it",
		Long: `Compares the database with lekiwi_damaged, in whose place it was restored, if there
is one: its events, sessions, phases and what was synced last. Where something is
missing it fails, and services stay out: what they wrote then would take its place.
With --look nothing is done: it says "open", or "closed".`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			sys, err := system.Open(dir)
			if err != nil {
				return err
			}
			live, err := pgx.Connect(ctx, sys.Env.SuperURL)
			if err != nil {
				return fmt.Errorf("connect to PostgreSQL: %w", err)
			}
			defer live.Close(context.WithoutCancel(ctx))
			if !look {
				if err := reopen(ctx, sys.Env, live); err != nil {
					return err
				}
			}
			open, err := database.IsOpen(ctx, live)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), map[bool]string{true: "open", false: "closed"}[open])
			return err
		},
	}
	dirFlag(cmd, &dir)
	cmd.Flags().BoolVar(&look, "look", false, "only say how it is")
	return cmd
}

func reopen(ctx context.Context, env system.Env, live *pgx.Conn) error {
	there, err := database.Exists(ctx, live, database.Damaged)
	if err != nil {
		return err
	}
	if !there {
		return database.Reopen(ctx, nil, live)
	}
	damaged, err := pgx.Connect(ctx, env.DamagedURL)
	if err != nil {
		return fmt.Errorf("connect to the damaged database: %w", err)
	}
	defer damaged.Close(context.WithoutCancel(ctx))
	return database.Reopen(ctx, damaged, live)
}
