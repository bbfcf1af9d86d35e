package journal_test

import (
	"testing"

	"github.com/segue-run/segue/journal"
)

func TestContains(t *testing.T) {
	for _, tt := range []struct {
		outer, inner string
		want         bool
	}{
		{"a/b", "a/b", true},
		{"a/b", "a/b/c", true},
		{"a/b", "a/bc", false},
		{"a/b/c", "a/b", false},
		{"nats://c1", "nats://c1/acct", true},
		{"a", "b/a", false},
	} {
		if got := journal.Contains(tt.outer, tt.inner); got != tt.want {
			t.Errorf("%s contains %s: %v, want %v", tt.outer, tt.inner, got, tt.want)
		}
	}
}
