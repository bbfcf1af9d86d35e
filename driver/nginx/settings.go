package nginx

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/segue-run/segue/edge"
)

// The ways to make NGINX go by a share.
const (
	byFiles  = "files"
	byReload = "reload"
)

// settings are all that the files of a split follow from. They stand in the
// file itself, so that it can be told what it was written for.
type settings struct {
	Version int    `json:"version"` // of how files follow from settings
	Name    string `json:"name"`
	Way     string `json:"way"`
	By      string `json:"by"` // the key: address, header NAME, cookie NAME, or request: each by itself
	New     string `json:"new-side"`
	Old     string `json:"old-side"`
	Share   string `json:"share,omitempty"` // by reload; else a link says it
	Path    string `json:"path,omitempty"`  // of WebSockets
	Idle    string `json:"idle,omitempty"`  // how long a WebSocket may say nothing
	Tee     string `json:"tee,omitempty"`   // where a shadow's copies go
	Unsafe  bool   `json:"unsafe,omitempty"`
	Control string `json:"control"`
	Log     string `json:"log"`
}

const version = 1

// generation tells one set of settings from another.
func (s settings) generation() string {
	raw, err := json.Marshal(s)
	if err != nil {
		panic("nginx: settings have no JSON: " + err.Error())
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:6])
}

const (
	headLine   = "# Segue wrote this whole file. Change it through Segue: what was edited by hand is refused.\n"
	sealPrefix = "# seal "
	madePrefix = "# made for "
)

// sealed puts a head above a text, by which a change of it shows.
func (s settings) sealed(body string) []byte {
	raw, err := json.Marshal(s)
	if err != nil {
		panic("nginx: settings have no JSON: " + err.Error())
	}
	rest := madePrefix + string(raw) + "\n" + body
	sum := sha256.Sum256([]byte(rest))
	return []byte(headLine + sealPrefix + hex.EncodeToString(sum[:]) + "\n" + rest)
}

var errEdited = errors.New("it was edited by hand, or Segue did not write it")

// parseSealed takes the settings back, if nobody has changed the text.
func parseSealed(src []byte) (settings, error) {
	var s settings
	text, ok := strings.CutPrefix(string(src), headLine+sealPrefix)
	seal, rest, cut := strings.Cut(text, "\n")
	sum := sha256.Sum256([]byte(rest))
	if !ok || !cut || seal != hex.EncodeToString(sum[:]) {
		return s, errEdited
	}
	made, _, _ := strings.Cut(strings.TrimPrefix(rest, madePrefix), "\n")
	if err := json.Unmarshal([]byte(made), &s); err != nil {
		return s, errEdited
	}
	if s.Version > version {
		return s, fmt.Errorf("a newer Segue wrote it (version %d): use that one", s.Version)
	}
	return s, nil
}

// key is the variable that holds a client's key, "" for the address.
func (s settings) key() string {
	switch what, name, _ := strings.Cut(s.By, " "); what {
	case "header":
		return "$http_" + strings.ReplaceAll(strings.ToLower(name), "-", "_")
	case "cookie":
		return "$cookie_" + name
	case byRequest:
		return "$request_id"
	}
	return ""
}

// httpFile is what the http block includes.
func (s settings) httpFile(shares string) []byte {
	v := "$segue_" + s.Name
	var b strings.Builder
	key := "$remote_addr"
	if given := s.key(); given != "" {
		key = v + "_given"
		fmt.Fprintf(&b, "# A request without a key goes by its address.\nmap %s %s {\n    \"\" $remote_addr;\n    default %s;\n}\n", given, key, given)
	}
	port := s.Control[strings.LastIndexByte(s.Control, ':')+1:]
	fmt.Fprintf(&b, "map $server_port %s_key {\n    %s $arg_key;\n    default %s;\n}\n", v, port, key)
	b.WriteString("# A hundred buckets of a hundred. Their order stays, so that nobody moves.\n")
	for _, digit := range []string{"coarse", "fine"} {
		fmt.Fprintf(&b, "split_clients \"%s %s_key\" %s_%s {\n", digit, v, v, digit)
		b.WriteString(strings.ReplaceAll(hundred, "\t", "    "))
		b.WriteString("}\n")
	}
	if s.Way == byReload {
		s.shareMaps(&b, v)
	} else {
		fmt.Fprintf(&b, "# Where a server does not include the other file, all stay on the old side.\nmap \"\" %s {\n    default %s;\n}\n", v, s.Old)
	}
	if s.Path != "" {
		fmt.Fprintf(&b, "map $http_upgrade %s_connection {\n    \"\" close;\n    default upgrade;\n}\n", v)
	}
	if s.Tee != "" {
		fmt.Fprintf(&b, "upstream segue_%s_tee {\n    server %s max_fails=0;\n    keepalive 32;\n}\n", s.Name, s.Tee)
	} else {
		// Splits may have a side in common: what a location of Segue's own serves
		// counts for its split alone.
		fmt.Fprintf(&b, "map \"\" $segue_location {\n    default \"\";\n}\n")
		fmt.Fprintf(&b, "map \"$segue_location $proxy_host\" %s_counted {\n    \"%s %s\" 1;\n    \"%s %s\" 1;\n    default 0;\n}\n", v, s.own(), s.New, s.own(), s.Old)
		fmt.Fprintf(&b, "log_format segue_%s '$msec $proxy_host $status';\naccess_log %s segue_%s buffer=16k flush=1s if=%s_counted;\n", s.Name, s.Log, s.Name, v)
	}
	fmt.Fprintf(&b, "server {\n    listen %s;\n    server_name %s;\n    access_log off;\n    open_file_cache off;\n    default_type text/plain;\n", s.Control, hostOf(s.Name))
	b.WriteString(indent(s.decision(shares)))
	fmt.Fprintf(&b, "    location = /split {\n        return 200 \"segue %s %s %s_coarse %s_fine %s\\n\";\n    }\n    location / {\n        return 404;\n    }\n}\n", s.Name, s.generation(), v, v, v)
	return s.sealed(b.String())
}

