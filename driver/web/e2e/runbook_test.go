package e2e

import (
	"slices"
	"strings"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	natsdriver "github.com/segue-run/segue/driver/nats"
	"github.com/segue-run/segue/driver/postgres"
	"github.com/segue-run/segue/driver/prometheus"
	"github.com/segue-run/segue/driver/web"
)

// probe is the whole of it as it is written in a runbook; edits replace parts.
func (s *system) probe(edits ...string) drivertest.Made {
	s.t.Helper()
	text := `
segue: v1
name: probe
connections:
  bus: {nats: {url: "${NATS_URL}"}}
  db: {postgres: {url: "${DATABASE_URL}"}}
  prom: {prometheus: {url: "${PROMETHEUS_URL}"}}
phases:
  - name: one
    steps:
      - name: Probe
        web.probe:
          url: "${INGEST_URL}/api/v1/webhook/oura"
          headers: {X-Request-Id: "{id}"}
          body: '{"event_id":"{id}","userId":"phase1-test-user-{id}","event_type":"daily_activity","data":{"test":"phase1-migration"}}'
          sign-header: X-Oura-Signature
          sign-secret: "${OURA_WEBHOOK_SECRET}"
          status: [200, 202]
          id: phase1
          bus: bus
          stream: STREAM
          subject: SUBJECT
          consumer: normalize-oura
          db: db
          query: select event_type from vendor_events where event_id = $1
          args: ["{id}"]
          expect: rows.size() == 1
          undo: ["delete from vendor_events where event_id = $1", "delete from normalize_effects where message_id = $1"]
          metrics: prom
          grows: 'sum(normalize_messages_total{result="processed",stream="STREAM"})'
          within: 30s
`
	text = strings.NewReplacer(edits...).Replace(text)
	text = strings.NewReplacer("STREAM", s.stream, "SUBJECT", s.subject).Replace(text)
	return drivertest.Make(s.t, text, map[string]string{
		"NATS_URL": cluster.URL(), "DATABASE_URL": s.dbURL, "PROMETHEUS_URL": promURL,
		"INGEST_URL": s.url, "OURA_WEBHOOK_SECRET": signingSecret,
	}, parts()...)
}

func parts() []driver.Part {
	return slices.Concat(web.Parts(), natsdriver.Parts(), postgres.Parts(), prometheus.Parts())
}
