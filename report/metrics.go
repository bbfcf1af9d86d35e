package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/evidence"
)

// Metrics is how runs stand, as a metrics page in Prometheus's text format
// (0.0.4). Times are Unix seconds, spans are seconds.
func Metrics(runs []Now) []byte {
	p := newExposition()
	for _, n := range runs {
		run := []string{"run", n.Run, "runbook", n.Name}
		p.add("segue_run_info", "A run and who started it.", 1, with(run, "actor", n.Actor)...)
		for _, s := range []engine.Status{engine.Running, engine.PausedStatus, engine.RollingBack, engine.CompletedStatus, engine.RolledBackStatus, engine.AbortedStatus} {
			p.add("segue_run_status", "1 for the status that the run has.", is(n.Status == s), with(run, "status", string(s))...)
		}
		p.add("segue_run_carried_out", "1 while a process carries the run out.", is(n.Holder != ""), run...)
		p.add("segue_run_started_timestamp_seconds", "When the run started.", unix(n.Started), run...)
		p.add("segue_run_waits", "How many things the run waits for.", float64(len(n.Waits)), run...)
		for i, ph := range n.Phases {
			phase := with(run, "phase", ph.Name)
			p.add("segue_phase_number", "The place of a phase in the runbook, from 1.", float64(i+1), phase...)
			p.add("segue_phase_current", "1 for the phase that the run is in.", is(ph.Current), phase...)
			p.add("segue_phase_stage", "1 for the stage that the phase is in.", 1, with(phase, "stage", string(ph.Stage))...)
			p.gate(ph.Gate, phase)
		}
		for _, c := range n.Checks {
			p.check(c, with(run, "check", c.Name))
		}
		for _, g := range n.Guards {
			guard := with(run, "guard", g.Name, "check", g.Check)
			p.add("segue_guard_armed", "1 while the guard watches.", is(g.Armed), guard...)
			p.add("segue_guard_tripped", "1 when the guard has fired and its check has not passed since.", is(g.Tripped), guard...)
			p.add("segue_guard_failing_seconds", "For how long its check has failed.", seconds(g.Failing), guard...)
			p.add("segue_guard_unknown_seconds", "For how long its check has not answered.", seconds(g.Dark), guard...)
		}
	}
	return p.text()
}

func (p *exposition) gate(g *NowGate, phase []string) {
	if g == nil {
		return
	}
	p.add("segue_gate_held_seconds", "For how long the gate's checks have held, all of them.", seconds(g.Held), phase...)
	p.add("segue_gate_required_seconds", "For how long they must hold.", seconds(g.For), phase...)
	p.add("segue_gate_spent_seconds", "How much of the gate's deadline is spent.", seconds(g.Spent), phase...)
	if g.Deadline > 0 {
		p.add("segue_gate_deadline_seconds", "After how long the gate gives up.", seconds(g.Deadline), phase...)
	}
	if !g.Earliest.IsZero() {
		p.add("segue_gate_earliest_timestamp_seconds", "When the gate can open at the earliest.", unix(g.Earliest), phase...)
	}
	for _, c := range g.Clocks {
		check := with(phase, "check", c.Check)
		p.add("segue_gate_check_held_seconds", "For how long a check of the gate has held.", seconds(c.Held), check...)
		if c.Progress != nil {
			p.add("segue_gate_samples", "Samples that the gate has seen.", c.Progress.Samples(), check...)
			p.add("segue_gate_samples_needed", "Samples it takes if the share stays as it is; 0 when no number does.", c.Progress.Needs, check...)
		}
	}
}

func (p *exposition) check(c NowCheck, labels []string) {
	for _, v := range []evidence.Verdict{evidence.Pass, evidence.Fail, evidence.Unknown} {
		p.add("segue_check_verdict", "1 for the verdict that the check has.", is(c.Reading.Verdict == v), with(labels, "verdict", v.String())...)
	}
	if !c.Reading.At.IsZero() {
		p.add("segue_check_verdict_age_seconds", "How old the verdict is.", seconds(c.Age), labels...)
	}
}

// with is labels and some more.
func with(labels []string, more ...string) []string { return slices.Concat(labels, more) }

func is(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func seconds(s Span) float64 { return time.Duration(s).Seconds() }

func unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// exposition gathers samples by metric: each metric stands in one block.
type exposition struct {
	order  []string
	blocks map[string]*strings.Builder
}

func newExposition() *exposition { return &exposition{blocks: map[string]*strings.Builder{}} }

// labelValue is for the values of labels.
var labelValue = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// add adds a sample; labels are names and values.
func (p *exposition) add(metric, help string, value float64, labels ...string) {
	b := p.blocks[metric]
	if b == nil {
		b = &strings.Builder{}
		p.blocks[metric] = b
		p.order = append(p.order, metric)
		fmt.Fprintf(b, "# HELP %s %s\n# TYPE %s gauge\n", metric, help, metric)
	}
	b.WriteString(metric)
	for i := 0; i+1 < len(labels); i += 2 {
		sep := ","
		if i == 0 {
			sep = "{"
		}
		fmt.Fprintf(b, `%s%s="%s"`, sep, labels[i], labelValue.Replace(labels[i+1]))
	}
	if len(labels) > 0 {
		b.WriteByte('}')
	}
	b.WriteString(" " + strconv.FormatFloat(value, 'g', -1, 64) + "\n")
}

func (p *exposition) text() []byte {
	var out strings.Builder
	for _, metric := range p.order {
		out.WriteString(p.blocks[metric].String())
	}
	return []byte(out.String())
}
