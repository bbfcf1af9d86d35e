package fleet

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/segue-run/segue/examples/lekiwi/robot"
)

func testConfig(seed uint64) Config {
	return Config{Seed: seed, Run: "t", Robots: 3000, WebSocketShare: 0.5, Heartbeats: 1500, Polls: 100, Drives: 20, Watchers: 50, URL: "http://127.0.0.1:1", Journal: "-"}
}

// schedule is everything that a seed decides, for ten seconds.
type schedule struct {
	Robots []Robot
	Said   []Sent
	Pages  []string
	Drives []string
	Topics []string
}

func drawAll(cfg Config) schedule {
	robots := Draw(cfg.Seed, cfg.Robots, cfg.WebSocketShare)
	s := schedule{Robots: robots, Topics: topics(cfg, robots)}
	b, p, d := newBeats(cfg, robots), newPolls(cfg, robots), newDrives(cfg, robots)
	start := time.Unix(0, 0)
	for i := range 15000 {
		s.Said = append(s.Said, b.draw(start.Add(time.Duration(float64(i)/cfg.Heartbeats*float64(time.Second)))).Sent)
	}
	for range 1000 {
		path, _ := p.draw()
		s.Pages = append(s.Pages, path)
	}
	for range 200 {
		v := d.draw()
		s.Drives = append(s.Drives, strings.Join([]string{v.operator, robots[max(v.robot, 0)].Key, v.from.String(), v.to.String()}, " "))
	}
	return s
}

func TestTheSameSeedGivesTheSameFleetAndSchedule(t *testing.T) {
	first := drawAll(testConfig(1))
	if d := cmp.Diff(first, drawAll(testConfig(1))); d != "" {
		t.Errorf("seed 1 twice (-first +second):\n%s", d)
	}
	other := drawAll(testConfig(2))
	for name, same := range map[string]bool{
		"robots":     cmp.Equal(first.Robots, other.Robots),
		"heartbeats": cmp.Equal(first.Said, other.Said),
		"polls":      cmp.Equal(first.Pages, other.Pages),
		"drives":     cmp.Equal(first.Drives, other.Drives),
		"watchers":   cmp.Equal(first.Topics, other.Topics),
	} {
		if same {
			t.Errorf("seeds 1 and 2 give the same %s", name)
		}
	}
	// One part of the schedule does not depend on how often another is drawn.
	cfg := testConfig(1)
	cfg.Polls, cfg.Watchers = 7, 0
	if !cmp.Equal(first.Said, drawAll(cfg).Said) {
		t.Error("the heartbeats depend on the polls")
	}
}

func TestTheFleetHasEveryOddity(t *testing.T) {
	keys, addresses := map[string]bool{}, map[string]int{}
	seen := map[Odd]int{}
	kinds, ways := map[robot.Type]int{}, map[Via]int{}
	robots := Draw(1, 3000, 0.5)
	for i, r := range robots {
		if keys[r.Key] {
			t.Fatalf("two robots are %s", r.Key)
		}
		keys[r.Key] = true
		addresses[r.Says.IP]++
		seen[r.Odd]++
		kinds[r.Type]++
		ways[r.Via]++
		// What the services would make of it is what the fleet says it is.
		rec := r.Says
		if err := rec.Normalize(); err != nil || rec.ID != r.Key || robot.TypeOf(rec) != r.Type {
			t.Errorf("%+v: it would be %s, %s (%v)", r, rec.ID, robot.TypeOf(rec), err)
		}
		odd := map[Odd]bool{
			NoID: rec.ID == rec.IP, NoType: rec.Type == "", StrangeHost: rec.Type == "", Skewed: r.Skew != 0,
			SharedIP: i > 0 && robots[i-1].Says.IP == rec.IP,
		}
		if is, told := odd[r.Odd]; told && !is {
			t.Errorf("%+v is not as odd as it says", r)
		}
	}
	for _, o := range oddities {
		if seen[o.odd] < 10*o.share {
			t.Errorf("%d robots of 3000 are odd by %q, want about %d", seen[o.odd], o.odd, 30*o.share)
		}
	}
	if len(addresses) == len(robots) {
		t.Error("no two robots share an address")
	}
	for name, n := range map[string]int{"lekiwi": kinds[robot.Lekiwi], "xlerobot": kinds[robot.XLERobot], "http": ways[HTTP], "websocket": ways[WebSocket]} {
		if n < 500 {
			t.Errorf("%d robots of 3000 are %s", n, name)
		}
	}
}

func TestWhoIsDrivenSaysSoInsideTheSession(t *testing.T) {
	cfg := testConfig(5)
	cfg.Robots, cfg.Heartbeats = 50, 500
	robots := Draw(cfg.Seed, cfg.Robots, cfg.WebSocketShare)
	d, b := newDrives(cfg, robots), newBeats(cfg, robots)
	sessions := map[string][]drive{}
	for d.begins(d.next) < 30*time.Second {
		v := d.draw()
		if v.robot < 0 {
			continue
		}
		key := robots[v.robot].Key
		if before := sessions[key]; len(before) > 0 && before[len(before)-1].to >= v.from {
			t.Fatalf("%s is driven twice at once", key)
		}
		sessions[key] = append(sessions[key], v)
	}
	driven := 0
	for range 15000 {
		at := time.Duration(float64(b.next) / cfg.Heartbeats * float64(time.Second))
		h := b.draw(time.Unix(0, 0).Add(at))
		inside := false
		for _, v := range sessions[h.Robot] {
			inside = inside || v.from+driveMargin <= at && at <= v.to-driveMargin
		}
		if h.Teleoperation != inside {
			t.Fatalf("at %s %s says %t of being driven", at, h.Robot, h.Teleoperation)
		}
		if inside {
			driven++
		}
	}
	if driven == 0 {
		t.Error("nobody was ever driven")
	}
}
