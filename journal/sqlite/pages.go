package sqlite

import (
	"encoding/binary"
	"iter"
)

// pages are those of a database file, with what its write-ahead log holds laid
// over them, from number 1. See https://www.sqlite.org/fileformat2.html.
type pages struct {
	size int
	at   map[uint32][]byte
	last uint32
}

const (
	defaultPageSize = 4096
	walHeader       = 32
	frameHeader     = 24
)

func pagesOf(data, log []byte) pages {
	p := pages{size: pageSize(data), at: map[uint32][]byte{}}
	for n := uint32(1); len(data) > 0; n++ {
		image := make([]byte, p.size) // what a shortened file lacks is zero
		data = data[copy(image, data):]
		p.at[n], p.last = image, n
	}
	p.overlay(log)
	return p
}

func pageSize(data []byte) int {
	if len(data) >= 18 {
		size := int(binary.BigEndian.Uint16(data[16:]))
		if size >= 512 && size <= 32768 && size&(size-1) == 0 {
			return size
		}
	}
	return defaultPageSize
}

// overlay lays the log's committed frames over the pages: those of its present
// generation, up to the last commit to which the log's checksum holds.
func (p *pages) overlay(log []byte) {
	if len(log) < walHeader || int(binary.BigEndian.Uint32(log[8:])) != p.size {
		return
	}
	var order binary.ByteOrder = binary.LittleEndian
	if log[3]&1 == 1 {
		order = binary.BigEndian
	}
	salt := log[16:24]
	sum := walSum{order: order}
	sum.add(log[:24])
	pending := map[uint32][]byte{}
	for rest := log[walHeader:]; len(rest) >= frameHeader+p.size; rest = rest[frameHeader+p.size:] {
		head, image := rest[:frameHeader], rest[frameHeader:frameHeader+p.size]
		sum.add(head[:8])
		sum.add(image)
		if string(head[8:16]) != string(salt) || !sum.is(head[16:24]) {
			return
		}
		pending[binary.BigEndian.Uint32(head)] = image
		if binary.BigEndian.Uint32(head[4:]) == 0 { // not the end of a commit
			continue
		}
		for n, image := range pending {
			p.at[n], p.last = image, max(p.last, n)
		}
		clear(pending)
	}
}

// walSum is the running checksum of a write-ahead log.
type walSum struct {
	order  binary.ByteOrder
	s0, s1 uint32
}

func (w *walSum) add(b []byte) {
	for ; len(b) >= 8; b = b[8:] {
		w.s0 += w.order.Uint32(b) + w.s1
		w.s1 += w.order.Uint32(b[4:]) + w.s0
	}
}

func (w *walSum) is(b []byte) bool {
	return binary.BigEndian.Uint32(b) == w.s0 && binary.BigEndian.Uint32(b[4:]) == w.s1
}

// The kinds of b-tree pages that hold rows: those of a table with rowids, and
// both of one without.
const (
	tableLeaf     = 0x0d
	indexLeaf     = 0x0a
	indexInterior = 0x02
)

// rows yields every row that can be made out on any page. Nothing is certain
// about them: a damaged page may yield nonsense.
func (p pages) rows() iter.Seq[[]value] {
	return func(yield func([]value) bool) {
		for n := uint32(1); n <= p.last && n != 0; n++ {
			page := p.at[n]
			if len(page) == 0 || (page[0] != tableLeaf && page[0] != indexLeaf && page[0] != indexInterior) {
				continue
			}
			for i := range int(binary.BigEndian.Uint16(page[3:])) {
				payload, ok := p.cell(page, i)
				if !ok {
					continue
				}
				if row, ok := decode(payload); ok && !yield(row) {
					return
				}
			}
		}
	}
}

// cell is the payload of a page's i-th cell, with what overflowed to others.
func (p pages) cell(page []byte, i int) ([]byte, bool) {
	pointer := 8 + 2*i
	if page[0] == indexInterior {
		pointer += 4
	}
	if pointer+2 > len(page) {
		return nil, false
	}
	start := int(binary.BigEndian.Uint16(page[pointer:]))
	if page[0] == indexInterior {
		start += 4 // the child's number
	}
	if start >= len(page) {
		return nil, false
	}
	b := page[start:]
	size, b, ok := varint(b)
	if ok && page[0] == tableLeaf {
		_, b, ok = varint(b) // the rowid
	}
	if !ok || size < 0 || size > int64(p.size)*int64(p.last) {
		return nil, false
	}
	return p.payload(b, int(size), page[0] == tableLeaf)
}

// payload joins size bytes that begin in b and may go on in overflow pages.
func (p pages) payload(b []byte, size int, table bool) ([]byte, bool) {
	most, least := (p.size-12)*64/255-23, (p.size-12)*32/255-23
	if table {
		most = p.size - 35
	}
	if size <= most {
		if size > len(b) {
			return nil, false
		}
		return b[:size], true
	}
	local := least + (size-least)%(p.size-4)
	if local > most {
		local = least
	}
	if local+4 > len(b) {
		return nil, false
	}
	whole := append([]byte(nil), b[:local]...)
	next := binary.BigEndian.Uint32(b[local:])
	for len(whole) < size {
		page, ok := p.at[next]
		if !ok {
			return nil, false
		}
		next = binary.BigEndian.Uint32(page)
		whole = append(whole, page[4:min(len(page), 4+size-len(whole))]...)
	}
	return whole, true
}
