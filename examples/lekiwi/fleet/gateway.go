package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/segue-run/segue/examples/lekiwi/robot"
)

// gateway lets the robots answer when a system asks them: GET /{ip}/status. Of
// several with one address the first answers; a deaf one lets the caller wait.
type gateway struct {
	robots []Robot
	latest []atomic.Pointer[robot.Record]
	byIP   map[string]int
}

func newGateway(robots []Robot) *gateway {
	g := &gateway{robots: robots, latest: make([]atomic.Pointer[robot.Record], len(robots)), byIP: make(map[string]int, len(robots))}
	for i := range robots {
		says := robots[i].Says
		says.Status = robot.Running
		g.latest[i].Store(&says)
		if _, taken := g.byIP[says.IP]; !taken {
			g.byIP[says.IP] = i
		}
	}
	return g
}

// says makes a robot answer what it reports.
func (g *gateway) says(h *heartbeat) { g.latest[h.robot].Store(&h.record) }

// serve answers until stop is called.
func (g *gateway) serve(ctx context.Context, addr string) (stop func(), err error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("the robots' gateway: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{ip}/status", g.answer)
	web := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = web.Serve(listener) }()
	return func() { _ = web.Close() }, nil
}

func (g *gateway) answer(w http.ResponseWriter, r *http.Request) {
	i, ok := g.byIP[r.PathValue("ip")]
	switch {
	case !ok:
		http.Error(w, "no robot has this address", http.StatusNotFound)
	case g.robots[i].Odd == Deaf:
		<-r.Context().Done()
	default:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(g.latest[i].Load()) // the caller has gone
	}
}
