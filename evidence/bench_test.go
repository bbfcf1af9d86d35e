package evidence

import "testing"

// A gate is judged at every tick, and its bounds are told with every reading.
func BenchmarkJudge(b *testing.B) {
	for name, n := range map[string]Counts{"few": {Bad: 1, Total: 2000}, "many": {Bad: 100_000, Total: 200_000_000}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				rare.Judge(n)
			}
		})
	}
}

func BenchmarkCompare(b *testing.B) {
	c := Claim{Below: 0.0001, Versus: true, Confidence: 0.95}
	for b.Loop() {
		c.Judge(Counts{100, 200_000, 100, 200_000})
	}
}
