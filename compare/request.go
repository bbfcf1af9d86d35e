package compare

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A request is one question, as the runbook writes it: a path; with a method
// before it; with the new system's path, after "as"; and the status that is
// asked for, where that is an error.
type request struct {
	method string
	legacy string // path and query; {id} is filled in
	fresh  string
	status int // 0: none that is an error
}

// blank is what is filled in.
var blank = regexp.MustCompile(`\{([a-z][a-z0-9-]*)\}`)

// parseRequest reads GET /robots/{id} as /api/v2/robots/{id} 404.
func parseRequest(text string) (request, error) {
	words := strings.Fields(text)
	r := request{method: http.MethodGet}
	if len(words) > 0 && !strings.HasPrefix(words[0], "/") {
		r.method, words = words[0], words[1:]
		if r.method == "" || r.method != strings.ToUpper(r.method) {
			return r, fmt.Errorf("%q is no method of HTTP", r.method)
		}
	}
	if n := len(words); n > 1 {
		if status, err := strconv.Atoi(words[n-1]); err == nil {
			if status < 400 || status > 599 {
				return r, fmt.Errorf("%d is no status of an error", status)
			}
			r.status, words = status, words[:n-1]
		}
	}
	switch {
	case len(words) == 1:
		r.legacy, r.fresh = words[0], words[0]
	case len(words) == 3 && words[1] == "as":
		r.legacy, r.fresh = words[0], words[2]
	default:
		return r, fmt.Errorf("%q was not understood", text)
	}
	for _, path := range []string{r.legacy, r.fresh} {
		if u, err := url.Parse(path); err != nil || !strings.HasPrefix(path, "/") || u.Host != "" {
			return r, fmt.Errorf("%q is no path", path)
		}
	}
	return r, nil
}

// safe reports whether it changes nothing.
func (r request) safe() bool {
	return slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodOptions}, r.method)
}

// endpoint is what it is counted as.
func (r request) endpoint() string { return r.method + " " + r.legacy }

// blanks are the names that are filled in.
func (r request) blanks() []string {
	var out []string
	for _, m := range blank.FindAllStringSubmatch(r.legacy+r.fresh, -1) {
		if !slices.Contains(out, m[1]) {
			out = append(out, m[1])
		}
	}
	return out
}

// filled is the request of a round: each blank has the round's value.
func (r request) filled(drawn map[string][]string, round int) request {
	fill := func(path string) string {
		return blank.ReplaceAllStringFunc(path, func(m string) string {
			values := drawn[m[1:len(m)-1]]
			return url.PathEscape(values[round%len(values)])
		})
	}
	r.legacy, r.fresh = fill(r.legacy), fill(r.fresh)
	return r
}
