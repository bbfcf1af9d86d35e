package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/segue-run/segue/engine"
)

// Exit codes.
const (
	codeDone       = 0
	codeFailed     = 1
	codeUsage      = 2
	codeRolledBack = 3 // and verified
	codeWaiting    = 4 // for a person
	codeUnverified = 5 // rolled back
)

// exitError ends the program with a code.
type exitError struct {
	code int
	err  error // nil: nothing more is to be said
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usage(err error) error { return &exitError{codeUsage, err} }

func codeOf(err error) int {
	var e *exitError
	if errors.As(err, &e) {
		return e.code
	}
	return codeFailed
}

// usageArgs makes errors about arguments usage errors.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	if check == nil {
		check = cobra.NoArgs
	}
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usage(err)
		}
		return nil
	}
}

// codeFor is the exit code that a run's state deserves when nobody carries it
// on.
func codeFor(s *engine.State) int {
	switch s.Status {
	case engine.CompletedStatus:
		return codeDone
	case engine.AbortedStatus:
		return codeFailed
	case engine.RolledBackStatus:
		return rolledBack(s)
	}
	if s.Pause != nil && s.Pause.By == "rollback" {
		return rolledBack(s)
	}
	return codeWaiting
}

func rolledBack(s *engine.State) int {
	if s.Rollback == nil || s.Rollback.Ended == nil {
		return codeFailed
	}
	switch s.Rollback.Ended.Result {
	case engine.Verified:
		return codeRolledBack
	case engine.Unverified:
		return codeUnverified
	}
	return codeFailed
}

// knownCommand refuses a command that is not there, with the nearest one.
func knownCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("unknown command %q", args[0])
	if near := root.SuggestionsFor(args[0]); len(near) > 0 {
		text += "; did you mean " + strings.Join(near, " or ") + "?"
	} else {
		text += " (segue --help lists them)"
	}
	return usage(errors.New(text))
}
