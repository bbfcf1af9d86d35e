package segue_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const module = "github.com/segue-run/segue/"

// house says which of Segue's own packages a package may import. A key is a
// folder and all below it, or with a slash only what is below it; the longest
// one that fits counts. What a key allows is a package; with a slash at the
// end, also what is below it; "./" is the key itself and what is below it, and
// "*" the folder right below the key in which the package lies, whole.
//
// Tests may import, besides, what lies beneath their own package, and helpers.
//
// It is the section "The house" of ARCHITECTURE.md, for machines: change both.
var house = map[string][]string{
	"script":              {},
	"internal/soak":       {},
	"internal/disk":       {},
	"internal/throwaway":  {},
	"state":               {},
	"secret":              {},
	"evidence":            {},
	"expr":                {"evidence"},
	"announce":            {},
	"runbook":             {"announce", "expr"},
	"engine":              {"evidence", "runbook", "state"},
	"journal":             {"journal"},
	"driver":              {"evidence", "expr", "runbook", "state"},
	"driver/":             {"driver", "*", "evidence", "expr", "internal/disk", "internal/throwaway", "runbook", "secret", "state"},
	"backup":              {"./", "driver", "evidence", "internal/disk", "runbook", "state"},
	"compare":             {"./", "driver", "evidence", "runbook", "secret"},
	"datasync":            {"./", "driver", "evidence", "expr", "runbook", "state"},
	"edge":                {"./", "compare/", "driver", "evidence", "runbook", "state"},
	"integrity":           {"./", "datasync/mapping", "driver", "evidence", "internal/disk", "runbook", "state"},
	"load":                {"driver", "evidence", "runbook"},
	"logs":                {"driver"},
	"runner":              {"driver", "engine", "evidence", "expr", "journal", "runbook", "secret", "state"},
	"runner/sim":          {"driver", "engine", "evidence", "journal", "journal/memory", "runbook", "runner", "secret", "state"},
	"report":              {"announce", "driver", "engine", "evidence", "journal", "runbook", "runner", "secret", "state"},
	"notify":              {"announce", "driver", "engine", "evidence", "journal", "report", "runbook", "runner", "secret"},
	"view":                {"driver", "engine", "evidence", "journal", "report", "runbook", "runner", "secret", "state"},
	"console":             {"./", "engine", "evidence", "journal", "report", "runbook", "runner", "secret", "state"},
	"cmd":                 {"./", "announce", "backup", "compare/", "console/", "datasync/", "driver/", "edge/", "engine", "evidence", "expr", "integrity", "journal/", "load", "logs", "notify", "report", "runbook", "runner", "secret", "state", "view"},
	"examples/":           {"*", "examples/sandbox", "examples/sandbox/people", "examples/sandbox/stage"},
	"examples/sandbox":    {"examples/sandbox/people"},
	"driver/haproxy":      {"./", "driver", "edge/", "evidence", "runbook", "state"},
	"driver/nginx":        {"./", "driver", "edge/", "evidence", "runbook", "secret", "state"},
	"driver/drivertest":   {"driver", "evidence", "runbook", "state"},
	"journal/sealed":      {},
	"acceptance/runtest":  {"engine", "examples/sandbox/people", "journal", "journal/sqlite"},
	"journal/journaltest": {"journal"},
}

// helpers are for any test.
var helpers = []string{"acceptance/runtest", "driver/drivertest", "internal/soak", "journal/journaltest", "journal/memory", "runner/sim"}

// clients says who may import a client library: everybody else reaches the
// live system through the driver.
var clients = map[string][]string{
	"github.com/nats-io/":                   {"driver/nats", "examples/"},
	"github.com/jackc/":                     {"driver/postgres", "examples/"},
	"github.com/prometheus/":                {"driver/prometheus", "examples/"},
	"github.com/redis/":                     {"driver/redis", "examples/"},
	"modernc.org/sqlite":                    {"journal/sqlite"},
	"github.com/wneessen/":                  {"driver/notify"},
	"cel.dev/":                              {"expr"},
	"github.com/spf13/cobra":                {"cmd", "examples/"},
	"charm.land/":                           {"cmd", "view", "examples/"},
	"github.com/santhosh-tekuri/jsonschema": {},
}

// pure packages have no clock, no I/O and no goroutine.
var pure = []string{"engine", "evidence", "state"}

// impure is what a pure package must not import…
var impure = []string{
	"os", "net", "syscall", "database/sql", "io/fs", "io/ioutil", "log", "log/slog",
	"math/rand", "crypto/rand", "sync", "context", "runtime", "unsafe",
}

// …and of the time package must not call.
var clock = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer"}

type goPackage struct {
	ImportPath, Dir                    string
	GoFiles                            []string
	Imports, TestImports, XTestImports []string
}

