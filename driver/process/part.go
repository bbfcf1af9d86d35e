package process

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/segue-run/segue/secret"
	"github.com/segue-run/segue/state"
)

// A part of a definition is one owned field of a service's state.
type part interface {
	field() string
	read(definition) json.RawMessage
	write(definition, json.RawMessage) (definition, error)
}

// encode panics on what has no JSON form, which no value of a part is.
func encode(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("process: encode a field: %v", err))
	}
	return raw
}

// environ is the part that one variable is; null while it is not set.
type environ string

func (v environ) field() string { return "env." + string(v) }

func (v environ) read(d definition) json.RawMessage {
	value, ok := d.variable(string(v))
	if !ok {
		return encode(nil)
	}
	return v.encode(value)
}

func (v environ) encode(value string) json.RawMessage {
	if secret.Looks(string(v)) || hasCredentials(value) {
		return encode(state.Secret(value))
	}
	return encode(value)
}

func (v environ) write(d definition, raw json.RawMessage) (definition, error) {
	if string(raw) == "null" {
		return d.withVariable(string(v), nil), nil
	}
	value, err := text(raw)
	if err != nil {
		return nil, fmt.Errorf("variable %s: %w", v, err)
	}
	return d.withVariable(string(v), &value), nil
}

// text is a string, open or sealed.
func text(raw json.RawMessage) (string, error) {
	if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) {
		var s state.Secret
		err := json.Unmarshal(raw, &s)
		return string(s), err
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return "", fmt.Errorf("its state is no text")
	}
	return s, nil
}

// runs is the part that the command is: a list, or a line for the shell.
type runs struct{}

func (runs) field() string { return "command" }

func (runs) read(d definition) json.RawMessage { return d.command().encode() }

func (runs) write(d definition, raw json.RawMessage) (definition, error) {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		line, err := text(raw)
		if err != nil {
			return nil, fmt.Errorf("command: %w", err)
		}
		return d.withCommand(command{shell: line}), nil
	}
	var c command
	for _, raw := range list {
		arg, err := text(raw)
		if err != nil {
			return nil, fmt.Errorf("command: %w", err)
		}
		c.argv = append(c.argv, arg)
	}
	return d.withCommand(c), nil
}

// encode seals what looks like credentials: one argument of a list, the whole
// of a line.
func (c command) encode() json.RawMessage {
	if c.shell != "" {
		words := strings.Fields(c.shell)
		for i := range words {
			if isSecret(words, i) {
				return encode(state.Secret(c.shell))
			}
		}
		return encode(c.shell)
	}
	list := make([]any, len(c.argv))
	for i, arg := range c.argv {
		list[i] = arg
		if isSecret(c.argv, i) {
			list[i] = state.Secret(arg)
		}
	}
	return encode(list)
}

// isSecret knows --password=x, PASSWORD=x, --password x and URLs.
func isSecret(argv []string, i int) bool {
	name, _, given := strings.Cut(argv[i], "=")
	before := i > 0 && strings.HasPrefix(argv[i-1], "-") && !strings.Contains(argv[i-1], "=") && secret.Looks(argv[i-1])
	return before || given && secret.Looks(name) || hasCredentials(argv[i])
}

// hasCredentials reports whether there is a URL with a password, or with a key
// among its parameters.
func hasCredentials(value string) bool {
	if !strings.Contains(value, "://") {
		return false
	}
	for one := range strings.SplitSeq(value, ",") {
		u, err := url.Parse(strings.TrimSpace(one))
		if err != nil || u.User != nil {
			return true
		}
		for key := range u.Query() {
			if secret.Looks(key) {
				return true
			}
		}
	}
	return false
}
