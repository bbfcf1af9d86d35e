package host

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

// The texts are as Linux 6.1 wrote them, shortened.
const (
	meminfo = `MemTotal:       24683620 kB
MemFree:        20954032 kB
MemAvailable:   23719104 kB
Buffers:           44296 kB
HugePages_Total:       0
`
	loadavg = "15.62 17.85 12.07 9/272 32128\n"
	stat    = `cpu  189407 15398 113068 277102 1099 0 2957 0 0 0
cpu0 94131 7554 55902 140551 238 0 1203 0 0 0
cpu1 95276 7844 57166 136550 860 0 1754 0 0 0
intr 1 2 3
ctxt 5
`
	// A second later, of which a quarter was idle.
	statLater = `cpu  189557 15398 113068 277142 1109 0 2957 0 0 0
cpu0 94206 7554 55902 140571 243 0 1203 0 0 0
cpu1 95351 7844 57166 136570 865 0 1754 0 0 0
`
	mountinfo = `22 1 254:0 / / rw,relatime - ext4 /dev/root rw
30 22 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate
`
	memoryStat = "anon 1\nfile 2\ninactive_file 104857600\nactive_file 3\n"
)

// told is a kernel that tells what the test says.
func told(t testing.TB, files map[string]string) kernel {
	t.Helper()
	k := kernel{t.TempDir()}
	for name, text := range files {
		check(t, os.MkdirAll(filepath.Dir(k.root+name), 0o755))
		check(t, os.WriteFile(k.root+name, []byte(text), 0o600))
	}
	return k
}

func TestMemoryIsThatOfTheMachineOrOfTheCloserLimit(t *testing.T) {
	const total, available = 24683620 << 10, 23719104 << 10
	group := func(files map[string]string, dir, limit, current string) {
		files["/sys/fs/cgroup"+dir+"/memory.max"] = limit + "\n"
		files["/sys/fs/cgroup"+dir+"/memory.current"] = current + "\n"
		files["/sys/fs/cgroup"+dir+"/memory.stat"] = memoryStat
	}
	for _, c := range []struct {
		name   string
		edit   func(files map[string]string)
		want   memory
		refuse string
	}{
		{"no cgroups", func(map[string]string) {}, memory{total, available, "", 3.9}, ""},
		{"version 1 alone", func(f map[string]string) { f["/proc/self/cgroup"] = "4:memory:/x\n" }, memory{total, available, "", 3.9}, ""},
		{"no limit", func(f map[string]string) { group(f, "/app/x", "max", "1") }, memory{total, available, "", 3.9}, ""},
		{"a limit", func(f map[string]string) { group(f, "/app/x", "1073741824", "314572800") }, memory{1 << 30, 1<<30 - 200<<20, "/app/x", 19.5}, ""},
		{"a limit further up", func(f map[string]string) {
			group(f, "/app/x", "max", "1")
			group(f, "/app", "1073741824", "314572800")
		}, memory{1 << 30, 1<<30 - 200<<20, "/app", 19.5}, ""},
		{"the one that leaves least", func(f map[string]string) {
			group(f, "/app/x", "2147483648", "2147483648")
			group(f, "/app", "1073741824", "314572800")
		}, memory{2 << 30, 100 << 20, "/app/x", 95.1}, ""},
		{"a limit that is used up", func(f map[string]string) { group(f, "/app/x", "1073741824", "9073741824") }, memory{1 << 30, 0, "/app/x", 100}, ""},
		{"a limit that is nearly used up, of a machine that is", func(f map[string]string) {
			f["/proc/meminfo"] = strings.Replace(meminfo, "23719104", "1000000", 1)
			group(f, "/app/x", "1073741824", "314572800")
		}, memory{1 << 30, 1<<30 - 200<<20, "/app/x", 95.9}, ""},
		{"a limit beyond the machine", func(f map[string]string) { group(f, "/app/x", "107374182400", "314572800") }, memory{total, available, "", 3.9}, ""},
		{"a namespace of its own", func(f map[string]string) {
			f["/proc/self/cgroup"] = "0::/\n"
			group(f, "", "1073741824", "314572800")
		}, memory{1 << 30, 1<<30 - 200<<20, "/", 19.5}, ""},
		{"a part of the hierarchy is mounted", func(f map[string]string) {
			f["/proc/self/mountinfo"] = strings.Replace(mountinfo, "0:27 / ", "0:27 /app ", 1)
			group(f, "/x", "1073741824", "314572800")
		}, memory{1 << 30, 1<<30 - 200<<20, "/x", 19.5}, ""},
		{"no MemAvailable", func(f map[string]string) {
			f["/proc/meminfo"] = strings.ReplaceAll(meminfo, "MemAvailable", "Else")
		}, memory{}, "MemAvailable"},
		{"nonsense", func(f map[string]string) { f["/proc/meminfo"] = "MemTotal: many kB\n" }, memory{}, "MemTotal"},
		{"nothing", func(f map[string]string) { delete(f, "/proc/meminfo") }, memory{}, "no such file"},
		{"a limit that is none", func(f map[string]string) { group(f, "/app/x", "much", "1") }, memory{}, "memory.max"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := map[string]string{"/proc/meminfo": meminfo, "/proc/self/mountinfo": mountinfo}
			if c.name != "no cgroups" {
				files["/proc/self/cgroup"] = "0::/app/x\n"
			}
			c.edit(files)
			got, err := told(t, files).memory()
			got.used = math.Round(10*got.used) / 10
			if c.refuse == "" && (err != nil || got != c.want) || c.refuse != "" && (err == nil || !strings.Contains(err.Error(), c.refuse)) {
				t.Errorf("got %+v, %v, want %+v %s", got, err, c.want, c.refuse)
			}
		})
	}
}

