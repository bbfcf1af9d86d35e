package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/segue-run/segue/examples/lekiwi/api"
	"github.com/segue-run/segue/examples/lekiwi/robot"
	"github.com/segue-run/segue/examples/lekiwi/rollout"
	"github.com/segue-run/segue/examples/lekiwi/service"
)

// maxBody bounds a batch.
const maxBody = 64 << 20

func (s *server) events(w http.ResponseWriter, r *http.Request) {
	body, ok := service.ReadBody(w, r, maxBody)
	if !ok {
		return
	}
	var in api.Events
	if err := robot.Decode(body, &in); err != nil {
		service.Refuse(w, err)
		return
	}
	s.take(w, r, in.Events, nil)
}

// imports takes the legacy system's records.
func (s *server) imports(w http.ResponseWriter, r *http.Request) {
	body, ok := service.ReadBody(w, r, maxBody)
	if !ok {
		return
	}
	var in api.Robots
	if err := robot.Decode(body, &in); err != nil {
		service.Refuse(w, err)
		return
	}
	now := robot.At(time.Now())
	events := make([]robot.Event, len(in.Robots))
	for i := range in.Robots {
		rec := &in.Robots[i]
		if err := rec.Normalize(); err == nil { // else take rejects it
			events[i].Key = robot.ImportKey(*rec)
		}
		events[i].Kind, events[i].RobotID, events[i].At, events[i].Record = robot.Imported, rec.ID, now, rec
	}
	s.take(w, r, events, func(ctx context.Context, done api.Appended) (any, error) {
		taken := done.Appended + done.Duplicates
		if err := s.store.synced(ctx, taken, max(in.Total, len(in.Robots))); err != nil {
			return nil, err
		}
		return api.Imported{Imported: taken, Rejected: done.Rejected}, nil
	})
}

// take keeps events and answers. What cannot be taken is rejected, and the rest
// is not. Where answer is nil, an api.Appended is the answer; what answer notes
// comes after what it is about was committed.
func (s *server) take(w http.ResponseWriter, r *http.Request, events []robot.Event, answer func(context.Context, api.Appended) (any, error)) {
	if len(events) > api.MaxBatch {
		service.Reply(w, http.StatusBadRequest, api.Error{Error: fmt.Sprintf("holds %d items: at most %d", len(events), api.MaxBatch), Field: "body"})
		return
	}
	done := api.Appended{Durable: answer != nil || s.flags.Flag(rollout.PersistentState)}
	good, index := make([]robot.Event, 0, len(events)), make([]int, 0, len(events))
	for i := range events {
		if err := events[i].Check(); err != nil {
			done.Rejected = append(done.Rejected, api.Reject(i, err))
			continue
		}
		good, index = append(good, events[i]), append(index, i)
	}
	switch {
	case len(good) == 0:
	case done.Durable:
		outcomes, err := s.writer.wait(r.Context(), good)
		if err != nil {
			s.unavailable(w, r, err)
			return
		}
		for i, o := range outcomes {
			switch {
			case o.refused != nil:
				done.Rejected = append(done.Rejected, api.Reject(index[i], errors.New("the database does not take it")))
			case o.duplicate:
				done.Duplicates++
			default:
				done.Appended++
			}
		}
	default:
		if err := s.writer.behind(good); err != nil {
			s.unavailable(w, r, err)
			return
		}
		done.Appended = len(good)
	}
	var out any = done
	if answer != nil {
		var err error
		if out, err = answer(r.Context(), done); err != nil {
			s.unavailable(w, r, err)
			return
		}
	}
	service.Reply(w, http.StatusOK, out)
}

// lookup asks the cache, then the database.
func (s *server) lookup(ctx context.Context, id string) (robot.Robot, bool, error) {
	if found, exists, hit := s.cache.get(ctx, id); hit {
		return found, exists, nil
	}
	readAt := time.Now()
	found, exists, err := s.store.robot(ctx, id)
	if err == nil && exists {
		s.cache.fill(ctx, found, readAt)
	}
	return found, exists, err
}

