package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/observe/target"
	"github.com/goshawk-io/goshawk/internal/platform/cgroup"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

// victim does what its argument names, says "ready" and then waits for the end of its
// input.
const victim = `package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
)

func main() {
	switch os.Args[1] {
	case "zombie":
		cmd := exec.Command("true")
		out, _ := cmd.StdoutPipe()
		if err := cmd.Start(); err != nil {
			panic(err)
		}
		io.Copy(io.Discard, bufio.NewReader(out)) // it has ended, or is about to
	case "files":
		var limit syscall.Rlimit
		limit.Cur, limit.Max = 64, 64
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			panic(err)
		}
		for range 54 {
			if _, err := syscall.Open("/dev/null", 0, 0); err != nil {
				break
			}
		}
	case "burn":
		for range 4 {
			go func() { for {} }()
		}
	}
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
}
`

// startVictim starts a copy of the victim and returns its path, so that tests may
// delete that.
func startVictim(t *testing.T, mode string, env ...string) (g *testutil.Target, path string) {
	t.Helper()
	program, err := os.ReadFile(testutil.BuildGo(t, testutil.Files{"main.go": victim}, testutil.BuildOptions{}))
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(tree(t, map[string]string{"victim": string(program)}), "victim")
	cmd := exec.Command(path, mode)
	cmd.Env = append(os.Environ(), env...)
	g = testutil.StartTargetCmd(t, cmd)
	g.WaitLine("ready")
	return g, path
}

// options look at a process twice, with wait in between.
func options(pid int, wait func()) ProcessOptions {
	return ProcessOptions{PID: int32(pid), Interval: time.Millisecond, Now: time.Now, Wait: func(context.Context, time.Duration) error {
		wait()
		return nil
	}}
}

func nothing() {}

func gather(t *testing.T, o ProcessOptions) *Evidence {
	t.Helper()
	var e Evidence
	if err := e.GatherProcess(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	return &e
}

// machineRules depend on what else the machine does, and on the groups that a test
// finds itself in.
func withoutMachine(names []string) []string {
	return slices.DeleteFunc(names, func(n string) bool {
		return slices.Contains([]string{"run-delay", "throttled", "gomemlimit", "memory-near-limit", "oom-kills"}, n)
	})
}

func TestGatherProcess_realProcesses(t *testing.T) {
	for _, c := range []struct {
		mode string
		env  []string
		want []string
	}{
		{"idle", nil, nil},
		{"zombie", nil, []string{"zombies"}},
		{"files", nil, []string{"descriptors"}},
		{"idle", []string{"GOMAXPROCS=1000"}, []string{"gomaxprocs-above-cpus"}},
		{"idle", []string{"GODEBUG=gctrace=0", "GOGC=off"}, []string{"godebug-process", "gogc-off"}},
	} {
		t.Run(c.mode+strings.Join(c.env, " "), func(t *testing.T) {
			g, path := startVictim(t, c.mode, append([]string{"GODEBUG=", "GOGC=", "GOMAXPROCS=", "GOMEMLIMIT="}, c.env...)...)
			if c.mode == "zombie" {
				waitFor(t, func() bool {
					found, err := (&procReader{root: "/"}).zombiesOf(g.PID)
					return err == nil && len(found) == 1
				})
			}
			e := gather(t, options(g.PID, nothing))
			if got := withoutMachine(rulesOf(e)); !slices.Equal(got, c.want) {
				t.Errorf("found %q, want %q", got, c.want)
			}
			p := e.Process
			if p.Exe != path || p.CPUs == 0 || p.Threads == 0 || p.DescriptorLimit == 0 || p.Descriptors < 3 || !p.HasEnvironment || p.Interval <= 0 {
				t.Errorf("gathered %+v", p)
			}
		})
	}
}

func waitFor(t *testing.T, what func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !what(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not happen")
		}
	}
}

func TestGatherProcess_deletedBinary(t *testing.T) {
	g, path := startVictim(t, "idle")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if p := gather(t, options(g.PID, nothing)).Process; !p.Deleted || p.Replaced || p.Exe != path {
		t.Errorf("removed: %+v", p)
	}
	if err := os.WriteFile(path, []byte("new"), 0o755); err != nil {
		t.Fatal(err)
	}
	if p := gather(t, options(g.PID, nothing)).Process; !p.Deleted || !p.Replaced || p.Exe != path {
		t.Errorf("replaced: %+v", p)
	}
}

