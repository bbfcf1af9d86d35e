package logs

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/driver"
)

func TestStampReadsWhatServersWrite(t *testing.T) {
	local := time.Date(2026, 11, 26, 7, 47, 9, 0, time.Local)
	utc := time.Date(2026, 11, 26, 7, 47, 9, 0, time.UTC)
	for line, want := range map[string]time.Time{
		`{"time":"2026-11-26T07:47:09Z","level":"INFO","msg":"serves"}`: utc,
		`{"ts":"2026-11-26T08:47:09+01:00","msg":"a time zone"}`:        utc,
		`2026/11/26 07:47:09 [error] 3184#3184: nginx`:                  local,
		`2026-11-26 07:47:09.000 UTC [812] LOG:  postgres`:              utc,
		`[812] 2026/11/26 07:47:09.000000 [INF] nats`:                   local,
		`2026-11-26T07:47:09Z a line of text`:                           utc,
		`time=2026-11-26T07:47:09.000Z level=INFO msg=prometheus`:       utc,
	} {
		if at, ok := stamp(line); !ok || !at.Equal(want) {
			t.Errorf("%s: %s %t, want %s", line, at, ok, want)
		}
	}
	for _, line := range []string{"", "panic: no", `{"time":7}`, `{"msg":"none"}`, "2026-99-99 00:00:00 no", "{broken"} {
		if at, ok := stamp(line); ok {
			t.Errorf("%q is said to be of %s", line, at)
		}
	}
}

// kept is a log of some lines for each call.
type kept struct {
	calls [][]driver.LogLine
	err   error
}

func (*kept) Close() error               { return nil }
func (k *kept) Follow() driver.LogReader { return k }

func (k *kept) Next(context.Context) ([]driver.LogLine, error) {
	if len(k.calls) == 0 {
		return nil, k.err
	}
	out := k.calls[0]
	k.calls = k.calls[1:]
	return out, nil
}

func lines(workload string, texts ...string) (out []driver.LogLine) {
	for _, text := range texts {
		out = append(out, driver.LogLine{Workload: workload, Text: text})
	}
	return out
}

func texts(of []Line) string {
	var out []string
	for _, l := range of {
		out = append(out, l.Workload+" "+l.Text)
	}
	return strings.Join(out, "; ")
}

func TestSeveralLogsAreOne(t *testing.T) {
	a := &kept{calls: [][]driver.LogLine{lines("a", "2026-11-26T07:00:01Z one", "panic: and", "its trace", "2026-11-26T07:00:04Z four"), nil}}
	b := &kept{calls: [][]driver.LogLine{
		lines("b", "no time yet", "2026-11-26T07:00:02Z two", "2026-11-26T07:00:01Z a clock that went back"), lines("b", "goes on"),
	}}
	m := Merge([]driver.LogKeeper{a, b})
	got, err := m.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := "b no time yet; a 2026-11-26T07:00:01Z one; a panic: and; a its trace; b 2026-11-26T07:00:02Z two; b 2026-11-26T07:00:01Z a clock that went back; a 2026-11-26T07:00:04Z four"
	if texts(got) != want {
		t.Errorf("got  %s\nwant %s", texts(got), want)
	}
	from := time.Date(2026, 11, 26, 7, 0, 2, 0, time.UTC)
	if left := texts(Since(got, from)); !strings.HasPrefix(left, "b no time yet; b 2026-11-26T07:00:02Z two") || strings.Contains(left, "one") {
		t.Errorf("since %s: %s", from, left)
	}
	if got, err = m.Next(t.Context()); err != nil || texts(got) != "b goes on" || !got[0].At.Equal(from) {
		t.Errorf("then %+v, error %v", got, err)
	}
	a.err = errors.New("gone")
	if _, err := m.Next(t.Context()); err == nil {
		t.Error("a log that cannot be read is no error")
	}
}
