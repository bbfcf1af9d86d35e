package datasync

import (
	"encoding/json"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/state"
)

// A cursor is how far a sync has come: what it counts was written before.
type cursor struct {
	Position driver.Position `json:"position,omitempty"`
	counts
	Begun time.Time `json:"begun,omitzero"`  // this pass
	Aside int64     `json:"aside,omitempty"` // bytes that the file had when the sync began
	Done  bool      `json:"done,omitempty"`  // all that there was at first

	// Log is, of a sync that follows, how far the source's log of changes is over.
	Log driver.Position `json:"log,omitempty"`

	// Passes are how many have ended, of a sync that goes on, and Fresh when the
	// last of them began: what was there then is over.
	Passes int64     `json:"passes,omitempty"`
	Fresh  time.Time `json:"fresh,omitzero"`

	// Drained is, once its undo has brought over what was written last, when it
	// looked; Last how many records that were.
	Drained time.Time `json:"drained,omitzero"`
	Last    int64     `json:"last,omitempty"`

	paused
}

func (c cursor) begun() bool { return !c.Begun.IsZero() }

// counts are of records.
type counts struct {
	Read      int64 `json:"read"`
	Changed   int64 `json:"changed"`   // new at the sink, or newer than what was there
	Unchanged int64 `json:"unchanged"` // there already, as new or newer
	Deleted   int64 `json:"deleted,omitempty"`
	Returned  int64 `json:"returned,omitempty"` // had come from the sink, and were not sent back
	Bad       int64 `json:"bad"`
}

// since is when what is over by now was at the source.
func (c cursor) since() time.Time {
	if !c.Fresh.IsZero() {
		return c.Fresh
	}
	return c.Begun
}

func (c *counts) add(more counts) {
	c.Read += more.Read
	c.Changed += more.Changed
	c.Unchanged += more.Unchanged
	c.Deleted += more.Deleted
	c.Returned += more.Returned
	c.Bad += more.Bad
}

// fields are what a step reports.
func (c cursor) fields() state.Fields {
	out := map[string]any{
		"read": c.Read, "changed": c.Changed, "unchanged": c.Unchanged, "deleted": c.Deleted, "returned": c.Returned, "bad": c.Bad,
	}
	if c.Paused > 0 {
		out["paused"], out["because"] = c.Paused.Round(time.Millisecond).String(), c.Because
	}
	fields := state.Fields{}
	for name, v := range out {
		raw, err := json.Marshal(v)
		if err != nil {
			panic("datasync: a count is not JSON: " + err.Error())
		}
		fields[name] = raw
	}
	return fields
}
