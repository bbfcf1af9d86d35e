package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/segue-run/segue/internal/disk"
	"github.com/segue-run/segue/runbook"
)

// where says which bundles are meant; it is a part of the parameters.
type where struct {
	Dir  string `param:"dir,required" doc:"The directory that bundles are in."`
	Name string `param:"name" doc:"What their names begin with." default:"bundle"`
	Key  string `param:"key,required" doc:"The key that signs them, by reference: \"${BACKUP_KEY}\". In PEM it is an Ed25519 key, of which the public half is enough to check them; any other text is the key of an HMAC."`
}

var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// check is Validate without what only the runbook's text can say.
func (w where) check() error {
	switch {
	case w.Dir == "":
		return &runbook.FieldError{Field: "dir", Problem: "there is no directory", Remedy: "name the one that bundles are to be in"}
	case w.Name != "" && !nameForm.MatchString(w.Name) && !strings.Contains(w.Name, "${"):
		return &runbook.FieldError{Field: "name", Problem: w.Name + " cannot begin the name of a directory", Remedy: "take letters, digits, dots and dashes"}
	case w.Key == "":
		return &runbook.FieldError{Field: "key", Problem: "it is empty", Remedy: "write \"${BACKUP_KEY}\", and set that"}
	}
	if strings.Contains(w.Key, "${") {
		return nil
	}
	if _, err := parseKey(w.Key); err != nil {
		return &runbook.FieldError{Field: "key", Problem: err.Error(), Remedy: "take what openssl genpkey -algorithm ed25519 wrote, or of that openssl pkey -pubout"}
	}
	return nil
}

// Validate implements what types cannot say.
func (w where) Validate() error {
	if w.Key != "" && !strings.Contains(w.Key, "${") && !strings.HasPrefix(w.Key, publicPEM) {
		return &runbook.FieldError{Field: "key", Problem: "a key stands in the runbook", Remedy: "write \"${BACKUP_KEY}\" or \"${file:/run/secrets/backup-key}\""}
	}
	return w.check()
}

// A shelf is a directory of bundles that have a common name and key.
type shelf struct {
	dir, name string
	key       key
	sums      disk.Sums
}

func (w where) shelf() (*shelf, error) {
	if err := w.check(); err != nil {
		return nil, err
	}
	dir, err := disk.Real(w.Dir)
	if err != nil {
		return nil, fmt.Errorf("bundles in %s: %w", w.Dir, err)
	}
	name := w.Name
	if name == "" {
		name = "bundle"
	}
	k, err := parseKey(w.Key)
	if err != nil {
		return nil, fmt.Errorf("key of the bundles in %s: %w", w.Dir, err)
	}
	return &shelf{dir: dir, name: name, key: k}, nil
}

const takenForm = "20060102T150405.000Z"

// A bundle is one on the shelf.
type bundle struct {
	*manifest
	dir string
}

// names lists the bundles' directories, the newest first.
func (s *shelf) names() ([]string, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look for bundles: %w", err)
	}
	var out []string
	for _, e := range entries {
		text, ok := strings.CutPrefix(e.Name(), s.name+"-")
		if _, err := time.Parse(takenForm, text); ok && err == nil && e.IsDir() {
			out = append(out, e.Name())
		}
	}
	slices.Sort(out)
	slices.Reverse(out)
	return out, nil
}

// open reads the manifest of a bundle, whose files are not looked at.
func (s *shelf) open(name string) (*bundle, error) {
	dir := filepath.Join(s.dir, name)
	m, err := read(dir, s.key)
	if err != nil {
		return nil, err
	}
	return &bundle{m, dir}, nil
}

// newest is the newest good bundle among those that fit; nil if there is none.
// bad says what is wrong with newer ones.
func (s *shelf) newest(ctx context.Context, fits func(*bundle) bool) (found *bundle, bad []string, err error) {
	names, err := s.names()
	if err != nil {
		return nil, nil, err
	}
	for _, name := range names {
		b, err := s.open(name)
		if err == nil && fits != nil && !fits(b) {
			continue
		}
		if err == nil {
			err = b.fits(ctx, b.dir, &s.sums)
		}
		if ctx.Err() != nil {
			return nil, nil, fmt.Errorf("look whether bundle %s is good: %w", name, context.Cause(ctx))
		}
		if err == nil {
			return b, bad, nil
		}
		bad = append(bad, name+": "+err.Error())
	}
	return nil, bad, nil
}

// partial is how names of bundles begin that are not whole yet.
func (s *shelf) partial() string { return ".partial-" + s.name + "-" }

// tidy removes what a killed process left half-done.
func (s *shelf) tidy(mine func() error) error {
	entries, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for what is left of bundles: %w", err)
	}
	for _, e := range entries {
		// What follows is a number: one name may begin with another.
		number, ours := strings.CutPrefix(e.Name(), s.partial())
		if !ours || strings.Trim(number, "0123456789") != "" {
			continue
		}
		if err := mine(); err != nil {
			return err
		}
		if err := os.RemoveAll(filepath.Join(s.dir, e.Name())); err != nil {
			return fmt.Errorf("remove what is left of a bundle: %w", err)
		}
	}
	return nil
}
