package cgroup

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	mountsV1 = "30 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n31 25 0:28 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
	mountsV2 = "32 25 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
)

func TestOf(t *testing.T) {
	const cpu = "/sys/fs/cgroup/cpu,cpuacct"
	root := t.TempDir()
	for _, dir := range []string{cpu + "/docker/a", cpu + "/a", "/sys/fs/cgroup/unified/b", "/sys/fs/cgroup x/b", "/sys/fs/cgroup/other"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	v1 := func(path string) Group { return Group{Dir: root + cpu + strings.TrimSuffix(path, "/"), Path: path} }
	v2 := func(dir, path string) Group { return Group{Dir: root + dir, Path: path, V2: true} }
	for _, c := range []struct {
		name, listing, mounts string
		want                  []Group
	}{
		{"version 1", "4:cpuset:/x\n3:cpu,cpuacct:/docker/a\n", mountsV1, []Group{v1("/docker/a"), v1("/docker"), v1("/")}},
		{"version 2", "0::/b\n", mountsV2, []Group{v2("/sys/fs/cgroup/unified/b", "/b"), v2("/sys/fs/cgroup/unified", "/")}},
		{"both, the controller in version 1", "0::/b\n3:cpu:/a\n", mountsV2 + mountsV1, []Group{v1("/a"), v1("/")}},
		{"both, the controller in version 2", "0::/b\n4:cpuset:/a\n", mountsV1 + mountsV2, []Group{v2("/sys/fs/cgroup/unified/b", "/b"), v2("/sys/fs/cgroup/unified", "/")}},
		{"a container's own mount", "0::/docker/a/b\n", "32 25 0:29 /docker/a /sys/fs/cgroup\\040x rw - cgroup2 cgroup2 rw\n",
			[]Group{v2("/sys/fs/cgroup x/b", "/docker/a/b"), v2("/sys/fs/cgroup x", "/docker/a")}},
		{"a group beside the mount's", "0::/docker/ab\n", "32 25 0:29 /docker/a /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", nil},
		{"a group above the namespace", "0::/../b\n", mountsV2, nil},
		{"a removed group", "0::/gone (deleted)\n", mountsV2, nil},
		{"not mounted", "3:cpu:/a\n", "", nil},
		{"damaged", "3:cpu\n:::\n\n", mountsV1 + mountsV2 + "- -\n", nil},
	} {
		got, err := Of(root, []byte(c.listing), []byte(c.mounts), "cpu")
		if diff := cmp.Diff(c.want, got); diff != "" || c.want == nil != errors.Is(err, ErrElsewhere) {
			t.Errorf("%s: %v\n%s", c.name, err, diff)
		}
	}
}

func TestQuota(t *testing.T) {
	for _, c := range []struct {
		name  string
		v2    bool
		files map[string]string
		want  Quota
		fails string
	}{
		{"version 2", true, map[string]string{"cpu.max": "150000 100000\n"}, Quota{150 * time.Millisecond, 100 * time.Millisecond}, ""},
		{"version 1", false, map[string]string{"cpu.cfs_quota_us": "50000\n", "cpu.cfs_period_us": "100000\n"}, Quota{50 * time.Millisecond, 100 * time.Millisecond}, ""},
		{"none of version 1", false, map[string]string{"cpu.cfs_quota_us": "-1\n", "cpu.cfs_period_us": "100000\n"}, Quota{}, ""},
		{"none of version 2", true, map[string]string{"cpu.max": "max 100000\n"}, Quota{}, ""},
		{"the root", true, nil, Quota{}, ""},
		{"not a number", true, map[string]string{"cpu.max": "x 100000\n"}, Quota{}, `/app: "x 100000" is not`},
		{"no period", true, map[string]string{"cpu.max": "1 0\n"}, Quota{}, `/app: "1 0" is not`},
		{"beyond all bounds", true, map[string]string{"cpu.max": "18446744073709551615 100000\n"}, Quota{}, "is not a quota"},
		{"a folder", true, map[string]string{"cpu.max/x": ""}, Quota{}, "cpu.max"},
	} {
		dir := t.TempDir()
		for name, text := range c.files {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := (&Group{Dir: dir, Path: "/app", V2: c.v2}).Quota()
		if got != c.want || c.fails == "" != (err == nil) || err != nil && !strings.Contains(err.Error(), c.fails) {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
	if cpus := (Quota{150 * time.Millisecond, 100 * time.Millisecond}).CPUs(); cpus != 1.5 {
		t.Errorf("%v CPUs", cpus)
	}
	if cpus := (Quota{}).CPUs(); cpus != 0 {
		t.Errorf("%v CPUs without a quota", cpus)
	}
}

func TestParseThrottling(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       Throttling
		ok         bool
	}{
		{"version 1", "nr_periods 10\nnr_throttled 3\nthrottled_time 12345\nnr_bursts 0\n", Throttling{10, 3, 12345}, true},
		{"version 2", "usage_usec 9\nnr_periods 10\nnr_throttled 3\nthrottled_usec 12\n", Throttling{10, 3, 12000}, true},
		{"the root of version 2", "usage_usec 9\n", Throttling{}, false},
	} {
		text := []byte(c.text)
		if got, ok := ParseThrottling(text); got != c.want || ok != c.ok {
			t.Errorf("%s: %+v, %v", c.name, got, ok)
		}
		if n := testing.AllocsPerRun(10, func() { ParseThrottling(text) }); n > 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
}

func TestThrottling_since(t *testing.T) {
	before, after := Throttling{10, 3, 100}, Throttling{15, 4, 130}
	if got := after.Since(before); got != (Throttling{5, 1, 30}) {
		t.Errorf("%+v", got)
	}
	if got := before.Since(after); got != (Throttling{}) {
		t.Errorf("%+v of a group that was made anew", got)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", mountsV1, mountsV2, "4:memory:/a\n0::/b (deleted)\n", "nr_periods 1\nthrottled_usec 99999999999999999999", "100000 100000"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, m := range mountsOf(text, "cpu") {
			if m.dir == "" || m.root == "" {
				t.Errorf("mount %+v of %q", m, text)
			}
		}
		v1, v2 := pathsOf(text, "cpu")
		if v1 != "" && v1[0] != '/' || v2 != "" && v2[0] != '/' {
			t.Errorf("groups %q, %q of %q", v1, v2, text)
		}
		if got, _ := ParseThrottling([]byte(text)); got.Time < 0 {
			t.Errorf("throttled for %s by %q", got.Time, text)
		}
		if q, err := parseQuota(strings.Fields(text)); err == nil && (q.Quota < 0 || q.CPUs() < 0) {
			t.Errorf("%+v of %q", q, text)
		}
	})
}
