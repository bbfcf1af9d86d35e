package tracker

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/segue-run/segue/examples/lekiwi/service"
)

// request is one that the edge has seen.
type request struct {
	at           time.Time
	system       string
	server       string
	method, path string
	status       int
	robot        string  // "" where it is about none
	took         float64 // in milliseconds
}

// parse reads a line. ok is false where no side has served the request.
func parse(line []byte) (r request, ok bool, err error) {
	var raw struct {
		At, Side, Server, Method, Path, Status, Time, Robot string
	}
	if err := json.Unmarshal(line, &raw); err != nil {
		return r, false, fmt.Errorf("it is no line of the edge: %w", err)
	}
	switch raw.Side {
	case "":
		return r, false, nil
	case service.Legacy:
		r.system = service.Legacy
	default: // the new system has an upstream for each service
		r.system = service.New
	}
	at, err := strconv.ParseFloat(raw.At, 64)
	if err != nil {
		return r, false, fmt.Errorf("at: %w", err)
	}
	whole, part := math.Modf(at)
	r.at = time.Unix(int64(whole), int64(part*1e9)).UTC().Truncate(time.Millisecond)
	if r.status, err = strconv.Atoi(raw.Status); err != nil {
		return r, false, fmt.Errorf("status: %w", err)
	}
	seconds, err := strconv.ParseFloat(raw.Time, 64)
	if err != nil {
		return r, false, fmt.Errorf("time: %w", err)
	}
	r.took = math.Round(seconds * 1000)
	r.server, r.method, r.path, r.robot = text(raw.Server), text(raw.Method), text(raw.Path), text(raw.Robot)
	if r.robot == "" {
		r.robot = robotOf(r.path)
	}
	return r, true, nil
}

// robotOf finds the robot in a path, which NGINX has unescaped.
func robotOf(path string) string {
	for _, prefix := range []string{"/robots/", "/api/v2/robots/"} {
		id, ok := strings.CutPrefix(path, prefix)
		if !ok || id == "count" || strings.Contains(id, "/") {
			continue
		}
		return id
	}
	return ""
}

// text is what PostgreSQL takes: anybody may send anything.
func text(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
