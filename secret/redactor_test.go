package secret

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestEverySecretIsTakenOutInEveryForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := "a" + rapid.StringMatching(`[A-Za-z0-9+/=&%"\\ _.-]{6,40}`).Draw(t, "secret") + "z"
		var r Redactor
		r.Add(value)
		before := rapid.StringMatching(`[a-z]{0,5}`).Draw(t, "before")
		quoted, _ := json.Marshal(value) //nolint:errchkjson // a string
		for form, text := range map[string]string{
			"plain":           before + value + " after",
			"URL-encoded":     "?token=" + url.QueryEscape(value) + "&x=1",
			"path-encoded":    "/" + url.PathEscape(value) + "/x",
			"hex":             hex.EncodeToString([]byte(value)),
			"JSON":            `{"a":` + string(quoted) + `}`,
			"base64":          base64.StdEncoding.EncodeToString([]byte(value)),
			"base64 raw URL":  base64.RawURLEncoding.EncodeToString([]byte(value)),
			"base64 embedded": base64.StdEncoding.EncodeToString([]byte(before + value + "tail")),
		} {
			got := r.Redact(text)
			if !strings.Contains(got, Mask) {
				t.Fatalf("%s: %q is shown in %q", form, value, got)
			}
			if strings.Contains(got, value) {
				t.Fatalf("%s: %q is still in %q", form, value, got)
			}
		}
	})
}

func TestWhatIsSecretInAValue(t *testing.T) {
	for _, c := range []struct {
		name, value string
		hidden      []string
		shown       []string
	}{
		{"a URL's password, not its host", "postgres://ann:hunter22@db.example:5432/x", []string{"hunter22"}, []string{"db.example:5432", "ann"}},
		{"each URL of a list", "nats://u:pass1111@a:1,nats://u:pass2222@b:2", []string{"pass1111", "pass2222"}, []string{"a:1", "b:2"}},
		{"a token in the user's place", "nats://tokentoken@a:1", []string{"tokentoken"}, []string{"a:1"}},
		{"credentials in a query", "https://h/x?access_token=abcd1234&page=7", []string{"abcd1234"}, []string{"page=7"}},
		{"what is drawn by lot in a path", "https://hooks.slack.com/services/T00000000/B00000000/xoPq3rStUvWxYz0123456789", []string{"xoPq3rStUvWxYz0123456789"}, []string{"hooks.slack.com", "services"}},
		{"an UUID in a path", "https://outlook.webhook.office.com/webhookb2/0fa5d2c1-7a7e-4f0e-9b0a-2f1f6d4c8e11/IncomingWebhook", []string{"0fa5d2c1-7a7e-4f0e-9b0a-2f1f6d4c8e11"}, []string{"IncomingWebhook"}},
		{"not the names in a path", "postgres://db:5432/lekiwi_heartbeat_2026_production", nil, []string{"lekiwi_heartbeat_2026_production"}},
		{"the password of user:password", "sys:s3cret-pw", []string{"s3cret-pw"}, nil},
		{"each long line of a key", "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0\nshort\n-----END KEY-----", []string{"MIIEvQIBADANBgkqhkiG9w0"}, []string{"short"}},
		{"not what is too short to be one", "abc", nil, []string{"abc"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r Redactor
			r.Add(c.value)
			for _, text := range c.hidden {
				if got := r.Redact("x " + text + " y"); strings.Contains(got, text) {
					t.Errorf("%q is shown: %q", text, got)
				}
			}
			for _, text := range c.shown {
				if got := r.Redact("x " + text + " y"); !strings.Contains(got, text) {
					t.Errorf("%q is hidden: %q", text, got)
				}
			}
		})
	}
}

func TestErrorsAreRedactedAndStillThemselves(t *testing.T) {
	var r Redactor
	r.Add("hunter22")
	cause := errors.New("password hunter22 is wrong")
	err := r.Error(cause)
	if strings.Contains(err.Error(), "hunter22") || !errors.Is(err, cause) {
		t.Errorf("%v", err)
	}
	if r.Error(nil) != nil {
		t.Error("nothing became an error")
	}
}

func TestReferencesAreResolvedAndRemembered(t *testing.T) {
	var r Redactor
	t.Setenv("SEGUE_TEST_TOKEN", "from-the-environment")
	file := filepath.Join(t.TempDir(), "pw")
	if err := os.WriteFile(file, []byte("from-a-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[string]string{"SEGUE_TEST_TOKEN": "from-the-environment", "file:" + file: "from-a-file"} {
		got, err := r.Resolve(ref)
		if err != nil || got != want {
			t.Errorf("%s gave %q, %v", ref, got, err)
		}
		if text := r.Redact("saw " + want); text != "saw "+Mask {
			t.Errorf("%s is not remembered: %q", ref, text)
		}
	}
	for _, ref := range []string{"SEGUE_TEST_NOT_SET", "file:/no/such/file"} {
		if _, err := r.Resolve(ref); err == nil {
			t.Errorf("%s was resolved", ref)
		}
	}
}

func TestNamesThatLookSecret(t *testing.T) {
	for name, want := range map[string]bool{
		"DB_PASSWORD": true, "API_TOKEN": true, "signing-key": true, "OURA_WEBHOOK_SECRET": true, "Authorization": true,
		"EVENT_STREAM_MODE": false, "RELEASE": false, "KEYBOARD": false, "monkey": false,
	} {
		if got := Looks(name); got != want {
			t.Errorf("Looks(%s) = %t", name, got)
		}
	}
}
