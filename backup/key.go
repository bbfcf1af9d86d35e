package backup

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// The schemes that signatures begin with. Which one a signature must have is for
// the key to say, never for the signature.
const (
	hmacScheme    = "hmac-sha256:"
	ed25519Scheme = "ed25519:"
)

// A key signs manifests, or only checks their signatures. In PEM it is an Ed25519
// key: a private one (PKCS #8, as of "openssl genpkey -algorithm ed25519") does
// both, a public one (PKIX) only checks. Any other text is the key of an HMAC.
type key struct {
	secret  []byte
	private ed25519.PrivateKey
	public  ed25519.PublicKey
}

// errPublic: it is no secret, so it proves nothing.
var errPublic = errors.New("a public key only checks signatures; signing takes the private one")

const publicPEM = "-----BEGIN PUBLIC KEY-----"

// parseKey repeats nothing of the text: it may be a secret.
func parseKey(text string) (key, error) {
	if !strings.Contains(text, "-----BEGIN") {
		return key{secret: []byte(text)}, nil
	}
	block, rest := pem.Decode([]byte(text))
	if block == nil || strings.TrimSpace(string(rest)) != "" {
		return key{}, errors.New("it is not one whole key in PEM")
	}
	var parsed any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "PUBLIC KEY":
		parsed, err = x509.ParsePKIXPublicKey(block.Bytes)
	default:
		return key{}, fmt.Errorf("it is a %q; an Ed25519 key is a PRIVATE KEY or a PUBLIC KEY", block.Type)
	}
	if err != nil {
		return key{}, fmt.Errorf("the %s cannot be read", block.Type) // what err says may show a piece of it
	}
	switch k := parsed.(type) {
	case ed25519.PrivateKey:
		return key{private: k, public: k.Public().(ed25519.PublicKey)}, nil //nolint:forcetypeassert // as documented
	case ed25519.PublicKey:
		return key{public: k}, nil
	}
	return key{}, fmt.Errorf("it is a %T, and no Ed25519 key", parsed)
}

// signs reports whether it can sign.
func (k key) signs() bool { return k.private != nil || k.secret != nil }

// sign is the signature of raw.
func (k key) sign(raw []byte) (string, error) {
	switch {
	case k.private != nil:
		return ed25519Scheme + hex.EncodeToString(ed25519.Sign(k.private, raw)), nil
	case k.secret != nil:
		return hmacScheme + hex.EncodeToString(k.mac(raw)), nil
	}
	return "", errPublic
}

func (k key) mac(raw []byte) []byte {
	h := hmac.New(sha256.New, k.secret)
	h.Write(raw)
	return h.Sum(nil)
}

// check says why a signature is not that of raw by this key.
func (k key) check(raw []byte, signature string) error {
	scheme := hmacScheme
	if k.public != nil {
		scheme = ed25519Scheme
	}
	text, ok := strings.CutPrefix(signature, scheme)
	switch {
	case signature == "":
		return errors.New("it is not signed")
	case !ok:
		return fmt.Errorf("its signature is not by such a key: %s was expected", strings.TrimSuffix(scheme, ":"))
	}
	sum, err := hex.DecodeString(text)
	if err == nil && (k.public != nil && ed25519.Verify(k.public, raw, sum) || k.public == nil && hmac.Equal(k.mac(raw), sum)) {
		return nil
	}
	return errors.New("its signature does not fit: the manifest was changed, or signed with another key")
}
