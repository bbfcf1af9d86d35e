package host

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/runbook"
)

// fakeKernel has some parameters, as files that take anything. The real one's
// are left alone.
func fakeKernel(t testing.TB) kernel {
	t.Helper()
	k := kernel{t.TempDir()}
	for path, text := range map[string]string{
		"/proc/sys/net/core/somaxconn":             "4096\n",
		"/proc/sys/net/ipv4/tcp_rmem":              "4096\t131072\t6291456\n",
		"/proc/sys/net/ipv4/conf/eth0.1/accept_ra": "1\n",
		"/etc/sysctl.d/README.sysctl":              "text\n",
	} {
		check(t, os.MkdirAll(filepath.Dir(k.root+path), 0o755))
		check(t, os.WriteFile(k.root+path, []byte(text), 0o600))
	}
	return k
}

func sysctlOf(t testing.TB, k kernel, p sysctlParams) *sysctl {
	t.Helper()
	a, err := newSysctl(p, k)
	check(t, err)
	return a
}

func is(t testing.TB, k kernel, path, want string) {
	t.Helper()
	raw, err := os.ReadFile(k.root + path)
	if errors.Is(err, os.ErrNotExist) {
		raw, err = []byte("(none)"), nil
	}
	check(t, err)
	if string(raw) != want {
		t.Errorf("%s is %q, want %q", path, raw, want)
	}
}

const ownFile = "/etc/sysctl.d/90-segue.conf"

var both = map[string]string{"net.core.somaxconn": "10000", "net.ipv4.tcp_rmem": "4096  200000 8000000"}

func TestSysctlWalks(t *testing.T) {
	for name, c := range map[string]struct {
		file    string
		persist bool
	}{
		"without a file":              {"", true},
		"with others' in the file":    {"# mine\nvm.swappiness = 10\nnet.core.somaxconn=512\n", true},
		"running kernel alone":        {"net.core.somaxconn=512\n", false},
		"file that ends without line": {"vm.swappiness=10", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			drivertest.Walk(t, drivertest.Subject{
				Parallel: true,
				World: func(t testing.TB) drivertest.World {
					k := fakeKernel(t)
					if c.file != "" {
						check(t, os.WriteFile(k.root+ownFile, []byte(c.file), 0o600))
					}
					return drivertest.World{
						Action: func() driver.Action { return sysctlOf(t, k, sysctlParams{Set: both, Persist: &c.persist}) },
						Disturb: func(context.Context) error {
							return os.WriteFile(k.root+"/proc/sys/net/core/somaxconn", []byte("77\n"), 0o600)
						},
					}
				},
			})
		})
	}
}

// sysctlDone plans and applies as a run does, and returns what undoes it.
func sysctlDone(ctx context.Context, a *sysctl) (undo func() error, _ error) {
	before, err := a.Observe(ctx)
	if err != nil {
		return nil, err
	}
	others, err := a.Survey(ctx)
	if err != nil {
		return nil, err
	}
	want, err := a.PlanAmong(before, others)
	if err != nil {
		return nil, err
	}
	e := driver.Effect{Before: before, Want: want, Mine: func() error { return nil }, Save: func(context.Context, any) error { return nil }}
	_, err = a.Apply(ctx, e)
	return func() error { return a.Undo(ctx, e) }, err
}

func TestTwoStepsShareAFileAndItGoesWithTheLast(t *testing.T) {
	k := fakeKernel(t)
	one, err := sysctlDone(t.Context(), sysctlOf(t, k, sysctlParams{Set: both}))
	check(t, err)
	is(t, k, "/proc/sys/net/core/somaxconn", "10000\n")
	is(t, k, "/proc/sys/net/ipv4/tcp_rmem", "4096 200000 8000000\n")
	two, err := sysctlDone(t.Context(), sysctlOf(t, k, sysctlParams{Set: map[string]string{"net/ipv4/conf/eth0.1/accept_ra": "0"}}))
	check(t, err)
	is(t, k, "/proc/sys/net/ipv4/conf/eth0.1/accept_ra", "0\n")
	is(t, k, ownFile, sysctlHead+"net.core.somaxconn = 10000\nnet.ipv4.tcp_rmem = 4096 200000 8000000\nnet/ipv4/conf/eth0.1/accept_ra = 0\n")
	check(t, one())
	is(t, k, "/proc/sys/net/core/somaxconn", "4096\n")
	is(t, k, ownFile, sysctlHead+"net/ipv4/conf/eth0.1/accept_ra = 0\n")
	check(t, two())
	is(t, k, ownFile, "(none)")
	is(t, k, "/proc/sys/net/ipv4/conf/eth0.1/accept_ra", "1\n")
}

