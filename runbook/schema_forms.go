package runbook

import (
	"slices"

	"github.com/google/jsonschema-go/jsonschema"
)

// key is the schema of a section's key.
func (b *schemaBuilder) key(k key) *jsonschema.Schema {
	s := b.form(k)
	s.Description = k.Doc
	return s
}

func (b *schemaBuilder) form(k key) *jsonschema.Schema {
	switch k.form {
	case formSub:
		return b.section(k.section)
	case formSubs, formSteps:
		return &jsonschema.Schema{Type: "array", Items: b.section(k.section), MinItems: jsonschema.Ptr(1)}
	case formNamed:
		pattern := namePattern
		if k.section == inputSection {
			pattern = `^[a-z][a-z0-9_-]*$`
		}
		return byName(pattern, b.section(k.section))
	case formActors:
		return byName(namePattern, &jsonschema.Schema{Type: "array", Items: &jsonschema.Schema{Type: "string"}, MinItems: jsonschema.Ptr(1)})
	case formConnections:
		return byName(namePattern, b.oneKind("a-connection", Connection))
	case formChecks:
		return byName(namePattern, b.oneKind("a-check", Check))
	case formRequire:
		return &jsonschema.Schema{
			Type: "array", MinItems: jsonschema.Ptr(1),
			Items: either(ref("type."+string(CheckRef)), b.section(requiredCheckSection), b.section(attestationSection)),
		}
	case formTexts:
		return byName(namePattern, &jsonschema.Schema{Type: "string"})
	case formWhen:
		scalar := &jsonschema.Schema{Types: []string{"string", "number", "boolean"}}
		list := &jsonschema.Schema{Type: "array", Items: scalar, MinItems: jsonschema.Ptr(1)}
		s := byName(`^[a-z][a-z0-9_-]*$`, either(scalar, list))
		s.MinProperties = jsonschema.Ptr(1)
		return s
	case formCheckList:
		entry := either(ref("type."+string(CheckRef)), b.section(chosenCheckSection))
		return either(&jsonschema.Schema{Type: "array", Items: entry, MinItems: jsonschema.Ptr(1)}, ref("input-value"))
	case formValues:
		scalar := &jsonschema.Schema{Types: []string{"string", "number", "boolean"}}
		list := &jsonschema.Schema{Type: "array", Items: scalar}
		if k.Type == List {
			return list
		}
		return either(scalar, list)
	}
	return b.field(k.Field)
}

// byName is a mapping of names to something.
func byName(pattern string, to *jsonschema.Schema) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "object", PropertyNames: &jsonschema.Schema{Pattern: pattern, MaxLength: jsonschema.Ptr(maxName)}, AdditionalProperties: to}
}

// oneKind defines a mapping with exactly one kind of a class.
func (b *schemaBuilder) oneKind(name string, class Class) *jsonschema.Schema {
	s := &jsonschema.Schema{
		Type: "object", Properties: map[string]*jsonschema.Schema{}, AdditionalProperties: nothingElse(),
		MinProperties: jsonschema.Ptr(1), MaxProperties: jsonschema.Ptr(1),
	}
	b.addKinds(s, class)
	b.defs[name] = s
	return ref(name)
}

// addKinds makes each kind of a class a property.
func (b *schemaBuilder) addKinds(s *jsonschema.Schema, class Class) []string {
	var names []string
	for _, kind := range b.cat.Kinds(class) {
		s.Properties[kind.Name] = b.kind(class, kind)
		s.PropertyOrder = append(s.PropertyOrder, kind.Name)
		names = append(names, kind.Name)
	}
	return names
}

// kind defines a kind's parameters and refers to them.
func (b *schemaBuilder) kind(class Class, kind Kind) *jsonschema.Schema {
	name := string(class) + "." + kind.Name
	s := b.fields(kind.Doc, kindFields(kind))
	for _, f := range kind.Fields {
		if f.Type == Place {
			s.Properties[f.Name] = b.places(f, kind.Fields)
		}
	}
	if len(s.Required) == 0 {
		s.Type, s.Types = "", []string{"object", "null"}
	}
	b.defs[name] = s
	return ref(name)
}

// fields is the schema of parameters.
func (b *schemaBuilder) fields(doc string, fields []Field) *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "object", Description: doc, Properties: map[string]*jsonschema.Schema{}, AdditionalProperties: nothingElse()}
	for _, f := range fields {
		s.Properties[f.Name] = b.field(f)
		s.PropertyOrder = append(s.PropertyOrder, f.Name)
		if f.Required {
			s.Required = append(s.Required, f.Name)
		}
	}
	return s
}

// places is what can be written in a field of type Place: what any of the kinds
// of connections takes there.
func (b *schemaBuilder) places(f Field, fields []Field) *jsonschema.Schema {
	i := slices.IndexFunc(fields, func(of Field) bool { return of.Name == f.Of })
	out := &jsonschema.Schema{Description: f.Doc}
	for _, conn := range b.cat.Kinds(Connection) {
		place, ok := conn.Places[fields[i].Needs]
		if !ok {
			continue
		}
		name := "place." + conn.Name + "." + fields[i].Needs
		if b.defs[name] == nil {
			b.defs[name] = b.fields("Of a "+conn.Name+" connection.", place.Fields)
		}
		out.AnyOf = append(out.AnyOf, ref(name))
	}
	return out
}

// step is a step's keys and exactly one action.
func (b *schemaBuilder) step() *jsonschema.Schema {
	s := b.object(stepSection)
	for _, name := range b.addKinds(s, Action) {
		s.OneOf = append(s.OneOf, &jsonschema.Schema{Required: []string{name}})
	}
	return s
}
