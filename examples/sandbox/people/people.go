// Package people answers what a run asks of people: attestations and approvals.
// It asks segue what the run waits for and says it with the words that segue
// gives, as a second person at a second terminal would.
package people

import (
	"context"
	"encoding/json"
	"os/exec"
	"strings"
	"time"
)

// People answer one run's questions.
type People struct {
	// Segue makes a call of the program.
	Segue func(ctx context.Context, args ...string) *exec.Cmd
	// As is who answers where no role is asked for.
	As string
	// Leave says what is left to somebody else, by the texts of attestations and
	// the phases and steps that are to be approved; may be nil.
	Leave func(what string) bool
	// Said hears of each answer; may be nil.
	Said func(text string)
}

// lookEvery is how often it is asked what the run waits for.
const lookEvery = 300 * time.Millisecond

// Once answers what the run waits for now.
func (p People) Once(ctx context.Context, run string) {
	for _, w := range p.waits(ctx, run) {
		p.answer(ctx, run, w)
	}
}

// wait is what `segue status --json` says of one.
type wait struct {
	For  string `json:"for"`
	What string `json:"what"`
	Who  string `json:"who"`
}

// Answer answers until ctx ends. Before there is a run, and while its journal
// cannot be read, nothing is asked. run is its ID; "" the newest that is not over.
func (p People) Answer(ctx context.Context, run string) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		p.Once(ctx, run)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (p People) waits(ctx context.Context, run string) []wait {
	args := []string{"status", "--json"}
	if run != "" {
		args = append(args, run)
	}
	raw, err := p.Segue(ctx, args...).Output()
	if err != nil {
		return nil
	}
	var now struct {
		Waits []wait `json:"waits"`
	}
	_ = json.Unmarshal(raw, &now) // what is no answer asks for nothing
	return now.Waits
}

func (p People) answer(ctx context.Context, run string, w wait) {
	if p.Leave != nil && p.Leave(w.What) {
		return
	}
	var args []string
	switch w.For {
	case "attestation":
		args = []string{"attest", w.What}
	case "approval":
		_, of, _ := strings.Cut(w.What, " ") // "phase core", "step core/move"
		args = []string{"approve", of}
	default:
		return
	}
	for _, role := range roles(w.Who) {
		call, who := args[:len(args):len(args)], p.As
		if role != "" {
			call, who = append(call, "--role", role), role // a person for each role
		}
		if call = append(call, "--as", who); run != "" {
			call = append(call, "--run", run)
		}
		if p.Segue(ctx, call...).Run() == nil && p.Said != nil {
			p.Said(w.For + " " + w.What + " by " + who)
		}
	}
}

// roles are those that an answer is missing of, as "platform-lead, on-call";
// one without a name where anybody may give it.
func roles(who string) []string {
	list := strings.Split(who, ", ")
	for i, role := range list {
		if strings.Contains(role, " ") { // another person
			list[i] = ""
		}
	}
	return list
}
