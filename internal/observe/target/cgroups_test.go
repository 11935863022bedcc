package target

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/goshawk-io/goshawk/internal/testutil"
	"golang.org/x/sys/unix"
)

// fakeHierarchies writes hybrid hierarchies below a root that stands for the
// host's and returns it.
func fakeHierarchies(t testing.TB, mountinfo string, dirs ...string) string {
	t.Helper()
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "proc", "self"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "proc", "self", "mountinfo"), []byte(mountinfo), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func inode(t testing.TB, path string) uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}

const hybridMounts = `30 1 0:9 / /proc rw - proc proc rw
35 31 0:32 /../foreign /mnt/other rw,relatime - cgroup cgroup rw,memory
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime shared:7 - cgroup cgroup rw,pids
41 31 0:38 / /sys/fs/cgroup/uni\040fied rw - cgroup2 cgroup2 rw
damaged
`

func TestCgroupsResolvesWithoutTheProcess(t *testing.T) {
	const unified, memory = "sys/fs/cgroup/uni fied", "sys/fs/cgroup/memory"
	root := fakeHierarchies(t, hybridMounts,
		unified+"/system.slice/shop.service", memory+"/docker/"+idA+"/deep", unified+"/docker/"+idB)
	c, err := NewCgroups(CgroupsOptions{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.V1Controller(); got != "memory" {
		t.Errorf("V1Controller = %q, want memory", got)
	}
	service := inode(t, filepath.Join(root, unified, "system.slice/shop.service"))
	v1Docker := inode(t, filepath.Join(root, memory, "docker", idA))
	deep := inode(t, filepath.Join(root, memory, "docker", idA, "deep"))
	v2Docker := inode(t, filepath.Join(root, unified, "docker", idB))
	tests := []struct {
		name string
		key  CgroupKey
		want Placement
	}{
		{"both roots", CgroupKey{V2: 1, V1: 1}, Placement{Path: "/"}},
		{"v1 alone names the container", CgroupKey{V2: service, V1: v1Docker}, Placement{Path: "/docker/" + idA, ContainerID: idA}},
		{"v2 root, below a container in v1", CgroupKey{V2: 1, V1: deep}, Placement{Path: "/docker/" + idA + "/deep", ContainerID: idA}},
		{"v2 names it too and wins", CgroupKey{V2: v2Docker, V1: v1Docker}, Placement{Path: "/docker/" + idB, ContainerID: idB}},
		{"no container", CgroupKey{V2: service, V1: 1}, Placement{Path: "/system.slice/shop.service"}},
		{"gone", CgroupKey{V2: 1 << 60, V1: 1 << 60}, Placement{}},
		{"nothing known", CgroupKey{}, Placement{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, round := range []string{"first", "second"} {
				if got := c.Resolve(tt.key, 4000); got != tt.want {
					t.Errorf("%s Resolve = %+v, want %+v", round, got, tt.want)
				}
			}
		})
	}
}

func TestCgroupsTakesTheListingOnlyOfAProcessThatIsStillThere(t *testing.T) {
	root := fakeHierarchies(t, hybridMounts, "sys/fs/cgroup/uni fied/docker/"+idA, "sys/fs/cgroup/uni fied/docker/"+idB)
	fakeProcess{pid: 7, comm: "x", cgroup: "0::/docker/" + idA + "\n"}.write(t, root)
	c, err := NewCgroups(CgroupsOptions{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	here := CgroupKey{V2: inode(t, filepath.Join(root, "sys/fs/cgroup/uni fied/docker", idA))}
	elsewhere := CgroupKey{V2: inode(t, filepath.Join(root, "sys/fs/cgroup/uni fied/docker", idB))}
	if got := c.Resolve(elsewhere, 7); got.ContainerID != idB {
		t.Errorf("the id was taken over by a process elsewhere: %+v, want container %s", got, idB)
	}
	if got := c.Resolve(here, 7); got.ContainerID != idA {
		t.Errorf("Resolve = %+v, want container %s", got, idA)
	}
}

func TestCgroupsWithoutHierarchiesBelievesTheListing(t *testing.T) {
	root := fakeHierarchies(t, "30 1 0:9 / /proc rw - proc proc rw\n")
	fakeProcess{pid: 7, comm: "x", cgroup: "0::/docker/" + idA + "\n"}.write(t, root)
	c, err := NewCgroups(CgroupsOptions{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Resolve(CgroupKey{V2: 9}, 7); got.ContainerID != idA {
		t.Errorf("Resolve = %+v, want container %s", got, idA)
	}
	if got := c.Resolve(CgroupKey{V2: 9}, 8); got != (Placement{}) {
		t.Errorf("Resolve of a missing process = %+v, want nothing", got)
	}
	if got := c.V1Controller(); got != "" {
		t.Errorf("V1Controller = %q, want none", got)
	}
}

func TestCgroupsSearchIsBounded(t *testing.T) {
	root := fakeHierarchies(t, hybridMounts, "sys/fs/cgroup/memory/a/b/c/d")
	c, err := NewCgroups(CgroupsOptions{Root: root, MaxDirs: 2, Max: 1})
	if err != nil {
		t.Fatal(err)
	}
	deep := inode(t, filepath.Join(root, "sys/fs/cgroup/memory/a/b/c/d"))
	if got := c.Resolve(CgroupKey{V1: deep}, 7); got != (Placement{}) {
		t.Errorf("Resolve = %+v, want the search to give up", got)
	}
	near := inode(t, filepath.Join(root, "sys/fs/cgroup/memory/a/b"))
	if got := c.Resolve(CgroupKey{V1: near}, 7); got.Path != "/a/b" {
		t.Errorf("Resolve = %+v, want /a/b", got)
	}
}

func TestNewCgroupsNeedsTheListOfMounts(t *testing.T) {
	if _, err := NewCgroups(CgroupsOptions{Root: t.TempDir()}); err == nil {
		t.Error("NewCgroups without /proc succeeds")
	}
}

// TestCgroupsOfThisHost runs a process in a control group of its own in each
// hierarchy where that is allowed, and resolves it after its end.
func TestCgroupsOfThisHost(t *testing.T) {
	testutil.RequireBPF(t)
	tried := 0
	c, err := NewCgroups(CgroupsOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range []struct {
		name string
		dir  string
		key  func(id uint64) CgroupKey
	}{
		{"v2", c.v2.dir, func(id uint64) CgroupKey { return CgroupKey{V2: id, V1: 1} }},
		{"v1", c.v1.dir, func(id uint64) CgroupKey { return CgroupKey{V2: 1, V1: id} }},
	} {
		t.Run(h.name, func(t *testing.T) {
			if h.dir == "" {
				t.Logf("this host has no %s hierarchy", h.name)
				return
			}
			parent := filepath.Join(h.dir, "goshawk-test-"+strconv.Itoa(os.Getpid()))
			group := filepath.Join(parent, idA)
			if err := os.MkdirAll(group, 0o755); err != nil {
				t.Logf("control groups cannot be made here: %v", err)
				return
			}
			tried++
			t.Cleanup(func() {
				_ = os.Remove(group)
				_ = os.Remove(parent)
			})
			cmd := exec.Command("sh", "-c", "echo $$ > "+group+"/cgroup.procs && cat /proc/self/cgroup")
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("run in %s: %v: %s", group, err, out)
			}
			if got := ParseCgroup(out); got.ContainerID != idA {
				t.Errorf("ParseCgroup of the live listing = %+v, want container %s:\n%s", got, idA, out)
			}
			id := inode(t, group)
			want := Placement{Path: group[len(h.dir):], ContainerID: idA}
			if got := c.Resolve(h.key(id), int32(cmd.Process.Pid)); got != want {
				t.Errorf("Resolve after the end = %+v, want %+v", got, want)
			}
			if path, ok := c.search(h.dir, id); !ok || path != want.Path {
				t.Errorf("search = %q, %v, want %q", path, ok, want.Path)
			}
			if path, err := openByID(h.dir, id); err != nil {
				t.Logf("open by id: %v", err)
			} else if path != group {
				t.Errorf("open by id = %q, want %q", path, group)
			}
			if err := os.Remove(group); err != nil {
				t.Fatal(err)
			}
			fresh, err := NewCgroups(CgroupsOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if got := fresh.Resolve(h.key(id), int32(cmd.Process.Pid)); got.ContainerID != "" {
				t.Errorf("Resolve of a group that is gone = %+v", got)
			}
			if got := c.Resolve(h.key(id), int32(cmd.Process.Pid)); got != want {
				t.Errorf("a group that is gone was forgotten: %+v, want %+v", got, want)
			}
		})
	}
	if tried == 0 {
		t.Error("no hierarchy of this host takes a new control group")
	}
}

func BenchmarkCgroupsResolveKnown(b *testing.B) {
	c, err := NewCgroups(CgroupsOptions{})
	if err != nil {
		b.Fatal(err)
	}
	key := CgroupKey{V2: 1, V1: 1}
	b.ReportAllocs()
	for b.Loop() {
		c.Resolve(key, 1<<30)
	}
}
