package sqlite

// A value is one column of a row as SQLite stores it.
type value struct {
	kind  byte // 't'ext, 'b'lob, 'i'nteger, '-' for what a journal does not have
	int   int64
	bytes []byte
}

// kinds spells a row's kinds, which tell our tables apart.
func kinds(row []value) string {
	b := make([]byte, len(row))
	for i, v := range row {
		b[i] = v.kind
	}
	return string(b)
}

// maxColumns is more than any of our tables has.
const maxColumns = 16

// decode reads a payload in SQLite's record format: a header with its own
// length and one type a column, then the columns.
func decode(payload []byte) ([]value, bool) {
	size, types, ok := varint(payload)
	if !ok || size < 1 || size > int64(len(payload)) {
		return nil, false
	}
	body := payload[size:]
	if len(types) < len(body) { // a header that ends within its own length
		return nil, false
	}
	types = types[:len(types)-len(body)]
	var row []value
	for len(types) > 0 {
		var kind int64
		if kind, types, ok = varint(types); !ok || kind < 0 || len(row) == maxColumns {
			return nil, false
		}
		v, n := value{kind: '-'}, int64(0)
		switch {
		case kind >= 1 && kind <= 6:
			v.kind, n = 'i', []int64{0, 1, 2, 3, 4, 6, 8}[kind]
		case kind == 7:
			n = 8
		case kind == 8 || kind == 9:
			v.kind, v.int = 'i', kind-8
		case kind >= 12 && kind%2 == 0:
			v.kind, n = 'b', (kind-12)/2
		case kind >= 13:
			v.kind, n = 't', (kind-13)/2
		}
		if n > int64(len(body)) {
			return nil, false
		}
		v.bytes, body = body[:n], body[n:]
		if v.kind == 'i' && n > 0 {
			v.int = bigEndian(v.bytes)
		}
		row = append(row, v)
	}
	return row, true
}

// bigEndian is a signed integer of any width.
func bigEndian(b []byte) int64 {
	n := int64(int8(b[0])) //nolint:gosec // the sign is meant
	for _, c := range b[1:] {
		n = n<<8 | int64(c)
	}
	return n
}

// varint reads SQLite's: big-endian, seven bits a byte, all eight of a ninth.
func varint(b []byte) (n int64, rest []byte, ok bool) {
	for i, c := range b {
		if i == 8 {
			return n<<8 | int64(c), b[9:], true
		}
		n = n<<7 | int64(c&0x7f)
		if c < 0x80 {
			return n, b[i+1:], true
		}
	}
	return 0, nil, false
}
