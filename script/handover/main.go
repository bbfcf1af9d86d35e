// Command handover reads, from its standard input, the runs that BenchmarkHandover has written, one a line
// of JSON, prints them side by side, and ends with one line for machines that
// is derived from them. It fails when a handover lost, doubled or reordered a
// message, or a publisher got an error.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// A run is one move of a live space.
type run struct {
	Method         string         `json:"method"`
	Share          int            `json:"share"`
	Rate           int            `json:"rate"`
	Size           int            `json:"size"`
	Sent           int            `json:"sent"`
	Lost           int            `json:"lost"`
	Doubled        int            `json:"doubled"`
	ReorderedAcked int            `json:"reordered_acked"`
	ReorderedFAF   int            `json:"reordered_faf"`
	Errors         int            `json:"publisher_errors"`
	ByKind         map[string]int `json:"wrong_by_kind"`
	Stall          float64        `json:"stall_ms"`
	Bare           float64        `json:"two_updates_ms"`
	Ownerless      float64        `json:"ownerless_ms"`
	Failed         string         `json:"failed"`
}

// A result is what the handovers come to.
type result struct {
	Runs           int     `json:"runs"`
	Lost           int     `json:"lost"`
	Doubled        int     `json:"doubled"`
	ReorderedAcked int     `json:"reordered_acked"`
	ReorderedFAF   int     `json:"reordered_faf"`
	Errors         int     `json:"publisher_errors"`
	Worst          float64 `json:"stall_ratio_worst"`
	Failed         int     `json:"failed"`
	// Nothing is the worst ratio where one stream only copied the other: what the
	// machine makes publishers wait for by itself.
	Nothing float64 `json:"nothing_ratio_worst,omitempty"`
}

func main() {
	ok, err := report(os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}

// report prints; ok: no handover failed in any way.
func report(in io.Reader, out io.Writer) (ok bool, err error) {
	var all []run
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		var r run
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return false, fmt.Errorf("run %d: %w", len(all)+1, err)
		}
		all = append(all, r)
	}
	if err := lines.Err(); err != nil {
		return false, err
	}
	table(all, out)
	res := sum(all)
	raw, err := json.Marshal(res)
	if err != nil {
		return false, err
	}
	_, _ = fmt.Fprintf(out, "%s\n", raw)
	_, _ = fmt.Fprintf(out, "handover: runs=%d lost=%d doubled=%d reordered_acked=%d reordered_faf=%d publisher_errors=%d stall_ratio_worst=%.1f\n",
		res.Runs, res.Lost, res.Doubled, res.ReorderedAcked, res.ReorderedFAF, res.Errors, res.Worst)
	return res.Runs > 0 && res.Lost+res.Doubled+res.ReorderedAcked+res.Errors+res.Failed == 0, nil
}

func sum(all []run) (res result) {
	for _, r := range all {
		if r.Method == "nothing" {
			res.Nothing = max(res.Nothing, r.ratio())
		}
		if r.Method != "handover" {
			continue
		}
		res.Runs++
		res.Lost += r.Lost
		res.Doubled += r.Doubled
		res.ReorderedAcked += r.ReorderedAcked
		res.ReorderedFAF += r.ReorderedFAF
		res.Errors += r.Errors
		res.Worst = max(res.Worst, r.ratio())
		if r.Failed != "" {
			res.Failed++
		}
	}
	return res
}

func (r run) ratio() float64 {
	if r.Bare == 0 {
		return 0
	}
	return r.Stall / r.Bare
}

// table has a row for each method and load.
func table(all []run, out io.Writer) {
	type load struct {
		share, rate, size int
		method            string
	}
	var order []load
	groups := map[load][]run{}
	for _, r := range all {
		k := load{r.Share, r.Rate, r.Size, r.Method}
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], r)
	}
	_, _ = fmt.Fprintln(out, "load                    method    runs    sent lost doubled reordered(acked/faf) errors  stall/two updates p50 p99 max   ownerless ms p50 max")
	for _, k := range order {
		g := groups[k]
		var s run
		var ratios, gaps []float64
		var wrong []string
		for _, r := range g {
			s.Sent, s.Lost, s.Doubled, s.Errors = s.Sent+r.Sent, s.Lost+r.Lost, s.Doubled+r.Doubled, s.Errors+r.Errors
			s.ReorderedAcked, s.ReorderedFAF = s.ReorderedAcked+r.ReorderedAcked, s.ReorderedFAF+r.ReorderedFAF
			ratios, gaps = append(ratios, r.ratio()), append(gaps, r.Ownerless)
			if r.Failed != "" {
				wrong = append(wrong, r.Failed)
			}
			for kind, n := range r.ByKind {
				wrong = append(wrong, fmt.Sprintf("%s: %d", kind, n))
			}
		}
		slices.Sort(ratios)
		slices.Sort(gaps)
		_, _ = fmt.Fprintf(out, "%3d%% %6d/s %6d B   %-9s %4d %7d %4d %7d %9d/%-10d %6d  %17.1f %4.1f %4.1f %14.1f %6.1f\n",
			k.share, k.rate, k.size, k.method, len(g), s.Sent, s.Lost, s.Doubled, s.ReorderedAcked, s.ReorderedFAF, s.Errors,
			at(ratios, 0.5), at(ratios, 0.99), at(ratios, 1), at(gaps, 0.5), at(gaps, 1))
		if k.method == "handover" && len(wrong) > 0 {
			_, _ = fmt.Fprintln(out, "    "+strings.Join(wrong, "; "))
		}
	}
}

// at is a quantile of what is sorted.
func at(sorted []float64, q float64) float64 {
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}
