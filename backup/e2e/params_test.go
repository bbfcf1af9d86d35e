package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/segue-run/segue/backup"
	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/postgres"
	"github.com/segue-run/segue/driver/web"
	"github.com/segue-run/segue/runbook"
)

func TestWhatIsNoBundleIsRefusedByLint(t *testing.T) {
	for name, c := range map[string]struct{ step, want string }{
		"a key in the runbook":      {`backup.bundle: {dir: /b, key: secret, of: [db]}`, "a key stands in the runbook"},
		"nothing in it":             {`backup.bundle: {dir: /b, key: "${KEY}"}`, "nothing goes into the bundle"},
		"what cannot be dumped":     {`backup.bundle: {dir: /b, key: "${KEY}", of: [db, site]}`, "of needs dumps, and the connection site is http, which has none"},
		"nobody":                    {`backup.bundle: {dir: /b, key: "${KEY}", of: [bd]}`, "bd"},
		"twice":                     {`backup.bundle: {dir: /b, key: "${KEY}", of: [db, db]}`, "db stands there twice"},
		"a name that is a path":     {`backup.bundle: {dir: /b, key: "${KEY}", of: [db], name: ../x}`, "cannot begin the name of a directory"},
		"what cannot be restored":   {`backup.restore: {dir: /b, key: "${KEY}", of: site, into: x}`, "of needs restores, and the connection site is http"},
		"restored under no name":    {`backup.restore: {dir: /b, key: "${KEY}", of: db, into: ""}`, "there is no name"},
		"all that can be, and well": {`backup.bundle: {dir: /b, key: "${file:/run/key}", of: [db], journal: "${STATE}/journal.db"}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var catalog driver.Catalog
			catalog.Add(slices.Concat(postgres.Parts(), web.Parts(), backup.Parts(nil))...)
			_, err := runbook.Parse("test.yaml", fmt.Appendf(nil, `segue: v1
name: test
connections:
  db: {postgres: {url: "${DB}"}}
  site: {http: {url: "${SITE}"}}
phases:
  - name: one
    steps: [{name: it, %s}]
`, c.step), &catalog, runbook.Values{})
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v; want %q", err, c.want)
			}
		})
	}
}
