package mapping_test

import (
	"encoding/json"
	"testing"

	"github.com/segue-run/segue/datasync/mapping"
	"github.com/segue-run/segue/driver"
)

func BenchmarkRobot(b *testing.B) {
	m, err := mapping.Compile(nil, map[string]any{
		"id": []any{"id", "ip_address"}, "ip": "ip_address",
		"status": map[string]any{"from": "status", "values": map[string]any{"running": "online", "stopped": "offline"}, "default": "offline"},
		"type": []any{
			map[string]any{"from": "type", "lower": true, "values": map[string]any{"lekiwi": "lekiwi", "xle": "xlerobot"}},
			map[string]any{"expr": `record.hostname.contains("xle") ? "xlerobot" : "lekiwi"`},
			map[string]any{"value": "unknown"},
		},
		"last_seen": map[string]any{"from": "last_seen", "as": "time"},
		"ssh_port":  map[string]any{"from": "ssh_port", "as": "int"},
		"driven":    map[string]any{"from": "teleoperation", "as": "bool"},
	})
	if err != nil {
		b.Fatal(err)
	}
	in := driver.Record{
		"id": "robot-00001", "hostname": "lekiwi-1", "ip_address": "10.0.0.1", "status": "running", "version": "1.0",
		"last_seen": "2025-01-29T10:00:00", "teleoperation": true, "ssh_port": json.Number("22"),
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, bad := m.Apply(in); bad != nil {
			b.Fatal(bad.Reason)
		}
	}
}
