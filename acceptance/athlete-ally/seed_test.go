package acceptance_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A checkbox of the operators' own runbook, and what ticks it here.
type checkbox struct {
	text     string
	attested string   // what a person said
	checks   []string // that passed
	steps    []string // that are done
}

// checkboxes are all of the seed's, in its order.
func checkboxes() []checkbox {
	return []checkbox{
		// T-24h: Preparation
		{text: "Review all Phase 2 documentation (MIGRATION_PREP, CODE_SNIPPETS, ENV_VARIABLES)", attested: "All Phase 2 documentation was reviewed (MIGRATION_PREP, CODE_SNIPPETS, ENV_VARIABLES)"},
		{text: "Verify staging environment passes all tests (30/30)", checks: []string{"staging-tests"}},
		{text: "Confirm CI pipeline green on `release/phase2-migration` branch", attested: "The CI pipeline is green on release/phase2-migration"},
		{text: "Schedule maintenance window (recommend off-hours, low-traffic period)", attested: "A maintenance window is scheduled, off hours, at low traffic"},
		{text: "Notify team in #engineering and #on-call channels", attested: "The teams in #engineering and #on-call were notified"},
		{text: "Prepare rollback plan review with team lead", attested: "The rollback plan was reviewed with the team lead"},
		// T-1h: Final Checks
		{text: "Verify current system health:", checks: []string{"ingest-healthy", "normalize-healthy", "hrv-lag", "rows-answer"}},
		{text: "Verify NATS cluster health:", checks: []string{"bus-healthy", "legacy-stream"}},
		{text: "Confirm backup/snapshot exists:", checks: []string{"backup-fresh"}},
		{text: "Deploy code to staging and verify:", checks: []string{"staging-release", "staging-binds"}},
		// Step 0.2
		{text: "Subjects: `dlq.>`", checks: []string{"dlq-as-asked"}},
		{text: "Max age: `1209600s` (14 days)", checks: []string{"dlq-as-asked"}},
		{text: "Replicas: 3", checks: []string{"dlq-as-asked"}},
		{text: "Storage: file", checks: []string{"dlq-as-asked"}},
		{text: "State: messages=0", checks: []string{"dlq-as-asked"}, steps: []string{"dlq/create-aa-dlq"}},
		// Step 1.3
		{text: "Durable name: `normalize-oura`", checks: []string{"consumer-as-asked"}},
		{text: "Filter subject: `vendor.oura.webhook.received`", checks: []string{"consumer-as-asked"}},
		{text: "ACK policy: explicit", checks: []string{"consumer-as-asked"}},
		{text: "Max deliver: 5", checks: []string{"consumer-as-asked"}},
		{text: "State: num_pending=0 (new consumer)", checks: []string{"consumer-as-asked"}},
		// Step 2.3
		{text: "Durable name: `normalize-hrv-durable`", checks: []string{"hrv-as-asked"}},
		{text: "Filter subject: `athlete-ally.hrv.raw-received`", checks: []string{"hrv-as-asked"}},
		{text: "ACK policy: explicit", checks: []string{"hrv-as-asked"}},
		{text: "Max deliver: 5", checks: []string{"hrv-as-asked"}},
		{text: "ACK wait: 60s", checks: []string{"hrv-as-asked"}},
		{text: "Max ACK pending: 1000", checks: []string{"hrv-as-asked"}},
		// Phase 0 Success
		{text: "AA_DLQ stream created", checks: []string{"dlq-as-asked"}, steps: []string{"dlq/create-aa-dlq"}},
		{text: "Test message published and visible", steps: []string{"dlq/test-aa-dlq"}},
		{text: "No errors in service logs", checks: []string{"normalize-quiet", "ingest-quiet"}},
		// Phase 1 Success
		{text: "AA_VENDOR_HOT stream created with consumer", checks: []string{"consumer-as-asked", "vendor-as-asked"}, steps: []string{"vendor/create-aa-vendor-hot-owning-nothing-yet", "vendor/create-normalize-oura-on-it"}},
		{text: "Vendor webhooks processed on new stream", checks: []string{"vendor-flows"}, steps: []string{"vendor/after-the-move-the-new-stream-receives"}},
		{text: `Metrics show stream="AA_VENDOR_HOT"`, checks: []string{"vendor-processed"}},
		{text: "Old stream no longer has vendor.> subject", checks: []string{"legacy-without"}},
		// Phase 2 Success
		{text: "AA_CORE_HOT stream created with consumer", checks: []string{"hrv-as-asked", "core-as-asked"}, steps: []string{"core/create-aa-core-hot-owning-nothing-yet", "core/create-normalize-hrv-durable-on-it"}},
		{text: "HRV messages processed on new stream", checks: []string{"core-flows"}, steps: []string{"core/after-the-move-the-new-stream-receives"}},
		{text: "Database inserts succeed", checks: []string{"rows-written"}, steps: []string{"core/from-end-to-end"}},
		{text: `Metrics show stream="AA_CORE_HOT"`, checks: []string{"core-processed"}},
		{text: "Old stream has no subjects", checks: []string{"legacy-owns-nothing"}},
		{text: "All 30 integration tests passing", checks: []string{"tests-pass"}},
		// Phase 3 Success
		{text: "Legacy stream deleted", checks: []string{"three-streams"}, steps: []string{"cleanup/delete-athlete-ally-events"}},
		{text: "No regression in processing rate", checks: []string{"rate-as-before"}},
		{text: "Error rate < 1%", checks: []string{"errors-under-1"}},
		{text: "Documentation updated", attested: "The documentation is updated"},
	}
}

