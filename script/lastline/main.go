// Command lastline prints the last line of a benchmark, from its JSON result
// and from nothing else:
//
//	lastline NAME FILE FIGURE=FORMAT …
//
// prints "NAME: FIGURE=…" with each figure in its format, which is Printf's for
// a number.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "lastline:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 3 {
		return fmt.Errorf("usage: lastline NAME FILE FIGURE=FORMAT …")
	}
	raw, err := os.ReadFile(args[1]) //nolint:gosec // the file that it is told to read
	if err != nil {
		return err
	}
	line, err := lastLine(args[0], raw, args[2:])
	if err != nil {
		return fmt.Errorf("%s: %w", args[1], err)
	}
	fmt.Println(line)
	return nil
}

// lastLine fails on a result that lacks a figure: what nobody measured is not 0.
func lastLine(name string, raw []byte, figures []string) (string, error) {
	var all map[string]any
	if err := json.Unmarshal(raw, &all); err != nil {
		return "", err
	}
	out := name + ":"
	for _, f := range figures {
		figure, format, ok := strings.Cut(f, "=")
		if !ok {
			return "", fmt.Errorf("no format in %q, want FIGURE=FORMAT", f)
		}
		n, ok := all[figure].(float64)
		if !ok {
			return "", fmt.Errorf("it has no number %s", figure)
		}
		out += fmt.Sprintf(" %s="+format, figure, n)
	}
	return out, nil
}
