package system

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/segue-run/segue/examples/sandbox"
)

// writeNATS writes one configuration file a node: an app account with
// JetStream, and a system account.
func writeNATS(l sandbox.Dir, p ports, s secrets, sh shape) error {
	for i := range sh.nodes {
		name := nodeName(i)
		server, cluster := name, clusterBlock(p, s, sh, i)
		if cluster == "" {
			server = sh.cluster // a single node is known by its own name
		}
		conf := fmt.Sprintf(`server_name: %s
listen: %q
http: %q
jetstream { store_dir: %q, max_memory_store: 64MB, max_file_store: 20GB }
%saccounts {
  APP: { jetstream: enabled, users: [{ user: app, password: %q }] }
  SYS: { users: [{ user: sys, password: %q }] }
}
system_account: SYS
`, server, loopback(p.client[i]), loopback(p.monitor[i]), l.Data(name), cluster, s.app, s.sys)
		if err := os.WriteFile(l.Conf(name+".conf"), []byte(conf), 0o600); err != nil {
			return fmt.Errorf("write the configuration of %s: %w", name, err)
		}
	}
	return nil
}

// clusterBlock is what node i knows of the others; nothing when it is alone.
func clusterBlock(p ports, s secrets, sh shape, i int) string {
	if sh.nodes == 1 {
		return ""
	}
	var routes []string
	for _, port := range p.route {
		routes = append(routes, fmt.Sprintf("nats-route://route:%s@%s", s.route, loopback(port)))
	}
	return fmt.Sprintf(`cluster {
  name: %s
  listen: %q
  authorization { user: route, password: %q }
  routes: [%s]
}
`, sh.cluster, loopback(p.route[i]), s.route, strings.Join(routes, ", "))
}

func nodeName(i int) string { return fmt.Sprintf("nats%d", i+1) }

// writePrometheus has green scraped as well, although it is down at first.
func writePrometheus(l sandbox.Dir, p ports, sh shape) error {
	if !sh.prometheus {
		return nil
	}
	var metrics []string
	for _, port := range slices.Concat(p.metrics, p.greenMetrics) {
		metrics = append(metrics, fmt.Sprintf("%q", loopback(port)))
	}
	conf := fmt.Sprintf(`global: { scrape_interval: 1s, evaluation_interval: 1s }
scrape_configs:
  - { job_name: ingest, static_configs: [{ targets: [%q] }] }
  - { job_name: normalize, static_configs: [{ targets: [%s] }] }
`, loopback(p.ingest), strings.Join(metrics, ", "))
	if err := os.WriteFile(l.Conf("prometheus.yml"), []byte(conf), 0o600); err != nil {
		return fmt.Errorf("write the configuration of Prometheus: %w", err)
	}
	return nil
}
