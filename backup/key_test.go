package backup

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
)

// pair is an Ed25519 key in PEM, as openssl writes it.
func pair(t testing.TB) (private, public string) {
	t.Helper()
	pub, priv, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(priv)
	if err != nil {
		t.Fatal(err)
	}
	half, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	text := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return text("PRIVATE KEY", der), text("PUBLIC KEY", half)
}

func TestASignatureFitsItsKeyAndNoOther(t *testing.T) {
	private, public := pair(t)
	other, otherPublic := pair(t)
	const text = "a manifest"
	for name, c := range map[string]struct {
		signs, checks, text, want string
	}{
		"an HMAC":                              {"secret", "secret", text, ""},
		"an HMAC of another key":               {"secret", "secrets", text, "does not fit"},
		"an HMAC of another text":              {"secret", "secret", text + ".", "does not fit"},
		"Ed25519":                              {private, private, text, ""},
		"Ed25519, by the public half":          {private, public, text, ""},
		"of another private key":               {other, public, text, "does not fit"},
		"by another public key":                {private, otherPublic, text, "does not fit"},
		"of another text":                      {private, public, text + ".", "does not fit"},
		"an HMAC where Ed25519 is asked for":   {"secret", public, text, "ed25519 was expected"},
		"Ed25519 where an HMAC is asked for":   {private, "secret", text, "hmac-sha256 was expected"},
		"an HMAC whose key is the public half": {strings.ReplaceAll(public, "-----", ""), public, text, "ed25519 was expected"},
	} {
		t.Run(name, func(t *testing.T) {
			signs, err := parseKey(c.signs)
			if err != nil {
				t.Fatal(err)
			}
			checks, err := parseKey(c.checks)
			if err != nil {
				t.Fatal(err)
			}
			signature, err := signs.sign([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if err := checks.check([]byte(c.text), signature); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v; want %q", err, c.want)
			}
			if err := checks.check([]byte(text), ""); err == nil || !strings.Contains(err.Error(), "it is not signed") {
				t.Errorf("no signature: %v", err)
			}
			if err := checks.check([]byte(text), signature[:len(signature)-1]); err == nil {
				t.Error("a signature that is cut off fits")
			}
		})
	}
	half, err := parseKey(public)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := half.sign([]byte(text)); err == nil {
		t.Error("a public key signs")
	}
}

func TestAKeyThatIsNoneIsNotTakenForAnother(t *testing.T) {
	private, public := pair(t)
	body := strings.Split(private, "\n")[1]
	for name, c := range map[string]struct{ text, want string }{
		"cut off":            {private[:60], "not one whole key"},
		"two keys":           {private + public, "not one whole key"},
		"a certificate":      {strings.ReplaceAll(public, "PUBLIC KEY", "CERTIFICATE"), `it is a "CERTIFICATE"`},
		"not what it says":   {strings.ReplaceAll(public, "PUBLIC KEY", "PRIVATE KEY"), "the PRIVATE KEY cannot be read"},
		"with a newline":     {public + "\n", ""},
		"of one line":        {strings.ReplaceAll(public, "\n", " "), "not one whole key"},
		"a text of a secret": {body, ""},
	} {
		k, err := parseKey(c.text)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), body) {
			t.Errorf("%s: the error shows the key", name)
		}
		if err != nil && k.signs() {
			t.Errorf("%s: it signs", name)
		}
	}
}
