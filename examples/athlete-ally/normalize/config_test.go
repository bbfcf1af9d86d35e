package normalize

import (
	"slices"
	"strings"
	"testing"

	"github.com/caarlos0/env/v11"
)

func TestWhereEachDurableIsLookedFor(t *testing.T) {
	const core, vendor, legacy = "AA_CORE_HOT", "AA_VENDOR_HOT", "ATHLETE_ALLY_EVENTS"
	for _, tt := range []struct {
		name      string
		env       map[string]string
		mode      string
		hrv, oura []string
	}{
		{"by default on the new streams, then on the old", nil, ModeMulti, []string{core, legacy}, []string{vendor, legacy}},
		{"in single mode on the old alone", map[string]string{"EVENT_STREAM_MODE": "single"}, ModeSingle, []string{legacy}, []string{legacy}},
		{"single mode wins over candidates", map[string]string{"EVENT_STREAM_MODE": "single", "AA_STREAM_CANDIDATES": core, "AA_VENDOR_STREAM_CANDIDATES": vendor}, ModeSingle, []string{legacy}, []string{legacy}},
		{"the emergency rollback means both", map[string]string{"EVENT_STREAM_MODE": "single", "AA_STREAM_CANDIDATES": legacy}, ModeSingle, []string{legacy}, []string{legacy}},
		{"the old stream alone means single mode", map[string]string{"AA_STREAM_CANDIDATES": legacy}, ModeSingle, []string{legacy}, []string{legacy}},
		{"however it is written", map[string]string{"AA_STREAM_CANDIDATES": " ATHLETE_ALLY_EVENTS ,", "AA_VENDOR_STREAM_CANDIDATES": ""}, ModeSingle, []string{legacy}, []string{legacy}},
		{"but for vendor data that is asked for", map[string]string{"AA_STREAM_CANDIDATES": legacy, "AA_VENDOR_STREAM_CANDIDATES": vendor}, ModeMulti, []string{legacy}, []string{vendor}},
		{"vendor data does not follow anything else", map[string]string{"AA_STREAM_CANDIDATES": core}, ModeMulti, []string{core}, []string{vendor, legacy}},
		{"a list that a hand has left its mark on", map[string]string{"AA_STREAM_CANDIDATES": core + ", " + legacy + ",," + core}, ModeMulti, []string{core, legacy}, []string{vendor, legacy}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg, err := env.ParseAsWithOptions[Config](env.Options{Environment: tt.env})
			if err != nil {
				t.Fatal(err)
			}
			if cfg, err = cfg.resolved(); err != nil {
				t.Fatal(err)
			}
			d := cfg.durables()
			if cfg.Mode != tt.mode || !slices.Equal(d[0].candidates, tt.hrv) || !slices.Equal(d[1].candidates, tt.oura) {
				t.Errorf("mode %s, HRV %v, Oura %v; want %s, %v, %v", cfg.Mode, d[0].candidates, d[1].candidates, tt.mode, tt.hrv, tt.oura)
			}
		})
	}
	t.Run("nowhere is refused", func(t *testing.T) {
		cfg, err := env.ParseAsWithOptions[Config](env.Options{Environment: map[string]string{"AA_STREAM_CANDIDATES": " , "}})
		if err == nil {
			_, err = cfg.resolved()
		}
		if err == nil || !strings.Contains(err.Error(), "AA_STREAM_CANDIDATES names no stream") {
			t.Errorf("error = %v", err)
		}
	})
}
