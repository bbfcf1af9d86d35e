package postgres

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/segue-run/segue/runbook"
)

type changeBase struct {
	Do          string        `param:"do,required" doc:"The SQL that makes the change, in one transaction of its own."`
	Observe     string        `param:"observe,required" doc:"A query of one value, which tells what the change has done: the state that the step owns."`
	Want        any           `param:"want,required" doc:"The value after the change."`
	Timeout     time.Duration `param:"timeout" doc:"How long the change may take." default:"30s"`
	LockTimeout time.Duration `param:"lock-timeout" doc:"How long it may wait for a lock, while others wait behind it." default:"2s"`
}

type changeParams struct {
	changeBase
	Undo  string `param:"undo,required" doc:"The SQL that takes the change back, in one transaction of its own."`
	Holds string `param:"holds" doc:"A query that counts what undo would delete: undo leaves in place what is not empty, and says so."`
}

type irreversibleParams struct {
	changeBase
	Loses string `param:"loses,required" doc:"What cannot be had back; the approver is told."`
}

var (
	ends = regexp.MustCompile(`(?i)(?:^|;)\s*(commit|rollback|abort|start\s+transaction|prepare\s+transaction)\b`)
	// What may be dropped, as it holds no rows.
	drop      = regexp.MustCompile(`(?i)\bdrop\s+(\w+)`)
	noData    = regexp.MustCompile(`(?i)^(index|constraint|default|not|view|trigger|function|procedure|routine|aggregate|rule|policy|role|user|publication|subscription|identity|expression|operator|cast|event|server|collation|statistics)$`)
	deletes   = regexp.MustCompile(`(?i)\b(truncate|delete\s+from)\b`)
	lineNotes = regexp.MustCompile(`--[^\n]*|/\*(?s:.*?)\*/`)
)

func (p changeBase) Validate() error { return inOneTransaction("do", p.Do) }

// Validate refuses an undo that would delete rows without looking first.
func (p changeParams) Validate() error {
	if err := p.changeBase.Validate(); err != nil {
		return err
	}
	if err := inOneTransaction("undo", p.Undo); err != nil {
		return err
	}
	if p.Holds != "" {
		return nil
	}
	sql := lineNotes.ReplaceAllString(p.Undo, " ")
	what := deletes.FindString(sql)
	for _, m := range drop.FindAllStringSubmatch(sql, -1) {
		if !noData.MatchString(m[1]) {
			what = m[0]
		}
	}
	if what == "" {
		return nil
	}
	return &runbook.FieldError{
		Field:   "undo",
		Problem: fmt.Sprintf("%q may delete rows that arrived since", strings.ToLower(what)),
		Remedy:  "give holds, a query that counts what would be lost (holds: select count(*) from …)",
	}
}

func inOneTransaction(field, sql string) error {
	m := ends.FindStringSubmatch(lineNotes.ReplaceAllString(sql, " "))
	if m == nil || strings.EqualFold(m[1], "rollback") && strings.Contains(strings.ToLower(sql), "rollback to") {
		return nil
	}
	return &runbook.FieldError{
		Field:   field,
		Problem: fmt.Sprintf("%q would end the transaction that makes the change whole", strings.ToLower(m[1])),
		Remedy:  "leave it out: Segue begins and commits",
	}
}
