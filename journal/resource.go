package journal

import (
	"errors"
	"fmt"
	"strings"
)

// ErrResource: a claim on something that has no identity.
var ErrResource = errors.New("not a resource")

// CanonicalResource is the one spelling under which a resource is claimed:
// "nats/c1/" and "nats/c1" are the same. Every Store applies it, so that two
// spellings cannot pass each other.
func CanonicalResource(id string) (string, error) {
	clean := strings.TrimRight(strings.TrimSpace(id), "/")
	if clean == "" {
		return "", fmt.Errorf("%w: %q", ErrResource, id)
	}
	return clean, nil
}

// CanonicalResources does the same for all, in order.
func CanonicalResources(ids []string) ([]string, error) {
	clean := make([]string, len(ids))
	for i, id := range ids {
		var err error
		if clean[i], err = CanonicalResource(id); err != nil {
			return nil, err
		}
	}
	return clean, nil
}

// Contains reports whether outer is inner or contains it: parts are separated
// by '/', so "a/b" contains "a/b/c" but not "a/bc". Both are canonical.
func Contains(outer, inner string) bool {
	rest, ok := strings.CutPrefix(inner, outer)
	return ok && (rest == "" || rest[0] == '/')
}
