package runner

import (
	"crypto/ed25519"
	"encoding/base64"

	"github.com/segue-run/segue/engine"
)

// Sign signs a signal for a run.
func Sign(run string, sig engine.Signal, key ed25519.PrivateKey) engine.Signal {
	pub, _ := key.Public().(ed25519.PublicKey)
	sig.Key = base64.StdEncoding.EncodeToString(pub)
	sig.Signature = base64.StdEncoding.EncodeToString(ed25519.Sign(key, sig.Message(run)))
	return sig
}

// Signed reports whether the signal bears a valid signature of its key.
func Signed(run string, sig engine.Signal) bool {
	pub, err := base64.StdEncoding.DecodeString(sig.Key)
	if err != nil || len(pub) != ed25519.PublicKeySize {
		return false
	}
	raw, err := base64.StdEncoding.DecodeString(sig.Signature)
	return err == nil && ed25519.Verify(pub, sig.Message(run), raw)
}
