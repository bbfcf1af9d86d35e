package legacy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/segue-run/segue/examples/lekiwi/robot"
)

// poll asks all robots, one after the other, again and again.
func (s *server) poll(ctx context.Context) {
	for ctx.Err() == nil {
		begun := time.Now()
		for _, r := range s.known() {
			if ctx.Err() != nil {
				return
			}
			s.pollOne(ctx, r)
		}
		select {
		case <-time.After(time.Until(begun.Add(s.cfg.PollEvery))):
		case <-ctx.Done():
		}
	}
}

func (s *server) known() []robot.Record {
	s.fleet.mu.Lock()
	defer s.fleet.mu.Unlock()
	return s.fleet.list().Robots
}

// pollOne asks one robot, and holds the lock while it waits.
func (s *server) pollOne(ctx context.Context, r robot.Record) {
	if r.IP == "" {
		return
	}
	s.fleet.mu.Lock()
	defer s.fleet.mu.Unlock()
	got, err := s.ask(ctx, r.IP)
	if err != nil {
		s.polls.WithLabelValues("unanswered").Inc()
		return // it stays as it was
	}
	s.polls.WithLabelValues("answered").Inc()
	if _, there := s.fleet.robots[r.ID]; there && got.ID == r.ID {
		s.fleet.take(got, time.Now())
	}
}

func (s *server) ask(ctx context.Context, ip string) (robot.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.PollTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.ReplaceAll(s.cfg.RobotURL, "{ip}", url.PathEscape(ip)), nil)
	if err != nil {
		return robot.Record{}, fmt.Errorf("ask %s: %w", ip, err)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return robot.Record{}, fmt.Errorf("ask %s: %w", ip, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return robot.Record{}, fmt.Errorf("ask %s: %s", ip, resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, robot.MaxRecord))
	if err != nil {
		return robot.Record{}, fmt.Errorf("ask %s: %w", ip, err)
	}
	return robot.ParseRecord(body)
}
