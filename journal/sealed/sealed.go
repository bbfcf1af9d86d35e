package sealed

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
)

var (
	// ErrDestroyed: the run's key is gone, and with it what was sealed.
	ErrDestroyed = errors.New("what was sealed has been destroyed")
	// ErrDamaged: the file is not what was put there under this name.
	ErrDamaged = errors.New("the sealed file is damaged")
)

// Names in a run's directory; what was put there ends in suffix.
const (
	keyFile    = "key"
	digestFile = "digest-key"
	suffix     = ".sealed"
)

// format is the first byte of a file: how the rest is to be read.
const format = 1

// A Dir is a directory of sealed files. Its methods may be used by several
// goroutines and processes.
type Dir struct{ path string }

// Open opens the sealed directory at path, for its owner only, and makes it if
// it is missing.
func Open(path string) (*Dir, error) {
	if err := makeDir(path); err != nil {
		return nil, fmt.Errorf("open the sealed directory: %w", err)
	}
	return &Dir{path: path}, nil
}

// Put seals plaintext under a name of a run. It replaces what was there, and
// is on the disk when it returns.
func (d *Dir) Put(run, name string, plaintext []byte) error {
	if err := d.put(run, name, plaintext); err != nil {
		return fmt.Errorf("seal %q of run %s: %w", name, run, err)
	}
	return nil
}

func (d *Dir) put(run, name string, plaintext []byte) error {
	if err := d.makeRun(run); err != nil {
		return err
	}
	aead, err := d.cipher(run, makeKey)
	if err != nil {
		return err
	}
	box := aead.Seal([]byte{format}, nil, plaintext, place(run, name)) //nolint:gosec // this cipher makes its own nonces
	if err := renameio.WriteFile(d.file(run, name), box, 0o600, renameio.WithStaticPermissions(0o600)); err != nil {
		return err
	}
	return syncDir(d.run(run))
}

// Get opens what was put under a name of a run. The error wraps
// fs.ErrNotExist if nothing was, ErrDestroyed if the run's key is gone.
func (d *Dir) Get(run, name string) ([]byte, error) {
	plaintext, err := d.get(run, name)
	if err != nil {
		return nil, fmt.Errorf("open the sealed %q of run %s: %w", name, run, err)
	}
	return plaintext, nil
}

func (d *Dir) get(run, name string) ([]byte, error) {
	box, err := os.ReadFile(d.file(run, name))
	if err != nil {
		return nil, err
	}
	aead, err := d.cipher(run, readKey)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, ErrDestroyed
	case err != nil:
		return nil, err
	case len(box) == 0 || box[0] != format:
		return nil, ErrDamaged
	}
	plaintext, err := aead.Open(nil, nil, box[1:], place(run, name))
	if err != nil {
		return nil, ErrDamaged
	}
	return plaintext, nil
}

// DigestKey is the run's key for keyed digests: always the same, until it is
// destroyed.
func (d *Dir) DigestKey(run string) ([]byte, error) {
	err := d.makeRun(run)
	var key []byte
	if err == nil {
		key, err = makeKey(filepath.Join(d.run(run), digestFile))
	}
	if err != nil {
		return nil, fmt.Errorf("digest key of run %s: %w", run, err)
	}
	return key, nil
}

// Destroy makes all that was sealed for a run unreadable, then removes it. It
// may be called again, after a crash too, and for a run that sealed nothing.
func (d *Dir) Destroy(run string) error {
	dir := d.run(run)
	err := errors.Join(destroyKey(filepath.Join(dir, keyFile)), destroyKey(filepath.Join(dir, digestFile)))
	if err == nil {
		err = syncDir(dir) // the keys are gone before anything else is
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil // there is no such directory
	}
	if err == nil {
		err = os.RemoveAll(dir)
	}
	if err == nil {
		err = syncDir(d.path)
	}
	if err != nil {
		return fmt.Errorf("destroy what is sealed for run %s: %w", run, err)
	}
	return nil
}

// cipher is the run's, under the key that get finds or makes.
func (d *Dir) cipher(run string, get func(path string) ([]byte, error)) (cipher.AEAD, error) {
	key, err := get(filepath.Join(d.run(run), keyFile))
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// makeRun makes the run's directory, and refuses one that Destroy began with:
// it has files but no key.
func (d *Dir) makeRun(run string) error {
	dir := d.run(run)
	if err := makeDir(dir); err != nil {
		return err
	}
	// In this order: whoever sealed a file had made the key before.
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(filepath.Join(dir, keyFile)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), suffix) {
			return ErrDestroyed
		}
	}
	return syncDir(d.path)
}

// place binds a box to its place: another's file does not open here.
func place(run, name string) []byte { return []byte(run + "\x00" + name) }
