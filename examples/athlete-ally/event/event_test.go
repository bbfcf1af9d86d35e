package event

import (
	"errors"
	"math"
	"testing"
)

func TestParseHRVNamesTheBadField(t *testing.T) {
	tests := map[string]struct{ body, field string }{
		"a whole one":                {`{"userId":"u","date":"2025-10-01","rmssd":42}`, ""},
		"a whole one with a time":    {`{"userId":"u","date":"2025-10-01","rmssd":42,"capturedAt":"2025-10-01T06:00:00Z"}`, ""},
		"no user":                    {`{"date":"2025-10-01","rmssd":42}`, "userId"},
		"no date":                    {`{"userId":"u","rmssd":42}`, "date"},
		"a date that does not exist": {`{"userId":"u","date":"2025-02-30","rmssd":42}`, "date"},
		"no rmssd":                   {`{"userId":"u","date":"2025-10-01"}`, "rmssd"},
		"rmssd zero":                 {`{"userId":"u","date":"2025-10-01","rmssd":0}`, "rmssd"},
		"rmssd a string":             {`{"userId":"u","date":"2025-10-01","rmssd":"42"}`, "rmssd"},
		"a time without a zone":      {`{"userId":"u","date":"2025-10-01","rmssd":1,"capturedAt":"2025-10-01T06:00:00"}`, "capturedAt"},
		"not JSON":                   {`{`, "body"},
		"two objects":                {`{"userId":"u","date":"2025-10-01","rmssd":42}{}`, "body"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := ParseHRV([]byte(tt.body))
			checkField(t, err, tt.field)
		})
	}
}

func TestParseOuraNamesTheBadField(t *testing.T) {
	tests := map[string]struct{ body, field string }{
		"the seed's own": {`{"userId":"phase1-test-user","event_type":"daily_activity","data":{"test":"phase1-migration"}}`, ""},
		"no type":        {`{"userId":"u"}`, "event_type"},
		"no user":        {`{"event_type":"daily_sleep"}`, "userId"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := ParseOura([]byte(tt.body))
			checkField(t, err, tt.field)
		})
	}
}

func TestParseSleepNamesTheBadField(t *testing.T) {
	_, err := ParseSleep([]byte(`{"userId":"u","date":"2025-10-01","durationMinutes":1500}`))
	checkField(t, err, "durationMinutes")
	_, err = ParseSleep([]byte(`{"userId":"u","date":"2025-10-01","durationMinutes":450}`))
	checkField(t, err, "")
}

func TestLnRMSSD(t *testing.T) {
	if got := (HRV{RMSSD: 42}).LnRMSSD(); math.Abs(got-3.7377) > 0.00005 {
		t.Errorf("ln of 42 = %v, want 3.7377", got)
	}
}

func TestVerify(t *testing.T) {
	body := []byte(`{"a":1}`)
	good := Sign("s3cret", body)
	if !Verify("s3cret", body, good) || !Verify("s3cret", body, "sha256="+good) {
		t.Error("the right signature is refused")
	}
	for _, bad := range []string{"", "zz", Sign("other", body), Sign("s3cret", []byte(`{"a":2}`))} {
		if Verify("s3cret", body, bad) {
			t.Errorf("signature %q is accepted", bad)
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
