package hook

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/internal/testutil"
)

// namespaceVariable makes the test binary, which has to be alone in a PID
// namespace, run two processes of the program that the variable names and hook
// the second.
const namespaceVariable = "GOSHAWK_TEST_NAMESPACE_PROGRAM"

// hookInNamespace is what that process does. It prints how many calls it saw.
func hookInNamespace(path string) {
	calls, err := countInNamespace(path)
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	fmt.Println("calls", calls)
	os.Exit(0)
}

func countInNamespace(path string) (uint64, error) {
	// The ids of /proc are those of the namespace that mounts it.
	err := errors.Join(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""), unix.Mount("proc", "/proc", "proc", 0, ""))
	if err != nil {
		return 0, err
	}
	var in [2]io.Writer
	var out [2]*bufio.Reader
	last := 0
	for i := range in {
		cmd := exec.Command(path)
		stdin, err := cmd.StdinPipe()
		if err != nil {
			return 0, err
		}
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			return 0, err
		}
		if err := cmd.Start(); err != nil {
			return 0, err
		}
		in[i], out[i], last = stdin, bufio.NewReader(stdout), cmd.Process.Pid
		if _, err := out[i].ReadString('\n'); err != nil {
			return 0, err
		}
	}
	session, err := Open(context.Background(), Options{PID: last, Functions: []string{"main.leaf"}, Budget: plenty, everyProcess: true})
	if err != nil {
		return 0, err
	}
	defer session.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	failed := make(chan error, 1)
	report, err := session.Run(ctx, RunOptions{Started: func() {
		go func() {
			defer cancel()
			for i, command := range []string{"leaf 7", "leaf 50"} {
				_, err := fmt.Fprintln(in[i], command)
				if err == nil {
					_, err = out[i].ReadString('\n')
				}
				if err != nil {
					failed <- err
					return
				}
			}
			failed <- nil
		}()
	}})
	if err := errors.Join(err, <-failed); err != nil {
		return 0, err
	}
	return report.Functions[0].Calls, nil
}

// TestRunLooksAtTheProcessItself is about kernels that do not limit many sites
// to one process: the programs have to know it, in whichever PID namespace it
// and this process are.
func TestRunLooksAtTheProcessItself(t *testing.T) {
	built := startVictim(t, testutil.BuildOptions{})
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", built.PID))
	if err != nil {
		t.Fatal(err)
	}
	testutil.RequireSmallDisk(t, 1<<20) // what it takes to mount
	t.Run("in the same namespace", func(t *testing.T) { countAlone(t, built, victim{startOther(t, path, 0)}) })
	t.Run("in another one", func(t *testing.T) {
		countAlone(t, victim{startOther(t, path, syscall.CLONE_NEWPID)}, built)
	})
	t.Run("when both are in another one", func(t *testing.T) {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), namespaceVariable+"="+path)
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
		if line := testutil.StartTargetCmd(t, cmd).WaitLine(""); line != "calls 50" {
			t.Errorf("%q, want 50 calls", line)
		}
	})
}

func startOther(t *testing.T, path string, flags uintptr) *testutil.Target {
	t.Helper()
	cmd := exec.Command(path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
	target := testutil.StartTargetCmd(t, cmd)
	target.WaitLine("ready")
	return target
}

// countAlone hooks one of two processes that run the same file.
func countAlone(t *testing.T, hooked, other victim) {
	t.Helper()
	m := measure(t, hooked, Options{Functions: []string{"main.leaf"}, everyProcess: true}, RunOptions{})
	other.do(t, "leaf 7")
	hooked.do(t, "leaf 50")
	other.do(t, "leaf 7")
	w := want{"main.leaf", 50, 50, 0}
	w.check(t, m.end())
}

func TestInnermostID(t *testing.T) {
	for status, want := range map[string]uint32{
		"Name:\tx\nNSpid:\t4711\nNSpgid:\t1\n":        4711,
		"Name:\tx\nNSpid:\t4711\t35\t7\nNSpgid:\t1\n": 7,
		"NSpid:\t4711\t35\t8":                         8,
		"Name:\tx\n":                                  0,
		"NSpid:\n":                                    0,
		"NSpid:\t0\n":                                 0,
		"NSpid:\tx\n":                                 0,
		"NSpid:\t99999999999\n":                       0,
		"XNSpid:\t1\nTgid:\t5\n":                      0,
	} {
		if got, ok := innermostID(status); got != want && ok || ok != (want > 0) {
			t.Errorf("%q: %d, %v; want %d", status, got, ok, want)
		}
	}
}
