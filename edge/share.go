package edge

import (
	"fmt"
	"math"
	"strconv"

	"github.com/segue-run/segue/runbook"
)

// A Share is the new side's part of all clients, in buckets of Whole.
type Share int

// Whole is all clients: so many buckets, each a hundredth of a percent.
const Whole Share = 10000

// ShareOf is a percentage as a share; it has two decimals at most.
func ShareOf(field string, p runbook.Percent) (Share, error) {
	s := math.Round(float64(p) * 100)
	switch {
	case !(p >= 0 && p <= 100):
		return 0, &runbook.FieldError{Field: field, Problem: fmt.Sprintf("%g %% is no share of the traffic", float64(p)), Remedy: "write one from 0% to 100%"}
	case math.Abs(s-float64(p)*100) > 1e-6:
		return 0, &runbook.FieldError{Field: field, Problem: fmt.Sprintf("%g %% is finer than a split can be", float64(p)), Remedy: "write two decimals at most, as in " + Share(s).String()}
	}
	return Share(s), nil
}

// ParseShare takes back what String wrote.
func ParseShare(text string) (Share, error) {
	p, err := runbook.ParsePercentage(text)
	if err != nil {
		return 0, err
	}
	return ShareOf("share", p)
}

func (s Share) String() string {
	return strconv.FormatFloat(float64(s)/100, 'f', -1, 64) + "%"
}

// Fraction is the share between 0 and 1.
func (s Share) Fraction() float64 { return float64(s) / float64(Whole) }
