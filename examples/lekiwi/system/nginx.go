package system

import (
	"fmt"
	"os"
	"strings"

	"github.com/segue-run/segue/examples/lekiwi/tracker"
	"github.com/segue-run/segue/examples/sandbox"
)

// forwarding is what each location says of the requests that it passes on.
const forwarding = `proxy_http_version 1.1;
            proxy_set_header Host $host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $lekiwi_connection;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_connect_timeout 1s;
            proxy_read_timeout 60s;
            # All that is posted here may be posted twice: it has keys.
            proxy_next_upstream error timeout non_idempotent;`

// writeNGINX has all requests go to the legacy system. $segue_edge says so until
// Segue's own files, which are included behind it, say otherwise.
func writeNGINX(l sandbox.Dir, p ports) error {
	for _, dir := range []string{l.Data("nginx"), l.Conf("segue")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("configure NGINX: %w", err)
		}
	}
	var discoveries strings.Builder
	for i, port := range p.discovery {
		// Instances that do not run are tried once a second, which costs no request:
		// it goes on to the next. The first is never left out.
		fails := "max_fails=1 fail_timeout=1s"
		if i == 0 {
			fails = "max_fails=0"
		}
		fmt.Fprintf(&discoveries, "        server %s %s;\n", loopback(port), fails)
	}
	conf := fmt.Sprintf(`daemon off;
worker_processes 2;
pid %[1]s;
error_log %[2]s warn;
events { worker_connections 16384; }
http {
    %[3]s
    access_log %[4]s lekiwi buffer=32k flush=500ms;
    client_body_temp_path %[5]s/body;
    proxy_temp_path %[5]s/proxy;
    fastcgi_temp_path %[5]s/fastcgi;
    uwsgi_temp_path %[5]s/uwsgi;
    scgi_temp_path %[5]s/scgi;
    client_max_body_size 64m;

    upstream legacy { zone legacy 64k; server %[6]s max_fails=0; keepalive 64; }
    # The same under another name: who was rescued counts for neither side.
    upstream rescue { zone rescue 64k; server %[6]s max_fails=0; keepalive 8; }
    # The discovery-services.
    upstream new {
        zone new 64k;
%[7]s        keepalive 64;
    }
    # The websocket-monitor, for a split of /ws.
    upstream monitor { zone monitor 64k; server %[8]s max_fails=0; }

    map $http_upgrade $lekiwi_connection { default upgrade; "" ""; }
    # All goes to the legacy system until Segue says otherwise.
    map "" $segue_edge { default legacy; }
    include segue/*.http.conf;

    server {
        listen %[9]s;
        keepalive_requests 100000;
        include segue/*.server.conf;
        location / {
            proxy_pass http://$segue_edge;
            %[10]s
            # What is asked of the new system and answered with an error is asked of
            # the old one: nobody sees a canary fail. The services count their errors
            # themselves, and guards go by that. What writes is not given to another
            # system: who sent it is told, and sends it again.
            proxy_intercept_errors on;
            recursive_error_pages on;
            if ($request_method ~ ^(GET|HEAD)$) {
                error_page 500 502 503 504 = @rescue;
            }
        }
        location @rescue {
            proxy_pass http://rescue;
            %[10]s
            mirror off;
            # The old system is gone: then it is the new one's own answer that counts.
            recursive_error_pages on;
            error_page 502 = @own;
        }
        location @own {
            proxy_pass http://$segue_edge;
            %[10]s
            mirror off;
        }
    }
}
`, l.Data("nginx.pid"), l.Log("nginx-error"), tracker.EdgeLogFormat, edgeLog(l), l.Data("nginx"), loopback(p.legacy),
		discoveries.String(), loopback(p.monitorWS), loopback(p.edge), forwarding)
	if err := os.WriteFile(nginxConf(l), []byte(conf), 0o600); err != nil {
		return fmt.Errorf("write the configuration of NGINX: %w", err)
	}
	// The tracker reads it from the start.
	if err := os.WriteFile(edgeLog(l), nil, 0o600); err != nil {
		return fmt.Errorf("configure NGINX: %w", err)
	}
	return nil
}

func nginxConf(l sandbox.Dir) string { return l.Conf("nginx.conf") }
func edgeLog(l sandbox.Dir) string   { return l.Log("edge") }