var boxForm = regexp.MustCompile(`(?m)^- \[ \] (.+)$`)

func TestEveryCheckboxOfTheSeedIsInTheTable(t *testing.T) {
	seed, err := os.ReadFile(filepath.Join(root(), "examples", "athlete-ally", "seed.md"))
	check(t, err)
	var want, have []string
	for _, m := range boxForm.FindAllStringSubmatch(string(seed), -1) {
		want = append(want, m[1])
	}
	for _, box := range checkboxes() {
		have = append(have, box.text)
		if box.attested == "" && len(box.checks)+len(box.steps) == 0 {
			t.Errorf("nothing ticks %q", box.text)
		}
	}
	if d := cmp.Diff(want, have); d != "" || len(want) < 40 {
		t.Errorf("the seed has %d checkboxes (-seed +table):\n%s", len(want), d)
	}
}

// reported is what the test reads of segue's report.
type reported struct {
	Steps []struct {
		ID    string `json:"id"`
		Stage string `json:"stage"`
	} `json:"steps"`
	Checks []struct {
		Name string `json:"name"`
		Pass int    `json:"pass"`
	} `json:"checks"`
	Phases []struct {
		Attempts []struct {
			Given []struct {
				Of string `json:"of"`
			} `json:"given"`
		} `json:"attempts"`
	} `json:"phases"`
}

// ticks tells what of a checkbox the report does not show.
func (rep reported) missing(box checkbox) (out []string) {
	for _, name := range box.checks {
		if !slices.ContainsFunc(rep.Checks, func(c struct {
			Name string `json:"name"`
			Pass int    `json:"pass"`
		},
		) bool {
			return c.Name == name && c.Pass > 0
		}) {
			out = append(out, "check "+name+" never passed")
		}
	}
	for _, id := range box.steps {
		done := false
		for _, s := range rep.Steps {
			done = done || s.ID == id && s.Stage == "done"
		}
		if !done {
			out = append(out, "step "+id+" is not done")
		}
	}
	if box.attested != "" {
		said := false
		for _, p := range rep.Phases {
			for _, a := range p.Attempts {
				for _, g := range a.Given {
					said = said || g.Of == box.attested
				}
			}
		}
		if !said {
			out = append(out, "nobody attested "+box.attested)
		}
	}
	return out
}

// checkboxes has a test for each checkbox, named after it.
func (w *world) checkboxes(t *testing.T, r *running) {
	var rep reported
	decode(t, w.must(t, 0, "report", r.ID, "--json").Out, &rep)
	for _, box := range checkboxes() {
		t.Run(box.text, func(t *testing.T) {
			for _, m := range rep.missing(box) {
				t.Error(m)
			}
		})
	}
	if len(rep.missing(checkbox{attested: "x", checks: []string{"x"}, steps: []string{"x"}})) != 3 {
		t.Error("what is not in the report passes")
	}
}
