package teleoperation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/segue-run/segue/examples/lekiwi/api"
	"github.com/segue-run/segue/examples/lekiwi/database"
	"github.com/segue-run/segue/examples/lekiwi/robot"
	"github.com/segue-run/segue/examples/lekiwi/service"
)

func (s *server) unavailable(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() == nil {
		s.log.Warn("unavailable", "path", r.URL.Path, "error", err)
	}
	service.Unavailable(w, "sessions are not available")
}

// find finds a robot: in the copy, or where it is kept.
func (s *server) find(ctx context.Context, id string) (robot.Robot, bool, error) {
	if s.optimized() {
		if found, exists, whole := s.robots.get(id); whole && exists {
			return found, true, nil
		}
	}
	return s.state.Robot(ctx, id)
}

const maxBody = 64 << 10

func (s *server) start(w http.ResponseWriter, r *http.Request) {
	body, ok := service.ReadBody(w, r, maxBody)
	if !ok {
		return
	}
	var in api.SessionStart
	err := robot.Decode(body, &in)
	switch {
	case err != nil:
	case in.RobotID == "":
		err = &robot.InvalidError{Field: "robot_id", Why: "is missing"}
	case in.Operator == "":
		err = &robot.InvalidError{Field: "operator", Why: "is missing"}
	}
	if err != nil {
		service.Refuse(w, err)
		return
	}
	found, exists, err := s.find(r.Context(), in.RobotID)
	switch {
	case err != nil:
		s.unavailable(w, r, err)
		return
	case !exists:
		service.Missing(w, "robot "+strconv.Quote(in.RobotID))
		return
	case found.Status != robot.Online:
		service.Reply(w, http.StatusConflict, api.Error{Error: fmt.Sprintf("robot %q is %s", in.RobotID, found.Status), Field: "robot_id"})
		return
	}
	session, err := s.sessions.start(r.Context(), in.RobotID, in.Operator)
	switch {
	case errors.Is(err, errTaken):
		service.Reply(w, http.StatusConflict, api.Error{Error: fmt.Sprintf("robot %q is driven by %s in session %s", in.RobotID, session.Operator, session.ID), Field: "robot_id"})
	case database.Refuses(err):
		service.Refuse(w, errors.New("the database does not take it"))
	case err != nil:
		s.unavailable(w, r, err)
	default:
		service.Reply(w, http.StatusCreated, session)
	}
}

func (s *server) list(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	active, err := strconv.ParseBool(cmp.Or(query.Get("active"), "false"))
	if err != nil {
		service.Refuse(w, fmt.Errorf("active is %q: want true or false", query.Get("active")))
		return
	}
	found, err := s.sessions.list(r.Context(), query.Get("robot_id"), active)
	if err != nil {
		s.unavailable(w, r, err)
		return
	}
	service.Reply(w, http.StatusOK, api.Sessions{Sessions: found})
}

// reply answers with one session.
func (s *server) reply(w http.ResponseWriter, r *http.Request, found api.Session, exists bool, err error) {
	switch {
	case err != nil:
		s.unavailable(w, r, err)
	case !exists:
		service.Missing(w, "session "+strconv.Quote(r.PathValue("id")))
	default:
		service.Reply(w, http.StatusOK, found)
	}
}

func (s *server) get(w http.ResponseWriter, r *http.Request) {
	found, exists, err := s.sessions.get(r.Context(), r.PathValue("id"))
	s.reply(w, r, found, exists, err)
}

func (s *server) stop(w http.ResponseWriter, r *http.Request) {
	s.quality.flush(r.Context()) // its last sample comes before its end
	found, exists, err := s.sessions.stop(r.Context(), r.PathValue("id"))
	s.reply(w, r, found, exists, err)
}

// measure takes a sample of a session's quality: 200 with the session when it
// is written, 202 when it will be.
func (s *server) measure(w http.ResponseWriter, r *http.Request) {
	body, ok := service.ReadBody(w, r, maxBody)
	if !ok {
		return
	}
	var in api.Quality
	err := robot.Decode(body, &in)
	switch {
	case err != nil:
	case !(in.LatencyMS >= 0):
		err = &robot.InvalidError{Field: "latency_ms", Why: "must not be negative"}
	case !(in.PacketLoss >= 0 && in.PacketLoss <= 1):
		err = &robot.InvalidError{Field: "packet_loss", Why: "must be from 0 to 1"}
	}
	if err != nil {
		service.Refuse(w, err)
		return
	}
	id := r.PathValue("id")
	now := sample{ID: id, Latency: in.LatencyMS, Loss: in.PacketLoss, At: time.Now().UTC()}
	if s.optimized() && s.quality.has(id) {
		s.quality.put(now)
		service.Reply(w, http.StatusAccepted, in)
		return
	}
	found, exists, err := s.sessions.get(r.Context(), id)
	switch {
	case err != nil || !exists:
		s.reply(w, r, found, exists, err)
		return
	case found.EndedAt != nil:
		service.Reply(w, http.StatusConflict, api.Error{Error: "session " + id + " has ended"})
		return
	case s.optimized():
		s.quality.put(now)
		service.Reply(w, http.StatusAccepted, in)
		return
	}
	written, err := s.sessions.measured(r.Context(), []sample{now})
	found, exists, err = one(written, err)
	s.reply(w, r, found, exists, err)
}
