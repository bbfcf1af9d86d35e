package socket

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"github.com/segue-run/segue/examples/lekiwi/api"
	"github.com/segue-run/segue/examples/lekiwi/robot"
)

// BenchmarkFanOut tells thousands of watchers, who are in this process too, of
// one change, and says how long it takes until 99 % of them have it.
func BenchmarkFanOut(b *testing.B) {
	const watchers = 4000
	hub := &Hub{}
	server := &Server{Hub: hub}
	url, _ := serve(b, server)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	came := make(chan time.Time, watchers)
	var open sync.WaitGroup
	for range watchers {
		ws, _, err := websocket.Dial(ctx, url, nil)
		if err != nil {
			b.Fatal(err)
		}
		defer ws.CloseNow()
		if err := wsjson.Write(ctx, ws, api.Message{Type: api.TypeSubscribe, Topics: []string{api.TopicRobots}}); err != nil {
			b.Fatal(err)
		}
		open.Add(1)
		go func() {
			for {
				var m api.Message
				if wsjson.Read(ctx, ws, &m) != nil {
					return
				}
				switch m.Type {
				case api.TypePing:
					_ = wsjson.Write(ctx, ws, api.Message{Type: api.TypePong})
				case api.TypeSubscribed:
					open.Done()
				case api.TypeState:
					came <- time.Now()
				}
			}
		}()
	}
	open.Wait()
	var took []time.Duration
	seq := int64(0)
	for b.Loop() {
		seq++
		begun := time.Now()
		hub.Tell([]api.Change{{Seq: seq, RobotID: "a", Robot: &robot.Robot{ID: "a"}}}, false)
		for range watchers {
			took = append(took, (<-came).Sub(begun))
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99_ms")
}
