package runbook

import "fmt"

// placed reads a field that says where in a connection's system something is,
// as the kind of that connection has it written.
func (p *parser) placed(m *mapping, f, of Field, params Params) (place Params, sampled, ok bool) {
	conn, _ := params[of.Name].(string)
	name, known := p.conns[conn]
	if !known || name == "" {
		return nil, false, false // that was told already
	}
	how, known := p.kinds(Connection)[name].Places[of.Needs]
	if !known {
		m.fault(f.Name, fmt.Sprintf("%s says where in %s, a %s connection, and there are no places in one", f.Name, conn, name), "remove it")
		return nil, false, false
	}
	kind := &knownKind{Kind: Kind{Name: f.Name + " of a " + name + " connection", Fields: how.Fields}, fields: map[string]Field{}}
	for _, f := range how.Fields {
		kind.fields[f.Name] = f
	}
	in, ok := p.mapping(m.vals[f.Name], m.at(f.Name), f.Name)
	if !ok {
		return nil, false, false
	}
	place = Params{}
	ok, sampled = p.params(kind, in, place)
	if ok && !sampled && how.Validate != nil {
		ok = p.validated(in, how.Validate(place))
	}
	return place, sampled, ok
}
