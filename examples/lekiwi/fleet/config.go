package fleet

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Config says who is there, how much they do, and where.
type Config struct {
	Seed uint64
	// Run names the heartbeats of this load; two loads on one system must differ.
	Run     string
	Journal string // file to append to

	Robots         int
	WebSocketShare float64 // of the robots that report over WebSocket
	Heartbeats     float64 // a second, of all robots together
	Polls          float64 // a second
	Drives         float64 // sessions begun a second
	Watchers       int
	// Topic is what every watcher subscribes to; empty for a mix.
	Topic    string
	Duration time.Duration // 0: until the context ends
	// Finish is how long robots and operators may take for what is unanswered
	// at the end; 0 for 20 s.
	Finish time.Duration

	// URL is where robots report and operators look: a system, or the edge.
	URL string
	// WatchURL is whose /ws the watchers connect to; empty for URL.
	WatchURL string
	// SessionsURL is the teleoperation-service; empty where there is none: then
	// driving shows only in what the robots say.
	SessionsURL string
	// Gateway is the address (host:port) on which the robots answer when they
	// are asked; empty for none.
	Gateway string

	// Renew is how long a robot keeps a WebSocket, about; 0 keeps it until it
	// ends. Robots that roam open new ones all the time, and so come to the side
	// that an edge has meanwhile given them.
	Renew time.Duration
	// Driving is closed when operators can begin to drive; nil is from the start.
	// Before it, sessions of the schedule do not begin.
	Driving <-chan struct{}

	// Ready is called when all robots and watchers are connected and the
	// schedule begins; may be nil.
	Ready func()
}

func (c Config) check() error {
	switch {
	case c.Run == "" || strings.ContainsAny(c.Run, "/ \t\n"):
		return fmt.Errorf("run %q: want a name without spaces and slashes", c.Run)
	case c.Journal == "":
		return errors.New("a journal is needed: without one nobody can count")
	case c.Robots < 1 || c.Robots > 1<<20:
		return fmt.Errorf("robots %d: want 1 to %d", c.Robots, 1<<20)
	case c.WebSocketShare < 0 || c.WebSocketShare > 1:
		return fmt.Errorf("websocket share %v: want 0 to 1", c.WebSocketShare)
	case c.Renew < 0:
		return fmt.Errorf("renew %s: want 0 or more", c.Renew)
	case c.Watchers < 0:
		return fmt.Errorf("watchers %d: want 0 or more", c.Watchers)
	}
	for name, rate := range map[string]float64{"heartbeats": c.Heartbeats, "polls": c.Polls, "drives": c.Drives} {
		if !(rate >= 0 && rate <= 50000) { // NaN too
			return fmt.Errorf("%s %v: want 0 to 50000 a second", name, rate)
		}
	}
	for name, u := range map[string]string{"url": c.URL, "watch url": c.WatchURL, "sessions url": c.SessionsURL} {
		if u == "" && name != "url" {
			continue
		}
		p, err := url.Parse(u)
		watch := name == "watch url" && err == nil && p.Scheme == "ws"
		if err != nil || p.Scheme != "http" && !watch || p.Host == "" {
			return fmt.Errorf("%s %q: want http://host:port", name, u)
		}
	}
	return nil
}

func (c Config) finish() time.Duration {
	if c.Finish == 0 {
		return 20 * time.Second
	}
	return c.Finish
}

func (c Config) watchURL() string {
	if c.WatchURL != "" {
		return c.WatchURL
	}
	return c.URL
}

// files is how many sockets and files the load may have open at once.
func (c Config) files() uint64 {
	return uint64(c.Robots+c.Watchers) + 2*inFlight + 256 //nolint:gosec // both are small and not negative
}

// drives says whether operators can drive now.
func (c Config) drives() bool {
	if c.SessionsURL == "" || c.Driving == nil {
		return c.SessionsURL != ""
	}
	select {
	case <-c.Driving:
		return true
	default:
		return false
	}
}
