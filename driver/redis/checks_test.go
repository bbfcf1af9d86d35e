package redis

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/redis/redistest"
	"github.com/segue-run/segue/evidence"
)

func want(t testing.TB, what string, verdict evidence.Verdict, r evidence.Reading) {
	t.Helper()
	if r.Verdict != verdict || r.Source == "" || verdict != evidence.Pass && r.Detail == "" {
		t.Errorf("%s: want %s: %+v", what, verdict, r)
	}
}

func checksOf(t testing.TB, c *Conn) map[string]driver.Check {
	t.Helper()
	hits, err := newHitRatio(c, hitRatioParams{Above: 90, Look: time.Millisecond})
	check(t, err)
	keys, err := newKeys(c, keysParams{patternParams{Pattern: "*"}, "keys >= 0"})
	check(t, err)
	return map[string]driver.Check{"memory": &memory{c, 90}, "hit-ratio": hits, "keys": keys}
}

func TestChecksOfAServerThatStopsOrHangs(t *testing.T) {
	s := redistest.Start(t)
	c, err := open(t.Context(), connParams{URL: s.URL(0), Timeout: 300 * time.Millisecond})
	check(t, err)
	defer c.Close()
	away := func(how string) {
		t.Helper()
		began := time.Now()
		want(t, how+": ping", evidence.Fail, (&ping{c, time.Minute}).Read(t.Context()))
		for name, m := range checksOf(t, c) {
			want(t, how+": "+name, evidence.Unknown, m.Read(t.Context()))
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s: they took %s", how, took)
		}
	}
	want(t, "ping", evidence.Pass, (&ping{c, time.Minute}).Read(t.Context()))
	want(t, "ping beyond its bound", evidence.Fail, (&ping{c, time.Nanosecond}).Read(t.Context()))
	s.Stop()
	away("stopped")
	s.Restart(t)
	back := time.NewTicker(50 * time.Millisecond) // the pool tries again each second
	defer back.Stop()
	for range 100 {
		if (&ping{c, time.Minute}).Read(t.Context()).Verdict == evidence.Pass {
			break
		}
		<-back.C
	}
	want(t, "ping of who is back", evidence.Pass, (&ping{c, time.Minute}).Read(t.Context()))
	s.Freeze(t)
	away("frozen")
}

func TestMemoryIsAShareOfWhatItMayHave(t *testing.T) {
	s := redistest.Start(t)
	r, c := s.Client(t), connect(t, s.URL(0))
	ctx := t.Context()
	want(t, "little", evidence.Pass, (&memory{c, 90}).Read(ctx))
	check(t, r.Set(ctx, "large", strings.Repeat("x", 8<<20), 0).Err())
	check(t, r.ConfigSet(ctx, "maxmemory", "12mb").Err())
	full := (&memory{c, 60}).Read(ctx)
	want(t, "much", evidence.Fail, full)
	if !strings.Contains(full.Value, "of 12582912 bytes") {
		t.Errorf("%+v", full)
	}
	check(t, r.ConfigSet(ctx, "maxmemory", "0").Err())
	want(t, "no limit", evidence.Unknown, (&memory{c, 60}).Read(ctx))
}

func TestHitRatioCountsFromItsFirstLook(t *testing.T) {
	s := redistest.Start(t)
	r, c := s.Client(t), connect(t, s.URL(0))
	ctx := t.Context()
	check(t, r.Set(ctx, "there", "x", 0).Err())
	look := func(hits, misses int) {
		t.Helper()
		for range hits {
			check(t, r.Get(ctx, "there").Err())
		}
		for i := range misses {
			r.Get(ctx, fmt.Sprint("not there ", i))
		}
	}
	look(0, 500) // before anybody asked
	h, err := newHitRatio(c, hitRatioParams{Above: 90, Look: time.Millisecond})
	check(t, err)
	want(t, "nothing yet", evidence.Unknown, h.Read(ctx))
	look(99, 0)
	want(t, "too few", evidence.Unknown, h.Read(ctx))
	look(96, 5)
	if got := h.Read(ctx); got.Verdict != evidence.Pass || got.Value != "97.5 % (195 of 200 lookups)" || got.Samples != 200 {
		t.Errorf("%+v", got)
	}
	look(0, 50)
	want(t, "too many misses", evidence.Fail, h.Read(ctx))
	check(t, r.ConfigResetStat(ctx).Err())
	want(t, "reset", evidence.Unknown, h.Read(ctx))
	look(200, 0)
	want(t, "after the reset", evidence.Pass, h.Read(ctx))
}

func TestOldLookupsCountNoMore(t *testing.T) {
	h := &hitRatio{p: hitRatioParams{Above: 90, Over: time.Minute, MinSamples: 100}}
	at := time.Now()
	add := func(after time.Duration, hits, misses float64) evidence.Reading {
		at = at.Add(after)
		return h.weigh(lookups{at, "one", hits, misses})
	}
	add(0, 0, 0)
	if r := add(10*time.Second, 0, 1000); r.Verdict != evidence.Fail {
		t.Errorf("%+v", r)
	}
	if r := add(70*time.Second, 1000, 1000); r.Verdict != evidence.Pass || r.Samples != 1000 {
		t.Errorf("%+v", r)
	}
	if r := h.weigh(lookups{at, "two", 2000, 1000}); r.Verdict != evidence.Unknown {
		t.Errorf("another server's counts: %+v", r)
	}
}

func TestKeysAreCountedWithTheirTimesToLive(t *testing.T) {
	s := redistest.Start(t)
	r, c := s.Client(t), connect(t, s.URL(0))
	robots(t, r, 1500)
	for expect, verdict := range map[string]evidence.Verdict{
		"keys == 1502":                        evidence.Pass,
		"persistent == 0":                     evidence.Fail,
		"persistent == 1 && shortest <= 30":   evidence.Pass,
		"longest > 3500 && longest <= 3600":   evidence.Pass,
		"longest <= 60":                       evidence.Fail,
		"shortest > 25 && shortest < longest": evidence.Pass,
	} {
		k, err := newKeys(c, keysParams{patternParams{Pattern: "robot:*"}, expect})
		check(t, err)
		want(t, expect, verdict, k.Read(t.Context()))
	}
	k, err := newKeys(c, keysParams{patternParams{Pattern: "other:*"}, "longest <= 60"})
	check(t, err)
	want(t, "times of none that expires", evidence.Unknown, k.Read(t.Context()))
	k, err = newKeys(c, keysParams{patternParams{Pattern: "robot:*", Limit: 10}, "keys > 0"})
	check(t, err)
	want(t, "too many", evidence.Unknown, k.Read(t.Context()))
	if n := r.Info(t.Context(), "commandstats").Val(); strings.Contains(n, "cmdstat_keys:") {
		t.Errorf("KEYS was called: %s", n)
	}
}
