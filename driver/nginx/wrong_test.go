package nginx

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/nginx/nginxtest"
	"github.com/segue-run/segue/edge/edgetest"
	"github.com/segue-run/segue/runbook"
)

// files are all of Segue's, with what they hold or where they lead.
func files(t testing.TB, s *nginxtest.Server) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(s.Segue, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if to, err := os.Readlink(path); err == nil {
			out[path] = "-> " + to
			return nil
		}
		raw, err := os.ReadFile(path)
		out[path] = string(raw)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func edit(old, by string) func(*testing.T, *nginxtest.Server, *splitParams) {
	return func(t *testing.T, s *nginxtest.Server, _ *splitParams) { s.Edit(t, nginxtest.Replacing(old, by)) }
}

func TestWhatIsWrongIsSaidAndNothingChanges(t *testing.T) {
	t.Parallel()
	type harm = func(t *testing.T, s *nginxtest.Server, p *splitParams)
	set := func(f func(p *splitParams)) harm {
		return func(_ *testing.T, _ *nginxtest.Server, p *splitParams) { f(p) }
	}
	for name, c := range map[string]struct {
		fresh bool // there is no split yet
		harm  harm
		want  string
	}{
		"a broken configuration":          {false, edit("worker_processes 2;", "worker_processes 2; nonsense on;"), `unknown directive "nonsense"`},
		"a broken one, and no split yet":  {true, edit("listen", "lissen"), `unknown directive "lissen"`},
		"no include in http":              {true, edit("include segue/*.http.conf;", ""), "does not include"},
		"no include in server":            {true, edit("include segue/*.server.conf;", ""), ".server.conf;` into the server block"},
		"an include of another directory": {true, edit("include segue/*.http.conf;", "include other/*.http.conf;"), "does not include"},
		"an include that is a comment":    {true, edit("include segue/*.http.conf;", "# include segue/*.http.conf;"), "does not include"},
		"a missing include of the user's": {false, edit("include segue/*.http.conf;", "include segue/*.http.conf; include not-there.conf;"), "not-there.conf"},
		"a side that is no upstream":      {true, set(func(p *splitParams) { p.NewSide = "newer" }), "no upstream newer"},
		"a cache of open files":           {true, edit("worker_connections 1024; }\nhttp {", "worker_connections 1024; }\nhttp { open_file_cache max=100;"), "open_file_cache max=100"},
		"links that are not followed":     {true, edit("worker_connections 1024; }\nhttp {", "worker_connections 1024; }\nhttp { disable_symlinks on;"), "disable_symlinks on"},
		"a control port that is taken":    {true, take, "is taken by another program"},
		"NGINX does not run":              {false, func(_ *testing.T, s *nginxtest.Server, _ *splitParams) { s.Kill() }, "NGINX is not running"},
		"another process has its pid":     {false, strangePID, "is not its master"},
		"the http file edited by hand":    {false, scribbleOn(".http.conf"), "edited by hand"},
		"the server file edited by hand":  {false, scribbleOn(".server.conf"), "edited by hand"},
		"the server file removed":         {false, gone(".server.conf"), "edge.server.conf is missing"},
		"the http file removed":           {false, gone(".http.conf"), "edge.http.conf is missing"},
		"the link removed":                {false, gone(".share"), "edge.share is missing"},
		"a bucket added by hand":          {false, bucket, "does not hold the buckets of 0%"},
		"the link led elsewhere":          {false, elsewhere, "which is no share"},
		"nothing uses the split":          {true, set(func(*splitParams) {}), "nothing in its configuration uses $segue_edge"},
		"files that NGINX does not run":   {false, notLoaded, "does not run what the files of the split say"},
		"a share over the whole":          {true, set(func(p *splitParams) { p.New = 100.5 }), "no share of the traffic"},
		"a header with a semicolon":       {true, set(func(p *splitParams) { p.By = "header X; return 200" }), "cannot be used in a configuration"},
		"a name with a brace":             {true, set(func(p *splitParams) { p.Name = "e}" }), "cannot be used in a configuration"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := params(byFiles, 10)
			var s *nginxtest.Server
			if c.fresh {
				s = nginxtest.Start(t)
			} else {
				s = splitting(t, p)
			}
			c.harm(t, s, &p)
			was := files(t, s)
			a, err := newSplit(connTo(t, s), p)
			if err == nil {
				_, err = do(t.Context(), a)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v\nwant %q", err, c.want)
			}
			if d := cmp.Diff(was, files(t, s)); d != "" {
				t.Errorf("files changed (-was +is):\n%s", d)
			}
		})
	}
}

