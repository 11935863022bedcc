package hook

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/testutil"
)

// childVariable makes the test binary a process that hooks the process which
// the variable names, until it is killed.
const childVariable = "GOSHAWK_TEST_HOOK_PID"

// hookForever is what that process does.
func hookForever(pid string) {
	n, err := strconv.Atoi(pid)
	var session *Session
	if err == nil {
		session, err = Open(context.Background(), Options{PID: n, Functions: []string{"main.*"}, Budget: plenty})
	}
	if err == nil {
		_, err = session.Run(context.Background(), RunOptions{Started: func() { fmt.Println("hooked") }})
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func TestTheTargetSurvivesWhatHooksIt(t *testing.T) {
	v := startVictim(t, testutil.BuildOptions{})
	for range 5 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childVariable+"="+strconv.Itoa(v.PID))
		child := testutil.StartTargetCmd(t, cmd)
		child.WaitLine("hooked")
		// It is killed in the midst of calls.
		v.send(t, "parallel 200")
		child.Signal(syscall.SIGKILL)
		child.Wait()
		v.WaitLine("done")
		v.do(t, "grow 50")
	}
	m := measure(t, v, Options{Functions: []string{"main.leaf"}}, RunOptions{})
	v.do(t, "leaf 100")
	w := want{"main.leaf", 100, 100, 0}
	w.check(t, m.end())
}

func TestRunEndsWithTheProcess(t *testing.T) {
	for name, command := range map[string]string{"when it exits": "exit 0", "when it is killed": ""} {
		t.Run(name, func(t *testing.T) {
			v := startVictim(t, testutil.BuildOptions{})
			m := measure(t, v, Options{Functions: []string{"main.leaf"}}, RunOptions{})
			v.do(t, "leaf 10")
			if command != "" {
				v.send(t, command)
			} else {
				v.Signal(syscall.SIGKILL)
			}
			report := <-m.result
			if report.Ending != EndExited {
				t.Errorf("ended by %q", report.Ending)
			}
			w := want{"main.leaf", 10, 10, 0}
			w.check(t, report)
		})
	}
}

func TestRunEndsWithTheProgram(t *testing.T) {
	v := startVictim(t, testutil.BuildOptions{})
	m := measure(t, v, Options{Functions: []string{"main.leaf"}}, RunOptions{})
	v.do(t, "leaf 10")
	v.send(t, "exec 1")
	if report := <-m.result; report.Ending != EndReplaced {
		t.Errorf("ended by %q", report.Ending)
	}
}

func TestRunEndsAfterTheDuration(t *testing.T) {
	v := startVictim(t, testutil.BuildOptions{})
	m := measure(t, v, Options{Functions: []string{"main.leaf"}}, RunOptions{Duration: 300 * time.Millisecond})
	report := <-m.result
	if report.Ending != EndDuration || report.Took < 300*time.Millisecond {
		t.Errorf("ended by %q after %v", report.Ending, report.Took)
	}
	// Once it is over nothing counts.
	v.do(t, "leaf 10")
	if n, err := m.session.tier.counter().read(0); err != nil || n.calls != 0 {
		t.Errorf("%d calls counted after the end: %v", n.calls, err)
	}
}

func TestOpenRefusesAProcessThatHasEnded(t *testing.T) {
	testutil.RequireBPF(t)
	cmd := exec.Command("/bin/true")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	// Nobody has collected it yet.
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			break
		}
	}
	_, err := Open(t.Context(), Options{PID: cmd.Process.Pid, Functions: []string{"main.leaf"}})
	var input *InputError
	if !errors.As(err, &input) || !strings.Contains(err.Error(), "ended") {
		t.Errorf("Open = %v", err)
	}
}

