package target

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/goshawk-io/goshawk/internal/model"
)

// fakeProcess writes a process into a tree that stands for the host's file
// systems.
type fakeProcess struct {
	pid, ppid int
	comm      string
	state     string
	flags     uint
	start     uint64
	exe       string
	cmdline   string
	cgroup    string
	environ   string
}

func (f fakeProcess) write(t testing.TB, root string) {
	t.Helper()
	if f.state == "" {
		f.state = "S"
	}
	dir := filepath.Join(root, "proc", fmt.Sprint(f.pid))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	stat := fmt.Sprintf("%d (%s) %s %d 1 1 0 -1 %d 0 0 0 0 0 0 0 0 20 0 1 0 %d 4096 1 18446744073709551615 4198400 4200000 0\n",
		f.pid, f.comm, f.state, f.ppid, f.flags, f.start)
	files := map[string]string{"stat": stat, "cmdline": f.cmdline, "cgroup": f.cgroup, "environ": f.environ}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if f.exe != "" {
		if err := os.Symlink(f.exe, filepath.Join(dir, "exe")); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("/srv", filepath.Join(dir, "cwd")); err != nil {
			t.Fatal(err)
		}
	}
}

// goFile writes an executable of testdata/build.
func goFile(t testing.TB, dir, name string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, skeleton(t, name), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

const kernelThreadFlag = 0x00200000

func fakeHost(t testing.TB) (root, server string) {
	t.Helper()
	root = t.TempDir()
	server = goFile(t, root, "go1.26.8-static-stripped")
	for _, p := range []fakeProcess{
		{pid: 1, comm: "init", start: 1, exe: "/sbin/init-of-the-fake", cmdline: "init\x00", cgroup: "0::/init.scope\n"},
		{pid: 2, comm: "kthreadd", flags: kernelThreadFlag, start: 1},
		{pid: 9, ppid: 2, comm: "kworker/0:1", flags: kernelThreadFlag, start: 2},
		{pid: 40, ppid: 1, comm: "a) S 7 (b c", start: 900, exe: server, cmdline: "shop\x00-v\x00\x00two words\x00",
			cgroup: "0::/system.slice/docker-" + idA + ".scope\n", environ: "HOME=/\x00OTEL_SERVICE_NAME=cart\x00SECRET=x\x00"},
		{pid: 41, ppid: 40, comm: "sh", start: 950, exe: "/bin/gone-shell (deleted)", cmdline: "sh", cgroup: "0::/\n"},
		{pid: 42, ppid: 40, comm: "zombie", state: "Z", start: 960},
		{pid: 50, ppid: 49, comm: "orphan", start: 970, exe: server},
	} {
		p.write(t, root)
	}
	if err := os.WriteFile(filepath.Join(root, "proc", "uptime"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(root, "proc", "77"), 0o755); err != nil { // vanishing
		t.Fatal(err)
	}
	return root, server
}

func TestScanOfAFakeHost(t *testing.T) {
	root, server := fakeHost(t)
	r := NewReader(ReaderOptions{Root: root})
	var got []Process
	for p, err := range r.Scan(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, p)
	}
	id := func(pid int32, start uint64) model.ProcessID { return model.ProcessID{PID: pid, Start: start} }
	want := []Process{
		{Process: model.Process{Directory: "/srv", ID: id(1, 1), Exe: "/sbin/init-of-the-fake", Args: []string{"init"}, Cgroup: "/init.scope"}},
		{Process: model.Process{ID: id(40, 900), Parent: id(1, 1), Exe: server, Args: []string{"shop", "-v", "", "two words"}, Directory: "/srv",
			ContainerID: idA, Cgroup: "/system.slice/docker-" + idA + ".scope"}},
		{Process: model.Process{Directory: "/srv", ID: id(41, 950), Parent: id(40, 900), Exe: "/bin/gone-shell", Deleted: true, Args: []string{"sh"}, Cgroup: "/"}},
		{Process: model.Process{Directory: "/srv", ID: id(50, 970), Parent: id(49, 0), Exe: server}},
	}
	ignore := cmpopts.IgnoreFields(Process{}, "StartTime", "Go", "File", "StartCode", "Read")
	if diff := cmp.Diff(want, got, ignore); diff != "" {
		t.Fatalf("Scan (-want +got):\n%s", diff)
	}
	if got[1].Go == nil || got[1].Go != got[3].Go || got[0].Go != nil {
		t.Errorf("builds: %p, %p, %p: want none, and one for both Go processes", got[0].Go, got[1].Go, got[3].Go)
	}
	if got[1].StartCode != 4198400 || got[1].File.Ino == 0 || got[1].StartTime.IsZero() {
		t.Errorf("start code %d, file %+v, start time %v", got[1].StartCode, got[1].File, got[1].StartTime)
	}
}

func TestListOfAFakeHost(t *testing.T) {
	root, _ := fakeHost(t)
	list, err := NewReader(ReaderOptions{Root: root}).List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range list {
		got = append(got, fmt.Sprintf("%d %s %v", p.ID.PID, p.Service, Hookable(p.Go)))
	}
	if want := []string{"40 cart true", "50 hello true"}; !slices.Equal(got, want) {
		t.Errorf("List = %q, want %q", got, want)
	}
}

func TestScanEndsWhenTheContextIsDone(t *testing.T) {
	root, _ := fakeHost(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := NewReader(ReaderOptions{Root: root}).List(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("List = %v, want context.Canceled", err)
	}
	if _, err := NewReader(ReaderOptions{Root: t.TempDir()}).List(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("List without /proc = %v, want ErrNotExist", err)
	}
}

func TestReadProcessRefuses(t *testing.T) {
	root, _ := fakeHost(t)
	r := NewReader(ReaderOptions{Root: root})
	for pid, want := range map[int32]error{2: ErrKernelThread, 9: ErrKernelThread, 42: ErrGone, 77: ErrGone, 78: ErrGone} {
		if p, err := r.ReadProcess(pid); !errors.Is(err, want) {
			t.Errorf("ReadProcess(%d) = %+v, %v, want %v", pid, p, err, want)
		}
	}
}

func TestReadProcessOfThisHost(t *testing.T) {
	r := NewReader(ReaderOptions{})
	self, err := r.ReadProcess(int32(os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if self.Exe != exe || self.Go == nil || !slices.Equal(self.Args, os.Args) || self.Parent.PID != int32(os.Getppid()) || self.StartCode == 0 {
		t.Errorf("ReadProcess of the test = %+v", self)
	}
	cwd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if self.Directory != cwd {
		t.Errorf("Directory = %q, want %q", self.Directory, cwd)
	}
	cmd := startSleeper(t, "OTEL_RESOURCE_ATTRIBUTES=service.name=sleeper")
	child, err := r.ReadProcess(int32(cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	if child.Parent != self.ID || child.StartTime.Before(self.StartTime) {
		t.Errorf("parent of the child = %+v, want %+v", child.Parent, self.ID)
	}
	if got := r.Service(&child.Process); got != "sleeper" {
		t.Errorf("Service = %q, want sleeper", got)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if _, err := r.ReadProcess(child.ID.PID); !errors.Is(err, ErrGone) {
		t.Errorf("ReadProcess after the end = %v, want ErrGone", err)
	}
	if got := r.Service(&child.Process); got != filepath.Base(child.Exe) {
		t.Errorf("Service after the end = %q, want the executable's name", got)
	}
}

// startSleeper starts a process that waits for its standard input to close.
func startSleeper(t testing.TB, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("cat")
	cmd.Env = append(os.Environ(), env...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	return cmd
}

func FuzzParseStat(f *testing.F) {
	f.Add("7152 (cat) R 7143 7143 6094 0 -1 4194304 96 0 0 0 0 0 0 0 20 0 1 0 117747 3133440 382 18446744073709551615 94628977475584 94628977495465 1 0\n")
	f.Add("1 (a) b) S 1 2")
	f.Add(") ")
	f.Fuzz(func(t *testing.T, stat string) {
		got, err := parseStat([]byte(stat))
		if err == nil && (got.state == 0 || !strings.Contains(stat, ")")) {
			t.Errorf("parseStat(%q) = %+v", stat, got)
		}
	})
}

func TestTicks(t *testing.T) {
	if got := Ticks(1_177_479_999_999); got != 117747 {
		t.Errorf("Ticks = %d, want 117747", got)
	}
}

func BenchmarkReadProcess(b *testing.B) {
	r := NewReader(ReaderOptions{})
	pid := int32(os.Getpid())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.ReadProcess(pid); err != nil {
			b.Fatal(err)
		}
	}
}
