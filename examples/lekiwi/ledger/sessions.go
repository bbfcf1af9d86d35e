package ledger

import (
	"fmt"
	"time"

	"github.com/segue-run/segue/examples/lekiwi/fleet"
)

// clockSlack is how far the clocks of the fleet and the database may be apart.
const clockSlack = time.Second

// driven is one session as its operator knows it.
type driven struct {
	start fleet.Sent
	stop  *fleet.Sent
}

// sessions compares those that operators were told of with the table's.
func (r *Result) sessions(sent []fleet.Sent, n NewSystem) {
	told := map[string]*driven{}
	robots := map[string]bool{}
	unsure := map[string]bool{} // a start of theirs may have come through unseen
	var from, to int64          // other fleets come before or after
	for _, s := range sent {
		robots[s.Robot] = true
		if s.Operator != "" {
			if from == 0 || s.SentAt < from {
				from = s.SentAt
			}
			to = max(to, s.DoneAt)
		}
		switch s.Kind {
		case fleet.Start:
			if s.Outcome == fleet.Acked {
				told[s.ID] = &driven{start: s}
			}
			if s.Tries > 1 || s.Outcome == fleet.Failed || s.Outcome == fleet.Unavailable {
				unsure[s.Robot+"\x00"+s.Operator] = true
			}
		case fleet.Stop:
			if d := told[s.ID]; d != nil {
				d.stop = &s
			}
		case fleet.Heartbeat, fleet.Poll, fleet.Quality:
		}
	}
	r.Sessions = len(told)
	there := map[string]bool{}
	for i, row := range n.Sessions {
		if d := told[row.ID]; d != nil {
			there[row.ID] = true
			if why := d.differs(row); why != "" {
				r.found(&r.SessionsDiffer, "sessions_differ", row.ID+": "+why)
			}
		} else if ours := robots[row.Robot] && row.Started.UnixNano() >= from && row.Started.UnixNano() <= to; ours && !row.Observed && !unsure[row.Robot+"\x00"+row.Operator] {
			r.found(&r.SessionsExtra, "sessions_extra", fmt.Sprintf("%s: %s drives %s", row.ID, row.Operator, row.Robot))
		}
		if i > 0 && n.Sessions[i-1].Robot == row.Robot && n.Sessions[i-1].overlaps(row) {
			r.found(&r.SessionsDoubled, "sessions_doubled", n.Sessions[i-1].ID+" and "+row.ID)
		}
	}
	for _, s := range sent {
		if s.Kind == fleet.Start && s.Outcome == fleet.Acked && !there[s.ID] {
			r.found(&r.SessionsLost, "sessions_lost", s.ID)
		}
	}
}

// differs says in what a row is not what its operator knows; "" for nothing.
func (d *driven) differs(row Session) string {
	switch {
	case row.Robot != d.start.Robot:
		return fmt.Sprintf("is of robot %s, want %s", row.Robot, d.start.Robot)
	case row.Operator != d.start.Operator:
		return fmt.Sprintf("is of %s, want %s", row.Operator, d.start.Operator)
	case row.Observed:
		return "is said to be only observed"
	case !row.Started.Equal(d.start.Started): // earlier than asked for, where it was observed before
		return fmt.Sprintf("began at %s, want %s", row.Started, d.start.Started)
	}
	if d.stop != nil && d.stop.Outcome == fleet.Missing && d.stop.Tries == 1 {
		return "was gone when its operator wanted to stop it"
	}
	// A stop that was asked for twice may find that the first has worked.
	stopped := d.stop != nil && (d.stop.Outcome == fleet.Acked || d.stop.Outcome == fleet.Missing)
	switch {
	case stopped && row.Ended == nil:
		return "goes on, and its stop was acknowledged"
	case stopped && !within(*row.Ended, *d.stop):
		return "ended when nobody asked for it: " + row.Ended.String()
	case d.stop == nil && row.Ended != nil:
		return "has ended, and nobody stopped it"
	}
	return ""
}

// within says whether something happened while it was asked for.
func within(at time.Time, s fleet.Sent) bool {
	return at.After(time.Unix(0, s.SentAt).Add(-clockSlack)) && at.Before(time.Unix(0, s.DoneAt).Add(clockSlack))
}
