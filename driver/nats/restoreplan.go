package nats

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/state"
)

// candidate is the backup that would be restored, or why there is none. It is
// how Survey tells PlanAmong what is on disk.
type candidate struct {
	Name     string         `json:"name,omitempty"`
	Problem  string         `json:"problem,omitempty"`
	Remedy   string         `json:"remedy,omitempty"`
	Subjects []string       `json:"subjects,omitempty"`
	Replicas int64          `json:"replicas,omitempty"`
	MaxAge   time.Duration  `json:"max_age,omitempty"`
	Youngest *time.Duration `json:"youngest,omitempty"` // how old the newest message is now
	Messages uint64         `json:"messages,omitempty"`
	Interest bool           `json:"interest,omitempty"` // it keeps only what a consumer still wants
}

// Survey reads the subjects of all streams, how many nodes there are, and the
// backups on disk, with their checksums.
func (a *restore) Survey(ctx context.Context) (state.State, error) {
	out, err := a.c.surveyBut(ctx, a.p.Stream)
	if err != nil {
		return nil, err
	}
	nodes, err := a.c.nodes(ctx)
	if err != nil {
		return nil, err
	}
	if nodes > 0 {
		out[kind+":"+a.c.cluster] = state.Fields{"nodes": compact(nodes)}
	}
	found, err := a.candidate(ctx)
	if err != nil {
		return nil, err
	}
	out[backupID(a.dir, a.p.Stream)] = state.Fields{"candidate": compact(found)}
	return out, nil
}

// candidate chooses the backup.
func (a *restore) candidate(ctx context.Context) (candidate, error) {
	b, problem, err := a.choose(ctx)
	if err != nil || b == nil {
		return problem, err
	}
	s, err := readSaved(b.dir)
	if err != nil {
		return candidate{}, fmt.Errorf("backup %s: %w", b.dir, err)
	}
	c := candidate{Name: b.name(), Subjects: subjectsOf(s.Config), Replicas: number(s.Config["num_replicas"]), Messages: b.Messages}
	c.Interest = word(s.Config["retention"]) == "interest"
	_ = json.Unmarshal(s.Config["max_age"], &c.MaxAge)
	if b.Newest != nil {
		old := time.Since(b.Newest.Time)
		c.Youngest = &old
	}
	return c, nil
}

// choose finds the newest whole backup that will do, or says why there is
// none.
func (a *restore) choose(ctx context.Context) (*found, candidate, error) {
	var strange []string
	b, damaged, err := newest(ctx, a.dir, a.p.Stream, func(m *manifest) bool {
		if !a.p.Foreign && !a.c.own(m) {
			strange = append(strange, m.Cluster+"/"+m.Account)
		}
		return a.p.Foreign || a.c.own(m)
	})
	if a.p.Backup != "" {
		b, damaged, strange = nil, nil, nil
		one := found{readManifest(filepath.Join(a.dir, a.p.Backup)), filepath.Join(a.dir, a.p.Backup)}
		switch {
		case one.manifest == nil || one.Stream != a.p.Stream:
		case !a.p.Foreign && !a.c.own(one.manifest):
			strange = []string{one.Cluster + "/" + one.Account}
		default:
			var broken string
			if broken, err = one.broken(ctx); broken != "" {
				damaged = []string{one.name() + ": " + broken}
			} else {
				b = &one
			}
		}
	}
	where := a.dir
	if a.p.Backup != "" {
		where = filepath.Join(a.dir, a.p.Backup)
	}
	switch {
	case err != nil:
		return nil, candidate{}, err
	case b != nil:
		return b, candidate{}, nil
	case len(damaged) > 0:
		return nil, candidate{
			Problem: fmt.Sprintf("the backup of stream %s in %s is damaged: %s", a.p.Stream, where, strings.Join(damaged, "; ")),
			Remedy:  "from: a directory with a whole copy of it",
		}, nil
	case len(strange) > 0:
		return nil, candidate{
			Problem: fmt.Sprintf("the backup of stream %s in %s is of cluster and account %s, and this is %s/%s", a.p.Stream, where, quoted(sorted(strange)), a.c.cluster, a.c.account),
			Remedy:  "foreign: true, if that is meant",
		}, nil
	}
	return nil, candidate{
		Problem: fmt.Sprintf("there is no whole backup of stream %s in %s", a.p.Stream, where),
		Remedy:  "from: the directory that nats.backup wrote it to",
	}, nil
}

