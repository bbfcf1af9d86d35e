package postgres

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/segue-run/segue/driver"
)

// decoder reads the messages of pgoutput, version 1 of its protocol, as
// PostgreSQL's manual has them ("Logical Replication Message Formats").
type decoder struct {
	relations map[uint32]relation
}

type relation struct {
	name   string
	fields []pgconn.FieldDescription
	key    []bool // by column: it is in the replica identity
}

// A row is one of a message: values as text, and which of them were not sent,
// as they are long and did not change.
type row struct {
	values [][]byte
	kept   []bool
}

// A message is what one said.
type message struct {
	kind byte // of I, U, D, T, B, C; 0: nothing that is followed
	rel  relation
	now  row
	old  *row   // of U: the key, if it changed; of D
	end  uint64 // of C: the position after the transaction
}

var errShort = errors.New("a message of the log is too short")

func (d *decoder) decode(data []byte) (m message, err error) {
	defer func() {
		if r := recover(); r != nil {
			if _, short := r.(error); !short {
				panic(r)
			}
			err = errShort
		}
	}()
	b := &buffer{data}
	switch m.kind = b.byte(); m.kind {
	case 'B':
	case 'C':
		b.take(1 + 8)
		m.end = b.uint64()
	case 'R':
		d.relation(b)
		m.kind = 0
	case 'I':
		m.rel = d.relations[b.uint32()]
		b.take(1)
		m.now = b.row()
	case 'U':
		m.rel = d.relations[b.uint32()]
		what := b.byte()
		if what == 'K' || what == 'O' {
			old := b.row()
			m.old = &old
			if what == 'O' && !m.rel.moved(old, b.peekRow()) {
				m.old = nil
			}
			b.take(1)
		}
		m.now = b.row()
	case 'D':
		m.rel = d.relations[b.uint32()]
		b.take(1)
		old := b.row()
		m.old = &old
	case 'T':
	default: // types, origins, messages of others
		m.kind = 0
	}
	if (m.kind == 'I' || m.kind == 'U' || m.kind == 'D') && m.rel.name == "" {
		return m, errors.New("the log speaks of a table that it has not introduced")
	}
	return m, nil
}

func (d *decoder) relation(b *buffer) {
	id := b.uint32()
	schema, name := b.text(), b.text()
	b.take(1)
	r := relation{name: schema + "." + name}
	for range b.uint16() {
		r.key = append(r.key, b.byte()&1 != 0)
		f := pgconn.FieldDescription{Name: b.text(), DataTypeOID: b.uint32()}
		b.take(4)
		r.fields = append(r.fields, f)
	}
	d.relations[id] = r
}

// moved reports whether a row has another key than before.
func (r relation) moved(old, now row) bool {
	for i, key := range r.key {
		if key && string(old.values[i]) != string(now.values[i]) {
			return true
		}
	}
	return false
}

// record makes one of a row; whole is false when long values are missing.
func (r relation) record(from row) (rec driver.Record, whole bool, err error) {
	rec, whole = driver.Record{}, true
	for i, f := range r.fields {
		if i < len(from.kept) && from.kept[i] {
			whole = false
			continue
		}
		v, err := valueOf(f.DataTypeOID, from.values[i])
		if err != nil {
			return nil, false, fmt.Errorf("column %s: %w", f.Name, err)
		}
		rec[f.Name] = v
	}
	return rec, whole, nil
}

// keyed is the key of a row.
func (r relation) keyed(from row, key []string) (driver.Record, error) {
	rec, _, err := r.record(from)
	if err != nil {
		return nil, err
	}
	out := driver.Record{}
	for _, name := range key {
		if rec[name] == nil {
			return nil, fmt.Errorf("the log of %s does not say the %s of a row: its replica identity must be its primary key", r.name, name)
		}
		out[name] = rec[name]
	}
	return out, nil
}

// buffer reads what is there and panics with errShort where there is none.
type buffer struct{ left []byte }

func (b *buffer) take(n int) []byte {
	if n < 0 || len(b.left) < n {
		panic(errShort)
	}
	out := b.left[:n]
	b.left = b.left[n:]
	return out
}

func (b *buffer) byte() byte     { return b.take(1)[0] }
func (b *buffer) uint16() uint16 { return binary.BigEndian.Uint16(b.take(2)) }
func (b *buffer) uint32() uint32 { return binary.BigEndian.Uint32(b.take(4)) }
func (b *buffer) uint64() uint64 { return binary.BigEndian.Uint64(b.take(8)) }

func (b *buffer) text() string {
	for i, c := range b.left {
		if c == 0 {
			return string(b.take(i + 1)[:i])
		}
	}
	panic(errShort)
}

func (b *buffer) row() row {
	var r row
	for range b.uint16() {
		var v []byte
		kept := false
		switch b.byte() {
		case 'u':
			kept = true
		case 't':
			v = append([]byte{}, b.take(int(b.uint32()))...)
		}
		r.values, r.kept = append(r.values, v), append(r.kept, kept)
	}
	return r
}

// peekRow is the row that comes after the next byte.
func (b *buffer) peekRow() row {
	ahead := &buffer{b.left}
	ahead.take(1)
	return ahead.row()
}
