package hostsample

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// quotaGroup is a control group with a quota, whose cpu.stat is open.
type quotaGroup struct {
	Group
	stat *counterFile
	last throttling
}

// throttling is cpu.stat of a group since it was made.
type throttling struct{ periods, throttled, ns int64 }

func (t throttling) minus(o throttling) throttling {
	return throttling{t.periods - o.periods, t.throttled - o.throttled, t.ns - o.ns}
}

// parseThrottling parses cpu.stat of v1, in nanoseconds, and of v2, in microseconds.
func parseThrottling(text []byte) (t throttling, ok bool) {
	for line := range bytes.Lines(text) {
		key, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte{' '})
		n, good := parseCount(value)
		if !good {
			continue
		}
		switch string(key) {
		case "nr_periods":
			t.periods, ok = n, true
		case "nr_throttled":
			t.throttled = n
		case "throttled_time":
			t.ns = n
		case "throttled_usec":
			t.ns = 1000 * n
		}
	}
	return t, ok
}

// cgroupPlace is a group's folder, below the point where its hierarchy is mounted.
type cgroupPlace struct {
	mount, path string
	v2          bool
}

// cpuPlaces returns the folders that hold the CPU controller of a process: that of v1
// where there is one, then that of v2. procCgroup is /proc/PID/cgroup, and mountinfo
// this process's.
func cpuPlaces(procCgroup, mountinfo []byte) []cgroupPlace {
	var places []cgroupPlace
	for line := range strings.Lines(string(procCgroup)) {
		_, rest, ok1 := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		controllers, path, ok2 := strings.Cut(rest, ":")
		v2 := controllers == ""
		if !ok1 || !ok2 || !strings.HasPrefix(path, "/") || !v2 && !slices.Contains(strings.Split(controllers, ","), "cpu") {
			continue
		}
		if mount, below, ok := mountOf(mountinfo, v2, path); ok {
			places = append(places, cgroupPlace{mount: mount, path: below, v2: v2})
		}
	}
	slices.SortStableFunc(places, func(a, b cgroupPlace) int {
		return boolToInt(a.v2) - boolToInt(b.v2)
	})
	return places
}

func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// mountOf finds where a path of a hierarchy is mounted. A container often has its own
// group alone, as the root of the mount.
func mountOf(mountinfo []byte, v2 bool, path string) (mount, below string, ok bool) {
	for line := range strings.Lines(string(mountinfo)) {
		before, after, cut := strings.Cut(strings.TrimSuffix(line, "\n"), " - ")
		m, super := strings.Fields(before), strings.Fields(after)
		if !cut || len(m) < 6 || len(super) < 3 {
			continue
		}
		isCPU := super[0] == "cgroup" && slices.Contains(strings.Split(super[2], ","), "cpu")
		if v2 != (super[0] == "cgroup2") || !v2 && !isCPU {
			continue
		}
		root := strings.TrimSuffix(m[3], "/")
		rest, within := strings.CutPrefix(path, root)
		if within && (rest == "" || rest[0] == '/') {
			return unescapeMount(m[4]), filepath.Clean("/" + rest), true
		}
	}
	return "", "", false
}

// unescapeMount undoes the octal escapes of a path in mountinfo.
func unescapeMount(path string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(path)
}

// quotaOf reads the quota of a group, v1 or v2; ok is false when it has none.
func quotaOf(dir string, v2 bool) (g Group, ok bool, err error) {
	if v2 {
		text, err := os.ReadFile(filepath.Join(dir, "cpu.max"))
		if errors.Is(err, fs.ErrNotExist) {
			return Group{}, false, nil // the root has none, nor a group without the controller
		}
		quota, period, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
		return newGroup(quota, period, err)
	}
	quota, err := os.ReadFile(filepath.Join(dir, "cpu.cfs_quota_us"))
	if errors.Is(err, fs.ErrNotExist) {
		return Group{}, false, nil
	}
	period, err2 := os.ReadFile(filepath.Join(dir, "cpu.cfs_period_us"))
	return newGroup(strings.TrimSpace(string(quota)), strings.TrimSpace(string(period)), errors.Join(err, err2))
}

// newGroup takes a quota and its period in microseconds. v1 writes -1 for no quota,
// v2 writes max.
func newGroup(quota, period string, err error) (Group, bool, error) {
	if err != nil {
		return Group{}, false, err
	}
	q, err1 := strconv.ParseInt(quota, 10, 64)
	p, err2 := strconv.ParseInt(period, 10, 64)
	if err1 != nil || err2 != nil || q <= 0 || p <= 0 {
		return Group{}, false, nil
	}
	return Group{QuotaNS: 1000 * q, PeriodNS: 1000 * p}, true, nil
}

// quotaGroups opens the groups with a quota that a process is in, innermost first.
// seen is false when its groups cannot be read. The caller closes them.
func quotaGroups(proc string) (groups []*quotaGroup, seen bool) {
	listing, err1 := os.ReadFile(filepath.Join(proc, "cgroup"))
	mounts, err2 := os.ReadFile("/proc/self/mountinfo")
	if err1 != nil || err2 != nil {
		return nil, false
	}
	for _, place := range cpuPlaces(listing, mounts) {
		if _, err := os.Stat(place.mount + place.path); err != nil {
			continue
		}
		seen = true
		for path := place.path; ; path = filepath.Dir(path) {
			dir := filepath.Join(place.mount, path)
			if g, ok, err := quotaOf(dir, place.v2); err == nil && ok {
				stat, err := openCounters(filepath.Join(dir, "cpu.stat"), 4096)
				if err != nil {
					seen = false
					break
				}
				g.Path = path
				groups = append(groups, &quotaGroup{Group: g, stat: stat})
			}
			if path == "/" {
				break
			}
		}
	}
	return groups, seen
}
