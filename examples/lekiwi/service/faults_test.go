package service

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/segue-run/segue/examples/lekiwi/api"
)

// Faults are off without a file, begin and end with what it says, are counted
// as what clients see, and spare the pages by which a service is watched.
func TestFaults(t *testing.T) {
	path := filepath.Join(t.TempDir(), "faults.json")
	served := 0
	p := NewPages(New, "discovery-service")
	p.Faults = FaultsIn(path)
	ok := func(w http.ResponseWriter, _ *http.Request) { served++; Reply(w, http.StatusOK, 1) }
	p.Handle("GET "+api.PathRobots, ok)
	p.Handle("GET "+api.PathHealth, ok)
	get := func(at string) (code int, took time.Duration) {
		rec, start := httptest.NewRecorder(), time.Now()
		p.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, at, nil))
		return rec.Code, time.Since(start)
	}
	// settled waits until a change of the file has taken hold.
	settled := func(want int) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			code, _ := get(api.PathRobots)
			if code == want {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("it answers %d, want %d", code, want)
			}
		}
	}
	settled(http.StatusOK)
	if err := WriteFaults(path, map[string]Fault{"discovery-service": {Errors: 1}}); err != nil {
		t.Fatal(err)
	}
	settled(http.StatusInternalServerError)
	before := served
	if code, _ := get(api.PathRobots); code != 500 || served != before {
		t.Errorf("answers %d, and the request was carried out %d times", code, served-before)
	}
	if code, _ := get(api.PathHealth); code != 200 {
		t.Errorf("its health is %d", code)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil { // half written
		t.Fatal(err)
	}
	settled(http.StatusInternalServerError)
	if err := WriteFaults(path, map[string]Fault{"discovery-service": {DelayMS: 80}, "state-manager": {Errors: 1}}); err != nil {
		t.Fatal(err)
	}
	settled(http.StatusOK)
	if _, took := get(api.PathRobots); took < 80*time.Millisecond {
		t.Errorf("it took %s", took)
	}
	if err := WriteFaults(path, nil); err != nil {
		t.Fatal(err)
	}
	settled(http.StatusOK)
}