func TestOpenTakesTheFileThatRuns(t *testing.T) {
	built := startVictim(t, testutil.BuildOptions{})
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", built.PID))
	if err != nil {
		t.Fatal(err)
	}
	for name, start := range map[string]func(t *testing.T, dir string) *testutil.Target{
		"when its path leads to another": func(t *testing.T, dir string) *testutil.Target {
			image, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			copied := filepath.Join(dir, "victim")
			if err := os.WriteFile(copied, image, 0o755); err != nil {
				t.Fatal(err)
			}
			target := testutil.StartTarget(t, copied)
			target.WaitLine("ready")
			if err := os.Remove(copied); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(copied, []byte("another file"), 0o755); err != nil {
				t.Fatal(err)
			}
			return target
		},
		"when it is in another mount namespace": func(t *testing.T, _ string) *testutil.Target {
			disk := testutil.RequireSmallDisk(t, 1<<20)
			cmd := exec.Command("/bin/sh", "-ec", `mount --make-rprivate /; mount -t tmpfs none "$1"; cp "$0" "$1/victim"; exec "$1/victim"`, path, disk)
			cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
			target := testutil.StartTargetCmd(t, cmd)
			target.WaitLine("ready")
			return target
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := victim{start(t, t.TempDir())}
			m := measure(t, v, Options{Functions: []string{"main.leaf"}}, RunOptions{})
			v.do(t, "leaf 10")
			w := want{"main.leaf", 10, 10, 0}
			w.check(t, m.end())
		})
	}
}

func TestTheFileIsNotWrittenWhileItIsHooked(t *testing.T) {
	image, err := os.ReadFile(func() string {
		path, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", startVictim(t, testutil.BuildOptions{}).PID))
		if err != nil {
			t.Fatal(err)
		}
		return path
	}())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "victim")
	// canWrite says whether the file can be opened for writing at once, once no
	// process runs it.
	canWrite := func() bool {
		t.Helper()
		f, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0)
		if err == nil {
			f.Close()
		} else if !errors.Is(err, syscall.EWOULDBLOCK) {
			t.Fatal(err)
		}
		return err == nil
	}
	start := func() victim {
		if err := os.WriteFile(path, image, 0o755); err != nil {
			t.Fatal(err)
		}
		v := victim{testutil.StartTarget(t, path)}
		v.WaitLine("ready")
		return v
	}
	t.Run("before and after a session", func(t *testing.T) {
		v := start()
		session, err := Open(t.Context(), Options{PID: v.PID, Functions: []string{"main.leaf"}, Budget: plenty})
		if err != nil {
			t.Fatal(err)
		}
		v.Signal(syscall.SIGKILL)
		v.Wait()
		if canWrite() {
			t.Error("the file can be written while it is to be hooked")
		}
		if err := session.Close(); err != nil {
			t.Fatal(err)
		}
		if !canWrite() {
			t.Error("the file cannot be written after the session")
		}
	})
	t.Run("after a run", func(t *testing.T) {
		v := start()
		m := measure(t, v, Options{Functions: []string{"main.leaf"}}, RunOptions{})
		v.Signal(syscall.SIGKILL)
		v.Wait()
		<-m.result
		if !canWrite() {
			t.Error("the file cannot be written after the run")
		}
	})
}

func TestRunRefusesWhatCostsTooMuch(t *testing.T) {
	v := startVictim(t, testutil.BuildOptions{})
	v.do(t, "spin 1")
	session, err := Open(t.Context(), Options{PID: v.PID, Functions: []string{"main.leaf", "main.recurse"}})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	e := session.Estimate()
	if !e.Exceeds() || e.Functions[0].Func != "main.leaf" || e.Functions[0].Rate < 1000 || e.Functions[1].Rate != 0 {
		t.Errorf("estimate %+v, want main.leaf far above the budget", e)
	}
	_, err = session.Run(t.Context(), RunOptions{})
	var input *InputError
	if !errors.As(err, &input) || !strings.Contains(err.Error(), "main.leaf alone") {
		t.Errorf("Run = %v", err)
	}
}

