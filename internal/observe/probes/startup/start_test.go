package startup

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probe"
	"github.com/goshawk-io/goshawk/internal/observe/startup"
	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

type build struct {
	name    string
	options testutil.BuildOptions
	cgo     bool
}

// builds are the ways to build: all with the current Go, one with each older
// release.
func builds() []build {
	stripped := []string{"-trimpath", "-ldflags=-s -w"}
	cgo := []string{"CGO_ENABLED=1"}
	list := []build{
		{name: "plain"},
		{name: "stripped", options: testutil.BuildOptions{Flags: stripped}},
		{name: "PIE", options: testutil.BuildOptions{Flags: []string{"-buildmode=pie"}}},
		{name: "PIE stripped", options: testutil.BuildOptions{Flags: append([]string{"-buildmode=pie"}, stripped...)}},
		{name: "cgo", options: testutil.BuildOptions{Env: cgo}, cgo: true},
		{name: "cgo external stripped", options: testutil.BuildOptions{Env: cgo, Flags: []string{"-trimpath", "-ldflags=-s -w -linkmode=external"}}, cgo: true},
		{name: "cgo external PIE", options: testutil.BuildOptions{Env: cgo, Flags: []string{"-buildmode=pie", "-ldflags=-linkmode=external"}}, cgo: true},
		{name: "not optimised", options: testutil.BuildOptions{Flags: []string{"-gcflags=all=-N -l"}}},
	}
	for _, toolchain := range []string{"go1.21.13", "go1.22.12", "go1.23.12", "go1.24.13", "go1.25.7"} {
		list = append(list, build{name: toolchain, options: testutil.BuildOptions{Toolchain: toolchain, Flags: stripped}})
	}
	return list
}

func (b build) path(t *testing.T) string {
	t.Helper()
	if b.cgo {
		testutil.RequireTool(t, "gcc", "gcc")
	}
	return testutil.BuildGo(t, testutil.Dir("testdata/victim"), b.options)
}

