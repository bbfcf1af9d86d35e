package load

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/segue-run/segue/examples/athlete-ally/event"
)

// stream of work: how often one way and kind is taken, and over how many lanes.
type share struct {
	via    Via
	kind   Kind
	weight int
	lanes  int
}

// shares add up to 100.
func shares() []share {
	return []share{
		{HTTP, HRV, 34, 12},
		{HTTP, Sleep, 10, 4},
		{HTTP, Oura, 20, 8},
		{JetStream, HRV, 12, 4},
		{JetStream, Oura, 8, 4},
		{Core, HRV, 8, 2},
		{Core, Oura, 8, 2},
	}
}

// message is one thing to send.
type message struct {
	Record
	body     []byte
	msgID    bool // carries a Nats-Msg-Id
	badlySig bool // its signature is wrong
}

// plan is the sequence of messages of one seed. The same seed and run give the
// same messages.
type plan struct {
	rng    *rand.Rand
	run    string
	users  int
	bad    float64
	repeat float64
	next   int
	days   map[int]int
	lanes  map[string]int
	last   map[string]message
}

func newPlan(cfg Config) *plan {
	return &plan{
		rng: rand.New(rand.NewPCG(cfg.Seed, 0x5e9e)), run: cfg.Run, users: cfg.Users, //nolint:gosec // repeatable on purpose
		bad: cfg.BadShare, repeat: cfg.RepeatShare,
		days: map[int]int{}, lanes: map[string]int{}, last: map[string]message{},
	}
}

func (p *plan) draw() message {
	sh := p.share()
	lane := fmt.Sprintf("%s-%s-%d", sh.via, sh.kind, p.rng.IntN(sh.lanes))
	bad := p.rng.Float64() < p.bad
	again := p.rng.Float64() < p.repeat
	m, ok := p.last[lane]
	if again && ok && !m.Bad && m.msgID {
		m.Repeat = true
	} else {
		m = p.fresh(sh, lane, bad)
	}
	m.N = p.lanes[lane]
	p.lanes[lane]++
	p.last[lane] = m
	return m
}

func (p *plan) share() share {
	at := p.rng.IntN(100)
	for _, sh := range shares() {
		if at < sh.weight {
			return sh
		}
		at -= sh.weight
	}
	panic("the shares do not add up to 100")
}

func (p *plan) fresh(sh share, lane string, bad bool) message {
	p.next++
	m := message{Record: Record{
		ID: fmt.Sprintf("%s-%07d", p.run, p.next), Lane: lane, Kind: sh.kind, Via: sh.via, Bad: bad,
	}}
	// Half of the core publishers send no Nats-Msg-Id, as careless ones do.
	m.msgID = sh.via != Core || p.rng.IntN(2) == 0
	user := p.rng.IntN(p.users)
	name := fmt.Sprintf("%s-u%04d", p.run, user)
	var body any
	switch sh.kind {
	case HRV:
		m.Subject = event.SubjectHRV
		body = p.hrv(&m, user, name)
	case Sleep:
		m.Subject, m.Key = event.SubjectSleep, m.ID
		minutes := 240 + p.rng.IntN(300)
		if bad {
			minutes = -minutes
		}
		body = event.Sleep{UserID: name, Date: "2025-10-01", Minutes: float64(minutes)}
	case Oura:
		m.Subject, m.Key = event.SubjectOura, m.ID
		o := event.Oura{EventID: m.ID, UserID: name, EventType: "daily_sleep", Data: json.RawMessage(fmt.Sprintf(`{"score":%d}`, p.rng.IntN(100)))}
		if bad {
			if m.badlySig = sh.via == HTTP && p.rng.IntN(2) == 0; !m.badlySig {
				o.EventType = ""
			}
		}
		body = o
	}
	raw, err := json.Marshal(body)
	if err != nil {
		panic(err) // plain structs of our own
	}
	m.body = raw
	return m
}

// hrv gives every reading a day of its own, so that each message has one row.
func (p *plan) hrv(m *message, user int, name string) any {
	day := time.Date(2020, 1, 1, 6, 0, 0, 0, time.UTC).AddDate(0, 0, p.days[user])
	p.days[user]++
	rmssd := math.Round((20+80*p.rng.Float64())*10) / 10
	date := day.Format(time.DateOnly)
	m.Key, m.Value = name+"|"+date, rmssd
	h := event.HRV{UserID: name, Date: date, RMSSD: rmssd}
	if m.Bad {
		h.RMSSD = -rmssd
	}
	if p.rng.IntN(2) == 0 {
		h.CapturedAt = &day
	}
	return h
}
