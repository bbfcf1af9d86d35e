package files

import (
	"bytes"
	"fmt"
	"slices"
)

// A splice puts now in the place of the bytes from at to end.
type splice struct {
	at, end int
	now     string
}

// spliced is src with splices made, which must not overlap; their places are
// those in src.
func spliced(src []byte, splices []splice) []byte {
	ordered := slices.SortedStableFunc(slices.Values(splices), func(a, b splice) int { return a.at - b.at })
	var out bytes.Buffer
	done := 0
	for _, s := range ordered {
		if s.at < done || s.end < s.at || s.end > len(src) {
			panic(fmt.Sprintf("files: a splice from %d to %d, after %d, of %d bytes", s.at, s.end, done, len(src)))
		}
		out.Write(src[done:s.at])
		out.WriteString(s.now)
		done = s.end
	}
	out.Write(src[done:])
	return out.Bytes()
}

// lineStart is where the line begins in which i lies.
func lineStart(src []byte, i int) int { return bytes.LastIndexByte(src[:i], '\n') + 1 }

// lineEnd is where the line ends in which i lies: before its line end.
func lineEnd(src []byte, i int) int {
	n := bytes.IndexByte(src[i:], '\n')
	if n < 0 {
		return len(src)
	}
	if n > 0 && src[i+n-1] == '\r' {
		n--
	}
	return i + n
}

// nextLine is where the line after that of i begins.
func nextLine(src []byte, i int) int {
	n := bytes.IndexByte(src[i:], '\n')
	if n < 0 {
		return len(src)
	}
	return i + n + 1
}

// newline is the line end in use near i.
func newline(src []byte, i int) string {
	for _, from := range []int{lineStart(src, i), 0} {
		if n := bytes.IndexByte(src[from:], '\n'); n > 0 && src[from+n-1] == '\r' {
			return "\r\n"
		} else if n >= 0 {
			return "\n"
		}
	}
	return "\n"
}

// blank skips spaces and tabs.
func blank(src []byte, i int) int {
	for i < len(src) && (src[i] == ' ' || src[i] == '\t') {
		i++
	}
	return i
}
