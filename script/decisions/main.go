// Command decisions prints the last line of `make bench-decisions`, from its
// JSON result and from nothing else.
package main

import (
	"encoding/json"
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "decisions:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: decisions FILE")
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
	names := []string{"false_promotions", "false_rollbacks", "plain_false_promotions", "plain_false_rollbacks", "seconds_to_rollback"}
	var all map[string]any
	if err := json.Unmarshal(raw, &all); err != nil {
		return "", err
	}
	line := "decisions:"
	for i, name := range names {
		v, ok := all[name].(float64)
		if !ok {
			return "", fmt.Errorf("no figure %s", name)
		}
		unit := "%"
		if i == len(names)-1 {
			unit = ""
		}
		line += fmt.Sprintf(" %s=%.1f%s", name, v, unit)
	}
	return line, nil
}
