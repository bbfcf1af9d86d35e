package runbook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
)

// SchemaID is the identifier of the schema that [Schema] makes.
const SchemaID = "https://segue.run/schema/segue-v1.schema.json"

// Schema is the JSON Schema (draft 2020-12) of runbooks for a catalog, made
// from the tables and the catalog that Parse reads. It judges structure; what
// refers to what, only Parse knows.
func Schema(cat Catalog) ([]byte, error) {
	b := &schemaBuilder{cat: cat, defs: map[string]*jsonschema.Schema{}}
	b.scalars()
	root := b.object(runbookSection)
	root.Schema = "https://json-schema.org/draft/2020-12/schema"
	root.ID = SchemaID
	root.Title = "A Segue runbook"
	root.Defs = b.defs
	raw, err := json.Marshal(root)
	if err != nil {
		return nil, fmt.Errorf("writing the schema: %w", err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, raw, "", "  "); err != nil {
		return nil, fmt.Errorf("writing the schema: %w", err)
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

type schemaBuilder struct {
	cat  Catalog
	defs map[string]*jsonschema.Schema
}

const (
	inputPattern = `^\$[a-z][a-z0-9_-]*$|\$\{[a-z][a-z0-9_-]*\}`
	namePattern  = `^[a-z0-9][a-z0-9_-]*$`
)

func ref(name string) *jsonschema.Schema { return &jsonschema.Schema{Ref: "#/$defs/" + name} }

func either(options ...*jsonschema.Schema) *jsonschema.Schema {
	return &jsonschema.Schema{AnyOf: options}
}

func nothingElse() *jsonschema.Schema { return &jsonschema.Schema{Not: &jsonschema.Schema{}} }

// scalars defines the types that parameters and keys have.
func (b *schemaBuilder) scalars() {
	def := func(t Type, s *jsonschema.Schema, doc string) {
		s.Description = doc
		b.defs["type."+string(t)] = s
	}
	pattern := func(form string) *jsonschema.Schema {
		return either(&jsonschema.Schema{Type: "string", Pattern: form}, ref("input-value"))
	}
	b.defs["input-value"] = &jsonschema.Schema{Type: "string", Pattern: inputPattern, Description: "The value of an input: $name, or text with ${name} in it."}
	def(String, &jsonschema.Schema{Types: []string{"string", "number", "boolean"}}, "Text. $name is an input, ${name} within it the text of one, $$ a dollar sign.")
	def(Int, either(&jsonschema.Schema{Type: "integer"}, ref("input-value")), "A whole number.")
	def(Number, either(&jsonschema.Schema{Type: "number"}, ref("input-value")), "A number.")
	def(Bool, either(&jsonschema.Schema{Type: "boolean"}, ref("input-value")), "true or false.")
	def(Duration, pattern(durationPattern), "A duration: 250ms, 90s, 15m, 48h, 14d, 2w, 1h30m.")
	def(Size, pattern(sizePattern), "A size: 100B, 512KiB, 2GB.")
	def(Percentage, pattern(percentagePattern), "A percentage: 10%, 0.1 %.")
	def(Expression, &jsonschema.Schema{Type: "string"}, "A CEL expression that is true or false.")
	def(ConnRef, &jsonschema.Schema{Type: "string"}, "The name of a connection.")
	def(CheckRef, &jsonschema.Schema{Type: "string"}, "The name of a check.")
	def(Place, &jsonschema.Schema{Type: "object"}, "A place in a connection's system, as its kind has it written.")
	def(Any, &jsonschema.Schema{}, "Any YAML data.")
}

// field is the schema of a parameter or a plain key.
func (b *schemaBuilder) field(f Field) *jsonschema.Schema {
	s := b.typed(f)
	if s.Ref != "" { // keywords beside $ref are allowed, and wanted for its description
		s = &jsonschema.Schema{Ref: s.Ref}
	}
	s.Description = f.Doc
	if len(f.Vars) > 0 {
		s.Description = strings.TrimSpace(s.Description + " It may use " + andList(f.Vars) + ".")
	}
	s.Default = defaultOf(f)
	return s
}

func (b *schemaBuilder) typed(f Field) *jsonschema.Schema {
	switch {
	case f.Type == List:
		return either(&jsonschema.Schema{Type: "array", Items: b.typed(elemField(f))}, ref("input-value"))
	case f.Type == Map:
		return &jsonschema.Schema{Type: "object", AdditionalProperties: b.typed(elemField(f))}
	case f.Type == String && len(f.Enum) > 0:
		enum := make([]any, len(f.Enum))
		for i, e := range f.Enum {
			enum[i] = e
		}
		return either(&jsonschema.Schema{Enum: enum}, ref("input-value"))
	}
	return ref("type." + string(f.Type))
}

// defaultOf writes a default as JSON.
func defaultOf(f Field) json.RawMessage {
	if f.Default == "" {
		return nil
	}
	switch f.Type {
	case Int, Number:
		if _, err := strconv.ParseFloat(f.Default, 64); err == nil {
			return json.RawMessage(f.Default)
		}
	case Bool:
		if _, err := parseBool(f.Default); err == nil {
			return json.RawMessage(f.Default)
		}
	}
	raw, err := json.Marshal(f.Default)
	if err != nil {
		return nil
	}
	return raw
}

// object is the schema of a section.
func (b *schemaBuilder) object(s *section) *jsonschema.Schema {
	out := &jsonschema.Schema{Type: "object", Description: s.doc, Properties: map[string]*jsonschema.Schema{}, AdditionalProperties: nothingElse()}
	for _, k := range s.keys {
		out.Properties[k.Name] = b.key(k)
		out.PropertyOrder = append(out.PropertyOrder, k.Name)
		if k.Required {
			out.Required = append(out.Required, k.Name)
		}
	}
	return out
}

// section defines a section once and refers to it.
func (b *schemaBuilder) section(s *section) *jsonschema.Schema {
	_, name, _ := strings.Cut(s.what, " ")
	name = strings.ReplaceAll(name, " ", "-")
	if b.defs[name] == nil {
		b.defs[name] = &jsonschema.Schema{} // sections may refer to each other
		if s == stepSection {
			*b.defs[name] = *b.step()
		} else {
			*b.defs[name] = *b.object(s)
		}
	}
	return ref(name)
}
