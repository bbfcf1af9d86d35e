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
		"restored under no name":    {`backup.restore: {dir: /b, key: "${KEY}", of: db}`, "there is no name"},
		"nothing to restore":        {`backup.restore: {dir: /b, key: "${KEY}"}`, "it is to be said once what is restored"},
		"a connection and files":    {`backup.restore: {dir: /b, key: "${KEY}", of: db, into: x, files: [/etc/a]}`, "it is to be said once what is restored"},
		"files under another name":  {`backup.restore: {dir: /b, key: "${KEY}", into: x, files: [/etc/a]}`, "what is restored where it was has its own name"},
		"a part of a database":      {`backup.restore: {dir: /b, key: "${KEY}", of: db, into: x, only: [robots]}`, "it is for what is restored in-place"},
		"a database in its place":   {`backup.restore: {dir: /b, key: "${KEY}", in-place: db}`, "in-place needs restores-in-place, and the connection db is postgres, which has none"},
		"keeping less than none":    {`backup.bundle: {dir: /b, key: "${KEY}", of: [db], keep: -1}`, "fewer than none cannot stay"},
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
