package e2e_test

import (
	"strings"
	"testing"

	"github.com/segue-run/segue/evidence"
)

func TestCountByGroup(t *testing.T) {
	const setup = `create table t (id int primary key, type text, status text);
		insert into t select i, case when i % 3 = 0 then 'xlerobot' else 'lekiwi' end, 'online' from generate_series(1, 30) i`
	for name, c := range map[string]struct {
		params, change string
		verdict        evidence.Verdict
		value, detail  string
	}{
		"all the same":           {"by: [type, status]", "", evidence.Pass, "30 and 30 records", ""},
		"one of another status":  {"by: [type, status]", "update t set status = 'error' where id = 3", evidence.Fail, "30 and 30 records", "type xlerobot, status error: 0 and 1, type xlerobot, status online: 10 and 9"},
		"no status at all":       {"by: [status]", "update t set status = null where id = 3", evidence.Fail, "", "status online: 30 and 29, status nothing: 0 and 1"},
		"one less, all together": {"", "delete from t where id = 3", evidence.Fail, "30 and 29 records", "30 and 29"},
		"within the tolerance":   {"tolerance: 2", "delete from t where id < 3", evidence.Pass, "30 and 28 records", ""},
		"beyond the tolerance":   {"tolerance: 2", "delete from t where id < 4", evidence.Fail, "30 and 27 records", "30 and 27"},
		"within a share":         {"tolerance-share: 10%", "delete from t where id < 4", evidence.Pass, "30 and 27 records", ""},
		"empty":                  {"by: [type]", "delete from t", evidence.Fail, "30 and 0 records", "type lekiwi: 20 and 0, type xlerobot: 10 and 0"},
		"no such field":          {"by: [kind]", "", evidence.Unknown, "", "there is no field kind; instead: take one of id, type, status"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := with(t, strings.TrimSuffix("data.count: {left: db, left-at: {table: old.t}, right: db, right-at: {table: new.t}, "+c.params, ", ")+"}", setup)
			if c.change != "" {
				w.do(t, "set search_path = "+w.new+"; "+c.change)
			}
			r, _ := w.read(t)
			if r.Verdict != c.verdict || !strings.Contains(r.Value, c.value) || !strings.Contains(r.Detail, c.detail) {
				t.Errorf("%v %s: %s; want %v %s: %s", r.Verdict, r.Value, r.Detail, c.verdict, c.value, c.detail)
			}
		})
	}
}