func TestTheFileIsLeftAloneWhereNothingIsToLast(t *testing.T) {
	k := fakeKernel(t)
	undo, err := sysctlDone(t.Context(), sysctlOf(t, k, sysctlParams{Set: both, Persist: new(false)}))
	check(t, err)
	is(t, k, "/proc/sys/net/core/somaxconn", "10000\n")
	is(t, k, ownFile, "(none)")
	check(t, undo())
	is(t, k, "/proc/sys/net/core/somaxconn", "4096\n")
}

func TestSysctlsThatCannotBeSetAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		set  map[string]string
		file string
		harm func(t *testing.T, k kernel)
		want string
	}{
		"unknown":             {map[string]string{"net.core.nothing": "1"}, "", nil, "there is no kernel parameter net.core.nothing"},
		"no directory":        {both, "/etc/none/x.conf", nil, "is no directory"},
		"set later elsewhere": {both, "", later("net.core.somaxconn = 128\n"), "99-local.conf sets net.core.somaxconn to 128, and is read after"},
	} {
		t.Run(name, func(t *testing.T) {
			k := fakeKernel(t)
			if c.harm != nil {
				c.harm(t, k)
			}
			_, err := sysctlDone(t.Context(), sysctlOf(t, k, sysctlParams{Set: c.set, File: c.file}))
			r, ok := errors.AsType[*driver.Refusal](err)
			if !ok || !strings.Contains(r.Reason, c.want) || r.Remedy == "" {
				t.Errorf("%v\nwant %q", err, c.want)
			}
			is(t, k, "/proc/sys/net/core/somaxconn", "4096\n")
			is(t, k, ownFile, "(none)")
		})
	}
}

func later(text string) func(*testing.T, kernel) {
	return func(t *testing.T, k kernel) {
		t.Helper()
		check(t, os.WriteFile(k.root+"/etc/sysctl.d/99-local.conf", []byte(text), 0o600))
	}
}

func TestALaterFileThatSaysTheSameIsNoHindrance(t *testing.T) {
	k := fakeKernel(t)
	later("net.core.somaxconn = 10000\n")(t, k)
	_, err := sysctlDone(t.Context(), sysctlOf(t, k, sysctlParams{Set: both}))
	check(t, err)
}

// The real kernel is read, and not changed.
func TestARealParameterIsSeen(t *testing.T) {
	s, err := sysctlOf(t, kernel{}, sysctlParams{Set: map[string]string{"net.core.somaxconn": "1"}, Persist: new(false)}).Observe(t.Context())
	check(t, err)
	raw, err := os.ReadFile("/proc/sys/net/core/somaxconn")
	check(t, err)
	for _, fields := range s {
		if string(fields["now"]) != `"`+strings.TrimSpace(string(raw))+`"` || len(fields) != 1 {
			t.Errorf("%v, and the kernel says %s", fields, raw)
		}
	}
}

func TestSysctlParametersThatAreWrongAreToldWithTheField(t *testing.T) {
	for name, c := range map[string]struct {
		p     sysctlParams
		field string
	}{
		"none":            {sysctlParams{}, "set"},
		"no name":         {sysctlParams{Set: map[string]string{"net": "1"}}, "set"},
		"a way up":        {sysctlParams{Set: map[string]string{"net/../../x": "1"}}, "set"},
		"an empty value":  {sysctlParams{Set: map[string]string{"a.b": " "}}, "set"},
		"two lines":       {sysctlParams{Set: map[string]string{"a.b": "1\nc.d = 2"}}, "set"},
		"the same twice":  {sysctlParams{Set: map[string]string{"a.b": "1", "a/b": "2"}}, "set"},
		"a relative file": {sysctlParams{Set: map[string]string{"a.b": "1"}, File: "x.conf"}, "file"},
		"an unread file":  {sysctlParams{Set: map[string]string{"a.b": "1"}, File: "/etc/sysctl.d/x"}, "file"},
	} {
		wrong, ok := errors.AsType[*runbook.FieldError](c.p.Validate())
		if !ok || wrong.Field != c.field || wrong.Remedy == "" {
			t.Errorf("%s: %+v", name, wrong)
		}
	}
}
