package runbook_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/segue-run/segue/runbook"
)

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := runbook.Schema(newFakeCatalog())
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(runbook.SchemaID, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(runbook.SchemaID)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// instance reads YAML as an editor's language server would.
func instance(t *testing.T, src []byte) any {
	t.Helper()
	var n yaml.Node
	if err := yaml.Load(src, &n); err != nil {
		t.Fatal(err)
	}
	untime(&n)
	var v any
	if err := n.Decode(&v); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	out, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func untime(n *yaml.Node) {
	if n.Tag == "!!timestamp" {
		n.Tag = "!!str"
	}
	for _, c := range n.Content {
		untime(c)
	}
}

func TestTheSchemaTakesWhatParses(t *testing.T) {
	s := compileSchema(t)
	for _, dir := range []string{"good", "warned"} {
		for _, path := range casesIn(t, dir) {
			src, _ := readCase(t, path)
			if err := s.Validate(instance(t, src)); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
}

// TestTheSchemaRefusesBrokenStructure: what is wrong in its structure an
// editor already shows. What needs names to be looked up is left to Parse.
func TestTheSchemaRefusesBrokenStructure(t *testing.T) {
	s := compileSchema(t)
	for _, prefix := range []string{
		"not-a-mapping", "version-missing", "version-other", "name-missing", "no-phases", "unknown-top-key",
		"duration-without-unit", "duration-nonsense", "size-without-unit", "percentage-without-sign", "int-is-text", "int-in-quotes", "bool-is-yes",
		"list-is-text", "text-is-a-list", "enum-misspelt", "map-is-a-list", "input-type-missing", "input-type-unknown", "input-name-upper",
		"connection-kind-unknown", "connection-is-an-action", "connection-two-kinds", "connection-empty", "connection-parameter-unknown",
		"connection-parameter-missing", "connection-missing", "connection-not-needed", "check-kind-unknown", "check-name-bad",
		"phase-key-unknown", "phase-on-failure-notify", "requirement-both", "requirement-neither", "role-without-actors",
		"step-without-action", "step-two-actions", "step-action-unknown", "step-is-a-check", "step-key-unknown", "step-name-missing",
		"gate-hold-missing", "gate-for-missing", "rollback-verify-missing", "guard-key-unknown", "guard-do-missing", "guard-do-unknown", "target-to-missing",
		"many-at-once", "when-shape", "when-on-a-connection",
	} {
		src, err := os.ReadFile(filepath.Join("testdata", "broken", prefix+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(instance(t, src)); err == nil {
			t.Errorf("%s: the schema takes it", prefix)
		}
	}
}

func TestTheSchemaDescribesEverything(t *testing.T) {
	text, err := runbook.Schema(newFakeCatalog())
	if err != nil {
		t.Fatal(err)
	}
	again, err := runbook.Schema(newFakeCatalog())
	if err != nil || !bytes.Equal(text, again) {
		t.Fatal("the schema differs from one making to the next")
	}
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		m, ok := v.(map[string]any)
		if !ok {
			return
		}
		if props, ok := m["properties"].(map[string]any); ok {
			for name, p := range props {
				sub, ok := p.(map[string]any)
				isKind := ok && strings.Contains(toString(sub["$ref"]), "#/$defs/") && sub["description"] == nil
				if !ok || sub["description"] == nil && !isKind {
					t.Errorf("%s.%s has no description", path, name)
				}
			}
		}
		for k, e := range m {
			walk(path+"/"+k, e)
		}
	}
	walk("", doc)
}

func toString(v any) string {
	s, _ := v.(string)
	return s
}
