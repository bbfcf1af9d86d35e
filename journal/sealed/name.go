package sealed

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strings"
)

func (d *Dir) run(run string) string        { return filepath.Join(d.path, fileName(run)) }
func (d *Dir) file(run, name string) string { return filepath.Join(d.run(run), fileName(name)+suffix) }

// longest leaves room for a suffix and renameio's in the 255 bytes of a name.
const longest = 180

// fileName makes one file name of any string, so that no path leads out and
// two strings never get the same: letters, digits, '-' and '_' stand for
// themselves, '.' too but not first, other bytes are %XX. A long name is its
// digest.
func fileName(s string) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.' && i > 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	switch {
	case s == "":
		return "%"
	case b.Len() > longest:
		sum := sha256.Sum256([]byte(s))
		return "%%" + hex.EncodeToString(sum[:])
	}
	return b.String()
}
