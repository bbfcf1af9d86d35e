package e2e_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/segue-run/segue/examples/lekiwi/api"
)

// awaitFlags waits until a service says that all its flags are on.
func awaitFlags(t *testing.T, url string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if h, err := health(t, url); err == nil && len(h.Flags) > 0 {
			on := true
			for _, flag := range h.Flags {
				on = on && flag
			}
			if on {
				return
			}
		}
		if time.Now().After(end) {
			t.Fatalf("%s does not go by the flags", url)
		}
	}
}

func health(t *testing.T, url string) (h api.Health, err error) {
	t.Helper()
	resp, err := http.Get(url + api.PathHealth) //nolint:noctx // of a test
	if err != nil {
		return h, err
	}
	defer resp.Body.Close()
	return h, json.NewDecoder(resp.Body).Decode(&h)
}
