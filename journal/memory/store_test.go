package memory_test

import (
	"testing"

	"github.com/segue-run/segue/journal"
	"github.com/segue-run/segue/journal/journaltest"
	"github.com/segue-run/segue/journal/memory"
)

func TestStore(t *testing.T) {
	journaltest.Run(t, func(*testing.T) journaltest.Place {
		disk := &memory.Disk{}
		return journaltest.Place{
			Open: func() (journal.Store, error) { return disk.Open(), nil },
			Full: func(*testing.T, journal.Store) func() {
				disk.SetFull(true)
				return func() { disk.SetFull(false) }
			},
		}
	})
}
