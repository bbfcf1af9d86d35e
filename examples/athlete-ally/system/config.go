package system

import (
	"fmt"
	"os"
	"strings"
)

// writeNATS writes one configuration file a node: an app account with
// JetStream, and a system account.
func writeNATS(l layout, p ports, s secrets) error {
	var routes []string
	for i := range nodes {
		routes = append(routes, fmt.Sprintf("nats-route://route:%s@%s", s.route, loopback(p.route[i])))
	}
	for i := range nodes {
		name := nodeName(i)
		conf := fmt.Sprintf(`server_name: %s
listen: %q
http: %q
jetstream { store_dir: %q, max_memory_store: 64MB, max_file_store: 20GB }
cluster {
  name: athlete-ally
  listen: %q
  authorization { user: route, password: %q }
  routes: [%s]
}
accounts {
  APP: { jetstream: enabled, users: [{ user: app, password: %q }] }
  SYS: { users: [{ user: sys, password: %q }] }
}
system_account: SYS
`, name, loopback(p.client[i]), loopback(p.monitor[i]), l.data(name), loopback(p.route[i]), s.route,
			strings.Join(routes, ", "), s.app, s.sys)
		if err := os.WriteFile(l.conf(name+".conf"), []byte(conf), 0o600); err != nil {
			return fmt.Errorf("write the configuration of %s: %w", name, err)
		}
	}
	return nil
}

func nodeName(i int) string { return fmt.Sprintf("nats%d", i+1) }

func writePrometheus(l layout, p ports) error {
	var metrics []string
	for i := range instances {
		metrics = append(metrics, fmt.Sprintf("%q", loopback(p.metrics[i])))
	}
	conf := fmt.Sprintf(`global: { scrape_interval: 1s, evaluation_interval: 1s }
scrape_configs:
  - { job_name: ingest, static_configs: [{ targets: [%q] }] }
  - { job_name: normalize, static_configs: [{ targets: [%s] }] }
`, loopback(p.ingest), strings.Join(metrics, ", "))
	if err := os.WriteFile(l.conf("prometheus.yml"), []byte(conf), 0o600); err != nil {
		return fmt.Errorf("write the configuration of Prometheus: %w", err)
	}
	return nil
}
