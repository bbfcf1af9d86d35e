// Package secret resolves references to the environment and to files, and
// keeps what it gave out from every journal, log, report and error text.
package secret

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Mask is what stands where a secret was.
const Mask = "[redacted]"

// shortest is the length from which a value is kept secret by value. Shorter
// ones would blot out ordinary words and are no secrets.
const shortest = 4

// A Redactor knows secrets and takes them out of texts, in the forms in which
// they leak: plain, in base64, URL-encoded, in hex and JSON-escaped. The zero
// value knows none and is ready to use; it may be used by several goroutines.
type Redactor struct {
	mu       sync.RWMutex
	known    map[string]bool
	replacer *strings.Replacer
}

// Add makes values secret. Of a URL only its password, query parameters that look
// like credentials, and parts of its path that look drawn by lot, as those of
// webhooks, are secret: its host is needed in error texts.
func (r *Redactor) Add(values ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := len(r.known)
	for _, v := range values {
		for _, part := range parts(v) {
			if len(part) >= shortest {
				if r.known == nil {
					r.known = map[string]bool{}
				}
				r.known[part] = true
			}
		}
	}
	if len(r.known) != before {
		r.replacer = build(r.known)
	}
}

// parts are the pieces of a value that are secret.
func parts(v string) []string {
	v = strings.TrimSpace(v)
	if !strings.Contains(v, "://") {
		return pieces(v)
	}
	var out []string
	for _, one := range strings.Split(v, ",") {
		u, err := url.Parse(strings.TrimSpace(one))
		if err != nil || u.Scheme == "" {
			return []string{v} // not a URL we understand: all of it
		}
		if u.User != nil {
			if pw, ok := u.User.Password(); ok {
				out = append(out, pw)
			} else {
				out = append(out, u.User.Username()) // a token in the user's place
			}
		}
		for _, part := range strings.Split(u.Path, "/") {
			if drawn.MatchString(part) && strings.ContainsAny(part, "0123456789") && strings.ToLower(part) != strings.ToUpper(part) {
				out = append(out, part)
			}
		}
		for key, values := range u.Query() {
			if Looks(key) {
				out = append(out, values...)
			}
		}
	}
	return out
}

// drawn is what looks drawn by lot: letters and digits without a gap, or an UUID.
var drawn = regexp.MustCompile(`^([A-Za-z0-9]{20,}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})$`)

// pieces are a value and the parts of it that give it away alone: the password
// of user:password, and each long line of a key file.
func pieces(v string) []string {
	out := []string{v}
	if user, password, ok := strings.Cut(v, ":"); ok && user != "" && !strings.ContainsAny(v, " \n") {
		out = append(out, password)
	}
	if lines := strings.Split(v, "\n"); len(lines) > 1 {
		for _, line := range lines {
			if line = strings.TrimSpace(line); len(line) >= longLine {
				out = append(out, line)
			}
		}
	}
	return out
}

// longLine is the length from which a line of a longer secret is one itself;
// shorter ones are words.
const longLine = 16

// Looks reports whether a name (of a variable, header or parameter) is that of
// something secret.
func Looks(name string) bool {
	name = strings.ToLower(name)
	for _, word := range []string{"password", "passwd", "secret", "token", "apikey", "api_key", "api-key", "credential", "private", "hmac", "signing", "auth", "pwd", "creds"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return strings.HasSuffix(name, "_key") || strings.HasSuffix(name, "-key") || name == "key"
}

func build(known map[string]bool) *strings.Replacer {
	var forms []string
	for v := range known {
		forms = append(forms, encodings(v)...)
	}
	// The replacer takes the first that matches: longer forms come first.
	slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) })
	forms = slices.Compact(forms)
	pairs := make([]string, 0, 2*len(forms))
	for _, f := range forms {
		pairs = append(pairs, f, Mask)
	}
	return strings.NewReplacer(pairs...)
}

// encodings are the forms in which a value shows. Base64 of a text in which
// the value is embedded depends on where it begins, modulo three: of each of
// the three alignments the part that depends on the value alone is a form.
func encodings(v string) []string {
	out := []string{v, url.QueryEscape(v), url.PathEscape(v), hex.EncodeToString([]byte(v))}
	out = append(out, strings.ToLower(url.QueryEscape(v)))
	if quoted, err := json.Marshal(v); err == nil {
		out = append(out, string(quoted[1:len(quoted)-1]))
	}
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		for pad := range 3 {
			raw := enc.WithPadding(base64.NoPadding).EncodeToString(append(make([]byte, pad), v...))
			from := []int{0, 2, 3}[pad]  // characters that mix in what stands before
			to := (len(v) + pad) * 8 / 6 // whole characters of the value
			if part := raw[from:to]; len(part) >= 6 {
				out = append(out, part)
			}
		}
	}
	return slices.DeleteFunc(out, func(f string) bool { return len(f) < shortest })
}

// Redact takes every known secret out of a text.
func (r *Redactor) Redact(text string) string {
	r.mu.RLock()
	rep := r.replacer
	r.mu.RUnlock()
	if rep == nil {
		return text
	}
	return rep.Replace(text)
}

// RedactBytes is Redact for bytes.
func (r *Redactor) RedactBytes(text []byte) []byte { return []byte(r.Redact(string(text))) }

// Error wraps err so that its text is redacted; errors.Is and As see through.
func (r *Redactor) Error(err error) error {
	if err == nil {
		return nil
	}
	return redacted{err, r}
}

type redacted struct {
	error
	r *Redactor
}

func (e redacted) Error() string { return e.r.Redact(e.error.Error()) }
func (e redacted) Unwrap() error { return e.error }

// Resolve gives the value of a reference: a variable of the environment, or
// "file:/path" for a file's content without its last newline. What it gives
// out is secret from then on.
func (r *Redactor) Resolve(reference string) (string, error) {
	if path, ok := strings.CutPrefix(reference, "file:"); ok {
		raw, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("read the file that ${%s} names: %w", reference, err)
		}
		v := strings.TrimSuffix(strings.TrimSuffix(string(raw), "\n"), "\r")
		r.Add(v)
		return v, nil
	}
	v, ok := os.LookupEnv(reference)
	if !ok {
		return "", fmt.Errorf("the environment has no %s: set it, or write ${file:/path/to/it}", reference)
	}
	r.Add(v)
	return v, nil
}
