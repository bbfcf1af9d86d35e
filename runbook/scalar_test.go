package runbook_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/segue-run/segue/runbook"
)

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "15m": 15 * time.Minute, "48h": 48 * time.Hour, "14d": 14 * 24 * time.Hour,
		"1h30m": 90 * time.Minute, "2w": 14 * 24 * time.Hour, "250ms": 250 * time.Millisecond, "1.5h": 90 * time.Minute, "0s": 0,
	} {
		if got, err := runbook.ParseDuration(text); got != want || err != nil {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "30", "-1s", "1 s", "s", "1y", "1h 30m", "1e3s", "٣s", "1us"} {
		if got, err := runbook.ParseDuration(text); err == nil {
			t.Errorf("%q: %s", text, got)
		}
	}
}

func TestDurationsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, int64(1000*24*time.Hour)).Draw(t, "d")).Truncate(time.Microsecond)
		got, err := runbook.ParseDuration(runbook.FormatDuration(d))
		if err != nil || got != d {
			t.Fatalf("%s is written %s and read %s (%v)", d, runbook.FormatDuration(d), got, err)
		}
	})
}

func TestSizesAndPercentages(t *testing.T) {
	for text, want := range map[string]runbook.Bytes{"100B": 100, "512KiB": 512 << 10, "2GB": 2e9, "1.5 KiB": 1536, "0B": 0, "1TiB": 1 << 40} {
		if got, err := runbook.ParseSize(text); got != want || err != nil {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"1024", "1K", "2gb", "-1B", "0.3B", "99999999TiB"} {
		if got, err := runbook.ParseSize(text); err == nil {
			t.Errorf("%q: %d", text, got)
		}
	}
	for text, want := range map[string]runbook.Percent{"10%": 10, "0.1 %": 0.1, "100%": 100, "0%": 0} {
		if got, err := runbook.ParsePercentage(text); got != want || err != nil {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"10", "-1%", "%", "ten%"} {
		if got, err := runbook.ParsePercentage(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestKebab(t *testing.T) {
	for name, want := range map[string]string{
		"Create AA_VENDOR_HOT, owning nothing yet": "create-aa-vendor-hot-owning-nothing-yet",
		"Hand vendor.> over":                       "hand-vendor-over",
		"  Zürich → Genf! ":                        "zürich-genf",
		"!!":                                       "",
	} {
		if got := runbook.Kebab(name); got != want {
			t.Errorf("%q: %q", name, got)
		}
	}
}
