package doctor

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxCgroupFile bounds each file of /proc and of control groups that is read, in
// bytes. memory.stat is a few KiB.
const maxCgroupFile = 1 << 20

// cgroupMount is where a hierarchy of control groups is mounted.
type cgroupMount struct {
	v2 bool
	// dir is the mount point, and root the control group that is there.
	dir, root string
}

// mountsOf reads /proc/PID/mountinfo and returns where the hierarchy of a controller
// is: that of version 1 first, since a controller is in one of them only.
func mountsOf(mountinfo, controller string) []cgroupMount {
	var found []cgroupMount
	for line := range strings.Lines(mountinfo) {
		before, after, ok := strings.Cut(line, " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !ok || len(left) < 5 || len(right) < 3 {
			continue
		}
		m := cgroupMount{v2: right[0] == "cgroup2", root: unescape(left[3]), dir: unescape(left[4])}
		if m.v2 || right[0] == "cgroup" && slices.Contains(strings.Split(right[2], ","), controller) {
			found = append(found, m)
		}
	}
	slices.SortStableFunc(found, func(a, b cgroupMount) int {
		if a.v2 == b.v2 {
			return 0
		}
		return map[bool]int{true: 1, false: -1}[a.v2]
	})
	return found
}

// unescape undoes the octal escapes of mountinfo.
func unescape(path string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(path)
}

// cgroupPaths reads /proc/PID/cgroup and returns the control group of a controller in
// version 1 and that in version 2, empty where there is none.
func cgroupPaths(listing, controller string) (v1, v2 string) {
	for line := range strings.Lines(listing) {
		id, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		controllers, path, ok := strings.Cut(rest, ":")
		path = strings.TrimSuffix(path, " (deleted)")
		switch {
		case !ok || !strings.HasPrefix(path, "/"):
		case id == "0" && controllers == "":
			v2 = path
		case slices.Contains(strings.Split(controllers, ","), controller):
			v1 = path
		}
	}
	return v1, v2
}

// cgroupDir is the folder of a control group and of one above it.
type cgroupDir struct {
	v2         bool
	path, name string // the folder, and the control group as /proc names it
}

// errElsewhere says that a control group is not below any mount that is seen.
var errElsewhere = errors.New("its control group is not below a mount that can be seen from here")

// cgroupDirs returns the folders of the control groups of a process for a controller,
// its own first and that of the root, or of what is mounted, last.
func (r *procReader) cgroupDirs(pid int32, controller string) ([]cgroupDir, error) {
	listing, err := r.file(pid, "cgroup")
	if err != nil {
		return nil, err
	}
	mounts, err := readSmall(filepath.Join(r.root, "proc/self/mountinfo"), maxCgroupFile)
	if err != nil {
		return nil, withoutPath(err)
	}
	v1, v2 := cgroupPaths(string(listing), controller)
	for _, m := range mountsOf(string(mounts), controller) {
		group := v1
		if m.v2 {
			group = v2
		}
		// A group outside of the namespace of goshawk's own is named "/../other".
		if group == "" || group == "/.." || strings.HasPrefix(group, "/../") {
			continue
		}
		below, err := filepath.Rel(m.root, group)
		if err != nil || below == ".." || strings.HasPrefix(below, "../") {
			continue
		}
		if info, err := os.Stat(filepath.Join(r.root, m.dir, below)); err != nil || !info.IsDir() {
			continue
		}
		var dirs []cgroupDir
		for ; ; below, group = filepath.Dir(below), filepath.Dir(group) {
			dirs = append(dirs, cgroupDir{m.v2, filepath.Join(r.root, m.dir, below), group})
			if below == "." {
				return dirs, nil
			}
		}
	}
	return nil, errElsewhere
}

// quotas returns the control groups with a quota above a process.
func (r *procReader) quotas(pid int32) ([]QuotaGroup, error) {
	dirs, err := r.cgroupDirs(pid, "cpu")
	if err != nil {
		return nil, err
	}
	var groups []QuotaGroup
	for _, d := range dirs {
		n, err := d.quota()
		if err != nil {
			return groups, fmt.Errorf("%s: %w", d.name, err)
		}
		if n <= 0 {
			continue
		}
		stat, err := readSmall(filepath.Join(d.path, "cpu.stat"), maxCgroupFile)
		if err != nil {
			return groups, fmt.Errorf("%s: cpu.stat: %w", d.name, withoutPath(err))
		}
		groups = append(groups, QuotaGroup{Path: d.name, CPUs: n, Total: throttling(string(stat))})
	}
	return groups, nil
}

