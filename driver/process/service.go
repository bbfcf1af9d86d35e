package process

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// replica is one process of a service as it was found.
type replica struct {
	name   string
	status status
	// definition is nil while the replica is being replaced: until its old
	// process has ended process-compose knows of no definition.
	definition definition
}

// service finds the replicas of a service, in order.
func (c *Conn) service(ctx context.Context, name string) ([]replica, error) {
	if err := c.settle(ctx); err != nil {
		return nil, err
	}
	all, err := c.list(ctx)
	if err != nil {
		return nil, err
	}
	found := members(all, name)
	for _, missing := range gaps(name, found) {
		// Who is being replaced is in no list, and can still be asked for.
		s, err := c.status(ctx, missing)
		if err == nil {
			var comes bool
			if comes, err = c.comesBack(ctx, s); comes {
				found = append(found, s)
			}
		}
		if err != nil && !unknown(err) {
			return nil, err
		}
	}
	if len(found) == 0 {
		return nil, c.nobody(all, name)
	}
	slices.SortFunc(found, func(a, b status) int { return inOrder(a.Name, b.Name) })
	out := make([]replica, len(found))
	for i, s := range found {
		out[i] = replica{name: s.Name, status: s}
		if out[i].definition, err = c.definition(ctx, s.Name); err != nil && !unknown(err) {
			return nil, err
		}
	}
	return out, nil
}

// leftOver is for how long one that ended may be in no list until it counts as
// removed: process-compose goes on telling how a removed one was.
const leftOver = 200 * time.Millisecond

// comesBack tells who is being replaced from who was removed.
func (c *Conn) comesBack(ctx context.Context, s status) (bool, error) {
	if !s.stopped() {
		return true, nil
	}
	var failed error
	late := await(ctx, leftOver, func(ctx context.Context) error {
		_, err := c.definition(ctx, s.Name)
		if err != nil && !unknown(err) && ctx.Err() == nil {
			failed = err
			return nil
		}
		return err
	})
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	return late == nil && failed == nil, failed
}

// members are the processes of a service, in order.
func members(all []status, service string) []status {
	found := slices.DeleteFunc(slices.Clone(all), func(s status) bool { return !isReplica(s.Name, service) })
	if len(found) == 0 {
		found = slices.DeleteFunc(slices.Clone(all), func(s status) bool { return s.Namespace != service })
	}
	slices.SortFunc(found, func(a, b status) int { return inOrder(a.Name, b.Name) })
	return found
}

// nobodyError: there is no such service.
type nobodyError struct {
	where, service string
	there          []string
}

func (e *nobodyError) Error() string { return e.where + " " + e.reason() }

func (e *nobodyError) reason() string {
	return fmt.Sprintf("has no service %s (it has %s)", e.service, strings.Join(e.there, ", "))
}

// nobody says that there is no such service, and which there are.
func (c *Conn) nobody(all []status, service string) error {
	return &nobodyError{c.String(), service, services(all)}
}

// isReplica reports whether a process is the service NAME or one of NAME-0,
// NAME-1 ….
func isReplica(process, service string) bool {
	number, ok := strings.CutPrefix(process, service)
	return ok && (number == "" || isNumber(number))
}

func isNumber(s string) bool {
	n, ok := strings.CutPrefix(s, "-")
	_, err := strconv.ParseUint(n, 10, 16)
	return ok && err == nil
}

// gaps are names that replicas beside those found would have.
func gaps(service string, found []status) []string {
	if len(found) == 0 {
		return []string{service, service + "-0"}
	}
	numbered, next, width := map[int]bool{}, 0, 1
	for _, s := range found {
		digits, ok := strings.CutPrefix(s.Name, service+"-")
		if n, err := strconv.Atoi(digits); ok && err == nil {
			numbered[n], next, width = true, max(next, n+1), len(digits)
		}
	}
	if next == 0 {
		return nil
	}
	var out []string
	for n := range next + 1 {
		if !numbered[n] {
			out = append(out, fmt.Sprintf("%s-%0*d", service, width, n))
		}
	}
	return out
}

// inOrder puts web-2 before web-10.
func inOrder(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

func inNameOrder[T any](m map[string]T) []string {
	return slices.SortedFunc(maps.Keys(m), inOrder)
}

// services are the names by which somebody may have meant a service.
func services(all []status) []string {
	var names []string
	for _, s := range all {
		name := s.Name
		if i := strings.LastIndexByte(name, '-'); i > 0 && isNumber(name[i:]) {
			name = name[:i]
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
