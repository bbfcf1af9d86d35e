// Command edge prints the last line of `make bench-edge`, from its JSON result
// and from nothing else.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "edge:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: edge FILE")
	}
	raw, err := os.ReadFile(args[0]) //nolint:gosec // the file that it is told to read
	if err != nil {
		return err
	}
	line, err := lastLine(raw)
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	fmt.Println(line)
	return nil
}

// lastLine fails on a result that lacks a figure: what nobody measured is not 0.
func lastLine(raw []byte) (string, error) {
	var all map[string]any
	if err := json.Unmarshal(raw, &all); err != nil {
		return "", err
	}
	out := []string{"edge:"}
	for _, name := range []string{"nginx_actuation_ratio", "nginx_failed_requests", "haproxy_failed_requests", "shadow_p99_ratio"} {
		n, ok := all[name].(float64)
		if !ok {
			return "", fmt.Errorf("it has no number %s", name)
		}
		text := strconv.FormatFloat(n, 'f', 3, 64)
		if strings.HasSuffix(name, "_requests") {
			text = strconv.FormatFloat(n, 'f', 0, 64)
		}
		out = append(out, name+"="+text)
	}
	return strings.Join(out, " "), nil
}
