package tracker

import (
	"sync"
	"time"

	"github.com/segue-run/segue/examples/lekiwi/service"
)

// window is over which time the split is measured.
const window = time.Minute

// split counts the requests of the last minute by who has served them. Its zero
// value works.
type split struct {
	mu      sync.Mutex
	seconds [int(window / time.Second)]struct {
		second      int64
		legacy, new int
	}
}

func (s *split) add(at time.Time, system string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	second := at.Unix()
	slot := &s.seconds[int(second)%len(s.seconds)]
	switch {
	case second < slot.second:
		return // older than the window
	case second > slot.second:
		slot.second, slot.legacy, slot.new = second, 0, 0
	}
	if system == service.New {
		slot.new++
	} else {
		slot.legacy++
	}
}

// measured is the new system's share in percent, unknown without requests.
func (s *split) measured(now time.Time) (percent float64, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	legacy, fresh := 0, 0
	for _, slot := range s.seconds {
		if age := now.Unix() - slot.second; age < int64(len(s.seconds)) {
			legacy += slot.legacy
			fresh += slot.new
		}
	}
	if legacy+fresh == 0 {
		return 0, false
	}
	return 100 * float64(fresh) / float64(legacy+fresh), true
}
