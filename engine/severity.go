package engine

import (
	"strings"

	"github.com/segue-run/segue/runbook"
)

// How severe what happens is: P1 wants somebody at once, P2 soon, P3 says that
// something is not as it should be, P4 is news.
const (
	P1 = "P1"
	P2 = "P2"
	P3 = "P3"
	P4 = "P4"
)

// Severity is how severe an event is.
func Severity(rb *runbook.Runbook, ev Event) string {
	switch ev := ev.(type) {
	case GuardTripped:
		return guardSeverity(ev)
	case RollbackStarted:
		return rollbackSeverity(rb, ev)
	case RollbackEnded:
		if ev.Result == Verified {
			return P3
		}
		return P1
	case StepIndeterminate, UndoHeld:
		return P1
	case UndoFailed:
		if ev.Final {
			return P1
		}
		return P3
	case StepFailed, DriftFound, VerifyFailed, GateExpired:
		return P2
	case Paused:
		if strings.HasPrefix(ev.By, "guard:") {
			return guardNamed(rb, strings.TrimPrefix(ev.By, "guard:"), P2)
		}
		return P2
	case RolledBack:
		if ev.Result != Verified {
			return P1
		}
		return P3
	case Aborted:
		return P2
	case Escalated:
		return ev.Severity
	}
	return P4
}

// guardSeverity is what the runbook says of the guard; else by what it does.
func guardSeverity(ev GuardTripped) string {
	if ev.Severity != "" {
		return ev.Severity
	}
	switch runbook.Response(ev.Do) {
	case runbook.Rollback:
		return P1
	case runbook.Pause:
		return P2
	}
	return P3
}

// rollbackSeverity is that of the guard that asked for it. What a person asked
// for, somebody sees to.
func rollbackSeverity(rb *runbook.Runbook, ev RollbackStarted) string {
	name, byGuard := strings.CutPrefix(ev.By, "guard:")
	switch {
	case byGuard:
		return guardNamed(rb, name, P1)
	case strings.Contains(ev.By, ":"):
		return P1
	}
	return P3
}

func guardNamed(rb *runbook.Runbook, name, otherwise string) string {
	for _, g := range rb.Guards {
		if g.Name == name && g.Severity != "" {
			return g.Severity
		}
	}
	return otherwise
}
