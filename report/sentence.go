package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/state"
)

// Sentence says an event in a line for people.
func Sentence(ev engine.Event) string {
	switch ev := ev.(type) {
	case engine.Created:
		return fmt.Sprintf("run of %s made by %s", ev.Name, ev.Actor)
	case engine.Amended:
		return "runbook amended by " + ev.Actor
	case engine.Acquired:
		return fmt.Sprintf("carried out by %s for %s, epoch %d", holderName(ev.Holder), ev.Actor, ev.Epoch)
	case engine.PhaseStarted:
		return fmt.Sprintf("phase %s: looking whether it may start%s", ev.Phase, nth(ev.Attempt))
	case engine.PhaseReady:
		return fmt.Sprintf("phase %s starts%s", ev.Phase, because(ev.Readings, ev.Given))
	case engine.PhaseDone:
		return fmt.Sprintf("phase %s is done", ev.Phase)
	case engine.VerifyStarted:
		return fmt.Sprintf("verifying %s", ev.Of)
	case engine.VerifyPassed:
		return fmt.Sprintf("%s verified%s", ev.Of, because(ev.Readings, nil))
	case engine.VerifyFailed:
		return fmt.Sprintf("%s does not verify: %s", ev.Of, notPassing(ev.Readings))
	case engine.GateOpened:
		return fmt.Sprintf("gate of phase %s: its time runs", ev.Phase)
	case engine.GateHeld:
		return fmt.Sprintf("gate of phase %s: checkpoint", ev.Phase)
	case engine.GatePassed:
		return fmt.Sprintf("gate of phase %s opens%s", ev.Phase, because(ev.Readings, nil))
	case engine.GateExpired:
		return fmt.Sprintf("gate of phase %s gives up at its deadline, then %s: %s", ev.Phase, ev.Then, notPassing(ev.Readings))
	case engine.CheckTurned:
		return turned(ev)
	case engine.GuardTripped:
		return tripped(ev)
	case engine.GuardQuiet:
		return fmt.Sprintf("guard %s is quiet again%s", ev.Guard, figures(ev.Reading))
	case engine.Paused:
		return "paused: " + ev.Why
	case engine.Resumed:
		return "resumed by " + ev.By
	case engine.SignalTaken:
		return signalled(ev.Signal)
	case engine.SignalRefused:
		return signalled(ev.Signal) + ": refused, " + ev.Reason
	case engine.Escalated:
		return fmt.Sprintf("nobody has acknowledged for %s: %s is told", Span(ev.After), ev.Contact)
	case engine.Completed:
		return "the run is completed"
	case engine.Aborted:
		return "the run is aborted by " + ev.By
	case engine.RolledBack:
		return fmt.Sprintf("the run is rolled back, %s", ev.Result)
	}
	return stepSentence(ev)
}

func stepSentence(ev engine.Event) string {
	switch ev := ev.(type) {
	case engine.StepIntent:
		return fmt.Sprintf("step %s is to change %s%s", ev.Step, Changes(state.Diff(ev.Before, ev.Want)), nth(ev.Attempt))
	case engine.StepCursor:
		return fmt.Sprintf("step %s: checkpoint", ev.Step)
	case engine.StepProgress:
		return fmt.Sprintf("step %s: %s", ev.Step, Far(ev))
	case engine.StepDone:
		switch {
		case ev.Recovered:
			return fmt.Sprintf("step %s is found done after a crash", ev.Step)
		case !ev.Changed:
			return fmt.Sprintf("step %s has nothing to do", ev.Step)
		}
		return fmt.Sprintf("step %s is done in %s", ev.Step, millis(ev.Millis))
	case engine.StepFailed:
		text := fmt.Sprintf("step %s failed (%s): %s", ev.Step, ev.Stage, ev.Error)
		if ev.Remedy != "" && !strings.Contains(ev.Error, ev.Remedy) {
			text += "; instead: " + ev.Remedy
		}
		return text
	case engine.StepIndeterminate:
		return fmt.Sprintf("step %s ignored its cancellation: what it still does is not known", ev.Step)
	case engine.Compared:
		return fmt.Sprintf("the world is as %s left it", steps(len(ev.Steps)))
	case engine.DriftFound:
		if ev.Between {
			return fmt.Sprintf("step %s was cut off half-way: %s", ev.Step, Changes(ev.Changes))
		}
		return "drift: " + Changes(ev.Changes)
	case engine.RollbackStarted:
		return fmt.Sprintf("rolling back to the start of phase %s, %s to undo: %s", ev.Phase, steps(len(ev.Undo)), ev.Why)
	case engine.UndoIntent:
		return fmt.Sprintf("undoing %s%s", ev.Step, nth(ev.Attempt))
	case engine.UndoDone:
		text := fmt.Sprintf("%s is undone in %s", ev.Step, millis(ev.Millis))
		if ev.Kept != nil {
			text += fmt.Sprintf(", kept %s: %s", ev.Kept.What, ev.Kept.Cost)
		}
		if len(ev.Differ) > 0 {
			text += ", but not as before: " + Changes(ev.Differ)
		}
		if len(ev.Drift) > 0 {
			text += "; it had drifted: " + Changes(ev.Drift)
		}
		return text
	case engine.UndoFailed:
		if ev.Final {
			return fmt.Sprintf("the undo of %s failed for good: %s", ev.Step, ev.Error)
		}
		return fmt.Sprintf("the undo of %s failed: %s", ev.Step, ev.Error)
	case engine.UndoMerged:
		return fmt.Sprintf("%s is undone with %s", ev.Step, ev.Into)
	case engine.UndoHeld:
		return fmt.Sprintf("the undo of %s is held back: %s", ev.Step, ev.Because)
	case engine.Witnessed:
		switch {
		case ev.Error != "":
			return fmt.Sprintf("the undo of %s, looked at: %s", ev.Step, ev.Error)
		case ev.Able:
			return fmt.Sprintf("the undo of %s is seen by other eyes", ev.Step)
		}
		return fmt.Sprintf("the undo of %s, looked at again: as before", ev.Step)
	case engine.RollbackEnded:
		text := "rollback " + ev.Result
		if len(ev.Why) > 0 {
			text += ": " + strings.Join(ev.Why, "; ")
		}
		return text
	}
	return ev.Type()
}