func TestGatherProcess_throttled(t *testing.T) {
	dir := testutil.RequireQuota(t, 10*time.Millisecond, 100*time.Millisecond)
	g, _ := startVictim(t, "burn")
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(g.PID)), 0); err != nil {
		t.Fatal(err)
	}
	group := cgroup.Group{Dir: dir, Path: dir}
	throttled := func() uint64 {
		is, err := group.Throttling()
		if err != nil {
			t.Error(err)
		}
		return is.Throttled
	}
	waitFor(t, func() bool { return throttled() > 0 })
	e := gather(t, options(g.PID, func() {
		at := throttled()
		waitFor(t, func() bool { return throttled() >= at+3 })
	}))
	if got := rulesOf(e); !slices.Contains(got, "throttled") {
		t.Errorf("found %q in %+v", got, e.Process.Groups)
	}
	if e.Process.Groups[0].CPUs != 0.1 {
		t.Errorf("groups %+v", e.Process.Groups)
	}
}

func TestGatherProcess_goroutines(t *testing.T) {
	var answer atomic.Pointer[string]
	var path atomic.Pointer[string]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path.Store(new(r.URL.RequestURI()))
		if *answer.Load() == "" {
			w.WriteHeader(http.StatusForbidden)
		}
		fmt.Fprint(w, *answer.Load())
	}))
	defer server.Close()
	look := func(address, first, last string) (*Evidence, error) {
		answer.Store(&first)
		count, err := GoroutineCounter(asker(0).Client, address)
		if err != nil {
			return nil, err
		}
		o := options(os.Getpid(), func() { answer.Store(&last) })
		o.Goroutines = count
		return gather(t, o), nil
	}
	profile := func(n int) string { return fmt.Sprintf("goroutine profile: total %d\n1 @ 0x1\n", n) }
	for _, address := range []string{server.URL, server.URL + "/", server.URL + "/debug/pprof/", server.URL + "/debug/pprof/goroutine?debug=2"} {
		e, err := look(address, profile(10), profile(5000))
		if err != nil || e.Process.Goroutines == nil || *e.Process.Goroutines != (Goroutines{10, 5000}) || *path.Load() != "/debug/pprof/goroutine?debug=1" {
			t.Fatalf("%s: %v, asked %s, gathered %+v", address, err, *path.Load(), e)
		}
		if !slices.Contains(rulesOf(e), "goroutine-growth") {
			t.Errorf("found %q", rulesOf(e))
		}
	}
	for name, text := range map[string]string{"another page": "<html>\n", "no end of line": "goroutine profile: total 5", "nothing allowed": "", "not a number": "goroutine profile: total x\n", "a long line": strings.Repeat("x", 1<<12)} {
		e, err := look(server.URL, text, text)
		if err != nil || e.Process.Goroutines != nil || !slices.ContainsFunc(e.Unseen, func(u Unseen) bool { return u.What == "how many goroutines there are" }) {
			t.Errorf("%s: %v, unseen %+v", name, err, e.Unseen)
		}
	}
	for _, address := range []string{"", "127.0.0.1:6060", "ftp://x", "http://", "http://%zz"} {
		if _, err := GoroutineCounter(asker(0).Client, address); err == nil {
			t.Errorf("%q is taken for an address", address)
		}
	}
}

func TestGatherProcess_whatEnds(t *testing.T) {
	g, _ := startVictim(t, "idle")
	var e Evidence
	err := e.GatherProcess(t.Context(), options(g.PID, func() {
		g.Stdin.Close()
		waitFor(t, func() bool { _, err := os.Stat(fmt.Sprintf("/proc/%d", g.PID)); return err != nil })
	}))
	if !errors.Is(err, target.ErrGone) || e.Process == nil {
		t.Errorf("ended meanwhile: %v, %+v", err, e.Process)
	}
	e = Evidence{}
	if err := e.GatherProcess(t.Context(), options(g.PID, nothing)); !errors.Is(err, target.ErrGone) || e.Process != nil {
		t.Errorf("ended before: %v", err)
	}
	o := options(os.Getpid(), nothing)
	o.Start = 1
	if err := e.GatherProcess(t.Context(), o); !errors.Is(err, target.ErrGone) {
		t.Errorf("another process of that id: %v", err)
	}
	o = options(os.Getpid(), nothing)
	o.Wait = func(context.Context, time.Duration) error { return context.Canceled }
	if err := e.GatherProcess(t.Context(), o); !errors.Is(err, context.Canceled) || e.Process == nil {
		t.Errorf("interrupted: %v", err)
	}
}