func TestALimitFailsWhereTheMachineWouldDo(t *testing.T) {
	files := map[string]string{
		"/proc/meminfo": meminfo, "/proc/self/mountinfo": mountinfo, "/proc/self/cgroup": "0::/app\n",
		"/sys/fs/cgroup/app/memory.max": "1073741824", "/sys/fs/cgroup/app/memory.current": "1073741824", "/sys/fs/cgroup/app/memory.stat": memoryStat,
	}
	c := &memoryRead{memoryParams{Above: new(runbook.Bytes(2e9)), Below: new(runbook.Percent(85))}, told(t, files)}
	r := c.Read(t.Context())
	want(t, "limited", evidence.Fail, r)
	if r.Value != "105MB available of 1.07GB, 90.2% used, by the limit of cgroup /app" || r.Bound != "available above 2GB, used below 85%" {
		t.Errorf("%+v", r)
	}
	delete(files, "/proc/self/cgroup")
	c.k = told(t, files)
	want(t, "unlimited", evidence.Pass, c.Read(t.Context()))
}

func TestLoad(t *testing.T) {
	files := map[string]string{"/proc/loadavg": loadavg, "/proc/stat": stat}
	for _, c := range []struct {
		p     loadParams
		want  evidence.Verdict
		value string
	}{
		{loadParams{Below: 16}, evidence.Pass, "15.62"},
		{loadParams{Below: 15.62}, evidence.Fail, "15.62"},
		{loadParams{Below: 16, Over: "5m"}, evidence.Fail, "17.85"},
		{loadParams{Below: 16, Over: "15m"}, evidence.Pass, "12.07"},
		{loadParams{Below: 8, PerCPU: true}, evidence.Pass, "7.81"},
		{loadParams{Below: 7, PerCPU: true}, evidence.Fail, "7.81"},
	} {
		r := (&load{c.p, told(t, files)}).Read(t.Context())
		if want(t, r.Query, c.want, r); r.Value != c.value {
			t.Errorf("%+v: %+v", c.p, r)
		}
	}
}

func TestWhatCannotBeReadIsUnknown(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"nothing":      nil,
		"empty":        {"/proc/loadavg": "", "/proc/stat": "", "/proc/meminfo": ""},
		"not a number": {"/proc/loadavg": "NaN 1 1", "/proc/stat": "cpu a b c d\ncpu0 1\n", "/proc/meminfo": "MemTotal: -1 kB\n"},
		"cut off":      {"/proc/loadavg": "1 2", "/proc/stat": "cpu 1 2\n", "/proc/meminfo": "MemTotal: 1 kB\nMemAvail"},
	} {
		k := told(t, files)
		for kind, c := range map[string]driver.Check{
			"memory": &memoryRead{memoryParams{Below: new(runbook.Percent(50))}, k},
			"load":   &load{loadParams{Below: 1, PerCPU: true}, k},
			"cpu":    &cpu{p: cpuParams{Below: 50}, k: k},
		} {
			want(t, name+", "+kind, evidence.Unknown, c.Read(t.Context()))
		}
	}
}

func TestCPUIsWhatWasUsedBetweenTwoLooks(t *testing.T) {
	for _, c := range []struct {
		below     runbook.Percent
		then      string
		want      evidence.Verdict
		valueHead string
	}{
		{80, statLater, evidence.Pass, "75.0% used in 1s"},
		{75, statLater, evidence.Fail, "75.0% used in 1s"},
		{75, stat, evidence.Unknown, ""}, // no time has passed there
		{75, "", evidence.Unknown, ""},
		{75, strings.Replace(statLater, "277142", "7142", 1), evidence.Unknown, ""}, // it went backwards
	} {
		synctest.Test(t, func(t *testing.T) {
			k := told(t, map[string]string{"/proc/stat": stat})
			check := &cpu{p: cpuParams{Below: c.below}, k: k}
			got := make(chan evidence.Reading, 1)
			go func() { got <- check.Read(t.Context()) }()
			time.Sleep(500 * time.Millisecond)
			if err := os.WriteFile(k.root+"/proc/stat", []byte(c.then), 0o600); err != nil {
				t.Error(err)
			}
			r := <-got
			if want(t, string(c.then), c.want, r); r.Value != c.valueHead {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestTheNextLookGoesOnFromTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := told(t, map[string]string{"/proc/stat": stat})
		c := &cpu{p: cpuParams{Below: 80}, k: k}
		_ = c.Read(t.Context())
		time.Sleep(10 * time.Second)
		if err := os.WriteFile(k.root+"/proc/stat", []byte(statLater), 0o600); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		if r := c.Read(t.Context()); r.Value != "75.0% used in 10s" || time.Since(begun) > 0 {
			t.Errorf("after %s: %+v", time.Since(begun), r)
		}
		time.Sleep(time.Hour) // a look of an hour ago says nothing of now
		begun = time.Now()
		if _ = c.Read(t.Context()); time.Since(begun) != time.Second {
			t.Errorf("it took %s", time.Since(begun))
		}
	})
}

func TestBytesAreForPeople(t *testing.T) {
	for n, text := range map[uint64]string{0: "0B", 999: "999B", 1000: "1KB", 20e9: "20GB", 1 << 40: "1.1TB", math.MaxUint64: "1.84e+04PB"} {
		if got := bytes(n); got != text {
			t.Errorf("%d: %s, want %s", n, got, text)
		}
	}
}
