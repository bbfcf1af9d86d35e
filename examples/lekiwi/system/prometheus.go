package system

import (
	"fmt"
	"os"
	"strings"

	"github.com/segue-run/segue/examples/lekiwi/service"
	"github.com/segue-run/segue/examples/sandbox"
)

// writePrometheus has those instances scraped as well that are down at first:
// they bear the label scaled="yes". What a service says of itself, system and
// service, stays as it says.
func writePrometheus(l sandbox.Dir, p ports) error {
	var b strings.Builder
	b.WriteString("global: { scrape_interval: 1s, evaluation_interval: 1s }\nscrape_configs:\n")
	job := func(system, name string, ports ...int) {
		fmt.Fprintf(&b, "  - job_name: %s\n    honor_labels: true\n    static_configs:\n", name)
		for i, port := range ports {
			scaled := ""
			if i > 0 {
				scaled = `, scaled: "yes"`
			}
			fmt.Fprintf(&b, "      - { targets: [%q], labels: { system: %s, service: %s%s } }\n", loopback(port), system, name, scaled)
		}
	}
	job(service.Legacy, Legacy, p.legacy)
	job(service.New, Discovery, p.discovery[:]...)
	job(service.New, State, p.state[:]...)
	job(service.New, Monitor, p.monitor)
	job(service.New, Teleoperation, p.teleoperation)
	job(service.New, Tracker, p.tracker)
	if err := os.WriteFile(l.Conf("prometheus.yml"), []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("write the configuration of Prometheus: %w", err)
	}
	return nil
}
