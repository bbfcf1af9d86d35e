package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"
)

// A proof says which parts of a bundle were restored, and when. It lies beside the
// bundle, which nothing is added to, and is signed as that is.
type proof struct {
	Bundle    string               `json:"bundle"` // the signature of its manifest
	Parts     map[string]time.Time `json:"parts"`
	Signature string               `json:"signature"`
}

const proofEnding = ".proven.json"

func (p proof) text() ([]byte, error) {
	p.Signature = ""
	return json.Marshal(p)
}

// proof is what is known of a bundle; of nothing it is empty. One that is forged,
// or of another bundle of that name, is worth nothing.
func (s *shelf) proof(b *bundle) (proof, error) {
	none := proof{Bundle: b.Signature, Parts: map[string]time.Time{}}
	raw, err := os.ReadFile(b.dir + proofEnding)
	if errors.Is(err, fs.ErrNotExist) {
		return none, nil
	}
	if err != nil {
		return none, fmt.Errorf("what was proved of bundle %s: %w", b.base(), err)
	}
	var p proof
	if json.Unmarshal(raw, &p) != nil {
		return none, nil
	}
	if text, err := p.text(); err != nil || s.key.check(text, p.Signature) != nil || p.Bundle != b.Signature {
		return none, nil //nolint:nilerr // it proves nothing
	}
	return p, nil
}

// proved takes down that parts of a bundle were restored. A key that cannot sign
// leaves nothing behind.
func (s *shelf) proved(b *bundle, parts []string) error {
	if !s.key.signs() {
		return nil
	}
	p, err := s.proof(b)
	if err != nil {
		return err
	}
	for _, part := range parts {
		p.Parts[part] = time.Now().UTC()
	}
	text, err := p.text()
	if err != nil {
		return err
	}
	if p.Signature, err = s.key.sign(text); err != nil {
		return err
	}
	raw, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	return renameio.WriteFile(b.dir+proofEnding, append(raw, '\n'), 0o600)
}

// unproved says what of a bundle was not restored yet; "" if all that a
// connection held was.
func (s *shelf) unproved(b *bundle) (string, error) {
	p, err := s.proof(b)
	if err != nil {
		return "", err
	}
	var left []string
	for _, part := range slices.Sorted(maps.Keys(b.Parts)) {
		if _, ok := p.Parts[part]; !ok {
			left = append(left, part)
		}
	}
	if len(left) == 0 {
		return "", nil
	}
	return "backup.proven has not restored its " + strings.Join(left, ", "), nil
}

// forget removes what is known of a bundle that is gone.
func (s *shelf) forget(name string) error {
	if err := os.Remove(filepath.Join(s.dir, name+proofEnding)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
