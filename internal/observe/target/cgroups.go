package target

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/internal/platform/cgroup"
)

// CgroupKey is how the kernel names the control groups of a process. A group's
// id is never used again while the host is up, so the key resolves after the
// process has gone.
type CgroupKey struct {
	// V2 is bpf_get_current_cgroup_id: the inode of the group's directory in
	// the v2 hierarchy. 0 means that it is not known.
	V2 uint64
	// V1 is the kernfs id of the group of the controller that
	// [Cgroups.V1Controller] names, 0 when there is none.
	V1 uint64
}

// CgroupsOptions are the options of [NewCgroups]; the zero value works.
type CgroupsOptions struct {
	// Root is where the host's file systems are; "/" by default.
	Root string
	// Max is how many keys are remembered; 4096 by default.
	Max int
	// MaxDirs bounds a search through a hierarchy; 65536 directories by
	// default.
	MaxDirs int
}

// Cgroups resolves control groups to containers and pods by the ids that the
// kernel gives them. It is safe for concurrent use.
type Cgroups struct {
	root    string
	maxDirs int
	v2, v1  cgroupMount

	mu   sync.Mutex
	keys *lru[CgroupKey, Placement]
}

// cgroupMount is a mounted hierarchy; dir is empty when there is none.
type cgroupMount struct {
	dir        string
	controller string
}

// cgroupRootID is the kernfs id of the root of every hierarchy.
const cgroupRootID = 1

// NewCgroups finds the mounted hierarchies. A host without any is no error:
// then only /proc/PID/cgroup is consulted.
func NewCgroups(o CgroupsOptions) (*Cgroups, error) {
	if o.Root == "" {
		o.Root = "/"
	}
	if o.Max <= 0 {
		o.Max = 4096
	}
	if o.MaxDirs <= 0 {
		o.MaxDirs = 65536
	}
	c := &Cgroups{root: o.Root, maxDirs: o.MaxDirs, keys: newLRU[CgroupKey, Placement](o.Max)}
	path := filepath.Join(o.Root, "proc", "self", "mountinfo")
	listing, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("find cgroup hierarchies: %w", err)
	}
	c.v2, c.v1 = parseCgroupMounts(listing)
	for _, m := range []*cgroupMount{&c.v2, &c.v1} {
		if m.dir != "" {
			m.dir = filepath.Join(o.Root, m.dir)
		}
	}
	return c, nil
}

// V1Controller names the v1 controller whose group [CgroupKey].V1 must be:
// "memory" when it is mounted as v1, else "pids", else empty.
func (c *Cgroups) V1Controller() string { return c.v1.controller }

// Resolve says where the process pid, which need not live any more, ran when
// the kernel reported key. It returns the zero Placement when nobody knows.
// The first time that a key is seen it reads /proc and perhaps the hierarchy;
// after that it is one look-up.
func (c *Cgroups) Resolve(key CgroupKey, pid int32) Placement {
	if c.v1.dir == "" {
		key.V1 = 0
	}
	c.mu.Lock()
	p, ok := c.keys.get(key)
	c.mu.Unlock()
	if ok {
		return p
	}
	p, keep := c.find(key, pid)
	if keep {
		c.mu.Lock()
		c.keys.put(key, p)
		c.mu.Unlock()
	}
	return p
}

// find resolves a key that is not remembered and reports whether the answer
// holds for good.
func (c *Cgroups) find(key CgroupKey, pid int32) (p Placement, keep bool) {
	listing, err := readFile(unix.AT_FDCWD, filepath.Join(c.root, "proc", strconv.Itoa(int(pid)), "cgroup"), maxCgroupListing)
	alive := err == nil
	if alive {
		switch c.verify(key, listing) {
		case verified:
			return ParseCgroup(listing), true
		case unverifiable:
			return ParseCgroup(listing), false
		}
	}
	if key == (CgroupKey{}) {
		return Placement{}, false
	}
	best, rank := Placement{}, -1
	for _, h := range []struct {
		mount cgroupMount
		id    uint64
	}{{c.v2, key.V2}, {c.v1, key.V1}} {
		path, ok := c.pathOf(h.mount, h.id)
		if !ok {
			continue
		}
		if p := parseCgroupPath(path); rankPlacement(p, h.mount.controller) > rank {
			best, rank = p, rankPlacement(p, h.mount.controller)
		}
	}
	return best, true
}

type verdict uint8

const (
	// unverifiable: no hierarchy of the key is mounted where it can be seen.
	unverifiable verdict = iota
	verified
	// refuted: the process is in another group by now, or is another process.
	refuted
)

