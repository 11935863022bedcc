package target

import (
	"slices"
	"strings"
)

// Placement says where a process runs. The zero value means that it is not
// known.
type Placement struct {
	// Path is the control group that placed it, "/" for the root of the
	// hierarchy.
	Path string
	// ContainerID is the innermost container's: 64 hexadecimal digits, for
	// tasks of Amazon ECS on Fargate 32 of them, a dash and a number, for LXC
	// the container's name. It is empty outside of containers.
	ContainerID string
	// PodUID is the Kubernetes pod's UID, empty outside of pods.
	PodUID string
}

// ParseCgroup reads the content of /proc/PID/cgroup: cgroup v1, v2 and both at
// once. Of several hierarchies the one that names a container is taken, the v2
// one first. A line that is not of that file's format is ignored.
func ParseCgroup(procPidCgroup []byte) Placement {
	var best Placement
	bestRank := -1
	for line := range strings.Lines(string(procPidCgroup)) {
		controllers, path, ok := splitCgroupLine(line)
		if !ok {
			continue
		}
		p := parseCgroupPath(path)
		if rank := rankPlacement(p, controllers); rank > bestRank {
			best, bestRank = p, rank
		}
	}
	best.Path = strings.Clone(best.Path)
	best.ContainerID = strings.Clone(best.ContainerID)
	return best
}

// splitCgroupLine splits "hierarchy:controllers:path". The path may hold
// colons.
func splitCgroupLine(line string) (controllers, path string, ok bool) {
	_, rest, ok1 := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
	controllers, path, ok2 := strings.Cut(rest, ":")
	// The kernel marks the path of a removed cgroup.
	path = strings.TrimSuffix(path, " (deleted)")
	return controllers, path, ok1 && ok2 && strings.HasPrefix(path, "/")
}

// rankPlacement orders the lines of one listing; equals keep their order.
func rankPlacement(p Placement, controllers string) int {
	rank := 0
	switch {
	case p.ContainerID != "":
		rank = 30
	case p.PodUID != "":
		rank = 20
	case p.Path != "/":
		rank = 10
	}
	switch {
	case controllers == "":
		rank += 3
	case hasController(controllers, "memory"):
		rank += 2
	case hasController(controllers, "pids"):
		rank++
	}
	return rank
}

// hasController reports whether a list separated by commas holds a controller.
func hasController(controllers, name string) bool {
	for c := range strings.SplitSeq(controllers, ",") {
		if c == name {
			return true
		}
	}
	return false
}

// parseCgroupPath reads the container and the pod off a path; the innermost
// wins. Texts of the result share memory with path.
func parseCgroupPath(path string) Placement {
	p := Placement{Path: path}
	parent := ""
	for segment := range strings.SplitSeq(path, "/") {
		// containerd without the systemd driver on a systemd host writes
		// "slice:prefix:id" as one name.
		for part := range strings.SplitSeq(segment, ":") {
			if id := containerOf(part, parent); id != "" {
				p.ContainerID = id
			}
			if uid := podOf(part); uid != "" {
				p.PodUID = uid
			}
		}
		parent = segment
	}
	return p
}

// containerOf returns the id of the container that a directory of that name
// below parent holds.
func containerOf(name, parent string) string {
	scope, isScope := strings.CutSuffix(name, ".scope")
	switch {
	case isHex(scope, 64):
		return scope
	case isFargateID(scope):
		return scope
	case len(scope) > 65 && scope[len(scope)-65] == '-' && isHex(scope[len(scope)-64:], 64):
		// docker-ID.scope, cri-containerd-ID.scope, crio-ID, libpod-ID.scope,
		// libpod-payload-ID, but not the monitors beside them.
		if runtime := scope[:len(scope)-65]; !strings.HasSuffix(runtime, "conmon") {
			return scope[len(scope)-64:]
		}
	case isScope:
	case parent == "lxc" && isPlainName(name):
		return name
	default:
		if rest, ok := strings.CutPrefix(name, "lxc.payload."); ok && isPlainName(rest) {
			return rest
		}
	}
	return ""
}

// podOf returns the UID of the pod whose directory has that name: "podUID", or
// "kubepods-CLASS-podUID.slice" with the dashes of the UID turned to
// underscores.
func podOf(name string) string {
	if uid, ok := strings.CutPrefix(name, "pod"); ok && isPodUID(uid, '-') {
		return strings.Clone(uid)
	}
	slice, ok := strings.CutSuffix(name, ".slice")
	if !ok {
		return ""
	}
	at := strings.LastIndex(slice, "-pod")
	if at < 0 || !strings.HasSuffix(strings.TrimSuffix(strings.TrimSuffix(slice[:at], "-burstable"), "-besteffort"), "kubepods") {
		return ""
	}
	if uid := slice[at+len("-pod"):]; isPodUID(uid, '_') {
		return strings.ReplaceAll(uid, "_", "-")
	}
	return ""
}

// isPodUID reports whether s is a UUID with that separator, or the 32 digits
// without any that the kubelet gives a pod of a manifest file.
func isPodUID(s string, separator byte) bool {
	if len(s) == 32 {
		return isHex(s, 32)
	}
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		if slices.Contains([]int{8, 13, 18, 23}, i) {
			if s[i] != separator {
				return false
			}
		} else if !isHexDigit(s[i]) {
			return false
		}
	}
	return true
}

// isFargateID reports whether s is 32 hexadecimal digits, a dash and a number.
func isFargateID(s string) bool {
	if len(s) < 34 || len(s) > 52 || s[32] != '-' || !isHex(s[:32], 32) {
		return false
	}
	return strings.Trim(s[33:], "0123456789") == ""
}

func isHex(s string, digits int) bool {
	if len(s) != digits {
		return false
	}
	for i := range len(s) {
		if !isHexDigit(s[i]) {
			return false
		}
	}
	return true
}

func isHexDigit(c byte) bool { return c-'0' < 10 || c-'a' < 6 }

// isPlainName reports whether s may be the name of an LXC container.
func isPlainName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c|0x20-'a' >= 26 && c-'0' >= 10 && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return s != "" && len(s) <= 64 && s != "." && s != ".."
}