// Plan plans without knowing what is on disk: it can only say that the stream
// is restored already.
func (a *restore) Plan(before state.State) (state.State, error) {
	return a.PlanAmong(before, state.State{})
}

// PlanAmong refuses what JetStream would refuse, or undo at once.
func (a *restore) PlanAmong(before, others state.State) (state.State, error) {
	was := before[a.id]
	if from := word(was["restored"]); from != "" && (a.p.Backup == "" || a.p.Backup == from) {
		return before, nil
	}
	half := word(was["restoring"])
	switch {
	case half == reserved:
		return nil, a.refuse(fmt.Sprintf("the name %s is taken by a stream that is being restored now, or whose restoring ended half-way (10130)", a.p.Stream),
			"wait for it, or nats stream rm "+a.p.Stream)
	case flag(was["exists"]) && half == "":
		return nil, a.refuse(fmt.Sprintf("stream %s exists", a.p.Stream), "delete it with nats.delete first, or leave this step out")
	}
	var b candidate
	if raw := others[backupID(a.dir, a.p.Stream)]["candidate"]; raw != nil {
		if err := json.Unmarshal(raw, &b); err != nil {
			return nil, fmt.Errorf("what is on disk of stream %s: %w", a.p.Stream, err)
		}
	}
	if b.Name == "" {
		if b.Problem == "" {
			b.Problem, b.Remedy = "the backups in "+a.dir+" were not looked at", "segue plan, with the live system"
		}
		return nil, a.refuse(b.Problem, b.Remedy)
	}
	if err := a.planConfig(b, others); err != nil {
		return nil, err
	}
	subjects := b.Subjects
	if a.p.Closed {
		subjects = nil
	}
	return state.State{a.id: {"exists": compact(true), "subjects": compact(sorted(subjects)), "restored": compact(b.Name)}}, nil
}

func (a *restore) planConfig(b candidate, others state.State) error {
	if a.p.Replicas != nil {
		b.Replicas = *a.p.Replicas
	}
	if nodes := number(others[kind+":"+a.c.cluster]["nodes"]); nodes > 0 && b.Replicas > nodes {
		return a.refuse(fmt.Sprintf("stream %s had %d replicas and the cluster has %d nodes (10074)", a.p.Stream, b.Replicas, nodes), fmt.Sprintf("replicas: %d", nodes))
	}
	if a.p.MaxAge == nil && b.MaxAge > 0 && b.Youngest != nil && *b.Youngest > b.MaxAge {
		return a.refuse(fmt.Sprintf("stream %s keeps messages for %s, and the newest of the %d in backup %s is %s old: all would go at once",
			a.p.Stream, tidy(b.MaxAge), b.Messages, b.Name, tidy(b.Youngest.Truncate(time.Second))),
			"max-age: 0s to keep them, or max-age: "+tidy(b.MaxAge)+" if they may go")
	}
	if b.Interest && !a.consumers() && b.Messages > 0 {
		return a.refuse(fmt.Sprintf("stream %s keeps only what a consumer still wants: without its consumers all %d messages would go at once", a.p.Stream, b.Messages), "consumers: true")
	}
	if a.p.Closed {
		return nil
	}
	for id, f := range others {
		if id == a.id || f["subjects"] == nil {
			continue
		}
		of, with := overlapping(b.Subjects, list(f["subjects"]))
		if len(of) == 0 {
			continue
		}
		other := strings.TrimPrefix(id, a.c.streamID(""))
		return a.refuse(fmt.Sprintf("stream %s of backup %s has %s, and stream %s has %s now (10065)", a.p.Stream, b.Name, quoted(of), other, quoted(with)),
			fmt.Sprintf("closed: true; then nats.move: {subjects: [%s], from: %s, to: %s}", quoted(with), other, a.p.Stream))
	}
	return nil
}

func (a *restore) refuse(reason, remedy string) error {
	return &driver.Refusal{System: a.c.String(), Reason: reason, Remedy: remedy}
}
