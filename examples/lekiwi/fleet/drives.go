package fleet

import (
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	driveShortest = 3 * time.Second
	driveSpread   = 7 * time.Second
	// driveMargin is how long after its session has begun a robot says that it
	// is driven, and how long before the end it says so for the last time: what
	// is on its way at both ends then contradicts nobody.
	driveMargin = time.Second
	operators   = 40
)

// drive is one teleoperation session: when it is to begin and to end, from the
// start of the load.
type drive struct {
	n        int
	robot    int // -1: nobody was free
	operator string
	from, to time.Duration
}

// drives is the sequence of a seed's sessions. A robot is driven by one operator
// at a time, with a pause between two.
type drives struct {
	rng    *rand.Rand
	rate   float64
	robots int
	next   int
	latest map[int]drive // by robot
}

func newDrives(cfg Config, robots []Robot) *drives {
	return &drives{rng: rand.New(rand.NewPCG(cfg.Seed, streamDrives)), rate: cfg.Drives, robots: len(robots), latest: map[int]drive{}}
}

func (d *drives) begins(n int) time.Duration {
	return time.Duration(float64(n) / d.rate * float64(time.Second))
}

func (d *drives) draw() drive {
	from := d.begins(d.next)
	v := drive{n: d.next, robot: -1, operator: fmt.Sprintf("operator-%02d", d.rng.IntN(operators)), from: from, to: from + driveShortest + time.Duration(d.rng.Int64N(int64(driveSpread)))}
	d.next++
	for range 16 {
		i := d.rng.IntN(d.robots)
		if last, ok := d.latest[i]; !ok || last.to+2*driveMargin < from {
			v.robot = i
			d.latest[i] = v
			break
		}
	}
	return v
}

// driven says whether a robot is driven at a time. Times may not go back.
func (d *drives) driven(i int, at time.Duration) bool {
	for d.rate > 0 && d.begins(d.next) <= at {
		d.draw()
	}
	v, ok := d.latest[i]
	return ok && v.from+driveMargin <= at && at <= v.to-driveMargin
}