// verify compares the groups of a listing with a key.
func (c *Cgroups) verify(key CgroupKey, listing []byte) verdict {
	result := unverifiable
	for line := range strings.Lines(string(listing)) {
		controllers, path, ok := splitCgroupLine(line)
		if !ok {
			continue
		}
		mount, id := c.v2, key.V2
		if controllers != "" {
			if c.v1.controller == "" || !hasController(controllers, c.v1.controller) {
				continue
			}
			mount, id = c.v1, key.V1
		}
		if mount.dir == "" || id == 0 {
			continue
		}
		if path == "/" && id == cgroupRootID {
			result = verified
			continue
		}
		var st unix.Stat_t
		if unix.Stat(filepath.Join(mount.dir, path), &st) != nil || st.Ino != id {
			return refuted
		}
		result = verified
	}
	return result
}

// pathOf returns the path, within its hierarchy, of the group with that id.
func (c *Cgroups) pathOf(mount cgroupMount, id uint64) (path string, ok bool) {
	if mount.dir == "" || id == 0 {
		return "", false
	}
	if id == cgroupRootID {
		return "/", true
	}
	path, err := openByID(mount.dir, id)
	if errors.Is(err, unix.ESTALE) {
		return "", false
	}
	if err == nil {
		if path, ok = strings.CutPrefix(path, mount.dir); ok {
			return path, strings.HasPrefix(path, "/")
		}
	}
	return c.search(mount.dir, id)
}

// openByID asks the kernel for the directory of the group with that id. It
// needs CAP_DAC_READ_SEARCH in the first user namespace; ESTALE says that the
// group is gone.
func openByID(mount string, id uint64) (path string, err error) {
	dir, err := unix.Open(mount, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(dir)
	var fs unix.Statfs_t
	if err := unix.Fstatfs(dir, &fs); err != nil {
		return "", err
	}
	if fs.Type != unix.CGROUP2_SUPER_MAGIC && fs.Type != unix.CGROUP_SUPER_MAGIC {
		return "", unix.EOPNOTSUPP
	}
	const fileIDKernfs = 0xfe
	handle := unix.NewFileHandle(fileIDKernfs, binary.NativeEndian.AppendUint64(nil, id))
	fd, err := unix.OpenByHandleAt(dir, handle, unix.O_PATH|unix.O_CLOEXEC)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	return os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
}

// search walks a hierarchy, nearest directories first, for a directory with
// that inode.
func (c *Cgroups) search(root string, id uint64) (path string, ok bool) {
	queue := []string{""}
	buf := make([]byte, 32<<10)
	for seen := 0; len(queue) > 0 && seen < c.maxDirs; seen++ {
		dir := queue[0]
		queue = queue[1:]
		found := ""
		readDirectories(root+dir, buf, func(name []byte, ino uint64) {
			child := dir + "/" + string(name)
			if ino == id {
				found = child
			}
			if len(queue) < c.maxDirs {
				queue = append(queue, child)
			}
		})
		if found != "" {
			return found, true
		}
	}
	return "", false
}

// readDirectories calls visit for each directory in dir. The inode is the one
// of the directory entry, which spares a stat for each.
func readDirectories(dir string, buf []byte, visit func(name []byte, ino uint64)) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	// A struct linux_dirent64 is the inode, an offset, its own length, the
	// type and the name with a NUL.
	const header = 19
	for {
		n, err := unix.Getdents(fd, buf)
		if err != nil || n <= 0 {
			return
		}
		for b := buf[:n]; len(b) >= header; {
			size := int(binary.NativeEndian.Uint16(b[16:]))
			if size < header || size > len(b) {
				return
			}
			name, _, _ := bytes.Cut(b[header:size], []byte{0})
			if b[18] == unix.DT_DIR && string(name) != "." && string(name) != ".." {
				visit(name, binary.NativeEndian.Uint64(b))
			}
			b = b[size:]
		}
	}
}

// parseCgroupMounts reads /proc/self/mountinfo for the v2 hierarchy and the v1
// hierarchy of the memory, else of the pids controller. Of several mounts of
// one hierarchy the first that shows all of it is taken.
func parseCgroupMounts(mountinfo []byte) (v2, v1 cgroupMount) {
	for line := range strings.Lines(string(mountinfo)) {
		before, after, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " - ")
		mount, super := strings.Fields(before), strings.Fields(after)
		if !ok || len(mount) < 6 || len(super) < 3 || mount[3] != "/" {
			continue
		}
		dir := cgroup.UnescapeMount(mount[4])
		switch {
		case super[0] == "cgroup2" && v2.dir == "":
			v2.dir = dir
		case super[0] == "cgroup":
			controllers := strings.Split(super[2], ",")
			if slices.Contains(controllers, "memory") && v1.controller != "memory" {
				v1 = cgroupMount{dir: dir, controller: "memory"}
			} else if slices.Contains(controllers, "pids") && v1.dir == "" {
				v1 = cgroupMount{dir: dir, controller: "pids"}
			}
		}
	}
	return v2, v1
}
