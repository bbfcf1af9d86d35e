package compare

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"
	texts "text/template"
	"time"
)

//go:embed report.html.tmpl report.md.tmpl
var pages embed.FS

// page is what the templates see.
type page struct {
	Report
	Name     string
	Verdict  string
	Detail   string
	Took     time.Duration
	Sections []section
}

// A section is the fields that were judged alike.
type section struct {
	Title, About string
	Fields       []row
}

// A row is a field with where it is.
type row struct {
	Endpoint string
	Field
}

// Shown are the examples that tell of it.
func (r row) Shown() []Example {
	if r.Judged == Noise {
		return r.NoiseExamples
	}
	return r.Examples
}

// Markdown is the report for a page of text. name is the check's; verdict and
// detail are those of its reading.
func (r Report) Markdown(name, verdict, detail string) ([]byte, error) {
	t, err := texts.New("report.md.tmpl").Funcs(texts.FuncMap{"cell": cell, "statuses": statuses, "times": times}).ParseFS(pages, "report.md.tmpl")
	if err != nil {
		return nil, fmt.Errorf("the report's template: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, r.page(name, verdict, detail)); err != nil {
		return nil, fmt.Errorf("write the report: %w", err)
	}
	return b.Bytes(), nil
}

// HTML is the same for a browser: one file that needs no other.
func (r Report) HTML(name, verdict, detail string) ([]byte, error) {
	t, err := template.New("report.html.tmpl").Funcs(template.FuncMap{"statuses": statuses, "times": times}).ParseFS(pages, "report.html.tmpl")
	if err != nil {
		return nil, fmt.Errorf("the report's template: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, r.page(name, verdict, detail)); err != nil {
		return nil, fmt.Errorf("write the report: %w", err)
	}
	return b.Bytes(), nil
}

func (r Report) page(name, verdict, detail string) page {
	p := page{Report: r, Name: name, Verdict: verdict, Detail: detail, Took: r.Ended.Sub(r.Began).Round(time.Millisecond)}
	for _, s := range []struct {
		judged       Judgement
		title, about string
	}{
		{Difference, "Differences", "The new system's answer was the odd one out more often than chance explains."},
		{Unclear, "Unclear", "The new system differed where legacy did not, too rarely to be no chance."},
		{Noise, "Noise", "Legacy differed from itself in the same way; the right column is its second answer."},
	} {
		out := section{Title: s.title, About: s.about}
		for _, e := range r.Endpoints {
			for _, f := range e.Fields {
				if f.Judged == s.judged {
					out.Fields = append(out.Fields, row{e.Name, f})
				}
			}
		}
		if len(out.Fields) > 0 {
			p.Sections = append(p.Sections, out)
		}
	}
	return p
}

// cell keeps a text within its cell of a table in Markdown.
func cell(text string) string {
	if text == "" {
		return "—"
	}
	fence := "`"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	return fence + " " + strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`) + " " + fence
}

func statuses(n map[int]int64) string {
	var out []string
	for _, s := range slices.Sorted(maps.Keys(n)) {
		out = append(out, fmt.Sprintf("%d × %d", n[s], s))
	}
	return strings.Join(out, ", ")
}

// times is how many times faster the new system is.
func times(legacy, fresh float64) string {
	if legacy <= 0 || fresh <= 0 {
		return "—"
	}
	return fmt.Sprintf("%.2f", legacy/fresh)
}
