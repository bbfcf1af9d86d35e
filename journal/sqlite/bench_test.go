package sqlite

import (
	"testing"
	"time"

	"github.com/segue-run/segue/journal"
)

// One event a time, each on the disk before the next.
func BenchmarkAppend(b *testing.B) { benchmarkAppend(b, 1) }

func BenchmarkAppendTen(b *testing.B) { benchmarkAppend(b, 10) }

func benchmarkAppend(b *testing.B, batch int) {
	s := mustOpen(b, b.TempDir())
	mustCreate(b, s, "r", 0)
	l, err := s.Acquire(b.Context(), "r", "bench", noon, time.Hour)
	if err != nil {
		b.Fatal(err)
	}
	records, last := some(batch), int64(0)
	for b.Loop() {
		if last, err = s.Append(b.Context(), l, noon, last, records); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(last)/b.Elapsed().Seconds(), "events/s")
}

// Loading 100,000 events, verified, has to take less than a second.
func BenchmarkRead100k(b *testing.B) {
	const events = 100_000
	dir := b.TempDir()
	mustCreate(b, mustOpen(b, dir), "r", events)
	for b.Loop() {
		var records []journal.Record
		r, err := OpenReadOnly(b.Context(), dir)
		if err == nil {
			records, err = r.Read(b.Context(), "r", 0, 0)
		}
		if err != nil || len(records) != events {
			b.Fatalf("%d records, %v", len(records), err)
		}
		r.Close()
	}
	b.ReportMetric(events*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
