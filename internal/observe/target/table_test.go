package target

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"golang.org/x/sys/unix"
)

func pid(n int32) model.ProcessID { return model.ProcessID{PID: n, Start: uint64(n) * 10} }

// clockwork is a clock that a test turns.
type clockwork struct{ now time.Time }

func (c *clockwork) read() time.Time { return c.now }

func fakeTable(t testing.TB, root string, o TableOptions) (*Table, *clockwork) {
	t.Helper()
	clock := &clockwork{now: time.Unix(1000, 0)}
	o.Now = clock.read
	o.Reader = NewReader(ReaderOptions{Root: root})
	return NewTable(o), clock
}

func fileOf(t testing.TB, path string) FileID {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return statFileID(&st)
}

func TestTableFollowsForkExecAndExit(t *testing.T) {
	root := t.TempDir()
	server := goFile(t, root, "go1.26.8-static-stripped")
	shell := filepath.Join(root, "sh")
	if err := os.WriteFile(shell, []byte("#!"), 0o755); err != nil {
		t.Fatal(err)
	}
	table, clock := fakeTable(t, root, TableOptions{})
	// The executables are found below the host's root only, since none of the
	// processes is in /proc.
	inRoot := func(path string) ExecInfo {
		return ExecInfo{Exe: "/" + filepath.Base(path), File: fileOf(t, path)}
	}
	table.Fork(pid(1), pid(10))
	table.Exec(pid(10), inRoot(server))
	table.Fork(pid(10), pid(11))
	if p, ok := table.Get(11); !ok || p.Go == nil || p.Exe != "/"+filepath.Base(server) || p.ID != pid(11) || p.Parent != pid(10) {
		t.Fatalf("a forked process is what its parent is: %+v, %v", p, ok)
	}
	before, _ := table.Get(11)
	if after := table.Exec(pid(11), inRoot(shell)); after.Go != nil || after.Exe != "/sh" || before.Exe == "/sh" {
		t.Errorf("after exec: %+v, and what was read before: %+v", after, before)
	}
	table.Fork(pid(11), pid(12))
	table.Exit(pid(11)) // 12 is adopted by another process: no matter
	if p, _ := table.Get(12); p.Service != "hello" || table.ServiceOf(12) != "hello" || table.ServiceOf(10) != "hello" {
		t.Errorf("services: %q, %q, %q, want hello for all", p.Service, table.ServiceOf(12), table.ServiceOf(10))
	}
	var chain []int32
	for _, p := range table.Parents(12) {
		chain = append(chain, p.ID.PID)
	}
	if fmt.Sprint(chain) != "[11 10]" {
		t.Errorf("Parents = %v, want those with facts: 11, 10", chain)
	}
	clock.now = clock.now.Add(time.Hour)
	table.Fork(pid(10), pid(13))
	if !table.Descends(12, pid(10)) || !table.Descends(12, pid(1)) || table.Descends(12, pid(12)) || table.Descends(10, pid(12)) {
		t.Error("a dead parent broke the chain of its living child, or the chain goes wrong")
	}
	table.Exit(pid(12))
	clock.now = clock.now.Add(time.Minute)
	table.Exit(pid(13))
	for _, n := range []int32{11, 12} {
		if p, ok := table.Get(n); ok {
			t.Errorf("%d was not forgotten: %+v", n, p)
		}
	}
	if _, ok := table.Get(13); !ok {
		t.Error("a dead process was forgotten within its grace period")
	}
}

func TestTableTellsHoldersOfOnePIDApart(t *testing.T) {
	table, _ := fakeTable(t, t.TempDir(), TableOptions{})
	old, young := model.ProcessID{PID: 5, Start: 100}, model.ProcessID{PID: 5, Start: 900}
	table.Exec(old, ExecInfo{Exe: "/old"})
	table.Fork(old, pid(60))
	table.Exit(old)
	table.Exec(young, ExecInfo{Exe: "/young"})
	table.Fork(young, pid(61))
	if p, _ := table.Get(5); p.Exe != "/young" {
		t.Errorf("Get = %+v, want the holder of now", p)
	}
	if p, _ := table.GetID(old); p.Exe != "/old" {
		t.Errorf("GetID = %+v, want the holder of then", p)
	}
	if !table.Descends(60, old) || table.Descends(60, young) || !table.Descends(61, young) || table.Descends(61, old) {
		t.Error("descent goes to the wrong holder of the id")
	}
	table.Exec(old, ExecInfo{Exe: "/late"})
	if p, _ := table.Get(5); p.Exe != "/young" {
		t.Errorf("a late event of the old holder took the id: %+v", p)
	}
}

