package doctor

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/goshawk-io/goshawk/internal/platform/cgroup"
)

const (
	mountsV2 = "30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n"
	mountsV1 = "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n" +
		"35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
	statusText = "Name:\tx\nCpus_allowed_list:\t0-2,5\n"
	limitsText = "Limit                     Soft Limit           Hard Limit           Units     \nMax open files            100                  4096                 files     \n"
	statText   = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 9 0 4242 1 1\n"
)

// fixture is a root with a process 7 and control groups of one version.
func fixture(t *testing.T, files map[string]string) *procReader {
	t.Helper()
	all := map[string]string{
		"proc/7/stat": statText, "proc/7/status": statusText, "proc/7/limits": limitsText, "proc/7/environ": "A=secret\x00GOMAXPROCS=8\x00GOGC=off\x00",
		"proc/7/fd/0": "", "proc/7/fd/1": "", "proc/7/task/7/schedstat": "100 50 3\n", "proc/8/stat": "8 (true) Z 7 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 99 0 0\n",
	}
	for name, text := range files {
		all[name] = text
	}
	return &procReader{root: tree(t, all)}
}

func TestControlGroups_ofBothVersions(t *testing.T) {
	for _, c := range []struct {
		name   string
		files  map[string]string
		groups []QuotaGroup
		memory Memory
	}{
		{"version 2, limits above it", map[string]string{
			"proc/self/mountinfo": mountsV2, "proc/7/cgroup": "0::/pod/app\n",
			"sys/fs/cgroup/pod/cpu.max": "150000 100000\n", "sys/fs/cgroup/pod/cpu.stat": "usage_usec 5\nnr_periods 10\nnr_throttled 4\nthrottled_usec 2000\n",
			"sys/fs/cgroup/pod/app/cpu.max": "max 100000\n", "sys/fs/cgroup/pod/app/memory.max": "max\n", "sys/fs/cgroup/pod/app/memory.events": "oom 3\noom_kill 2\n",
			"sys/fs/cgroup/pod/memory.max": "1048576\n", "sys/fs/cgroup/pod/memory.stat": "anon 4096\nfile 999999\n",
		}, []QuotaGroup{{Path: "/pod", CPUs: 1.5, Total: cgroup.Throttling{Periods: 10, Throttled: 4, Time: 2 * time.Millisecond}}}, Memory{Limit: 1 << 20, Used: 4096, Group: "/pod", OOMKills: 2}},
		{"version 1", map[string]string{
			"proc/self/mountinfo": mountsV1, "proc/7/cgroup": "4:memory:/app\n1:cpu,cpuacct:/app\n0::/\n",
			"sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_quota_us": "50000\n", "sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_period_us": "100000\n",
			"sys/fs/cgroup/cpu,cpuacct/app/cpu.stat":     "nr_periods 10\nnr_throttled 4\nthrottled_time 2000000\n",
			"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
			"sys/fs/cgroup/memory/app/memory.limit_in_bytes": "1048576\n", "sys/fs/cgroup/memory/app/memory.stat": "rss 1\ntotal_rss 8192\n",
			"sys/fs/cgroup/memory/app/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		}, []QuotaGroup{{Path: "/app", CPUs: 0.5, Total: cgroup.Throttling{Periods: 10, Throttled: 4, Time: 2 * time.Millisecond}}}, Memory{Limit: 1 << 20, Used: 8192, Group: "/app", OOMKills: 1}},
		{"no limits", map[string]string{"proc/self/mountinfo": mountsV2, "proc/7/cgroup": "0::/\n", "sys/fs/cgroup/x": ""}, nil, Memory{}},
	} {
		r := fixture(t, c.files)
		groups, err := r.quotas(7)
		if diff := cmp.Diff(c.groups, groups); diff != "" || err != nil {
			t.Errorf("%s: quotas: %v %s", c.name, err, diff)
		}
		memory, err := r.memory(7)
		if diff := cmp.Diff(c.memory, memory); diff != "" || err != nil {
			t.Errorf("%s: memory: %v %s", c.name, err, diff)
		}
	}
}

func TestControlGroups_saysWhatItCannotSee(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"above the mount": {"proc/self/mountinfo": mountsV2, "proc/7/cgroup": "0::/../other\n"},
		"below another":   {"proc/self/mountinfo": "30 20 0:26 /docker/a /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "proc/7/cgroup": "0::/docker/b\n"},
		"not mounted":     {"proc/self/mountinfo": "", "proc/7/cgroup": "0::/\n"},
		"not a number":    {"proc/self/mountinfo": mountsV2, "proc/7/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "x 100000\n", "sys/fs/cgroup/memory.max": "x\n"},
	} {
		r := fixture(t, files)
		groups, err := r.quotas(7)
		memory, err2 := r.memory(7)
		if err == nil || err2 == nil || len(groups) > 0 || memory.Limit != 0 {
			t.Errorf("%s: %v, %v, %+v, %+v", name, err, err2, groups, memory)
		}
	}
}

func TestGatherProcess_fromFixtures(t *testing.T) {
	r := fixture(t, map[string]string{"proc/self/mountinfo": mountsV2, "proc/7/cgroup": "0::/../gone\n"})
	o := options(7, nothing)
	o.Root = r.root
	e := gather(t, o)
	p := e.Process
	if p.CPUs != 4 || p.Descriptors != 2 || p.DescriptorLimit != 100 || p.Threads != 1 || p.GoMaxProcs != "8" || p.GoGC != "off" || !slices.Equal(p.Zombies, []Zombie{{8, "true"}}) {
		t.Errorf("gathered %+v", p)
	}
	var unseen []string
	for _, u := range e.Unseen {
		unseen = append(unseen, u.What)
		if strings.Contains(u.Why, r.root) || strings.Contains(u.Why, "secret") {
			t.Errorf("unseen %+v", u)
		}
	}
	want := []string{"the file that it runs", "how many goroutines there are", "the CPU quota and throttling", "the memory limit"}
	if !slices.Equal(unseen, want) {
		t.Errorf("unseen %q, want each once: %q", unseen, want)
	}
}

func TestParseMemLimit(t *testing.T) {
	for text, want := range map[string]uint64{"1": 1, "1B": 1, "2KiB": 2 << 10, "3MiB": 3 << 20, "4GiB": 4 << 30, "1TiB": 1 << 40} {
		if got, ok := parseMemLimit(text); !ok || got != want {
			t.Errorf("%q: %d, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "off", "1GB", "-1", "9999999TiB", "1.5GiB"} {
		if got, ok := parseMemLimit(text); ok {
			t.Errorf("%q is read as %d", text, got)
		}
	}
}

// FuzzProc gives any text to all that reads /proc.
func FuzzProc(f *testing.F) {
	for _, seed := range []string{"", statusText, limitsText, statText, "1 2 3", "8GiB"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if n := allowedCPUs(text); n < 0 {
			t.Errorf("%d CPUs in %q", n, text)
		}
		_, _ = parseLimit(text)
		_, _ = parseStat(text)
		_, _ = parseSchedstat(text)
		_, _ = parseMemLimit(text)
		_ = flatKeyed(text)
	})
}
