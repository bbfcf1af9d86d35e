package prometheus

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// What these checks ask, as PromQL that has a result while they fail. A rule has
// no memory: it judges a window, by a threshold that is drawn sharper where the
// check proves.

// Alert implements driver.Alerts.
func (p promqlParams) Alert() (string, bool) { return p.boundParams.alert(p.Query) }

// Alert implements driver.Alerts.
func (p metricsParams) Alert() (string, bool) {
	if len(p.Labels) > 0 && strings.Contains(p.Metric, "{") {
		return "", false
	}
	query := p.Metric
	if len(p.Labels) > 0 {
		query += name(series{labels: p.Labels})
	}
	return p.boundParams.alert(query)
}

func (p boundParams) alert(query string) (string, bool) {
	if p.Expect != "" {
		return "", false
	}
	low, high := query, query // what is held against above, and against below
	switch p.Series {
	case "sum":
		low, high = "sum("+query+")", "sum("+query+")"
	case "any": // it fails when not even the best holds
		low, high = "max("+query+")", "min("+query+")"
	}
	var parts []string
	if p.Below != nil {
		parts = append(parts, fmt.Sprintf("(%s) >= %s", high, number(*p.Below)))
	}
	if p.Above != nil {
		parts = append(parts, fmt.Sprintf("(%s) <= %s", low, number(*p.Above)))
	}
	return strings.Join(parts, " or "), true
}

// alertWindow is what a rule looks back over where the check itself has no
// window.
const alertWindow = 5 * time.Minute

// Alert implements driver.Alerts.
func (p ratioParams) Alert() (string, bool) {
	window := p.Window
	if window == 0 {
		window = alertWindow
	}
	return over(increase(p.Bad, window), increase(p.Total, window), float64(p.Below)/100, p.Confidence != nil, p.counterParams), true
}

// Alert implements driver.Alerts.
func (p quantileParams) Alert() (string, bool) {
	s, err := parseSelector(p.Histogram)
	if err != nil {
		return "", false
	}
	edge := edge(p.Below.Seconds())
	pattern := strings.ReplaceAll(edge, ".", `\\.`)
	if !strings.Contains(edge, ".") {
		pattern += `(\\.0)?`
	}
	bucket := func(le string) string {
		inner := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(s.text, s.name), "{"), "}")
		if inner = strings.TrimSuffix(strings.TrimSpace(inner), ","); inner != "" {
			inner += ","
		}
		return increase(s.name+"_bucket{"+inner+le+"}", alertWindow)
	}
	all := bucket(`le="+Inf"`)
	slow := "(" + all + " - " + bucket(`le=~"`+pattern+`"`) + ")"
	return over(slow, all, 1-float64(p.Quantile)/100, true, p.counterParams), true
}

// Alert implements driver.Alerts.
func (p compareParams) Alert() (string, bool) {
	bad, total := increase(p.Bad, alertWindow), increase(p.Total, alertWindow)
	oldBad, oldTotal := increase(p.OldBad, alertWindow), increase(p.OldTotal, alertWindow)
	share, old := bad+" / "+total, oldBad+" / "+oldTotal
	variance := func(share, total string) string { return fmt.Sprintf("(%s) * (1 - %s) / %s", share, share, total) }
	return fmt.Sprintf("(%s) - (%s) - %s * sqrt(%s + %s) > %s and %s >= %d",
		share, old, number(sigmas), variance(share, total), variance(old, oldTotal), number(float64(p.By)/100), total, p.counterParams.filled().MinSamples), true
}

// sigmas are how many standard errors a share in a window must lie over the
// threshold, where the check proves: looked at each minute, 4 are passed by
// chance about once in three weeks.
const sigmas = 4.0

// over is when a share is over a threshold.
func over(bad, total string, threshold float64, proven bool, p counterParams) string {
	margin := ""
	if proven {
		margin = fmt.Sprintf(" - %s * sqrt(%s / %s)", number(sigmas), number(threshold*(1-threshold)), total)
	}
	cmp := ">="
	if proven {
		cmp = ">"
	}
	return fmt.Sprintf("%s / %s%s %s %s and %s >= %d", bad, total, margin, cmp, number(round(threshold)), total, p.filled().MinSamples)
}

// round takes back what 1 - 0.99 adds.
func round(v float64) float64 { return math.Round(v*1e12) / 1e12 }

// increase of counters; those that are not there yet have counted nothing.
func increase(selector string, window time.Duration) string {
	return fmt.Sprintf("(sum(increase(%s[%s])) or vector(0))", selector, model.Duration(window))
}