func TestTableBoundsTheDead(t *testing.T) {
	table, _ := fakeTable(t, t.TempDir(), TableOptions{MaxDead: 10})
	for n := int32(1); n <= 1000; n++ {
		table.Fork(pid(n), pid(n+1)) // one long chain
		table.Exit(pid(n))
	}
	if got := len(table.byID); got != 11 {
		t.Errorf("%d entries, want 10 dead and one that lives", got)
	}
	if len(table.byPID) != 11 || table.dying.size+table.held.size != 10 {
		t.Errorf("%d ids, %d + %d dead, want 11 and 10", len(table.byPID), table.dying.size, table.held.size)
	}
	if table.Descends(1001, pid(900)) || !table.Descends(1001, pid(995)) {
		t.Error("the oldest dead are not those that were forgotten")
	}
}

func TestTableSyncNeitherDuplicatesNorOverwrites(t *testing.T) {
	root, server := fakeHost(t)
	table, clock := fakeTable(t, root, TableOptions{})
	id := func(pid int32, start uint64) model.ProcessID { return model.ProcessID{PID: pid, Start: start} }
	shell, shop := id(41, 950), id(40, 900)
	table.Fork(id(39, 800), shell)
	table.Exec(shell, ExecInfo{Exe: "/bin/newer"})
	table.Fork(id(50, 970), id(51, 980))
	table.Exit(shop) // the scan below still finds it
	for range 2 {
		if err := table.Sync(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	if p, _ := table.Get(41); p.Exe != "/bin/newer" || p.Parent != id(39, 800) {
		t.Errorf("the scan overwrote an event: %+v", p)
	}
	if p, _ := table.Get(50); p == nil || p.Go == nil || p.Exe != server || p.Service != "hello" {
		t.Errorf("the scan did not fill in what was missing: %+v", p)
	}
	if p, ok := table.Get(40); !ok || p.Service != "cart" {
		t.Errorf("what /proc says of a process just ended: %+v, %v", p, ok)
	}
	if e := table.byID[shop]; e.state == living {
		t.Error("the scan revived a dead process")
	}
	if err := os.RemoveAll(filepath.Join(root, "proc", "1")); err != nil {
		t.Fatal(err)
	}
	if err := table.Sync(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	for _, gone := range []model.ProcessID{id(1, 1), id(39, 800), id(51, 980)} {
		if table.byID[gone].state == living {
			t.Errorf("%+v is not in /proc any more and was not buried", gone)
		}
	}
	clock.now = clock.now.Add(time.Hour)
	table.Exit(id(50, 970))
	clock.now = clock.now.Add(time.Hour)
	table.Exit(shell)
	clock.now = clock.now.Add(time.Hour)
	table.Exit(id(99, 99))
	if len(table.byID) != 1 || len(table.byPID) != 1 {
		t.Errorf("%d entries are left, want the last one: %v", len(table.byID), table.byID)
	}
}

func TestTableReadsOnAMiss(t *testing.T) {
	root, _ := fakeHost(t)
	table, _ := fakeTable(t, root, TableOptions{})
	if got := table.ServiceOf(41); got != "cart" {
		t.Errorf("ServiceOf the shell = %q, want the service above it", got)
	}
	if got := table.ServiceOf(40); got != "cart" {
		t.Errorf("ServiceOf a Go program without one above = %q, want its own", got)
	}
	if got := table.ServiceOf(1); got != "" {
		t.Errorf("ServiceOf init = %q, want none", got)
	}
	if _, ok := table.Get(42); ok || table.ServiceOf(4000) != "" || table.Descends(4000, pid(1)) || table.Parents(4000) != nil {
		t.Error("a process that is not there is known")
	}
	if !table.Descends(41, model.ProcessID{PID: 1, Start: 1}) {
		t.Error("a chain that is in /proc alone is not followed")
	}
}

func TestTableChecksTheExecutableOfAProcessThatIsGone(t *testing.T) {
	root := t.TempDir()
	server := goFile(t, root, "go1.26.8-static-stripped")
	other := goFile(t, root, "go1.20.14-static-stripped")
	jail := filepath.Join(root, "jail")
	if err := os.MkdirAll(filepath.Join(jail, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(other, filepath.Join(jail, "real")); err != nil {
		t.Fatal(err)
	}
	// Absolute links of a container lead to its own files.
	if err := os.Symlink("/real", filepath.Join(jail, "bin", "app")); err != nil {
		t.Fatal(err)
	}
	fakeProcess{pid: 10, comm: "parent", start: 100}.write(t, root)
	if err := os.Symlink(jail, filepath.Join(root, "proc", "10", "root")); err != nil {
		t.Fatal(err)
	}
	table, _ := fakeTable(t, root, TableOptions{})
	table.Fork(pid(10), pid(11))
	p := table.Exec(pid(11), ExecInfo{Exe: "/bin/app", File: fileOf(t, filepath.Join(jail, "real"))})
	if p.Go == nil || p.Go.GoVersion != "go1.20.14" {
		t.Errorf("through the root of the parent: %+v", p)
	}
	wrong := fileOf(t, server)
	wrong.CTime++
	if p := table.Exec(pid(11), ExecInfo{Exe: "/" + filepath.Base(server), File: wrong}); p.Go != nil {
		t.Errorf("a file that was written since: %+v", p)
	}
	if p := table.Exec(pid(11), ExecInfo{Exe: "relative", File: wrong}); p.Go != nil || p.Exe != "relative" {
		t.Errorf("a relative path: %+v", p)
	}
	if p := table.Exec(pid(11), ExecInfo{Exe: "/" + filepath.Base(server), File: fileOf(t, server)}); p.Go == nil {
		t.Errorf("through the root of the host: %+v", p)
	}
}

func TestTableOfThisHost(t *testing.T) {
	table := NewTable(TableOptions{})
	if err := table.Sync(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	self, ok := table.Get(int32(os.Getpid()))
	if !ok || self.Go == nil || self.Service == "" {
		t.Fatalf("the test itself: %+v, %v", self, ok)
	}
	cmd := startSleeper(t)
	child := int32(cmd.Process.Pid)
	if !table.Descends(child, self.ID) || table.ServiceOf(child) != self.Service {
		t.Errorf("the child runs for %q, want %q", table.ServiceOf(child), self.Service)
	}
	link, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", child))
	if err != nil {
		t.Fatal(err)
	}
	p, _ := table.Get(child)
	if again := table.Exec(p.ID, ExecInfo{Exe: link}); again.Exe != link || again.Go != nil {
		t.Errorf("Exec without an inode = %+v", again)
	}
}

func TestTableServesManyAtOnce(t *testing.T) {
	root, server := fakeHost(t)
	cgroups, err := NewCgroups(CgroupsOptions{Root: fakeHierarchies(t, hybridMounts)})
	if err != nil {
		t.Fatal(err)
	}
	table := NewTable(TableOptions{Reader: NewReader(ReaderOptions{Root: root}), Cgroups: cgroups, MaxDead: 50, Grace: time.Millisecond})
	info := ExecInfo{Exe: server, File: fileOf(t, server), Cgroup: CgroupKey{V2: 1, V1: 1}}
	var wg sync.WaitGroup
	for worker := range int32(4) {
		wg.Go(func() {
			for i := range int32(300) {
				id := pid(1000 + worker*1000 + i)
				table.Fork(model.ProcessID{PID: 40, Start: 900}, id)
				table.Exec(id, info)
				table.Get(id.PID)
				table.ServiceOf(id.PID)
				table.Descends(id.PID, model.ProcessID{PID: 1, Start: 1})
				table.Exit(id)
				if i%100 == 0 {
					if err := table.Sync(t.Context(), nil); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
}

func TestExecutablesAreBounded(t *testing.T) {
	e := NewExecutables(2)
	path := goFile(t, t.TempDir(), "go1.26.8-static-stripped")
	opened := 0
	load := func(ino uint64) {
		t.Helper()
		if _, err := e.Load(FileID{Ino: ino}, path, func() (*os.File, error) { opened++; return os.Open(path) }); err != nil {
			t.Fatal(err)
		}
	}
	for _, ino := range []uint64{1, 2, 1, 3, 1, 2} {
		load(ino)
	}
	if opened != 4 {
		t.Errorf("opened %d times, want 4: the first time each, and 2 again after 3 put it out", opened)
	}
}

func TestKernelFileIDAgreesWithStat(t *testing.T) {
	got := KernelFileID(8<<20|1, 77, 12, 34|1<<31)
	if want := (FileID{Dev: unix.Mkdev(8, 1), Ino: 77, CTime: 12_000_000_034}); got != want {
		t.Errorf("KernelFileID = %+v, want %+v", got, want)
	}
}

func BenchmarkTableForkExecExit(b *testing.B) {
	root := b.TempDir()
	server := goFile(b, root, "go1.26.8-static-stripped")
	table := NewTable(TableOptions{Reader: NewReader(ReaderOptions{Root: root}), MaxDead: 10000})
	info := ExecInfo{Exe: "/" + filepath.Base(server), File: fileOf(b, server)}
	table.Exec(pid(1), info)
	n := uint64(1)
	b.ReportAllocs()
	for b.Loop() {
		n++
		id := model.ProcessID{PID: int32(n%32768) + 2, Start: n}
		table.Fork(pid(1), id)
		table.Exec(id, info)
		table.Exit(id)
	}
}

func BenchmarkTableServiceOf(b *testing.B) {
	root, _ := fakeHost(b)
	table := NewTable(TableOptions{Reader: NewReader(ReaderOptions{Root: root})})
	b.ReportAllocs()
	for b.Loop() {
		table.ServiceOf(41)
	}
}
