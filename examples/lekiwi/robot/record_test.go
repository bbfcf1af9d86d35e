package robot

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestParseRecordNamesTheBadField(t *testing.T) {
	for name, tt := range map[string]struct{ body, field string }{
		"a whole one":                {`{"id":"r1","type":"lekiwi","ip_address":"10.0.0.1","status":"running","last_seen":"2025-01-29T10:00:00","teleoperation":true,"ssh_port":22,"metadata":{"battery":0.7}}`, ""},
		"an address alone":           {`{"ip_address":"10.0.0.1"}`, ""},
		"neither id nor address":     {`{"name":"x"}`, "id"},
		"an id of spaces":            {`{"id":"  "}`, "id"},
		"a status that is none":      {`{"id":"r","status":"sleepy"}`, ""},
		"no time":                    {`{"id":"r","last_seen":""}`, ""},
		"a time that is none":        {`{"id":"r","last_seen":"yesterday"}`, "last_seen"},
		"a time that is a number":    {`{"id":"r","last_seen":17}`, "last_seen"},
		"teleoperation as text":      {`{"id":"r","teleoperation":"yes"}`, "teleoperation"},
		"a port that is none":        {`{"id":"r","ssh_port":70000}`, "ssh_port"},
		"metadata that is no object": {`{"id":"r","metadata":[1]}`, "metadata"},
		"metadata that is null":      {`{"id":"r","metadata":null}`, ""},
		"a NUL in a name":            {`{"id":"r","name":"a\u0000b"}`, "name"},
		"a NUL in metadata":          {`{"id":"r","metadata":{"a":"\u0000"}}`, "metadata"},
		"a backslash that is no NUL": {`{"id":"r","metadata":{"a":"\\u0000"}}`, ""},
		"half a character":           {`{"id":"r","metadata":{"a":"\ud800"}}`, ""},
		"an id that is too long":     {`{"id":"` + strings.Repeat("x", 300) + `"}`, "id"},
		"a field that nobody knows":  {`{"id":"r","colour":"red"}`, ""},
		"two objects":                {`{"id":"r"}{}`, "body"},
		"not JSON":                   {`{`, "body"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseRecord([]byte(tt.body))
			checkField(t, err, tt.field)
		})
	}
}

func TestARecordIsBroughtIntoOneForm(t *testing.T) {
	r, err := ParseRecord([]byte(`{"ip_address":" 10.0.0.1 ","status":"Running","last_seen":"2025-01-29T10:00:00.1234567","metadata":{ "n": 9007199254740993, "a":"\ud800"}}`))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"id":"10.0.0.1","ip_address":"10.0.0.1","status":"running","last_seen":"2025-01-29T10:00:00.123456Z","teleoperation":false,"metadata":{"a":"�","n":9007199254740993}}`
	if string(raw) != want {
		t.Errorf("got  %s\nwant %s", raw, want)
	}
	again, err := ParseRecord(raw)
	if err != nil {
		t.Fatal(err)
	}
	if r.content() != again.content() {
		t.Errorf("brought into form twice it is another: %s", again.content())
	}
}

func TestATimeWithoutZoneIsUTC(t *testing.T) {
	want := time.Date(2025, 1, 29, 10, 0, 0, 0, time.UTC)
	for _, text := range []string{
		"2025-01-29T10:00:00", "2025-01-29T10:00:00Z", "2025-01-29 10:00:00", "2025-01-29T10:00:00.000",
		"2025-01-29T12:00:00+02:00", "2025-01-29T12:00:00+0200", "2025-01-29T10:00",
	} {
		got, err := ParseTime(text)
		if err != nil || !got.Equal(want) {
			t.Errorf("%s is %v, %v; want %v", text, got, err, want)
		}
	}
}

func TestTypeOf(t *testing.T) {
	for _, tt := range []struct {
		said, host string
		want       Type
	}{
		{"lekiwi", "xle-1", Lekiwi},
		{"XLERobot", "", XLERobot},
		{"xle", "lekiwi-1", XLERobot},
		{"", "xlerobot-3.local", XLERobot},
		{"", "LEKIWI-07", Lekiwi},
		{"", "lekiwi-xle-2", XLERobot},
		{"drone", "lekiwi-2", Lekiwi},
		{"drone", "d-1", TypeUnknown},
		{"", "", TypeUnknown},
	} {
		if got := TypeOf(Record{Type: tt.said, Hostname: tt.host}); got != tt.want {
			t.Errorf("type %q on host %q is %s, want %s", tt.said, tt.host, got, tt.want)
		}
	}
}

func TestStatusOf(t *testing.T) {
	for said, want := range map[string]Status{
		"running": Online, "stopped": Offline, "updating": Deploying, "failed": Errored, "unknown": Offline, "": Offline, "RUNNING": Online, "on": Offline,
	} {
		if got := StatusOf(ParseReported(said)); got != want {
			t.Errorf("%q is %s, want %s", said, got, want)
		}
	}
}

func checkField(t *testing.T, err error, field string) {
	t.Helper()
	if field == "" {
		if err != nil {
			t.Errorf("unexpected error: %v", err)
		}
		return
	}
	var bad *InvalidError
	if !errors.As(err, &bad) || bad.Field != field {
		t.Errorf("error = %v, want one about field %q", err, field)
	}
}
