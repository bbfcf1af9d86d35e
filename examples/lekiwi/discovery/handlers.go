package discovery

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sort"
	"strconv"
	"time"

	"github.com/segue-run/segue/examples/lekiwi/api"
	"github.com/segue-run/segue/examples/lekiwi/intake"
	"github.com/segue-run/segue/examples/lekiwi/robot"
	"github.com/segue-run/segue/examples/lekiwi/service"
)

// unavailable answers for what the state-manager did not do.
func (s *server) unavailable(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() == nil {
		s.log.Warn("unavailable", "path", r.URL.Path, "error", err)
	}
	service.Unavailable(w, "the state is not available")
}

// answer gives what the state-manager gives.
func answer[T any](s *server, w http.ResponseWriter, r *http.Request, read func(context.Context) (T, error)) {
	v, err := read(r.Context())
	if err != nil {
		s.unavailable(w, r, err)
		return
	}
	service.Reply(w, http.StatusOK, v)
}

func (s *server) count(w http.ResponseWriter, r *http.Request) { answer(s, w, r, s.state.Count) }

func (s *server) deployments(w http.ResponseWriter, r *http.Request) {
	answer(s, w, r, s.state.Deployments)
}

// status takes one heartbeat.
func (s *server) status(w http.ResponseWriter, r *http.Request) {
	body, ok := service.ReadBody(w, r, api.MaxMessage)
	if !ok {
		return
	}
	var h api.Heartbeat
	var e robot.Event
	err := robot.Decode(body, &h)
	if err == nil {
		e, err = intake.Event(&h, time.Now())
	}
	if err != nil {
		service.Refuse(w, err)
		return
	}
	results, err := s.intake.Wait(r.Context(), e)
	if err == nil {
		err = results[0].Err
	}
	var bad *robot.InvalidError
	switch {
	case errors.As(err, &bad):
		service.Refuse(w, bad)
	case err != nil:
		s.unavailable(w, r, err)
	default:
		service.Reply(w, http.StatusOK, api.Accepted{Status: api.StatusOK, ID: h.ID, Durable: results[0].Durable})
	}
}

// maxBody bounds a batch.
const maxBody = 64 << 20

// heartbeats takes several.
func (s *server) heartbeats(w http.ResponseWriter, r *http.Request) {
	body, ok := service.ReadBody(w, r, maxBody)
	if !ok {
		return
	}
	var in api.Heartbeats
	err := robot.Decode(body, &in)
	if err == nil && len(in.Heartbeats) > api.MaxBatch {
		err = fmt.Errorf("heartbeats holds %d: at most %d", len(in.Heartbeats), api.MaxBatch)
	}
	if err != nil {
		service.Refuse(w, err)
		return
	}
	var (
		out    api.Appended
		events []robot.Event
		index  []int
		now    = time.Now()
	)
	for i := range in.Heartbeats {
		e, err := intake.Event(&in.Heartbeats[i], now)
		if err != nil {
			out.Rejected = append(out.Rejected, api.Reject(i, err))
			continue
		}
		events, index = append(events, e), append(index, i)
	}
	results, err := s.intake.Wait(r.Context(), events...)
	if err != nil {
		s.unavailable(w, r, err)
		return
	}
	out.Durable = len(results) > 0
	for i, got := range results {
		var bad *robot.InvalidError
		switch {
		case errors.As(got.Err, &bad):
			out.Rejected = append(out.Rejected, api.Reject(index[i], bad))
		case got.Err != nil: // then nobody can say of all that they are kept
			s.unavailable(w, r, got.Err)
			return
		default:
			out.Appended++
			out.Durable = out.Durable && got.Durable
		}
	}
	service.Reply(w, http.StatusOK, out)
}

func (s *server) imports(w http.ResponseWriter, r *http.Request) {
	body, ok := service.ReadBody(w, r, maxBody)
	if !ok {
		return
	}
	var in api.Robots
	err := robot.Decode(body, &in)
	if err == nil && len(in.Robots) > api.MaxBatch {
		err = fmt.Errorf("robots holds %d: at most %d", len(in.Robots), api.MaxBatch)
	}
	if err != nil {
		service.Refuse(w, err)
		return
	}
	answer(s, w, r, func(ctx context.Context) (api.Imported, error) { return s.state.Import(ctx, in) })
}

// one finds a robot; where that fails it has answered.
func (s *server) one(w http.ResponseWriter, r *http.Request) (robot.Robot, bool) {
	id := r.PathValue("id")
	found, exists, err := s.state.Robot(r.Context(), id)
	switch {
	case err != nil:
		s.unavailable(w, r, err)
		return found, false
	case !exists:
		service.Missing(w, "robot "+strconv.Quote(id))
		return found, false
	}
	return found, true
}

func (s *server) robot(w http.ResponseWriter, r *http.Request) {
	if found, ok := s.one(w, r); ok {
		service.Reply(w, http.StatusOK, api.V2Robot{Robot: found, Healthy: found.Healthy(time.Now())})
	}
}

func (s *server) legacyRobot(w http.ResponseWriter, r *http.Request) {
	if found, ok := s.one(w, r); ok {
		service.Reply(w, http.StatusOK, found.Record())
	}
}

func (s *server) remove(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	switch existed, err := s.state.Remove(r.Context(), id); {
	case err != nil:
		s.unavailable(w, r, err)
	case !existed:
		service.Missing(w, "robot "+strconv.Quote(id))
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

func (s *server) legacyList(w http.ResponseWriter, r *http.Request) {
	all, err := s.lists.get(r.Context())
	if err != nil {
		s.unavailable(w, r, err)
		return
	}
	service.ReplyRaw(w, http.StatusOK, all.legacy)
}

const maxPage = 1000

func (s *server) page(w http.ResponseWriter, r *http.Request) {
	limit := maxPage
	if text := r.URL.Query().Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxPage {
			service.Refuse(w, fmt.Errorf("limit is %q: want a number from 1 to %d", text, maxPage))
			return
		}
		limit = n
	}
	all, err := s.lists.get(r.Context())
	if err != nil {
		s.unavailable(w, r, err)
		return
	}
	after := r.URL.Query().Get("after")
	from := sort.Search(len(all.robots), func(i int) bool { return all.robots[i].ID > after })
	to := min(from+limit, len(all.robots))
	out := api.V2Robots{Robots: make([]api.V2Robot, 0, to-from), Total: len(all.robots)}
	now := time.Now()
	for _, found := range all.robots[from:to] {
		out.Robots = append(out.Robots, api.V2Robot{Robot: found, Healthy: found.Healthy(now)})
	}
	if to < len(all.robots) {
		out.Next = all.robots[to-1].ID
	}
	service.Reply(w, http.StatusOK, out)
}

// discover asks the robot at an address; with POST what it says is kept.
func (s *server) discover(w http.ResponseWriter, r *http.Request) {
	ip := r.PathValue("ip")
	begun := time.Now()
	rec, err := s.prober.ask(r.Context(), ip)
	out := api.Discovered{IP: ip, Took: float64(time.Since(begun).Microseconds()) / 1000}
	if err != nil {
		out.Error = err.Error()
		service.Reply(w, http.StatusOK, out)
		return
	}
	out.Answer, out.Type, out.Robot = true, robot.TypeOf(rec), &rec
	if r.Method == http.MethodPost {
		if _, err := s.state.Append(r.Context(), []robot.Event{s.prober.event(robot.Probed, rec.ID, &rec)}); err != nil {
			s.unavailable(w, r, err)
			return
		}
	}
	service.Reply(w, http.StatusOK, out)
}
