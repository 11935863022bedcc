package hostsample

import (
	"reflect"
	"testing"
)

func TestCPUPlaces(t *testing.T) {
	const (
		v1 = "30 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n31 25 0:28 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
		v2 = "32 25 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
	)
	for _, test := range []struct {
		name, cgroup, mounts string
		want                 []cgroupPlace
	}{
		{"v1", "4:cpuset:/x\n3:cpu,cpuacct:/docker/a\n", v1, []cgroupPlace{{"/sys/fs/cgroup/cpu,cpuacct", "/docker/a", false}}},
		{"v2", "0::/system.slice/a.service\n", v2, []cgroupPlace{{"/sys/fs/cgroup/unified", "/system.slice/a.service", true}}},
		{"both, v1 first", "0::/b\n3:cpu:/a\n", v1 + v2, []cgroupPlace{{"/sys/fs/cgroup/cpu,cpuacct", "/a", false}, {"/sys/fs/cgroup/unified", "/b", true}}},
		{"a container's own mount", "0::/docker/a/b\n", "32 25 0:29 /docker/a /sys/fs/cgroup\\040x rw - cgroup2 cgroup2 rw\n", []cgroupPlace{{"/sys/fs/cgroup x", "/b", true}}},
		{"a group outside of the mount", "0::/docker/ab\n", "32 25 0:29 /docker/a /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", nil},
		{"a group above the namespace", "0::/../b\n", v2, []cgroupPlace{{"/sys/fs/cgroup/unified", "/b", true}}},
		{"no mount", "3:cpu:/a\n", v2, nil},
		{"damaged", "3:cpu\n:::\n\n", v1 + v2 + "- -\n", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := cpuPlaces([]byte(test.cgroup), []byte(test.mounts)); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestParseThrottling(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       throttling
		ok         bool
	}{
		{"v1", "nr_periods 10\nnr_throttled 3\nthrottled_time 12345\nnr_bursts 0\n", throttling{10, 3, 12345}, true},
		{"v2", "usage_usec 9\nnr_periods 10\nnr_throttled 3\nthrottled_usec 12\n", throttling{10, 3, 12000}, true},
		{"the root of v2", "usage_usec 9\n", throttling{}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got, ok := parseThrottling([]byte(test.text)); got != test.want || ok != test.ok {
				t.Errorf("got %+v %v", got, ok)
			}
		})
	}
}

func TestQuota(t *testing.T) {
	for _, test := range []struct {
		name, quota, period string
		want                Group
		ok                  bool
	}{
		{"a quota", "150000", "100000", Group{QuotaNS: 150e6, PeriodNS: 100e6}, true},
		{"none of v1", "-1", "100000", Group{}, false},
		{"none of v2", "max", "100000", Group{}, false},
		{"damaged", "5", "", Group{}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got, ok, err := newGroup(test.quota, test.period, nil); got != test.want || ok != test.ok || err != nil {
				t.Errorf("got %+v %v %v", got, ok, err)
			}
		})
	}
}

func TestParseProc(t *testing.T) {
	if s, ok := parseSchedstat([]byte("73243 55908 2\n")); !ok || s != (schedstat{73243, 55908, 2}) {
		t.Errorf("schedstat %+v %v", s, ok)
	}
	if _, ok := parseSchedstat([]byte("73243 55908\n")); ok {
		t.Error("a schedstat of two numbers is taken")
	}
	if m, ok := parseMachine([]byte("cpu  10 1 2 100 5 3 4 6 7 7\ncpu0 1\n")); !ok || m != (machineTimes{busy: 20 * nanosecondsPerTick, idle: 105 * nanosecondsPerTick, steal: 6 * nanosecondsPerTick}) {
		t.Errorf("machine %+v %v", m, ok)
	}
	if load, running, ok := parseLoad([]byte("2.65 2.24 1.37 3/96 9737\n")); !ok || load != 2.65 || running != 3 {
		t.Errorf("load %v %v %v", load, running, ok)
	}
	if n := countList("0-3,8,10-11"); n != 7 {
		t.Errorf("%d CPUs", n)
	}
	if n := countList("3-0"); n != 0 {
		t.Errorf("%d CPUs of a list that is none", n)
	}
	stat, err := parseStat([]byte("7 (a) b (c) S 1 7 7 0 -1 4194304 1 0 0 0 1 2 0 0 20 0 5 0 999 1 2 3 4096 5 6\n"))
	if err != nil || stat != (processStat{name: "a) b (c", start: 999, startCode: 4096}) {
		t.Errorf("stat %+v %v", stat, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("7 (a) S 1 7 7 0 -1 4194304 1 0 0 0 1 2 0 0 20 0 5 0 999 1 2 3 4096 5 6\n"))
	f.Add([]byte("35 0x1 0x0 0x0 0x0 0x0 0x0 0x7ffe 0x46c5d7\n"))
	f.Add([]byte("3:cpu,cpuacct:/docker/a\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		parseStat(text)
		parseSchedstat(text)
		parseMachine(text)
		parseLoad(text)
		parseThrottling(text)
		sleepsAt(text)
		cpuPlaces(text, text)
		countList(string(text))
		if n, ok := parseCount(text); ok && n < 0 {
			t.Errorf("count %d of %q", n, text)
		}
	})
}
