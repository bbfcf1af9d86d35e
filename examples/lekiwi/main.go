// Command lekiwi is the system that Segue's second demonstration migrates: the
// legacy monolith, the services that replace it, and the machinery that brings
// all of them up.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// release is what this build is called; the linker sets it, and RELEASE in a
// service's environment wins over it.
var release = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := newRoot().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "lekiwi:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "lekiwi",
		Short:         "A live system to migrate: a monolith and what replaces it",
		Version:       release,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newUp(), newDown(), newRebuild(), newReopen(), newFleet(), newLedger(), newRevive(), newRestart(), newDemo())
	root.AddCommand(newServices()...)
	return root
}

// jsonLog is the log of the services: JSON lines on standard output.
func jsonLog(service string) *slog.Logger {
	return slog.New(slog.NewJSONHandler(os.Stdout, nil)).With("service", service)
}

// dirFlag is the directory of a system.
func dirFlag(cmd *cobra.Command, dir *string) {
	cmd.Flags().StringVar(dir, "dir", "", "the system's directory")
	_ = cmd.MarkFlagRequired("dir") // the flag is defined in the line above
}
