package compare

import (
	"math"

	"github.com/segue-run/segue/compare/diff"
)

// A Field is what was seen of one kind of difference in one field of an
// endpoint.
//
// Chance decides which of three answers is the odd one out: on equal systems
// the new one as often as legacy's second. So in each pair it is looked which of
// both was so in more places, and it is a difference when the pairs that say
// "the new one" are more than chance explains: a sign test. Answers in which all
// three differ say nothing either way.
type Field struct {
	Field  string    `json:"field"`
	Kind   diff.Kind `json:"kind"`
	Judged Judgement `json:"judged"`
	// Odd is the number of pairs in which the new answer was the odd one out, in
	// Places places; Even the number in which legacy's second answer was; Noise
	// the number in which legacy differed from itself; Sure the number in which
	// legacy was asked only once, so that what differs is a difference.
	Odd    int64 `json:"odd"`
	Places int64 `json:"places"`
	Even   int64 `json:"even"`
	Noise  int64 `json:"noise"`
	Sure   int64 `json:"sure,omitempty"`

	Examples      []Example `json:"examples,omitempty"`
	NoiseExamples []Example `json:"noise_examples,omitempty"` // New is legacy's second answer
}

// A Judgement is what a field's differences are.
type Judgement string

// The judgements.
const (
	Difference Judgement = "difference" // of the two systems
	Unclear    Judgement = "unclear"    // it may be either
	Noise      Judgement = "noise"      // legacy differs from itself in the same way
)

// An Example is one difference as it was seen.
type Example struct {
	Pair    int64  `json:"pair"` // which one, from 1
	Request string `json:"request"`
	Path    string `json:"path"`
	Legacy  string `json:"legacy"`
	New     string `json:"new"`
}

const (
	// chance is how likely noise is taken for a difference, in one field.
	chance = 1e-6
	// doubt is how unlikely it must be noise to be called unclear.
	doubt = 1e-4
)

func (f *Field) add(n onePair, twice bool) {
	f.Places += int64(n.odd)
	if n.even+n.both > 0 {
		f.Noise++
	}
	switch {
	case n.odd > n.even:
		f.Odd++
		if !twice {
			f.Sure++
		}
	case n.even > n.odd:
		f.Even++
	}
}

func (f *Field) judge() Judgement {
	p := headsOrMore(f.Odd, f.Odd+f.Even)
	switch {
	case f.Sure > 0, p < chance:
		return Difference
	case f.Odd > 0 && f.Noise == 0, p < doubt:
		return Unclear
	}
	return Noise
}

// headsOrMore is how likely so many heads or more are in n throws of a coin.
func headsOrMore(heads, n int64) float64 {
	if 2*heads <= n {
		return 1
	}
	lgamma := func(x int64) float64 { v, _ := math.Lgamma(float64(x) + 1); return v }
	term := math.Exp(lgamma(n) - lgamma(heads) - lgamma(n-heads) - float64(n)*math.Ln2)
	sum := 0.0
	for i := heads; i <= n && term > sum*1e-12; i++ { // each term is smaller than the one before
		sum += term
		term *= float64(n-i) / float64(i+1)
	}
	return sum
}