func TestImportsPointOneWay(t *testing.T) {
	packages := list(t)
	if len(packages) < 20 {
		t.Fatalf("go list found only %d packages: is the test in the module's root?", len(packages))
	}
	for _, v := range violations(packages) {
		t.Error(v)
	}
}

func TestPurePackagesTouchNothing(t *testing.T) {
	files := 0
	for _, name := range pure {
		matches, err := filepath.Glob(filepath.Join(name, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range matches {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range impurities(t, file, src) {
				t.Error(v)
			}
			files++
		}
	}
	if files < 10 {
		t.Fatalf("only %d files were looked at: is the test in the module's root?", files)
	}
}

// TestTheRulesFindWhatTheyForbid is the negative control: a rule that finds
// nothing in a house built wrong finds nothing at all.
func TestTheRulesFindWhatTheyForbid(t *testing.T) {
	wrong := []goPackage{
		{ImportPath: module + "engine", Imports: []string{"fmt", module + "runner"}},
		{ImportPath: module + "engine", Imports: []string{module + "driver"}},
		{ImportPath: module + "state", Imports: []string{module + "evidence"}},
		{ImportPath: module + "runbook", Imports: []string{module + "driver/nats"}},
		{ImportPath: module + "driver/nats", Imports: []string{module + "driver/postgres"}},
		{ImportPath: module + "driver/nats", XTestImports: []string{module + "driver/postgres/postgrestest"}},
		{ImportPath: module + "driver/nats", Imports: []string{module + "engine"}},
		{ImportPath: module + "driver/nats", Imports: []string{module + "driver/drivertest"}},
		{ImportPath: module + "driver", Imports: []string{module + "driver/nats"}},
		{ImportPath: module + "runner", Imports: []string{module + "journal/sqlite"}},
		{ImportPath: module + "examples/lekiwi/robot", Imports: []string{module + "examples/athlete-ally/event"}},
		{ImportPath: module + "examples/athlete-ally/system", Imports: []string{module + "state"}},
		{ImportPath: module + "acceptance/athlete-ally", Imports: []string{module + "state"}},
		{ImportPath: module + "cmd/segue", Imports: []string{module + "examples/athlete-ally/load"}},
		{ImportPath: module + "runner", Imports: []string{"github.com/nats-io/nats.go"}},
		{ImportPath: module + "driver/web", Imports: []string{"github.com/jackc/pgx/v5"}},
		{ImportPath: module + "engine", Imports: []string{"gonum.org/v1/gonum/stat"}},
		{ImportPath: module + "runner", Imports: []string{"testing"}},
		{ImportPath: module + "a-new-package"},
	}
	for _, p := range wrong {
		if n := len(violations([]goPackage{p})); n != 1 {
			t.Errorf("%s with %v has %d violations, want 1", p.ImportPath, slices.Concat(p.Imports, p.XTestImports), n)
		}
	}
	right := []goPackage{
		{ImportPath: module + "driver/nats", Imports: []string{"fmt", module + "driver", "github.com/nats-io/nats.go"}, TestImports: []string{"testing", module + "driver/drivertest", module + "driver/nats/natstest"}},
		{ImportPath: module + "driver/nats/natstest", Imports: []string{"testing", "github.com/nats-io/nats-server/v2/server"}},
		{ImportPath: module + "examples/athlete-ally/load", Imports: []string{module + "examples/athlete-ally/event"}},
		{ImportPath: strings.TrimSuffix(module, "/"), XTestImports: []string{module + "driver/nats"}},
		{ImportPath: module + "acceptance/athlete-ally", XTestImports: []string{module + "journal/sqlite"}},
	}
	if d := cmp.Diff([]string(nil), violations(right)); d != "" {
		t.Errorf("what is right is refused (-want +got):\n%s", d)
	}
	for src, want := range map[string]int{
		`package engine; import "os"; var _ = os.Args`:                                                      1,
		`package engine; import "net/http"; var _ http.Client`:                                              1,
		`package engine; import "time"; func f() time.Time { return time.Now() }`:                           1,
		`package engine; import c "time"; func f() { c.Sleep(c.Second) }`:                                   1,
		`package engine; func f() { go f() }`:                                                               1,
		`package engine; import "time"; func f(t time.Time) time.Duration { return t.Sub(time.Time{}) }`:    0,
		`package engine; import "strings"; var time = strings.NewReplacer(); func f() { time.Replace("") }`: 0,
	} {
		if got := impurities(t, "planted.go", []byte(src)); len(got) != want {
			t.Errorf("%s: found %q, want %d", src, got, want)
		}
	}
}

// list asks the go command what the module's packages import. Packages that
// do not build are listed all the same.
func list(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Dir,GoFiles,Imports,TestImports,XTestImports", "./...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v: %s", err, stderr.Bytes())
	}
	var packages []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

// violations lists every import that the house does not allow.
func violations(packages []goPackage) []string {
	var out []string
	for _, p := range packages {
		name, own := strings.CutPrefix(p.ImportPath, module)
		if !own || name == "docs" || (strings.HasPrefix(name, "acceptance/") || strings.HasSuffix(name, "/e2e")) && len(p.Imports) == 0 {
			continue // these hold only tests of the whole, which may look at everything
		}
		key, allowed := rule(name)
		if key == "" {
			out = append(out, fmt.Sprintf("%s has no place in the house: give it one in architecture_test.go and ARCHITECTURE.md", name))
			continue
		}
		for _, imp := range p.Imports {
			if why := refuse(name, key, allowed, imp, false); why != "" {
				out = append(out, fmt.Sprintf("%s imports %s: %s", name, imp, why))
			}
		}
		tests := slices.Concat(p.TestImports, p.XTestImports)
		slices.Sort(tests)
		for _, imp := range slices.Compact(tests) {
			if why := refuse(name, key, allowed, imp, true); why != "" && !slices.Contains(p.Imports, imp) {
				out = append(out, fmt.Sprintf("a test of %s imports %s: %s", name, imp, why))
			}
		}
	}
	return out
}

// rule is the house's longest key that fits the package. "driver/" fits what
// lies below driver, "driver" fits it too, but is shorter.
func rule(name string) (key string, allowed []string) {
	for k, a := range house {
		fits := name == k || strings.HasPrefix(name, strings.TrimSuffix(k, "/")+"/")
		if fits && len(k) > len(key) {
			key, allowed = k, a
		}
	}
	return key, allowed
}

// refuse says why a package must not import another; "" when it may.
func refuse(name, key string, allowed []string, imp string, test bool) string {
	helper := strings.HasSuffix(name, "test") || name == "internal/soak" // drivertest, natstest, …
	if imp == "testing" && !test && !helper {
		return "only tests and the packages that help them do"
	}
	target, own := strings.CutPrefix(imp, module)
	if !own {
		return refuseLibrary(name, imp, test || helper)
	}
	if test && (target == name || strings.HasPrefix(target, name+"/")) {
		return "" // its own, and the helpers beneath it
	}
	if (test || helper) && slices.Contains(helpers, target) {
		return ""
	}
	if strings.HasSuffix(target, "test") && !test && !helper {
		return "it helps tests only"
	}
	for _, a := range allowed {
		switch {
		case a == target, a == "./" && (target == key || strings.HasPrefix(target, key+"/")):
			return ""
		case a == "*":
			base := strings.TrimSuffix(key, "/") + "/"
			system, _, _ := strings.Cut(strings.TrimPrefix(name, base), "/")
			if target == base+system || strings.HasPrefix(target, base+system+"/") {
				return ""
			}
		case strings.HasSuffix(a, "/") && (target == strings.TrimSuffix(a, "/") || strings.HasPrefix(target, a)):
			return ""
		}
	}
	if len(allowed) == 0 {
		return "of Segue it may import nothing"
	}
	return "of Segue it may import only " + strings.Join(allowed, ", ")
}

func refuseLibrary(name, imp string, test bool) string {
	for library, users := range clients {
		if !strings.HasPrefix(imp, library) || test {
			continue
		}
		for _, u := range users {
			if name == u || strings.HasPrefix(name, strings.TrimSuffix(u, "/")+"/") {
				return ""
			}
		}
		if len(users) == 0 {
			return "only tests do"
		}
		return "only " + strings.Join(users, ", ") + " do"
	}
	if slices.Contains(pure, name) && !test && strings.Contains(strings.SplitN(imp, "/", 2)[0], ".") {
		return "it is pure and needs no library"
	}
	return ""
}

// impurities lists what of a pure package's file is not pure.
func impurities(t *testing.T, file string, src []byte) []string {
	t.Helper()
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, file, src, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	say := func(at token.Pos, what string) {
		out = append(out, fmt.Sprintf("%s: %s: this package is pure", fset.Position(at), what))
	}
	timeName := ""
	for _, imp := range f.Imports {
		path, err := strconv.Unquote(imp.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		for _, no := range impure {
			if path == no || strings.HasPrefix(path, no+"/") {
				say(imp.Pos(), "it imports "+path)
			}
		}
		if path == "time" {
			if timeName = "time"; imp.Name != nil {
				timeName = imp.Name.Name
			}
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			say(n.Pos(), "it starts a goroutine")
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && timeName != "" && x.Name == timeName && slices.Contains(clock, n.Sel.Name) {
				say(n.Pos(), "it asks the clock: time."+n.Sel.Name)
			}
		}
		return true
	})
	return out
}
