package integration

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

type labels map[string]string

// series names one counter or gauge, or the count of a histogram, by all its
// labels.
type series struct {
	name   string
	labels labels
}

func (s series) String() string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(s.labels)) {
		pairs = append(pairs, fmt.Sprintf("%s=%q", name, s.labels[name]))
	}
	return s.name + "{" + strings.Join(pairs, ",") + "}"
}

// page is what a metrics endpoint shows.
type page struct {
	values map[string]float64 // by series
	names  map[string][]labels
}

func (p *probe) metrics(ctx context.Context, url string) (page, error) {
	code, raw, err := p.get(ctx, url)
	if err != nil {
		return page{}, err
	}
	if code != http.StatusOK {
		return page{}, fmt.Errorf("GET %s: %d", url, code)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(raw))
	if err != nil {
		return page{}, fmt.Errorf("GET %s: %w", url, err)
	}
	g := page{map[string]float64{}, map[string][]labels{}}
	for name, family := range families {
		for _, m := range family.GetMetric() {
			set := labels{}
			for _, l := range m.GetLabel() {
				set[l.GetName()] = l.GetValue()
			}
			g.names[name] = append(g.names[name], set)
			g.values[series{name, set}.String()] = m.GetCounter().GetValue() + m.GetGauge().GetValue() +
				float64(m.GetHistogram().GetSampleCount())
		}
	}
	return g, nil
}

// grown wants a series that is there, and higher than before.
func grown(before, after page, s series) error {
	was := before.values[s.String()]
	is, ok := after.values[s.String()]
	switch {
	case !ok:
		return fmt.Errorf("there is no %s; of that name there are %v", s, after.names[s.name])
	case is <= was:
		return fmt.Errorf("%s was %v and is %v: it does not count", s, was, is)
	}
	return nil
}

// labelled wants every series of a name to have these labels and no others.
func (g page) labelled(name string, want ...string) error {
	if len(g.names[name]) == 0 {
		return fmt.Errorf("there is no %s", name)
	}
	slices.Sort(want)
	for _, set := range g.names[name] {
		if got := slices.Sorted(maps.Keys(set)); !slices.Equal(got, want) {
			return fmt.Errorf("%s has the labels %v, want %v", name, got, want)
		}
	}
	return nil
}