// hundred are the parts of a split_clients: 1 % each, 00 to 99.
var hundred = func() string {
	var b strings.Builder
	for i := range 99 {
		fmt.Fprintf(&b, "\t1%% %02d;\n", i)
	}
	b.WriteString("\t* 99;\n")
	return b.String()
}()

// shareMaps put the share into the configuration.
func (s settings) shareMaps(b *strings.Builder, v string) {
	share, err := edge.ParseShare(s.Share)
	if err != nil {
		panic("nginx: settings without a share: " + err.Error())
	}
	coarse, fine := int(share)/100, int(share)%100
	fmt.Fprintf(b, "map %s_fine %s_edge {\n", v, v)
	for i := range fine {
		fmt.Fprintf(b, "    %02d %s;\n", i, s.New)
	}
	fmt.Fprintf(b, "    default %s;\n}\nmap %s_coarse %s {\n", s.Old, v, v)
	for i := range coarse {
		fmt.Fprintf(b, "    %02d %s;\n", i, s.New)
	}
	if fine > 0 {
		fmt.Fprintf(b, "    %02d %s_edge;\n", coarse, v)
	}
	fmt.Fprintf(b, "    default %s;\n}\n", s.Old)
}

// decision is what sets a request's side where a server does.
func (s settings) decision(shares string) string {
	if s.Way == byReload {
		return ""
	}
	v := "$segue_" + s.Name
	return fmt.Sprintf("set %s %s;\nif (-f \"%s/%s_coarse/%s_fine\") {\n    set %s %s;\n}\n", v, s.Old, shares, v, v, v, s.New)
}

// serverFile is what each server includes that splits.
func (s settings) serverFile(shares string) []byte {
	body := s.decision(shares)
	if body == "" {
		body = "# The share stands in the other file.\n"
	}
	return s.sealed(body + s.location() + s.mirror())
}

// location serves the WebSockets of a path.
func (s settings) location() string {
	if s.Path == "" {
		return ""
	}
	return fmt.Sprintf(`location = %s {
    set $segue_location %s;
    proxy_pass http://$segue_%s;
    proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $segue_%s_connection;
    proxy_set_header Host $host;
    proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_read_timeout %s;
    proxy_send_timeout %s;
    proxy_buffering off;
}
`, s.Path, s.own(), s.Name, s.Name, s.Idle, s.Idle)
}

// own is the name of the location that only this split serves; "" where there
// is none.
func (s settings) own() string {
	if s.Path == "" {
		return ""
	}
	return s.Name
}

// byRequest takes each request by itself, where nobody is to be kept together.
const byRequest = "request"

// mirror gives a copy of a request to the tee. Its times are short: NGINX holds
// a client's next request until the copy is answered, and the tee answers at
// once or is not there.
func (s settings) mirror() string {
	if s.Tee == "" {
		return ""
	}
	methods, body := "GET|HEAD|OPTIONS", "off"
	if s.Unsafe {
		methods, body = "[A-Z]+", "on"
	}
	return fmt.Sprintf(`mirror /segue_%[1]s_mirror;
mirror_request_body %[4]s;
location = /segue_%[1]s_mirror {
    internal;
    access_log off;
    if ($segue_%[1]s != %[2]s) {
        return 204;
    }
    if ($request_method !~ "^(%[3]s)$") {
        return 204;
    }
    if ($http_upgrade) {
        return 204;
    }
    proxy_pass http://segue_%[1]s_tee$request_uri;
    proxy_http_version 1.1;
    proxy_pass_request_body %[4]s;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
%[5]s    proxy_connect_timeout 50ms;
    proxy_send_timeout 50ms;
    proxy_read_timeout 50ms;
    proxy_ignore_client_abort on;
}
`, s.Name, s.New, methods, body, map[bool]string{false: "    proxy_set_header Content-Length \"\";\n"}[s.Unsafe])
}

func indent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("    " + line)
	}
	return b.String()
}

// paths are where the files of a split are.
type paths struct{ http, server, link, shares string }

func (c *Conn) paths(split string) paths {
	base := filepath.Join(c.dir, split)
	return paths{base + ".http.conf", base + ".server.conf", base + ".share", base + ".shares"}
}
