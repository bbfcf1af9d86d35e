package fleet

import (
	"math/rand/v2"
	"net/url"

	"github.com/segue-run/segue/examples/lekiwi/api"
)

// Pages are what operators look at, by share in percent; the list of all robots
// is long, and so is rare.
var pages = []struct {
	path  string
	share int
}{{api.PathRobots + "/", 80}, {api.PathRobotCount, 15}, {api.PathDeployments, 4}, {api.PathRobots, 1}}

// polls is the sequence of a seed's questions.
type polls struct {
	rng    *rand.Rand
	robots []Robot
}

func newPolls(cfg Config, robots []Robot) *polls {
	return &polls{rng: rand.New(rand.NewPCG(cfg.Seed, streamPolls)), robots: robots}
}

// draw gives a path, and the robot it asks for where it is one.
func (p *polls) draw() (path, key string) {
	at, i := p.rng.IntN(100), p.rng.IntN(len(p.robots))
	for _, page := range pages {
		if at >= page.share {
			at -= page.share
			continue
		}
		if page.path == api.PathRobots+"/" {
			key = p.robots[i].Key
			return page.path + url.PathEscape(key), key
		}
		return page.path, ""
	}
	panic("the shares do not add up to 100")
}
