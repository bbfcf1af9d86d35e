package fleet

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"github.com/segue-run/segue/examples/lekiwi/robot"
)

// Via is the way a robot reports itself.
type Via string

// The ways.
const (
	HTTP      Via = "http"
	WebSocket Via = "websocket"
)

// Odd is what is strange about a robot.
type Odd string

// What may be. A robot is strange in one way at most.
const (
	Plain       Odd = ""
	NoID        Odd = "no id"
	NoType      Odd = "no type"     // its host's name tells
	StrangeHost Odd = "hostname"    // no type either, and a name that tells less
	Skewed      Odd = "clock"       // hours or years off
	NoClock     Odd = "no clock"    // says no time
	SharedIP    Odd = "duplicate"   // has the address of the robot before it
	NoMessageID Odd = "no messages" // tells repeats by content and time alone
	Deaf        Odd = "deaf"        // reports itself, and does not answer when asked
)

// oddities are the shares of all robots, in percent.
var oddities = []struct {
	odd   Odd
	share int
}{{NoID, 4}, {NoType, 6}, {StrangeHost, 4}, {Skewed, 4}, {NoClock, 3}, {SharedIP, 4}, {NoMessageID, 4}, {Deaf, 1}}

// Robot is one of the fleet.
type Robot struct {
	// Key is what the systems have to know it by: its id, or where it says none
	// its address.
	Key string `json:"key"`
	// Type is what it really is, as far as one can tell from what it says.
	Type robot.Type    `json:"type"`
	Via  Via           `json:"via"`
	Odd  Odd           `json:"odd,omitempty"`
	Skew time.Duration `json:"skew,omitempty"` // of its clock
	// Says is the part of its record that never changes.
	Says robot.Record `json:"says"`
}

// strangeHosts are names as they were found, with what can be told from them.
var strangeHosts = []struct {
	name string
	is   robot.Type
}{
	{"localhost", robot.TypeUnknown},
	{"", robot.TypeUnknown},
	{"robot_№7.workshop", robot.TypeUnknown},
	{"xl-e-19", robot.TypeUnknown},
	{"raspberrypi (2)", robot.TypeUnknown},
	{"LEKIWI--LAB..local", robot.Lekiwi},
	{"old-lekiwi-now-xlerobot", robot.XLERobot},
	{"XLE_ARM\t", robot.XLERobot},
	{strings.Repeat("a", 63) + ".lekiwi." + strings.Repeat("b", 63), robot.Lekiwi},
}

// Draw gives the n robots of a seed; share of them report over WebSocket.
func Draw(seed uint64, n int, share float64) []Robot {
	rng := rand.New(rand.NewPCG(seed, streamRobots))
	robots := make([]Robot, n)
	for i := range robots {
		robots[i] = draw(rng, i, share)
		if robots[i].Odd == SharedIP {
			if i == 0 || robots[i-1].Odd == NoID { // whose address is its key
				robots[i].Odd = Plain
			} else {
				robots[i].Says.IP = robots[i-1].Says.IP
			}
		}
	}
	return robots
}

func draw(rng *rand.Rand, i int, share float64) Robot {
	kind, prefix := robot.Lekiwi, "lekiwi"
	if rng.IntN(100) < 40 {
		kind, prefix = robot.XLERobot, "xle"
	}
	r := Robot{Type: kind, Via: HTTP, Odd: odd(rng), Says: robot.Record{
		ID: fmt.Sprintf("%s-%05d", prefix, i), Name: fmt.Sprintf("%s %d", prefix, i), Type: string(kind),
		Hostname: fmt.Sprintf("%s-%05d.fleet.local", prefix, i), IP: address(i),
		MAC:     fmt.Sprintf("02:5e:%02x:%02x:%02x:%02x", i>>24&0xff, i>>16&0xff, i>>8&0xff, i&0xff),
		SSHPort: 22,
	}}
	if rng.Float64() < share {
		r.Via = WebSocket
	}
	strange := strangeHosts[rng.IntN(len(strangeHosts))]
	skew := time.Duration(rng.IntN(4*365*24)-2*365*24) * time.Hour / time.Duration(1+rng.IntN(400))
	switch r.Odd {
	case NoID:
		r.Says.ID = ""
	case NoType:
		r.Says.Type = ""
	case StrangeHost:
		r.Says.Type, r.Says.Hostname, r.Type = "", strange.name, strange.is
	case Skewed:
		r.Skew = skew
	case Plain, NoClock, SharedIP, NoMessageID, Deaf:
	}
	if r.Key = r.Says.ID; r.Key == "" {
		r.Key = r.Says.IP
	}
	return r
}

func odd(rng *rand.Rand) Odd {
	at := rng.IntN(100)
	for _, o := range oddities {
		if at < o.share {
			return o.odd
		}
		at -= o.share
	}
	return Plain
}

// address is one of 10.0.0.0/8 that no other robot draws.
func address(i int) string {
	n := i + 256                                                                       // no network's own address
	return netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}).String() //nolint:gosec // the low bits are meant
}
