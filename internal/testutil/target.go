package testutil

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Target is a process that a test observes.
type Target struct {
	// PID is its process id.
	PID int
	// Stdin is its standard input; closing it is the usual way to end it.
	Stdin io.WriteCloser
	// Lines gives each line of its standard output, without the end of line,
	// and is closed at the end of the output. Lines not taken are dropped once
	// 1024 wait.
	Lines <-chan string

	t      testing.TB
	cmd    *exec.Cmd
	stderr *lockedBuffer
	ended  chan struct{}
	err    error // of cmd.Wait, set before ended is closed

	mu     sync.Mutex
	reaped bool // guarded by mu; PID may be another's then
}

// StartTarget starts path with args. The cleanup of the test kills it, with
// what it started in its process group, unless it ended by itself, and logs
// its standard error when the test failed. Its standard output must end with
// it: a child that keeps it open keeps the process from being reaped.
func StartTarget(t testing.TB, path string, args ...string) *Target {
	t.Helper()
	return StartTargetCmd(t, exec.Command(path, args...))
}

// StartTargetCmd is StartTarget for a command with a working folder or an
// environment. It sets the command's standard streams and process group.
func StartTargetCmd(t testing.TB, cmd *exec.Cmd) *Target {
	t.Helper()
	target := &Target{t: t, cmd: cmd, stderr: &lockedBuffer{}, ended: make(chan struct{})}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	cmd.Stderr = target.stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatalf("start %s: %v", cmd.Path, err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatalf("start %s: %v", cmd.Path, err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", cmd.Path, err)
	}
	target.PID, target.Stdin = cmd.Process.Pid, stdin
	lines := make(chan string, 1024)
	target.Lines = lines
	go target.follow(stdout, lines)
	t.Cleanup(target.kill)
	return target
}

// follow reads the output to its end, then reaps the process.
func (g *Target) follow(stdout io.Reader, lines chan<- string) {
	for s := bufio.NewScanner(stdout); s.Scan(); {
		select {
		case lines <- s.Text():
		default:
		}
	}
	close(lines)
	// A line too long for the scanner must not block the process.
	io.Copy(io.Discard, stdout)
	// Only a process that has ended is reaped, so that kill never waits long.
	for unix.Waitid(unix.P_PID, g.PID, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.err = g.cmd.Wait()
	g.reaped = true
	close(g.ended)
}

// kill ends the process group, unless its id may have gone to another one.
func (g *Target) kill() {
	g.mu.Lock()
	if !g.reaped {
		syscall.Kill(-g.PID, syscall.SIGKILL)
	}
	g.mu.Unlock()
	g.Stdin.Close()
	<-g.ended
	if text := g.stderr.String(); text != "" && g.t.Failed() {
		g.t.Logf("standard error of %s:\n%s", g.cmd.Path, text)
	}
}

// WaitLine blocks until the process prints a line that starts with prefix and
// returns the rest of it. The test fails when the output ends before.
func (g *Target) WaitLine(prefix string) string {
	g.t.Helper()
	for line := range g.Lines {
		if rest, ok := strings.CutPrefix(line, prefix); ok {
			return rest
		}
	}
	<-g.ended
	g.t.Fatalf("%s ended (%v) before it printed %q; standard error:\n%s", g.cmd.Path, g.err, prefix, g.stderr)
	return ""
}

// Wait blocks until the process ends and returns how. What it printed and
// nobody took from Lines stays there.
func (g *Target) Wait() *os.ProcessState {
	g.t.Helper()
	<-g.ended
	if exit := (*exec.ExitError)(nil); g.err != nil && !errors.As(g.err, &exit) {
		g.t.Fatalf("wait for %s: %v", g.cmd.Path, g.err)
	}
	return g.cmd.ProcessState
}

// Signal sends sig to the process alone.
func (g *Target) Signal(sig os.Signal) {
	g.t.Helper()
	if err := g.cmd.Process.Signal(sig); err != nil {
		g.t.Fatalf("send %v to %s: %v", sig, g.cmd.Path, err)
	}
}

// Stderr returns what the process wrote to its standard error so far.
func (g *Target) Stderr() string { return g.stderr.String() }

// lockedBuffer collects text that one goroutine writes and others read.
type lockedBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
