package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/segue-run/segue/examples/athlete-ally/event"
	"github.com/segue-run/segue/examples/athlete-ally/normalize"
)

// instance is one that answers.
type instance struct {
	Instance
	service string
	code    int
	health  normalize.Health
}

func (i instance) String() string { return i.service + " at " + i.URL }

// instances asks all there may be. It wants one deployment to be whole: the
// others may be down, as a blue or a green one is.
func (p *probe) instances(ctx context.Context) ([]instance, error) {
	var answer []instance
	var missing []string
	whole := false
	for _, s := range p.Normalizers {
		complete := len(s.Instances) > 0
		for _, at := range s.Instances {
			code, raw, err := p.get(ctx, at.URL+"/health")
			if ctx.Err() != nil {
				return nil, err
			}
			if err != nil {
				complete = false
				missing = append(missing, s.Name+" at "+at.URL)
				continue
			}
			i := instance{Instance: at, service: s.Name, code: code}
			if err := json.Unmarshal(raw, &i.health); err != nil {
				return nil, fmt.Errorf("%s: %d, and a body that is no health: %.200q", i, code, raw)
			}
			answer = append(answer, i)
		}
		whole = whole || complete
	}
	if !whole {
		return nil, fmt.Errorf("no deployment of normalize is whole: no answer of %s", strings.Join(missing, ", "))
	}
	return answer, nil
}

// eachInstance asks again until all that answer are as they should.
func (p *probe) eachInstance(ctx context.Context, want func(ctx context.Context, i instance) error) error {
	return await(ctx, func(ctx context.Context) error {
		all, err := p.instances(ctx)
		for _, i := range all {
			if wrong := want(ctx, i); wrong != nil {
				err = errors.Join(err, fmt.Errorf("%s: %w", i, wrong))
			}
		}
		return err
	})
}

func normalizeHealth(ctx context.Context, p *probe) error {
	return p.eachInstance(ctx, func(_ context.Context, i instance) error {
		h := i.health
		if i.code != http.StatusOK || h.Status != "healthy" || h.EventBus != "connected" || h.Database != "connected" || h.Service != "normalize" {
			return fmt.Errorf("%d %+v, want 200, healthy, and connected to bus and database", i.code, h)
		}
		return nil
	})
}

func normalizeVersions(ctx context.Context, p *probe) error {
	return await(ctx, func(ctx context.Context) error {
		all, err := p.instances(ctx)
		if err != nil {
			return err
		}
		version := map[string]string{}
		for _, i := range all {
			switch said, ok := version[i.service]; {
			case i.health.Version == "":
				return fmt.Errorf("%s says no version", i)
			case ok && said != i.health.Version:
				return fmt.Errorf("%s is version %q, and another instance %q", i, i.health.Version, said)
			}
			version[i.service] = i.health.Version
		}
		return nil
	})
}

func normalizeBound(ctx context.Context, p *probe) error {
	return p.eachInstance(ctx, func(ctx context.Context, i instance) error {
		for subject, durable := range readers() {
			owner, err := p.owner(ctx, subject)
			if err != nil {
				return err
			}
			if bound := i.health.Streams[durable]; owner == "" || !slices.Contains(bound, owner) {
				return fmt.Errorf("%s is read on %v, and %s goes to %q", durable, bound, subject, owner)
			}
		}
		return nil
	})
}

func readers() map[string]string {
	return map[string]string{event.SubjectHRV: event.DurableHRV, event.SubjectOura: event.DurableOura}
}

func normalizeMetrics(ctx context.Context, p *probe) error {
	return attempt(ctx, func(ctx context.Context) error {
		before, err := p.pages(ctx)
		if err != nil {
			return err
		}
		m, err := p.send(ctx, hrv, aReading)
		if err != nil {
			return err
		}
		if err := p.awaitSettled(ctx, m.place); err != nil {
			return err
		}
		after, err := p.pages(ctx)
		if err != nil {
			return err
		}
		counted := grown(before, after, series{"normalize_hrv_messages_total", labels{
			"result": "success", "subject": m.subject, "stream": m.stream, "durable": event.DurableHRV,
		}})
		timed := grown(before, after, series{"normalize_processing_seconds", labels{"durable": event.DurableHRV}})
		if err := errors.Join(counted, timed); err != nil {
			return err
		}
		if _, ok := after.values[series{"nats_consumer_num_pending", labels{"stream": m.stream, "consumer": event.DurableHRV}}.String()]; !ok {
			return fmt.Errorf("the lag of %s on %s is not told", event.DurableHRV, m.stream)
		}
		return errors.Join(
			after.labelled("normalize_hrv_messages_total", "result", "subject", "stream", "durable"),
			after.labelled("normalize_messages_total", "result", "subject", "stream", "durable"),
			after.labelled("dlq_messages_total", "consumer", "reason", "subject"),
			after.labelled("nats_consumer_num_pending", "stream", "consumer"),
			after.labelled("go_goroutines"),
		)
	})
}

// pages adds up what the instances that answer show.
func (p *probe) pages(ctx context.Context) (page, error) {
	all, err := p.instances(ctx)
	if err != nil {
		return page{}, err
	}
	sum := page{map[string]float64{}, map[string][]labels{}}
	for _, i := range all {
		g, err := p.metrics(ctx, i.Metrics)
		if err != nil {
			return page{}, err
		}
		for s, v := range g.values {
			sum.values[s] += v
		}
		for name, sets := range g.names {
			sum.names[name] = append(sum.names[name], sets...)
		}
	}
	return sum, nil
}
