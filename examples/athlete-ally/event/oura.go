package event

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
)

// Oura is a vendor's webhook. EventID may be missing: then the message's own id
// stands for it.
type Oura struct {
	EventID   string          `json:"event_id"`
	UserID    string          `json:"userId"`
	EventType string          `json:"event_type"`
	Data      json.RawMessage `json:"data"`
}

// ParseOura reads and checks a body; its error is an *InvalidError.
func ParseOura(body []byte) (Oura, error) {
	var o Oura
	if err := decode(body, &o); err != nil {
		return Oura{}, err
	}
	if err := checkName("userId", o.UserID); err != nil {
		return Oura{}, err
	}
	if err := checkName("event_type", o.EventType); err != nil {
		return Oura{}, err
	}
	return o, nil
}

// HeaderSignature carries the signature of a webhook's body.
const HeaderSignature = "X-Oura-Signature"

// Sign is the hex HMAC-SHA256 of a body.
func Sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// Verify tells in constant time whether a signature is the body's; a leading
// "sha256=" is allowed.
func Verify(secret string, body []byte, signature string) bool {
	got, err := hex.DecodeString(strings.TrimPrefix(signature, "sha256="))
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hmac.Equal(got, mac.Sum(nil))
}
