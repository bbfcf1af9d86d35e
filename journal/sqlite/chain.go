package sqlite

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/segue-run/segue/journal"
)

// A chain computes the checksums of a run's records, each over the one before.
// It guards against damage, not against a forger, who could compute it anew.
type chain struct {
	sum [sha256.Size]byte
	buf []byte
}

// genesis is the chain before a run's first record. It carries the run's ID,
// so that one run's records cannot pass as another's.
func genesis(run string) *chain {
	return &chain{sum: sha256.Sum256([]byte("segue journal\x00" + run))}
}

// after is the chain that ends in sum.
func after(sum []byte) *chain {
	c := &chain{}
	copy(c.sum[:], sum)
	return c
}

// add moves the chain over a record.
func (c *chain) add(r journal.Record) {
	b := append(c.buf[:0], c.sum[:]...) //nolint:gocritic // the buffer is given back below
	for _, n := range []int64{r.Seq, nanos(r.At), r.Epoch, int64(r.Version), int64(len(r.Type)), int64(len(r.Data))} {
		b = binary.BigEndian.AppendUint64(b, uint64(n)) //nolint:gosec // bits, not a number
	}
	b = append(b, r.Type...)
	b = append(b, r.Data...)
	c.sum, c.buf = sha256.Sum256(b), b
}
