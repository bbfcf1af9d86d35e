package web

import (
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
)

func TestProbeParamsAreRefused(t *testing.T) {
	var c driver.Catalog
	c.Add(Parts()...)
	kind, _ := c.Kind(runbook.Action, "web.probe")
	right := runbook.Params{
		"url": "${INGEST_URL}/in", "headers": map[string]any{"X-Request-Id": "{id}"}, "status": []any{int64(200), int64(202)},
		"bus": "bus", "stream": "HOT", "subject": "vendor.x",
		"db": "db", "query": "select 1 from t where id = $1", "args": []any{"{id}"}, "expect": "rows.size() == 1", "undo": []any{"delete from t where id = $1"},
		"metrics": "prom", "grows": "sum(n)",
	}
	type edit = map[string]any // nil removes
	for name, c := range map[string]struct {
		edit edit
		want string
	}{
		"all of it":               {edit{}, ""},
		"one word more":           {edit{"id": "phase-1"}, ""},
		"a host alone":            {edit{"url": "localhost:80"}, "url: that is no URL"},
		"no such status":          {edit{"status": []any{int64(42)}}, "status: 42 is no"},
		"a header without secret": {edit{"sign-header": "X-Signature"}, "sign-header: there is no secret"},
		"a secret without header": {edit{"sign-secret": "s"}, "sign-secret: there is no header"},
		"a word with a space":     {edit{"id": "phase 1"}, "id: \"phase 1\" is no word"},
		"a word in capitals":      {edit{"id": "Phase1"}, "id: \"Phase1\" is no word"},
		"a word that ends badly":  {edit{"id": "phase-"}, "id: \"phase-\" is no word"},
		"nothing holds the id":    {edit{"headers": nil}, "body: nothing of the request holds {id}"},
		"a GET with a body":       {edit{"method": "GET", "body": "x"}, "body: a GET has no body"},
		"nothing is awaited": {edit{
			"bus": nil, "stream": nil, "subject": nil, "db": nil, "query": nil, "args": nil, "expect": nil, "undo": nil, "metrics": nil, "grows": nil,
		}, "url: nothing is awaited"},
		"no stream":                    {edit{"stream": nil}, "bus: nothing says which stream"},
		"no subject":                   {edit{"subject": nil}, "bus: nothing says under which subject"},
		"many subjects":                {edit{"subject": "vendor.>"}, "subject: a message goes to one"},
		"many dead subjects":           {edit{"dead-letters": "dlq.*"}, "dead-letters: a message goes to one"},
		"a stream and no bus":          {edit{"bus": nil}, "stream: it says nothing without bus"},
		"no query":                     {edit{"query": nil}, "db: nothing says how to find it"},
		"the id in the query":          {edit{"query": "select 1 from t where id = '{id}'"}, "query: {id} is no part of a query"},
		"a query of everything":        {edit{"query": "select 1 from t"}, "query: it asks for no argument"},
		"no expectation":               {edit{"expect": nil}, "db: nothing says when it is there"},
		"args without the id":          {edit{"args": []any{"x", int64(1)}}, "args: no argument holds {id}"},
		"no undo":                      {edit{"undo": nil}, "db: nothing says how its rows are taken back"},
		"an undo of everything":        {edit{"undo": []any{"delete from t where id = $1", "truncate t"}}, "undo: a statement takes no argument, and so touches others' rows: truncate t"},
		"an undo and no db":            {edit{"db": nil, "query": nil, "args": nil, "expect": nil}, "undo: it says nothing without db"},
		"metrics and nothing grows":    {edit{"grows": nil}, "metrics: nothing says which number grows"},
		"something grows, and nowhere": {edit{"metrics": nil}, "grows: it says nothing without metrics"},
	} {
		t.Run(name, func(t *testing.T) {
			p := maps.Clone(right)
			for k, v := range c.edit {
				if p[k] = v; v == nil {
					delete(p, k)
				}
			}
			err := kind.Validate(p)
			if c.want == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			fe, ok := errors.AsType[*runbook.FieldError](err)
			if !ok || !strings.HasPrefix(fe.Error(), c.want) || fe.Remedy == "" {
				t.Errorf("got %v, want %q and what to do", err, c.want)
			}
		})
	}
}

func TestTheRequestCarriesTheIDEverywhereAndItsSignature(t *testing.T) {
	var got *http.Request
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		w.WriteHeader(http.StatusFound)
	}))
	t.Cleanup(s.Close)
	a := &probe{client: newClient(), p: probeParams{
		Method: "PUT", URL: s.URL + "/in/{id}?again={id}", Body: `{"a":"{id}"}`,
		Headers: map[string]string{"X-Request-Id": "r-{id}", "Host": "edge.test"}, SignHeader: "X-Signature", SignSecret: "key",
	}}
	r, err := a.once(t.Context(), "one")
	if err != nil || r.status != http.StatusFound {
		t.Fatalf("%+v, %v", r, err)
	}
	for want, is := range map[string]string{
		"PUT": got.Method, "/in/one": got.URL.Path, "again=one": got.URL.RawQuery, "r-one": got.Header.Get("X-Request-Id"), "edge.test": got.Host,
		"application/json": got.Header.Get("Content-Type"),
		// printf '{"a":"one"}' | openssl dgst -sha256 -hmac key
		"bd858d42c7d571bbb1fd971925de2fdfca50faa33a0ef38a6eebc649548033ef": got.Header.Get("X-Signature"),
	} {
		if is != want {
			t.Errorf("got %q, want %q", is, want)
		}
	}
}
