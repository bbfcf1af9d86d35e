package main

import (
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTallyCountsWhatHappened(t *testing.T) {
	for name, c := range map[string]struct {
		events string
		want   Counts
	}{
		"nothing": {"", Counts{}},
		"each result, and subtests": {
			`{"Action":"start","Package":"p"}
			{"Action":"pass","Package":"p","Test":"A"}
			{"Action":"pass","Package":"p","Test":"B/sub"}
			{"Action":"skip","Package":"p","Test":"C"}
			{"Action":"fail","Package":"p","Test":"D"}
			{"Action":"fail","Package":"p"}`,
			Counts{Passed: 2, Skipped: 1, Failed: 1},
		},
		"a package that does not build is one failure": {
			`{"ImportPath":"p","Action":"build-output","Output":"p.go:1:1: no\n"}
			{"ImportPath":"p","Action":"build-fail"}
			{"Action":"start","Package":"p"}
			{"Action":"output","Package":"p","Output":"FAIL\tp [build failed]\n"}
			{"Action":"fail","Package":"p","Elapsed":0,"FailedBuild":"p"}`,
			Counts{Failed: 1},
		},
		"a package that panics after its tests is one failure": {
			`{"Action":"start","Package":"p"}
			{"Action":"pass","Package":"p","Test":"A"}
			{"Action":"fail","Package":"p"}`,
			Counts{Passed: 1, Failed: 1},
		},
		"a package whose end is never told is one failure": {
			`{"Action":"start","Package":"p"}
			{"Action":"pass","Package":"p","Test":"A"}`,
			Counts{Passed: 1, Failed: 1},
		},
		"packages without tests are none": {
			`{"Action":"start","Package":"p"}
			{"Action":"skip","Package":"p"}`,
			Counts{},
		},
		"make's own words are no events": {"script/setup\ngo test -json ./...\n{}", Counts{}},
	} {
		t.Run(name, func(t *testing.T) {
			got, _, err := tally(strings.NewReader(c.events), io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestWhatFailedIsShownAndWhatPassedIsNot(t *testing.T) {
	var out strings.Builder
	_, _, err := tally(strings.NewReader(`make: a line
		{"Action":"start","Package":"p"}
		{"Action":"output","Package":"p","Test":"Good","Output":"chatter\n"}
		{"Action":"pass","Package":"p","Test":"Good"}
		{"Action":"output","Package":"p","Test":"Bad","Output":"    p_test.go:7: it is 5\n"}
		{"Action":"fail","Package":"p","Test":"Bad"}
		{"Action":"fail","Package":"p","Elapsed":1.5}`), &out)
	if err != nil {
		t.Fatal(err)
	}
	want := "make: a line\n--- p Bad\n    p_test.go:7: it is 5\nFAIL\tp\t1.5s\n"
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
