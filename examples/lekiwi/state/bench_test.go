package state_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segue-run/segue/examples/lekiwi/api"
	"github.com/segue-run/segue/examples/lekiwi/lekiwitest"
	"github.com/segue-run/segue/examples/lekiwi/robot"
)

// BenchmarkHeartbeats brings heartbeats of 5,000 robots, 500 at a time from two
// clients, and answers each once it is committed.
func BenchmarkHeartbeats(b *testing.B) {
	w := lekiwitest.Start(b)
	const batch = 500
	var n atomic.Int64
	begun := time.Now()
	b.SetParallelism(1)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			events := make([]robot.Event, batch)
			first := n.Add(batch)
			for i := range events {
				at, id := robot.At(time.Now()), fmt.Sprintf("robot-%d", (first+int64(i))%5000)
				events[i] = robot.Event{
					Key: robot.NewKey(fmt.Sprint(first + int64(i))), RobotID: id, Kind: robot.Heartbeat, At: at,
					Record: &robot.Record{ID: id, Type: "lekiwi", IP: "10.0.0.1", Status: robot.Running, Version: "1.2.3", LastSeen: at, Metadata: robot.Metadata(`{"battery":0.71}`)},
				}
			}
			body, err := json.Marshal(api.Events{Events: events})
			lekiwitest.Check(b, err)
			var done api.Appended
			if lekiwitest.Send(b, http.MethodPost, w.StateURL+api.PathEvents, string(body), &done); done.Appended != batch {
				b.Errorf("%+v", done)
			}
		}
	})
	b.ReportMetric(float64(n.Load())/time.Since(begun).Seconds(), "heartbeats/s")
}
