package agent_test

import (
	"bytes"
	"context"
	"debug/elf"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/agent"
	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probe"
	"github.com/goshawk-io/goshawk/internal/observe/probes"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

// smallServer prints its address and answers. It makes a request if %s.
const smallServer = `package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
)

func main() {
	if len(os.Args) > 1 && %s {
		http.Get(os.Args[1])
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	panic(http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "ok") })))
}
`

// twoBuilds returns two builds of a server, whose instructions are elsewhere. The
// second can make requests, so that more of it is of interest.
func twoBuilds(t *testing.T) (first, second string) {
	t.Helper()
	build := func(client string, flags ...string) string {
		source := testutil.Files{"main.go": strings.ReplaceAll(smallServer, "%s", client)}
		return testutil.BuildGo(t, source, testutil.BuildOptions{Flags: flags})
	}
	return build("false"), build("true", "-gcflags=all=-l")
}

// write writes the content of a file over another, without making a new file.
func write(t *testing.T, path, content string) {
	t.Helper()
	text, err := os.ReadFile(content)
	if err == nil {
		err = os.WriteFile(path, text, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func end(t *testing.T, target *testutil.Target) {
	t.Helper()
	target.Signal(os.Kill)
	target.Wait()
}

// runsItsFile reports whether the code of a process, which is linked to a fixed
// address, is that of its file.
func runsItsFile(t *testing.T, pid int) bool {
	t.Helper()
	exe, err := elf.Open(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer exe.Close()
	text := exe.Section(".text")
	want, err := text.Data()
	if err != nil {
		t.Fatal(err)
	}
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	got := make([]byte, len(want))
	if _, err := memory.ReadAt(got, int64(text.Addr)); err != nil {
		t.Fatal(err)
	}
	return bytes.Equal(got, want)
}

// serves reports whether the server that a process is answers.
func serves(t *testing.T, address string) bool {
	t.Helper()
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + address)
	if err != nil {
		t.Log(err)
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// TestFiles_overwrittenInPlace writes another program over the file of one that
// was observed and has ended. Probes that stayed in the file would be put into
// the new program, with the old one's instructions.
func TestFiles_overwrittenInPlace(t *testing.T) {
	first, second := twoBuilds(t)
	exe := filepath.Join(t.TempDir(), "server")
	write(t, exe, first)
	o := observe(t, exe)
	for _, build := range []string{second, first, second} {
		old := testutil.StartTarget(t, exe)
		old.WaitLine("")
		o.attached(t, old.PID)
		end(t, old)
		write(t, exe, build)
		victim := testutil.StartTarget(t, exe)
		address := victim.WaitLine("")
		if !runsItsFile(t, victim.PID) {
			t.Fatal("there are breakpoints of the old program in the new one")
		}
		o.attached(t, victim.PID)
		if !serves(t, address) {
			t.Fatal("the new program does not serve with a probe attached")
		}
		end(t, victim)
	}
}

// TestFiles_held attaches to a file that nothing runs, and follows what becomes
// of it.
func TestFiles_held(t *testing.T) {
	testutil.RequireBPF(t)
	testutil.RequireArch(t, "points at calls and returns are found on amd64 only", "amd64")
	first, second := twoBuilds(t)
	exe := filepath.Join(t.TempDir(), "server")
	var files atomic.Pointer[[]string]
	files.Store(&[]string{exe})
	a, err := agent.Start(t.Context(), agent.Options{
		Probes: []*probe.Spec{probes.Find("http")},
		Probe: probe.Options{
			Targets: func(*model.Process) bool { return false },
			Files:   func() []string { return *files.Load() },
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		a.Close()
	}()
	points := make(map[string]int) // by build: that is what tells them apart
	for _, step := range []struct {
		name  string
		do    func()
		build string
	}{
		{"a file that is not there yet", func() {}, ""},
		{"it is made", func() { write(t, exe, first) }, first},
		{"it is written over", func() { write(t, exe, second) }, second},
		{"it is replaced", func() { write(t, exe+".new", first); rename(t, exe+".new", exe) }, first},
		{"it is no Go program", func() { write(t, exe, "/bin/true") }, ""},
		{"it is one again", func() { write(t, exe, second) }, second},
		{"it is removed", func() { os.Remove(exe) }, ""},
		{"it is there again", func() { write(t, exe, first) }, first},
		{"it is not asked for any longer", func() { files.Store(new([]string)) }, ""},
	} {
		step.do()
		health := waitHealth(t, a, step.name, func(list []model.ProbeTarget) bool {
			if len(list) == 0 || step.build == "" {
				return len(list) == 0 && step.build == ""
			}
			known := points[step.build]
			return list[0].Points > 0 && (known == 0 || known == list[0].Points)
		})
		if step.build == "" {
			continue
		}
		points[step.build] = health[0].Points
		if got := health[0]; len(health) != 1 || got.Exe != exe || got.GoVersion == "" || got.PIDs == nil || len(got.PIDs) > 0 {
			t.Errorf("%s: health = %+v", step.name, health)
		}
	}
	if points[first] == points[second] {
		t.Errorf("the builds cannot be told apart: %v", points)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// waitHealth blocks until the executables of the agent's probe are as ok says.
func waitHealth(t *testing.T, a *agent.Agent, what string, ok func([]model.ProbeTarget) bool) []model.ProbeTarget {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if list := slices.Clone(a.Health()[0].Targets); ok(list) {
			return list
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: health = %+v", what, a.Health())
		}
	}
}
