package diff

import (
	"bytes"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/segue-run/segue/secret"
)

// Differences lists where two documents differ.
func (c *Comparer) Differences(legacy, fresh Document) []Difference {
	w := &walk{c: c}
	a, b := legacy.answer, fresh.answer
	switch {
	case a.Failed != "" || b.Failed != "":
		if (a.Failed == "") != (b.Failed == "") {
			w.whole("answer", Silence, said(a), said(b))
		}
		return w.found
	case a.Status != b.Status:
		// What else differs follows from that.
		w.whole("status", Status, fmt.Sprint(a.Status), fmt.Sprint(b.Status))
		return w.found
	}
	w.headers(a.Header, b.Header)
	switch {
	case c.root.ignore:
	case legacy.wrong != "" || fresh.wrong != "":
		w.whole("body", Body, cause(legacy), cause(fresh))
	case legacy.isJSON && fresh.isJSON:
		w.values(c.root, "", legacy.body, fresh.body)
	case legacy.isJSON != fresh.isJSON, !bytes.Equal(a.Body, b.Body):
		w.whole("body", Body, shorten(string(a.Body)), shorten(string(b.Body)))
	}
	return w.found
}

// whole notes a difference that is nowhere in a document.
func (w *walk) whole(what string, kind Kind, legacy, fresh string) {
	w.found = append(w.found, Difference{Path: what, Field: what, Kind: kind, Legacy: legacy, New: fresh})
}

func said(a Answer) string {
	if a.Failed != "" {
		return a.Failed
	}
	return fmt.Sprint(a.Status)
}

func cause(d Document) string {
	if d.wrong != "" {
		return d.wrong
	}
	return shorten(string(d.answer.Body))
}

func (w *walk) headers(legacy, fresh http.Header) {
	names := slices.Collect(maps.Keys(legacy))
	names = slices.AppendSeq(names, maps.Keys(fresh))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		a, b := headerText(name, legacy[name]), headerText(name, fresh[name])
		if a == b || w.c.noHeaders[name] {
			continue
		}
		if secret.Looks(name) || name == "Set-Cookie" {
			a, b = secret.Mask, secret.Mask
		}
		w.whole("header "+name, Header, shorten(a), shorten(b))
	}
}

// headerText is a header as it counts: of a media type, blanks and capitals do
// not, and JSON is UTF-8 without saying so.
func headerText(name string, values []string) string {
	text := strings.Join(values, ", ")
	if name == "Content-Type" {
		if kind, params, err := mime.ParseMediaType(text); err == nil {
			for k, v := range params {
				params[k] = strings.ToLower(v)
			}
			if kind == "application/json" && params["charset"] == "utf-8" {
				delete(params, "charset")
			}
			return mime.FormatMediaType(kind, params)
		}
	}
	return text
}