func TestRunGivesUpWhatBecomesTooDear(t *testing.T) {
	v := startVictim(t, testutil.BuildOptions{})
	var warnings []string
	m := measure(t, v, Options{Functions: []string{"main.leaf", "main.recurse"}, Budget: 0.02},
		RunOptions{Warn: func(text string) { warnings = append(warnings, text) }})
	v.do(t, "recurse 10")
	v.do(t, "spin 1")
	<-m.session.given(t, 0)
	v.do(t, "recurse 10")
	report := m.end()
	leaf := find(t, report, "main.leaf")
	if leaf.Calls == 0 || !strings.Contains(leaf.Detached, "the budget is 2.0%") || leaf.Took >= report.Took {
		t.Errorf("main.leaf: %+v", leaf)
	}
	if report.Ending != EndInterrupted || len(warnings) != 1 || !strings.HasPrefix(warnings[0], "main.leaf: detached") {
		t.Errorf("ended by %q with warnings %q", report.Ending, warnings)
	}
	w := want{"main.recurse", 20, 20, 0}
	w.check(t, report)
}

// given is closed when a function is given up: its counter has stopped.
func (s *Session) given(t *testing.T, function int) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
			before, err := s.tier.counter().read(function)
			time.Sleep(300 * time.Millisecond)
			after, err2 := s.tier.counter().read(function)
			if err != nil || err2 != nil || before.calls > 0 && after.calls == before.calls {
				return
			}
		}
	}()
	return done
}

func TestRunEndsWhenAllIsGivenUp(t *testing.T) {
	v := startVictim(t, testutil.BuildOptions{})
	m := measure(t, v, Options{Functions: []string{"main.leaf"}, Budget: 0.02}, RunOptions{})
	v.do(t, "spin 1")
	if report := <-m.result; report.Ending != EndBudget || report.Functions[0].Detached == "" {
		t.Errorf("ended by %q: %+v", report.Ending, report.Functions[0])
	}
}

func TestForceAllowsAnyCost(t *testing.T) {
	v := startVictim(t, testutil.BuildOptions{})
	v.do(t, "spin 1")
	m := measure(t, v, Options{Functions: []string{"main.leaf"}, Force: true}, RunOptions{Duration: 1500 * time.Millisecond})
	if report := <-m.result; report.Ending != EndDuration || report.Functions[0].Detached != "" || report.Functions[0].Calls == 0 {
		t.Errorf("ended by %q: %+v", report.Ending, report.Functions[0])
	}
}

func TestRunSaysWhatItLost(t *testing.T) {
	v := startVictim(t, testutil.BuildOptions{})
	m := measure(t, v, Options{Functions: []string{"main.blocks"}, frames: 1024}, RunOptions{})
	v.do(t, "block 3000")
	f := find(t, m.end(), "main.blocks")
	if f.Calls != 3000 || f.Lost == 0 || f.Lost+f.Unfinished != 3000 || f.Latency.Count() != 0 {
		t.Errorf("%d calls, %d lost, %d unfinished, %d durations; want 3000 calls, some lost, the others unfinished",
			f.Calls, f.Lost, f.Unfinished, f.Latency.Count())
	}
}

func TestOpenEndsWithItsContext(t *testing.T) {
	v := startVictim(t, testutil.BuildOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, Options{PID: v.PID, Functions: []string{"main.leaf"}}); !errors.Is(err, context.Canceled) {
		t.Errorf("Open = %v, want that it was cancelled", err)
	}
}

func TestACodeThatWasPatchedIsRefusedAlone(t *testing.T) {
	v := startVictim(t, testutil.BuildOptions{})
	p, err := openProcess(v.PID)
	if err != nil {
		t.Fatal(err)
	}
	entry, _, _ := p.binary.Func("main.recurse")
	at := int64(entry + p.bias)
	p.Close()
	mem, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", v.PID), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	if _, err := mem.WriteAt([]byte{0xe9, 1, 2, 3, 4}, at); err != nil {
		t.Fatal(err)
	}
	m := measure(t, v, Options{Functions: []string{"main.leaf", "main.recurse"}}, RunOptions{})
	v.do(t, "leaf 10")
	report := m.end()
	w := want{"main.leaf", 10, 10, 0}
	w.check(t, report)
	if f := find(t, report, "main.recurse"); !strings.Contains(f.Refused, "differs from the file") || f.Calls != 0 {
		t.Errorf("main.recurse: %+v", f)
	}
	if _, err := Open(t.Context(), Options{PID: v.PID, Functions: []string{"main.recurse"}}); err == nil {
		t.Error("opened though nothing is left to hook")
	}
}