// initTrace returns the packages that the runtime itself says it has initialised.
func initTrace(t *testing.T, path string) []string {
	t.Helper()
	cmd := exec.Command(path)
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", path, err, out)
	}
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^init (\S+) @`).FindAllSubmatch(out, -1) {
		names = append(names, string(m[1]))
	}
	return names
}

// TestBuilds holds the packages and phases of each build to what the runtime says
// by itself, and to each other.
func TestBuilds(t *testing.T) {
	for _, b := range builds() {
		t.Run(b.name, func(t *testing.T) {
			path := b.path(t)
			o := observe(t, true, path)
			s := o.run(exec.Command(path))
			var names []string
			for _, p := range s.Packages {
				names = append(names, p.Name)
			}
			if want := initTrace(t, path); !slices.Equal(names, want) {
				t.Errorf("packages = %q\nwant       %q", names, want)
			}
			checkPhases(t, s)
			if s.Exit == nil || s.Exit.Code != 0 || s.Ended != startup.EndedExit || s.Lost != 0 {
				t.Errorf("exit %+v, ended %s, lost %d", s.Exit, s.Ended, s.Lost)
			}
		})
	}
}

// checkPhases checks what holds of each start that reaches main.main.
func checkPhases(t *testing.T, s *startup.Start) {
	t.Helper()
	want := []string{
		startup.KernelExec, startup.Loader, startup.RuntimeEntry, startup.OSInit, startup.SchedInit,
		startup.RuntimeMain, startup.GCEnable, startup.PackageInits, startup.Main,
	}
	var got []string
	at := time.Duration(-1 << 62)
	for i := range s.Phases {
		p := &s.Phases[i]
		if p.Within != "" || p.Name == startup.Sysmon {
			continue
		}
		got = append(got, p.Name)
		if p.Begin < at {
			t.Errorf("%s begins at %v, before the phase before it ends at %v", p.Name, p.Begin, at)
		}
		at = p.Begin + p.Duration
		if sum := p.CPU + p.RunDelay + p.OffCPU; p.Name != startup.Main && (sum < p.Duration-time.Millisecond || sum > p.Duration+time.Millisecond) {
			t.Errorf("%s takes %v, of which CPU %v, run delay %v, off CPU %v", p.Name, p.Duration, p.CPU, p.RunDelay, p.OffCPU)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("phases = %q, want %q", got, want)
	}
	for i := range s.Packages {
		p := &s.Packages[i]
		// What the probe cost was taken off the duration and the CPU time, as far as
		// there was any.
		if sum := p.CPU + p.RunDelay + p.OffCPU; sum < p.Duration || sum > p.Duration+s.ProbeCost {
			t.Errorf("the init of %s takes %v, of which CPU %v, run delay %v, off CPU %v", p.Name, p.Duration, p.CPU, p.RunDelay, p.OffCPU)
		}
	}
}

func victim(t *testing.T) string {
	return testutil.BuildGo(t, testutil.Dir("testdata/victim"), testutil.BuildOptions{})
}

func with(path string, env ...string) *exec.Cmd {
	cmd := exec.Command(path)
	cmd.Env = append(os.Environ(), env...)
	return cmd
}

func TestSleepAndSpinAreToldApart(t *testing.T) {
	path := victim(t)
	o := observe(t, true, path)
	s := o.run(with(path, "SLEEPS=1", "SPINS=30ms"))
	if p := pkg(t, s, "victim/sleeps"); p.Duration < 30*time.Millisecond || p.OffCPU < p.Duration/2 || p.CPU > p.Duration/4 {
		t.Errorf("an init that sleeps for 30 ms: %+v", p.Usage)
	}
	if p := pkg(t, s, "victim/spins"); p.CPU < 20*time.Millisecond || p.OffCPU > p.CPU/2 {
		t.Errorf("an init that spins for 30 ms: %+v", p.Usage)
	}
}

// TestInitOfPackageMain holds the init of package main to its own thread, while
// goroutines that it has started are busy on others.
func TestInitOfPackageMain(t *testing.T) {
	path := victim(t)
	s := observe(t, true, path).run(with(path, "BUSY=1"))
	checkPhases(t, s)
	if p := pkg(t, s, "main"); p.Duration < 40*time.Millisecond || p.CPU > p.Duration/4 || p.OffCPU+p.RunDelay < p.Duration/2 {
		t.Errorf("an init of package main that sleeps for 40 ms beside busy goroutines: %+v", p.Usage)
	}
}

func TestSystemCallsOfAnInit(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	path := victim(t)
	o := observe(t, true, path)
	s := o.run(with(path, "READS=1", "ASKS="+l.Addr().String()))
	opens := 0
	for _, c := range pkg(t, s, "victim/reads").Calls {
		if c.Name == "openat" && c.Operand == "/etc/hostname" && c.Result > 0 {
			opens++
		}
	}
	if opens != 30 {
		t.Errorf("%d opens of /etc/hostname are told, want 30", opens)
	}
	asks := pkg(t, s, "victim/asks").Calls
	if !slices.ContainsFunc(asks, func(c startup.Call) bool { return c.Name == "connect" && c.Operand == l.Addr().String() }) {
		t.Errorf("calls of an init that connects: %+v", asks)
	}
}

// answer connects to a server and waits for its answer.
func answer(t *testing.T, network, address string) {
	t.Helper()
	c, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Read(make([]byte, 6)); err != nil {
		t.Error(err)
	}
}

func TestServer(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			path := victim(t)
			o := observe(t, true, path)
			args := []string{"serve"}
			if network == "unix" {
				args = []string{"unix", filepath.Join(t.TempDir(), "socket")}
			}
			v := testutil.StartTarget(t, path, args...)
			address := v.WaitLine("")
			answer(t, network, address)
			v.Stdin.Close()
			s := o.next()
			if network == "unix" {
				address = "unix:" + address
			}
			listen, accept, response := s.Phase(startup.FirstListen), s.Phase(startup.FirstAccept), s.Phase(startup.FirstResponse)
			if listen == nil || accept == nil || response == nil {
				t.Fatalf("phases = %q", names(s))
			}
			if listen.Address != address || listen.Begin > accept.Begin || accept.Begin != response.Begin {
				t.Errorf("listen %+v, accept %+v, response %+v; want address %s", listen, accept, response, address)
			}
		})
	}
}

func TestWithoutDetailAStartEndsWhereTheProgramListens(t *testing.T) {
	path := victim(t)
	o := observe(t, false, path)
	// Commands that do their work and end are no services; those that fail may be.
	if err := exec.Command(path).Run(); err != nil {
		t.Fatal(err)
	}
	_ = exec.Command(path, "status").Run()
	if s := o.next(); s.Exit == nil || s.Exit.Code != 7 {
		t.Errorf("exit %+v, want that of the command that failed", s.Exit)
	}
	v := testutil.StartTarget(t, path, "serve")
	address := v.WaitLine("")
	s := o.next()
	checkListens := s.Phase(startup.FirstListen)
	if s.Ended != startup.EndedListen || checkListens == nil || checkListens.Address != address || s.PID != int32(v.PID) ||
		s.Exe != path || !slices.Equal(s.Command, []string{path, "serve"}) {
		t.Errorf("start = %+v", s)
	}
	if len(s.Packages) == 0 || s.Phase(startup.Main) == nil || len(s.Unseen) == 0 || s.Phase(startup.Main).HasSyscalls {
		t.Errorf("packages %d, phases %q, unseen %v", len(s.Packages), names(s), s.Unseen)
	}
}

func TestEnds(t *testing.T) {
	path := victim(t)
	for _, tt := range []struct {
		name     string
		cmd      *exec.Cmd
		ended    startup.Ended
		exit     *startup.Exit
		children int
		last     string // phase
		lastPkg  string
	}{
		{name: "by itself", cmd: exec.Command(path), ended: startup.EndedExit, exit: &startup.Exit{}, last: startup.Main, lastPkg: "main"},
		{name: "with a status", cmd: exec.Command(path, "status"), ended: startup.EndedExit, exit: &startup.Exit{Code: 7}, last: startup.Main, lastPkg: "main"},
		{name: "by a panic in an init", cmd: with(path, "CRASHES=1"), ended: startup.EndedExit, exit: &startup.Exit{Code: 2}, last: startup.PackageInits, lastPkg: "victim/crashes"},
		{name: "by executing another program", cmd: exec.Command(path, "exec"), ended: startup.EndedExec, last: startup.Main, lastPkg: "main"},
		{name: "with children", cmd: exec.Command(path, "children"), ended: startup.EndedExit, exit: &startup.Exit{}, children: 3, last: startup.Main, lastPkg: "main"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := observe(t, true, path).run(tt.cmd)
			if s.Ended != tt.ended || (s.Exit == nil) != (tt.exit == nil) || s.Exit != nil && *s.Exit != *tt.exit {
				t.Errorf("ended %s with %+v, want %s with %+v", s.Ended, s.Exit, tt.ended, tt.exit)
			}
			if s.Children < tt.children || tt.children == 0 && s.Children != 0 {
				t.Errorf("%d children, want %d", s.Children, tt.children)
			}
			all := slices.DeleteFunc(names(s), func(name string) bool { return name == startup.Sysmon }) // whenever its thread comes to run
			if got := all[len(all)-1]; got != tt.last || s.Packages[len(s.Packages)-1].Name != tt.lastPkg {
				t.Errorf("the last phase is %s, the last package %s; want %s, %s", got, s.Packages[len(s.Packages)-1].Name, tt.last, tt.lastPkg)
			}
		})
	}
}

func TestKilled(t *testing.T) {
	path := victim(t)
	o := observe(t, true, path)
	v := testutil.StartTarget(t, path, "wait")
	v.WaitLine("waits")
	if err := syscall.Kill(v.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if s := o.next(); s.Exit == nil || s.Exit.Signal != int(syscall.SIGKILL) || s.Exit.Code != -1 {
		t.Errorf("exit = %+v", s.Exit)
	}
}

func TestWhatIsNotObserved(t *testing.T) {
	testutil.RequireBPF(t)
	path := victim(t)
	o := observe(t, true, path)
	// Another's child that runs the same program is none of ours.
	if err := exec.Command("sh", "-c", path+"; true").Run(); err != nil {
		t.Fatal(err)
	}
	s := o.run(exec.Command(path))
	if len(o.starts) != 0 || s.Phase(startup.Main) == nil {
		t.Errorf("%d other starts were seen; phases %q", len(o.starts), names(s))
	}
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, bytes.Repeat([]byte("#!/bin/sh\n"), 10), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		path string
		want error
	}{
		{script, symbol.ErrNotGo}, {"/bin/true", symbol.ErrNotGo}, {filepath.Join(t.TempDir(), "none"), os.ErrNotExist},
	} {
		if err := o.probe.AttachFile(tt.path); !errors.Is(err, tt.want) {
			t.Errorf("AttachFile(%s) = %v, want %v", tt.path, err, tt.want)
		}
	}
	if errors.Is(o.probe.AttachFile("/bin/true"), probe.ErrNoFunctions) {
		t.Error("what is no Go program is said to lack functions")
	}
}

func TestAllKeysOfTheSchemaAreKnown(t *testing.T) {
	for i, f := range Schema().Fields {
		if f.Key == "" || f.Summary == "" {
			t.Errorf("field %d: %+v", i, f)
		}
	}
	if len(Schema().Fields) != fieldCount || Schema().Index(startup.KeyKind) != fieldKind || !strings.HasPrefix(startup.KeyKind, "goshawk.") {
		t.Error("the fields are not where they are thought to be")
	}
	var _ *model.Schema = Schema()
}

// TestStartsAreForgotten holds the programs to looking at nothing once no start
// goes on: a counter that stays up costs every switch between threads.
func TestStartsAreForgotten(t *testing.T) {
	path := victim(t)
	o := observe(t, false, path)
	for _, how := range []string{"status", "exec"} {
		_ = exec.Command(path, how).Run()
	}
	v := testutil.StartTarget(t, path, "serve")
	v.WaitLine("")
	for s := o.next(); s.Ended != startup.EndedListen; s = o.next() {
	}
	goOn := func() (n uint64) {
		if err := o.object.Variables["starts"].Get(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := goOn(); n != 0 {
		t.Errorf("%d starts go on", n)
	}
	// One that does not end is given up.
	w := testutil.StartTarget(t, path, "wait")
	w.WaitLine("waits")
	if n := goOn(); n != 1 {
		t.Errorf("%d starts go on, want 1", n)
	}
	if err := o.object.Variables["give_up"].Set(uint64(1)); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(patience); goOn() != 0; time.Sleep(10 * time.Millisecond) {
		// It runs, and so is switched away from, when it is asked for its status.
		_ = syscall.Kill(w.PID, syscall.SIGURG)
		if time.Now().After(end) {
			t.Fatal("a start that does not end is not given up")
		}
	}
}

// TestLostRecordsAreSaid reads from a ring that is too small, and not before all is
// over: what did not arrive is counted where the start is told.
func TestLostRecordsAreSaid(t *testing.T) {
	path := victim(t)
	over := make(chan bool)
	o := observeWith(t, probe.Options{
		Detail: true, Settings: probe.Settings{Launcher: int32(os.Getpid())}, RingBytes: os.Getpagesize(),
		BeforeRead: func() { <-over },
	}, path)
	cmd := with(path, "READS=1")
	err := cmd.Run()
	close(over)
	if err != nil {
		t.Fatal(err)
	}
	lost := o.probe.Health().LostRecords
	if lost == 0 {
		t.Fatal("nothing was lost in a ring of one page")
	}
	o.stop() // the record of the end may be among the lost
	if s := o.next(); s.Lost != lost {
		t.Errorf("the start says that %d records were lost, the probe %d", s.Lost, lost)
	}
}
