package web

import (
	"testing"

	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/evidence"
)

const asWritten = `
segue: v1
name: all-of-web
checks:
  ingest: {http: {url: "${INGEST}/health", status: 200, expect: 'body.status == "healthy" && latency < duration("10s")', below: 10s, timeout: 10s}}
  echo:   {http: {url: "${INGEST}/echo", method: POST, send: hello, headers: {X-Role: probe}, expect: 'text.endsWith("probe hello")'}}
phases:
  - name: one
    require: [ingest, echo]
`

func TestPartsWorkAsWritten(t *testing.T) {
	made := drivertest.Make(t, asWritten, map[string]string{"INGEST": ingest(t).URL}, Parts()...)
	for name, check := range made.Checks {
		if r := check.Read(t.Context()); r.Verdict != evidence.Pass {
			t.Errorf("%s: %+v", name, r)
		}
	}
}