func take(t *testing.T, s *nginxtest.Server, _ *splitParams) {
	l, err := net.Listen("tcp", s.Control)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close() })
}

func strangePID(t *testing.T, s *nginxtest.Server, _ *splitParams) {
	s.Kill()
	s.Write(t, "nginx.pid", "1\n")
}

func scribbleOn(end string) func(*testing.T, *nginxtest.Server, *splitParams) {
	return func(t *testing.T, s *nginxtest.Server, _ *splitParams) {
		if err := scribble(s.Segue + "/edge" + end); err != nil {
			t.Fatal(err)
		}
	}
}

func gone(end string) func(*testing.T, *nginxtest.Server, *splitParams) {
	return func(t *testing.T, s *nginxtest.Server, _ *splitParams) {
		if err := os.Remove(s.Segue + "/edge" + end); err != nil {
			t.Fatal(err)
		}
	}
}

func bucket(t *testing.T, s *nginxtest.Server, _ *splitParams) {
	if err := os.Symlink("../all", s.Segue+"/edge.shares/0/07"); err != nil {
		t.Fatal(err)
	}
}

func elsewhere(t *testing.T, s *nginxtest.Server, _ *splitParams) {
	link := s.Segue + "/edge.share"
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/tmp", link); err != nil {
		t.Fatal(err)
	}
}

