package postgres

import (
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// passed are the settings of a connection that pgx keeps to itself, in a form
// that a client program cannot be given, so that they are taken as written.
var passed = []string{
	"sslmode", "sslkey", "sslcert", "sslcertmode", "sslrootcert", "sslnegotiation", "sslsni", "krbsrvname",
	"target_session_attrs", "service", "min_protocol_version", "max_protocol_version", "channel_binding", "require_auth",
}

// conninfo is how a client program reaches a database of this server. It is
// for everybody to see, in the list of processes: the password is not in it.
func (db *DB) conninfo(database string) string {
	c := db.pool.Config().ConnConfig
	written := settings(c.ConnString())
	var b strings.Builder
	put := func(key, value string) {
		fmt.Fprintf(&b, "%s='%s' ", key, strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value))
	}
	hosts, ports := addresses(c)
	put("host", strings.Join(hosts, ","))
	put("port", strings.Join(ports, ","))
	put("user", c.User)
	put("dbname", database)
	for _, key := range passed {
		if v := written[key]; v != "" {
			put(key, v)
		}
	}
	put("connect_timeout", strconv.Itoa(max(2, int((db.timeout+time.Second-1)/time.Second))))
	put("application_name", c.RuntimeParams["application_name"])
	if opts := options(c.RuntimeParams); opts != "" {
		put("options", opts)
	}
	return strings.TrimSpace(b.String())
}

// addresses are the hosts and ports to try, in order, each once: pgx lists one
// again for each way to encrypt.
func addresses(c *pgx.ConnConfig) (hosts, ports []string) {
	add := func(host string, port uint16) {
		p := strconv.Itoa(int(port))
		for i := range hosts {
			if hosts[i] == host && ports[i] == p {
				return
			}
		}
		hosts, ports = append(hosts, host), append(ports, p)
	}
	add(c.Host, c.Port)
	for _, f := range c.Fallbacks {
		add(f.Host, f.Port)
	}
	return hosts, ports
}

// options are the parameters that the URL sets for its sessions (a role, a
// search path). Segue's own limits on time are not for a dump.
func options(params map[string]string) string {
	var out []string
	if params["options"] != "" {
		out = append(out, params["options"])
	}
	for _, key := range slices.Sorted(maps.Keys(params)) {
		switch key {
		case "options", "application_name", "client_encoding", "statement_timeout", "idle_in_transaction_session_timeout":
		default:
			out = append(out, "-c "+key+"="+strings.NewReplacer(`\`, `\\`, ` `, `\ `).Replace(params[key]))
		}
	}
	return strings.Join(out, " ")
}

// settings reads a connection string that pgx has already taken: a URL, or
// key=value pairs.
func settings(conn string) map[string]string {
	out := map[string]string{}
	if strings.HasPrefix(conn, "postgres://") || strings.HasPrefix(conn, "postgresql://") {
		// Not by url.Parse, which refuses several hosts. A plus is a plus, as to libpq.
		_, query, _ := strings.Cut(conn, "?")
		values, _ := url.ParseQuery(strings.ReplaceAll(query, "+", "%2B")) // what is wrong, pgx has refused
		for key := range values {
			out[key] = values.Get(key)
		}
		return out
	}
	for conn = strings.TrimSpace(conn); conn != ""; conn = strings.TrimSpace(conn) {
		key, rest, ok := strings.Cut(conn, "=")
		if !ok {
			return out
		}
		out[strings.TrimSpace(key)], conn = value(strings.TrimLeft(rest, " \t\n"))
	}
	return out
}

// value takes one value, quoted or not, off the front of key=value pairs.
func value(s string) (v, rest string) {
	var b strings.Builder
	inside := strings.HasPrefix(s, "'")
	if inside {
		s = s[1:]
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case inside && c == '\'', !inside && strings.IndexByte(" \t\n", c) >= 0:
			return b.String(), s[i+1:]
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), ""
}

// clientEnv is the environment of a client program. The password goes by it:
// unlike arguments it is for nobody else to read, and unlike a file it is gone
// with the program, also when Segue is killed.
func (db *DB) clientEnv() []string {
	var env []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		switch {
		case slices.Contains([]string{"PATH", "HOME", "USER", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "KRB5CCNAME"}, name):
		case strings.HasPrefix(name, "PG") && name != "PGPASSWORD" && name != "PGOPTIONS" && name != "PGHOSTADDR":
		default:
			continue
		}
		env = append(env, kv)
	}
	env = append(env, "LC_ALL=C")
	if file := settings(db.pool.Config().ConnString())["servicefile"]; file != "" {
		env = append(env, "PGSERVICEFILE="+file)
	}
	if db.secret != "" {
		env = append(env, "PGPASSWORD="+string(db.secret))
	}
	return env
}
