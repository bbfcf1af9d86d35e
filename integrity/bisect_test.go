package integrity

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/segue-run/segue/driver"
)

// table is a view of records in memory: by key, the values of those that have it.
type table struct {
	driver.View
	rows  map[string][]string
	asked int // how many passes there were
	fail  error
}

func hashed(text string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text))
	return h.Sum64()
}

func (v *table) in(key string, within *driver.Buckets) bool {
	return within == nil || slices.Contains(within.Of, hashed(key)&(1<<within.Bits-1))
}

func (v *table) Sums(_ context.Context, _ driver.Form, bits int, within *driver.Buckets) (map[uint64]driver.Sum, error) {
	v.asked++
	sums, counts := map[uint64]uint64{}, map[uint64]int64{}
	for key, values := range v.rows {
		for _, value := range values {
			if v.in(key, within) {
				b := hashed(key) & (1<<bits - 1)
				sums[b] += hashed(key + "\x00" + value)
				counts[b]++
			}
		}
	}
	out := map[uint64]driver.Sum{}
	for b, n := range counts {
		out[b] = driver.Sum{Records: n, Digest: fmt.Sprint(sums[b])}
	}
	return out, nil
}

func (v *table) Digests(_ context.Context, _ driver.Form, within driver.Buckets, take func(driver.Digest) error) error {
	var keys []string
	for key := range v.rows {
		if v.in(key, &within) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for i, key := range keys {
		if v.fail != nil && i == len(keys)/2 {
			return v.fail
		}
		for _, value := range v.rows[key] {
			if err := take(driver.Digest{Key: []string{key}, Order: []byte(key), Of: int64(hashed(key + "\x00" + value))}); err != nil { //nolint:gosec // any bits
				return err
			}
		}
	}
	return nil
}

// tables are two that are equal.
func tables(n int) (left, right *table) {
	left, right = &table{rows: map[string][]string{}}, &table{rows: map[string][]string{}}
	for i := range n {
		key := fmt.Sprintf("key %d", i)
		left.rows[key], right.rows[key] = []string{"a"}, []string{"a"}
	}
	return left, right
}

func TestASearchFindsWhatIsPlantedAndNothingElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const records = 400
		left, right := tables(records)
		var want []string
		for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, records-1), 0, 30, func(i int) int { return i }).Draw(t, "records") {
			key := fmt.Sprintf("key %d", i)
			want = append(want, key)
			switch rapid.IntRange(0, 3).Draw(t, "fault") {
			case 0:
				right.rows[key] = []string{"b"}
			case 1:
				delete(right.rows, key)
			case 2:
				delete(left.rows, key)
			case 3:
				right.rows[key] = []string{"a", "a"}
			}
		}
		slices.Sort(want)
		few := rapid.Int64Range(1, 100).Draw(t, "few")
		got, err := search{views: pair[driver.View]{left, right}, limit: 1000, few: few}.run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		for _, key := range got.keys {
			keys = append(keys, strings.Join(key, ","))
		}
		slices.Sort(keys)
		if d := cmp.Diff(want, keys); d != "" || got.more {
			t.Fatalf("in %d passes (-want +got):\n%s", left.asked, d)
		}
	})
}

func TestASearchOfEqualTablesAsksOnce(t *testing.T) {
	left, right := tables(1000)
	got, err := search{views: pair[driver.View]{left, right}, limit: 10}.run(t.Context())
	if err != nil || len(got.keys) > 0 || left.asked != 1 || got.records != (pair[int64]{1000, 1000}) {
		t.Errorf("%+v in %d passes, %v", got, left.asked, err)
	}
}

func TestASearchStopsAtItsLimit(t *testing.T) {
	left, right := tables(1000)
	for key := range right.rows {
		right.rows[key] = []string{"b"}
	}
	got, err := search{views: pair[driver.View]{left, right}, limit: 10}.run(t.Context())
	if err != nil || len(got.keys) != 10 || !got.more {
		t.Errorf("%d keys, more %v, %v", len(got.keys), got.more, err)
	}
}

// A side that fails half-way looks as if the rest were missing.
func TestASideThatFailsIsNoDifference(t *testing.T) {
	left, right := tables(1000)
	for i := range 50 {
		right.rows[fmt.Sprintf("key %d", i)] = []string{"b"}
	}
	right.fail = errors.New("the server went away")
	if _, err := (search{views: pair[driver.View]{left, right}, limit: 1000}).run(t.Context()); !errors.Is(err, right.fail) {
		t.Errorf("%v", err)
	}
}