func tripped(ev engine.GuardTripped) string {
	how := "failed"
	if ev.Unknown {
		how = "was unknown"
	}
	text := fmt.Sprintf("guard %s fires, does %s", ev.Guard, ev.Do)
	if ev.To != "" {
		text += " to " + ev.To
	}
	return fmt.Sprintf("%s: its check %s for %s%s", text, how, Span(ev.For), figures(ev.Reading))
}

func signalled(sig engine.Signal) string {
	text := string(sig.Kind)
	if sig.Of != "" {
		text += " " + sig.Of
	}
	text += " by " + sig.Actor
	if sig.Role != "" {
		text += " as " + sig.Role
	}
	if sig.Signature != "" {
		text += " (signed)"
	}
	if sig.Note != "" {
		text += ", " + sig.Note
	}
	return text
}

// figures are a reading's value, bound and detail, after a colon.
func figures(r evidence.Reading) string {
	if text := Figures(r); text != "" {
		return ": " + text
	}
	return ""
}

// Figures says what a reading saw, what was wanted, and why it did not pass.
func Figures(r evidence.Reading) string {
	var parts []string
	if r.Value != "" {
		parts = append(parts, r.Value)
	}
	if r.Bound != "" {
		parts = append(parts, "wants "+r.Bound)
	}
	if r.Samples > 1 {
		parts = append(parts, fmt.Sprintf("%d samples", r.Samples))
	}
	if r.Detail != "" {
		parts = append(parts, r.Detail)
	}
	return strings.Join(parts, ", ")
}

func because(readings map[string]evidence.Reading, given []engine.Given) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(readings)) {
		text := fmt.Sprintf("%s %s", name, readings[name].Verdict)
		if v := readings[name].Value; v != "" {
			text += " (" + v + ")"
		}
		parts = append(parts, text)
	}
	for _, g := range given {
		parts = append(parts, gave(g))
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, ", ")
}

func gave(g engine.Given) string {
	verb := "approved by "
	if g.Kind == engine.SignalAttest {
		verb = fmt.Sprintf("%q attested by ", g.Of)
	}
	text := verb + g.Actor
	if g.Role != "" {
		text += " as " + g.Role
	}
	if g.Signed {
		text += " (signed)"
	}
	return text
}

func notPassing(readings map[string]evidence.Reading) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(readings)) {
		if r := readings[name]; r.Verdict != evidence.Pass {
			parts = append(parts, fmt.Sprintf("%s is %s%s", name, r.Verdict, figures(r)))
		}
	}
	if len(parts) == 0 {
		return "not all of its checks had been read"
	}
	return strings.Join(parts, "; ")
}

// Changes lists changes, the first few of them.
func Changes(list []state.Change) string {
	const most = 4
	var parts []string
	for i, c := range list {
		if i == most {
			parts = append(parts, fmt.Sprintf("and %d more", len(list)-most))
			break
		}
		parts = append(parts, c.String())
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, "; ")
}

func nth(attempt int) string {
	if attempt <= 1 {
		return ""
	}
	return fmt.Sprintf(" (attempt %d)", attempt)
}

func millis(ms int64) string { return Span(time.Duration(ms) * time.Millisecond).String() }

func steps(n int) string {
	switch n {
	case 0:
		return "nothing"
	case 1:
		return "1 step"
	}
	return fmt.Sprintf("%d steps", n)
}

func turned(ev engine.CheckTurned) string {
	step, behind := strings.CutPrefix(ev.Check, engine.Behind(""))
	switch {
	case !behind:
		return fmt.Sprintf("check %s is %s%s", ev.Check, ev.Reading.Verdict, figures(ev.Reading))
	case ev.Reading.Verdict == evidence.Pass:
		return fmt.Sprintf("step %s keeps up, %s behind", step, ev.Reading.Value)
	}
	return fmt.Sprintf("how far step %s is behind is not known%s", step, figures(ev.Reading))
}
