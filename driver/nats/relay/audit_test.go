package relay

import (
	"slices"
	"strconv"
	"testing"

	"github.com/nats-io/nats.go"
)

// heard are messages of one subject; a payload that ends with "!" has it as its
// Nats-Msg-Id too.
func heard(payloads ...string) (out []*Heard) {
	for i, p := range payloads {
		out = append(out, &Heard{msg: message(p), at: i, forwarded: true, own: true, ack: uint64(100 + i)})
	}
	return out
}

func message(payload string) *nats.Msg {
	m := nats.NewMsg("s.x")
	m.Data = []byte(payload)
	if payload[len(payload)-1] == '!' {
		m.Header.Set(nats.MsgIdHdr, payload)
	}
	return m
}

// held are messages as a stream has them, from 100 on.
func held(payloads ...string) (out []Stored) {
	for i, p := range payloads {
		m := message(p)
		out = append(out, Stored{Subject: m.Subject, Header: m.Header, Data: m.Data, Seq: uint64(100 + i)})
	}
	return out
}

func TestAuditFindsWhatIsWrong(t *testing.T) {
	for name, tc := range map[string]struct {
		heard                                      []*Heard
		old, taken                                 []Stored
		missing, extra, unheard, reordered, repeat int
		published                                  uint64
	}{
		"nothing":                               {heard: heard("a", "b"), taken: held("a", "b"), published: 2},
		"a part is in the old stream":           {heard: heard("a", "b"), old: held("a"), taken: held("b"), published: 1},
		"one is nowhere":                        {heard: heard("a", "b"), taken: held("a"), missing: 1, published: 2},
		"one is there twice":                    {heard: heard("a", "b"), taken: held("a", "b", "b"), extra: 1, published: 2},
		"two equal ones":                        {heard: heard("a", "a"), taken: held("a", "a"), published: 2},
		"one of two equal ones is missing":      {heard: heard("a", "a"), taken: held("a"), missing: 1, published: 2},
		"one in both":                           {heard: heard("a"), old: held("a"), taken: held("a"), extra: 1},
		"one that nobody published":             {heard: heard("a"), taken: held("a", "z"), unheard: 1, published: 1},
		"two are swapped":                       {heard: heard("a", "b", "c"), taken: held("b", "a", "c"), reordered: 1, published: 3},
		"a publish that was repeated by its id": {heard: heard("a!", "a!"), taken: held("a!"), repeat: 1, published: 1},
		"a repeat that was stored":              {heard: heard("a!", "a!"), taken: held("a!", "a!"), extra: 1, repeat: 1, published: 1},
	} {
		t.Run(name, func(t *testing.T) {
			f := Audit(tc.heard, tc.old, tc.taken)
			if len(f.Missing) != tc.missing || len(f.Extra) != tc.extra || len(f.Unheard) != tc.unheard || f.Reordered != tc.reordered || f.Repeats != tc.repeat || f.Published["s.x"] != tc.published {
				t.Errorf("%+v", f)
			}
			if f.Clean() != (tc.missing+tc.extra+tc.unheard == 0) {
				t.Errorf("clean: %v", f.Clean())
			}
		})
	}
}

// Of two copies the later one goes, unless the earlier one came directly while
// the relay still had the message before it.
func TestOfTwoCopiesTheOneThatKeepsTheOrderStays(t *testing.T) {
	for name, tc := range map[string]struct {
		heard []*Heard
		taken []Stored
		extra []uint64
	}{
		"twice in a row":               {heard("a"), held("a", "a"), []uint64{101}},
		"one lane after the other":     {heard("a", "b"), held("a", "b", "a", "b"), []uint64{102, 103}},
		"the direct one came too soon": {heard("a", "b"), held("b", "a", "b"), []uint64{100}},
		"and so did the next one":      {heard("a", "b", "c", "d"), held("b", "c", "a", "b", "c", "d"), []uint64{100, 101}},
		"both are too soon":            {heard("a", "b"), held("b", "b", "a"), []uint64{100}},
		"equal ones between others":    {heard("a", "b", "a"), held("a", "b", "b", "a"), []uint64{102}},
	} {
		t.Run(name, func(t *testing.T) {
			if f := Audit(tc.heard, nil, tc.taken); !slices.Equal(f.Extra, tc.extra) {
				t.Fatalf("extra %v", f.Extra)
			}
		})
	}
}

// Other subjects have an order of their own.
func TestTheOrderIsEachSubjectsOwn(t *testing.T) {
	h, s := heard("a", "b"), held("b", "a", "b")
	h[0].msg.Subject, s[1].Subject = "s.y", "s.y"
	if f := Audit(h, nil, s); !slices.Equal(f.Extra, []uint64{102}) {
		t.Fatalf("extra %v", f.Extra)
	}
}

func TestALedgerIsUnequalWhereARowIs(t *testing.T) {
	var l Ledger
	*l.Row("a") = Row{Old: 3, Relay: 2, New: 5}
	if said := l.Unequal(); said != "" {
		t.Fatal(said)
	}
	l.Row("b").New = 1
	if l.Unequal() == "" {
		t.Fatal("a row too many is not seen")
	}
	for i := range 5 {
		l.Row(strconv.Itoa(i)).Old = 1
	}
	short := l.Condensed(3)
	if len(short.Subjects) != 1 || len(l.Subjects) != 7 || short.Unequal() == "" {
		t.Fatalf("condensed to %+v", short)
	}
}
