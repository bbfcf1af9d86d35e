package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/segue-run/segue/runbook"
)

var update = flag.Bool("update", false, "write generated files anew")

// The schema that editors read is committed; it comes from the catalog that
// parses.
func TestTheCommittedSchemaIsWhatTheCatalogSays(t *testing.T) {
	path := filepath.Join("..", "..", "schema", "segue-v1.schema.json")
	want, err := runbook.Schema(builtIn())
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil { //nolint:gosec // a public file
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the catalog says: make schema", path)
	}
}

func TestEveryRunbookOfTheExamplesIsRight(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "examples", "*", "runbook*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no runbooks: %v", err)
	}
	for _, file := range files {
		a := &app{catalog: builtIn()}
		rb, err := a.parse(file, values{}, true)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		for _, w := range runbook.Lint(rb) {
			t.Errorf("%s: %v", file, w)
		}
	}
}