func (s *server) robot(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	switch found, exists, err := s.lookup(r.Context(), id); {
	case err != nil:
		s.unavailable(w, r, err)
	case !exists:
		service.Missing(w, "robot "+strconv.Quote(id))
	default:
		service.Reply(w, http.StatusOK, found)
	}
}

// remove deletes a robot: an event like any other, and always committed before
// it is answered.
func (s *server) remove(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	found, exists, err := s.store.robot(r.Context(), id)
	switch {
	case err != nil:
		s.unavailable(w, r, err)
		return
	case !exists:
		service.Missing(w, "robot "+strconv.Quote(id))
		return
	}
	e := robot.Event{
		Key:     robot.NewKey(string(robot.Deleted), id, strconv.FormatInt(found.Seq, 10)),
		RobotID: id, Kind: robot.Deleted, At: robot.At(time.Now()),
	}
	if _, err := s.writer.wait(r.Context(), []robot.Event{e}); err != nil {
		s.unavailable(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// number reads one from a query.
func number(query url.Values, name string, otherwise, least, most int64) (int64, error) {
	text := query.Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%s is %q: want a number from %d to %d", name, text, least, most)
	}
	return n, nil
}

func (s *server) page(w http.ResponseWriter, r *http.Request) {
	limit, err := number(r.URL.Query(), "limit", 1000, 1, 10_000)
	if err != nil {
		service.Refuse(w, err)
		return
	}
	body, err := s.store.page(r.Context(), r.URL.Query().Get("after"), int(limit))
	if err != nil {
		s.unavailable(w, r, err)
		return
	}
	service.ReplyRaw(w, http.StatusOK, body)
}

func (s *server) changes(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	after, err := number(query, "after", changesNow, changesNow, math.MaxInt64)
	limit, limitErr := number(query, "limit", 1000, 1, 5000)
	wait, waitErr := number(query, "wait", 0, 0, 30)
	if err := errors.Join(err, limitErr, waitErr); err != nil {
		service.Refuse(w, err)
		return
	}
	// Who waits is let go when the service ends, or it would not.
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.ending, cancel)()
	got, err := s.feed.after(ctx, after, int(limit), time.Duration(wait)*time.Second)
	if err != nil {
		s.unavailable(w, r, err)
		return
	}
	service.Reply(w, http.StatusOK, got)
}

// answer gives what a read gives.
func answer[T any](s *server, w http.ResponseWriter, r *http.Request, read func(context.Context) (T, error)) {
	v, err := read(r.Context())
	if err != nil {
		s.unavailable(w, r, err)
		return
	}
	service.Reply(w, http.StatusOK, v)
}

func (s *server) count(w http.ResponseWriter, r *http.Request) { answer(s, w, r, s.store.count) }

func (s *server) deployments(w http.ResponseWriter, r *http.Request) {
	answer(s, w, r, s.store.deployments)
}

func (s *server) syncStatus(w http.ResponseWriter, r *http.Request) {
	answer(s, w, r, s.store.syncStatus)
}

// robotCheck compares counts with the legacy system's.
func (s *server) robotCheck(w http.ResponseWriter, r *http.Request) {
	answer(s, w, r, func(ctx context.Context) (api.CountCheck, error) {
		own, err := s.store.count(ctx)
		if err != nil {
			return api.CountCheck{}, err
		}
		check := api.CountCheck{New: own}
		legacy, err := legacyCount(ctx, s.cfg.LegacyURL)
		if err != nil {
			check.Error = err.Error()
			return check, nil
		}
		difference, match := own.Total-legacy.Total, own.Total == legacy.Total
		for _, t := range robot.Types() {
			match = match && own.ByType[t] == legacy.ByType[t]
		}
		check.Legacy, check.Difference, check.Match = &legacy, &difference, &match
		return check, nil
	})
}

func legacyCount(ctx context.Context, base string) (api.Count, error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	var c api.Count
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+api.PathRobotCount, nil)
	if err != nil {
		return c, fmt.Errorf("ask the legacy system: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return c, fmt.Errorf("ask the legacy system: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return c, fmt.Errorf("ask the legacy system: %s", resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(&c); err != nil {
		return c, fmt.Errorf("the legacy system's answer: %w", err)
	}
	return c, nil
}
