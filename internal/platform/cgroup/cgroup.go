package cgroup

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ErrElsewhere says that the control group of a process is not below a mount.
var ErrElsewhere = errors.New("its control group is not below a mount that can be seen from here")

// Group is a control group.
type Group struct {
	// Dir is its folder, and Path its name as /proc/PID/cgroup has it.
	Dir, Path string
	// V2 is whether it is of version 2 of the hierarchy.
	V2 bool
}

// Of returns the groups that a process is in for a controller: its own first, that of
// the root, or of what is mounted, last. listing is /proc/PID/cgroup and mountinfo
// /proc/self/mountinfo; folders are looked for below root. The error is [ErrElsewhere]
// when none can be seen.
func Of(root string, listing, mountinfo []byte, controller string) ([]Group, error) {
	v1, v2 := pathsOf(string(listing), controller)
	for _, m := range mountsOf(string(mountinfo), controller) {
		path := v1
		if m.v2 {
			path = v2
		}
		below, ok := m.below(path)
		if !ok {
			continue
		}
		if info, err := os.Stat(filepath.Join(root, m.dir, below)); err != nil || !info.IsDir() {
			continue
		}
		var groups []Group
		for ; ; below, path = filepath.Dir(below), filepath.Dir(path) {
			groups = append(groups, Group{Dir: filepath.Join(root, m.dir, below), Path: path, V2: m.v2})
			if below == "." {
				return groups, nil
			}
		}
	}
	return nil, ErrElsewhere
}

// pathsOf returns the group of a controller in version 1 and that in version 2, empty
// where there is none.
func pathsOf(listing, controller string) (v1, v2 string) {
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

// mount is where a hierarchy is mounted.
type mount struct {
	// dir is the mount point, and root the group that is there: a container often has
	// its own alone.
	dir, root string
	v2        bool
}

// mountsOf returns where the hierarchies are that may hold a controller: of version 1
// first, since a controller is in one of them only.
func mountsOf(mountinfo, controller string) []mount {
	var v1, v2 []mount
	for line := range strings.Lines(mountinfo) {
		before, after, ok := strings.Cut(line, " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !ok || len(left) < 5 || len(right) < 3 {
			continue
		}
		m := mount{dir: UnescapeMount(left[4]), root: UnescapeMount(left[3]), v2: right[0] == "cgroup2"}
		switch {
		case m.v2:
			v2 = append(v2, m)
		case right[0] == "cgroup" && slices.Contains(strings.Split(right[2], ","), controller):
			v1 = append(v1, m)
		}
	}
	return append(v1, v2...)
}

// below returns where a group is below the mount.
func (m *mount) below(path string) (string, bool) {
	// A group outside of the namespace of this process is named "/../other".
	if path == "" || path == "/.." || strings.HasPrefix(path, "/../") {
		return "", false
	}
	below, err := filepath.Rel(m.root, path)
	if err != nil || below == ".." || strings.HasPrefix(below, "../") {
		return "", false
	}
	return below, true
}

// UnescapeMount undoes the octal escapes of a path in mountinfo, proc(5).
func UnescapeMount(path string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(path)
}