// quota returns the CPUs that a group may use, 0 for no bound. The root has none.
func (d *cgroupDir) quota() (float64, error) {
	words := make([]string, 0, 2)
	files := []string{"cpu.cfs_quota_us", "cpu.cfs_period_us"}
	if d.v2 {
		files = []string{"cpu.max"}
	}
	for _, name := range files {
		text, err := readSmall(filepath.Join(d.path, name), maxCgroupFile)
		if errors.Is(err, fs.ErrNotExist) {
			return 0, nil
		}
		if err != nil {
			return 0, withoutPath(err)
		}
		words = append(words, strings.Fields(string(text))...)
	}
	if len(words) != 2 || words[0] == "max" || strings.HasPrefix(words[0], "-") {
		return 0, nil
	}
	quota, err := strconv.ParseUint(words[0], 10, 63)
	period, err2 := strconv.ParseUint(words[1], 10, 63)
	if err != nil || err2 != nil || period == 0 {
		return 0, fmt.Errorf("quota %q", clipped(strings.Join(words, " ")))
	}
	return float64(quota) / float64(period), nil
}

// flatKeyed reads lines of a name and a number.
func flatKeyed(text string) map[string]uint64 {
	values := make(map[string]uint64)
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) == 2 {
			if n, err := strconv.ParseUint(fields[1], 10, 64); err == nil {
				values[fields[0]] = n
			}
		}
	}
	return values
}

// throttling reads cpu.stat of either version: throttled_time is in ns,
// throttled_usec in µs.
func throttling(text string) Throttling {
	v := flatKeyed(text)
	const most = 1 << 62
	t := Throttling{Periods: v["nr_periods"], Throttled: v["nr_throttled"], Time: time.Duration(min(v["throttled_time"], most))}
	if us, ok := v["throttled_usec"]; ok {
		t.Time = time.Duration(min(us, most/1000)) * time.Microsecond
	}
	return t
}

// since returns what has happened since an earlier look, nothing when the group was
// made anew meanwhile.
func (t Throttling) since(o Throttling) Throttling {
	if t.Periods < o.Periods || t.Throttled < o.Throttled || t.Time < o.Time {
		return Throttling{}
	}
	return Throttling{t.Periods - o.Periods, t.Throttled - o.Throttled, t.Time - o.Time}
}

// memory returns the smallest memory limit above a process and what is used of it.
func (r *procReader) memory(pid int32) (Memory, error) {
	dirs, err := r.cgroupDirs(pid, "memory")
	if err != nil {
		return Memory{}, err
	}
	var m Memory
	for i, d := range dirs {
		limit, err := d.memoryLimit()
		if err != nil {
			return m, fmt.Errorf("%s: %w", d.name, err)
		}
		if i == 0 {
			m.OOMKills = d.oomKills()
		}
		if limit == 0 || m.Limit != 0 && limit >= m.Limit {
			continue
		}
		stat, err := readSmall(filepath.Join(d.path, "memory.stat"), maxCgroupFile)
		if err != nil {
			return m, fmt.Errorf("%s: memory.stat: %w", d.name, withoutPath(err))
		}
		values := flatKeyed(string(stat))
		m.Limit, m.Group, m.Used = limit, d.name, values["anon"]
		if !d.v2 {
			m.Used = cmp.Or(values["total_rss"], values["rss"])
		}
	}
	return m, nil
}

// memoryLimit is in bytes, 0 for none.
func (d *cgroupDir) memoryLimit() (uint64, error) {
	// Version 1 writes no limit as the largest number of whole pages.
	const unlimited = 1 << 62
	name := "memory.limit_in_bytes"
	if d.v2 {
		name = "memory.max"
	}
	text, err := readSmall(filepath.Join(d.path, name), maxCgroupFile)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, withoutPath(err))
	}
	word := strings.TrimSpace(string(text))
	if word == "max" {
		return 0, nil
	}
	n, err := strconv.ParseUint(word, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %q is not a number", name, clipped(word))
	}
	if n >= unlimited {
		return 0, nil
	}
	return n, nil
}

// oomKills is 0 where the kernel does not tell.
func (d *cgroupDir) oomKills() uint64 {
	name := "memory.oom_control"
	if d.v2 {
		name = "memory.events"
	}
	text, err := readSmall(filepath.Join(d.path, name), maxCgroupFile)
	if err != nil {
		return 0
	}
	return flatKeyed(string(text))["oom_kill"]
}
