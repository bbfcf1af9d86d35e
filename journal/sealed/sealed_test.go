package sealed

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWhatIsPutCanBeHadAgainAlsoByTheNextProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "sealed")
	want := map[string][]byte{"old environment": []byte("PASSWORD=hunter2"), "empty": {}, "large": bytes.Repeat([]byte("x"), 1<<20)}
	d := open(t, path)
	for name, plaintext := range want {
		put(t, d, "r", name, []byte("an older one"))
		put(t, d, "r", name, plaintext)
	}
	d = open(t, path)
	for name, plaintext := range want {
		got, err := d.Get("r", name)
		if err != nil || !bytes.Equal(got, plaintext) {
			t.Errorf("%s: got %d bytes, %v", name, len(got), err)
		}
	}
}

func TestNothingOnTheDiskShowsWhatIsSealedAndAllIsTheOwnersOnly(t *testing.T) {
	const secret = "hunter2-correct-horse"
	path := filepath.Join(t.TempDir(), "sealed")
	if err := os.Mkdir(path, 0o755); err != nil { // somebody was careless
		t.Fatal(err)
	}
	d := open(t, path)
	put(t, d, "r", "n", []byte(secret))
	put(t, d, "r", "n", []byte(secret))
	if _, err := d.DigestKey("r"); err != nil {
		t.Fatal(err)
	}
	modes := map[string]fs.FileMode{}
	err := filepath.WalkDir(path, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(path, p)
		modes[rel] = info.Mode()
		if e.IsDir() {
			return nil
		}
		data, err := os.ReadFile(p)
		if bytes.Contains(data, []byte(secret)) || bytes.Contains(data, []byte(base64.StdEncoding.EncodeToString([]byte(secret))[:12])) {
			t.Errorf("%s shows the secret", rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]fs.FileMode{
		".": fs.ModeDir | 0o700, "r": fs.ModeDir | 0o700, "r/key": 0o600, "r/digest-key": 0o600, "r/n.sealed": 0o600,
	}
	if diff := cmp.Diff(want, modes); diff != "" {
		t.Error(diff)
	}
}

func TestNoNameLeadsOutAndNoTwoAreOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sealed")
	d := open(t, path)
	names := []string{
		"..", ".", "", "/", "../../x", "/etc/passwd", "a/b", "a%2Fb", "a\x00b", "key", "digest-key", "key.sealed", ".key-1", "ä", "A", "a",
		"%", "%25", strings.Repeat("l", 180), strings.Repeat("l", 181), strings.Repeat("/", 4000), strings.Repeat("/", 4001),
	}
	for i, name := range names {
		run := names[len(names)-1-i]
		put(t, d, run, name, []byte("of its own run "+name))
		put(t, d, "one run", name, []byte(name))
	}
	for i, name := range names {
		run := names[len(names)-1-i]
		if got, err := d.Get(run, name); err != nil || string(got) != "of its own run "+name {
			t.Errorf("run %.20q, name %.20q: got %.40q, %v", run, name, got, err)
		}
		if got, err := d.Get("one run", name); err != nil || string(got) != name {
			t.Errorf("name %.20q: got %.40q, %v", name, got, err)
		}
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("something got out: %v %v", entries, err)
	}
	if entries, err = os.ReadDir(path); err != nil || len(entries) != len(names)+1 {
		t.Errorf("%d directories for %d runs (%v)", len(entries), len(names), err)
	}
}

func TestDestroyTakesOneRunWithItsKeysAndMayBeCalledAgain(t *testing.T) {
	path := t.TempDir()
	d := open(t, path)
	put(t, d, "r", "n", []byte("x"))
	put(t, d, "other", "n", []byte("y"))
	for range 2 {
		if err := d.Destroy("r"); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Destroy("never"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Get("r", "n"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(path, "r")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory is there: %v", err)
	}
	if got, err := d.Get("other", "n"); err != nil || string(got) != "y" {
		t.Errorf("the other run: %q, %v", got, err)
	}
}

func TestADestructionThatCrashedHalfwayLeavesNothingToReadOrAddTo(t *testing.T) {
	path := t.TempDir()
	d := open(t, path)
	put(t, d, "r", "n", []byte("x"))
	if err := os.Remove(filepath.Join(path, "r", keyFile)); err != nil { // the first thing Destroy does
		t.Fatal(err)
	}
	if _, err := d.Get("r", "n"); !errors.Is(err, ErrDestroyed) {
		t.Errorf("get: %v, want ErrDestroyed", err)
	}
	if err := d.Put("r", "m", nil); !errors.Is(err, ErrDestroyed) {
		t.Errorf("put: %v, want ErrDestroyed", err)
	}
	if err := d.Destroy("r"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(path, "r")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory is there: %v", err)
	}
}

func TestADamagedOrMovedFileDoesNotOpen(t *testing.T) {
	path := t.TempDir()
	d := open(t, path)
	put(t, d, "r", "n", []byte("secret"))
	file := filepath.Join(path, "r", "n.sealed")
	sound, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(sound)
	flipped[len(flipped)-1] ^= 1
	for name, data := range map[string][]byte{"empty": {}, "flipped": flipped, "cut": sound[:len(sound)-1], "of the future": append([]byte{2}, sound[1:]...)} {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Get("r", "n"); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: got %v, want ErrDamaged", name, err)
		}
	}
	if err := os.WriteFile(filepath.Join(path, "r", "other.sealed"), sound, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Get("r", "other"); !errors.Is(err, ErrDamaged) {
		t.Errorf("under another name: got %v, want ErrDamaged", err)
	}
}

func TestARunHasOneDigestKeyWhoeverAsksFirst(t *testing.T) {
	path := t.TempDir()
	keys := make([][]byte, 8)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			var err error
			if keys[i], err = open(t, path).DigestKey("r"); err != nil {
				t.Error(err)
			}
			put(t, open(t, path), "r", string(rune('a'+i)), []byte("x")) // and one for sealing
		})
	}
	wg.Wait()
	for i, key := range keys {
		if len(key) != 32 || !bytes.Equal(key, keys[0]) {
			t.Errorf("key %d differs", i)
		}
		if _, err := open(t, path).Get("r", string(rune('a'+i))); err != nil {
			t.Error(err)
		}
	}
	other, err := open(t, path).DigestKey("other")
	if err != nil || bytes.Equal(other, keys[0]) {
		t.Errorf("another run has the same key (%v)", err)
	}
}

func open(t *testing.T, path string) *Dir {
	t.Helper()
	d, err := Open(path)
	if err != nil {
		t.Error(err)
	}
	return d
}

func put(t *testing.T, d *Dir, run, name string, plaintext []byte) {
	t.Helper()
	if err := d.Put(run, name, plaintext); err != nil {
		t.Error(err)
	}
}