// notLoaded writes what a Segue would have for another key.
func notLoaded(t *testing.T, s *nginxtest.Server, p *splitParams) {
	c := connTo(t, s)
	q := p.whole()
	q.By = "cookie other"
	set := q.settings(c, 0)
	paths := c.paths("edge")
	for path, src := range map[string][]byte{paths.http: set.httpFile(paths.link), paths.server: set.serverFile(paths.link)} {
		if err := os.WriteFile(path, src, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAConfigurationThatFailsOnlyWhenLoadedIsPutBack(t *testing.T) {
	t.Parallel()
	p := params(byReload, 10)
	s := splitting(t, p)
	// nginx -t does not mind a port that is taken; a reload does.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s.Edit(t, nginxtest.Replacing("listen "+s.Addr+";", "listen "+s.Addr+"; listen "+l.Addr().String()+";"))
	was := files(t, s)
	_, err = do(t.Context(), actionOf(t, s, p))
	if err == nil || !strings.Contains(err.Error(), l.Addr().String()) || !strings.Contains(err.Error(), "in use") {
		t.Errorf("the port is not named: %v", err)
	}
	if d := cmp.Diff(was, files(t, s)); d != "" {
		t.Errorf("files changed (-was +is):\n%s", d)
	}
	if k := edgetest.Share(edgetest.Sides(t, s.Addr, 200, keyHeader, edgetest.Plain), "new"); k != 0 {
		t.Errorf("the new side serves %d of 200", k)
	}
}

func TestRollbackBringsTrafficBackWhateverHappened(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(*testing.T, *nginxtest.Server, *splitParams){
		"nothing":                      func(*testing.T, *nginxtest.Server, *splitParams) {},
		"a broken configuration":       edit("worker_processes 2;", "nonsense on;"),
		"the includes removed":         edit("include segue/*.http.conf;", ""),
		"the http file edited":         scribbleOn(".http.conf"),
		"the server file edited":       scribbleOn(".server.conf"),
		"the http file removed":        gone(".http.conf"),
		"the link removed":             gone(".share"),
		"the link led elsewhere":       elsewhere,
		"a bucket added to the target": bucket,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := params(byFiles, 100)
			s := splitting(t, p)
			undo, err := do(t.Context(), actionOf(t, s, p))
			if err != nil {
				t.Fatal(err)
			}
			harm(t, s, &p)
			if err := undo(); err != nil {
				t.Errorf("undo: %v", err)
			}
			if k := edgetest.Share(edgetest.Sides(t, s.Addr, 200, keyHeader, edgetest.Plain), "new"); k != 0 {
				t.Errorf("the new side still serves %d of 200", k)
			}
		})
		t.Run("by a target's first step: "+name, func(t *testing.T) {
			t.Parallel()
			p := params(byFiles, 100)
			s := splitting(t, p)
			to(t, s, p)
			harm(t, s, &p)
			p.New = 0
			first := actionOf(t, s, p)
			before, err := first.Observe(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			want, err := first.PlanOver(before)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := first.Apply(t.Context(), effect(before, want)); err != nil {
				t.Errorf("the first step: %v", err)
			}
			if k := edgetest.Share(edgetest.Sides(t, s.Addr, 200, keyHeader, edgetest.Plain), "new"); k != 0 {
				t.Errorf("the new side still serves %d of 200", k)
			}
		})
	}
}

func TestUndoWritesTheFilesWhileNGINXIsAway(t *testing.T) {
	t.Parallel()
	p := params(byFiles, 100)
	s := splitting(t, p)
	undo, err := do(t.Context(), actionOf(t, s, p))
	if err != nil {
		t.Fatal(err)
	}
	s.Kill()
	if err := undo(); err == nil || !strings.Contains(err.Error(), "NGINX goes by them when it starts") {
		t.Errorf("undo says %v", err)
	}
	s.Launch(t)
	if k := edgetest.Share(edgetest.Sides(t, s.Addr, 200, keyHeader, edgetest.Plain), "new"); k != 0 {
		t.Errorf("it starts with the new side serving %d of 200", k)
	}
}

func TestASplitThatTheConfigurationNeedsStaysAtNothing(t *testing.T) {
	t.Parallel()
	p := params(byFiles, 50)
	s := nginxtest.Start(t)
	s.Edit(t, nginxtest.Split)
	a := actionOf(t, s, p)
	before, err := a.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	undo, err := do(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Witness(t.Context(), before); err == nil || !strings.Contains(err.Error(), "to new") {
		t.Errorf("with half of the clients on the new side the witness of what was before says %v", err)
	}
	kept, ok := errors.AsType[*driver.Kept](undo())
	if !ok || !strings.Contains(kept.Cost, "$segue_edge") {
		t.Errorf("undo keeps %+v", kept)
	}
	if err := a.Witness(t.Context(), before); err != nil { // the files are there, and nobody is on the new side
		t.Error(err)
	}
	if k := edgetest.Share(edgetest.Sides(t, s.Addr, 200, keyHeader, edgetest.Plain), "new"); k != 0 {
		t.Errorf("the new side serves %d of 200", k)
	}
}

func TestParametersThatAreWrongAreToldWithTheField(t *testing.T) {
	for _, c := range []struct {
		p     interface{ Validate() error }
		field string
	}{
		{splitParams{New: -1}, "new"},
		{splitParams{Name: "Edge"}, "name"},
		{splitParams{By: "ip"}, "by"},
		{splitParams{By: "cookie a-b"}, "by"},
		{splitParams{NewSide: "a b"}, "new-side"},
		{splitParams{OldSide: "new"}, "new-side"},
		{splitParams{OldWorkers: new(-1 * params("", 0).oldWorkers())}, "old-workers"},
		{connParams{Config: "nginx.conf"}, "config"},
		{connParams{Dir: "/a b"}, "dir"},
		{connParams{Logs: `/a"b`}, "logs"},
		{connParams{Control: "0.0.0.0:80"}, "control"},
		{connParams{Control: "127.0.0.1"}, "control"},
	} {
		wrong, ok := c.p.Validate().(*runbook.FieldError) //nolint:errorlint // it is made there
		if !ok || wrong.Field != c.field || wrong.Remedy == "" {
			t.Errorf("%+v: %+v", c.p, wrong)
		}
	}
}
