// Command victim runs commands in all the ways that there are and prints, one
// JSON object per line, what it knows of each itself. It ends with its
// standard input.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Report is what the victim knows of a command.
type Report struct {
	Name      string
	PID       int
	Func      string
	Line      int
	Goroutine uint64
	Code      int
	Signal    int
	Errno     string
	MaxRSS    int64
	CPU       int64
	Extra     string
}

func main() {
	if len(os.Args) > 1 {
		child(os.Args[1], os.Args[2:])
		return
	}
	dir, err := os.MkdirTemp("", "victim")
	check(err)
	defer os.RemoveAll(dir)
	plain()
	refusals(dir)
	signals()
	arguments()
	places(dir)
	deep(5)
	leftBehind()
	fmt.Println("done")
	io.Copy(io.Discard, os.Stdin)
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// site returns where and in which goroutine it is called.
func site() Report {
	pc, _, line, _ := runtime.Caller(1)
	var buf [64]byte
	words := strings.Fields(string(buf[:runtime.Stack(buf[:], false)]))
	id, err := strconv.ParseUint(words[1], 10, 64)
	check(err)
	return Report{Func: runtime.FuncForPC(pc).Name(), Line: line, Goroutine: id}
}

// say prints what a command that has ended, or could not be started, did.
func (r Report) say(name string, cmd *exec.Cmd, err error) {
	r.Name = name
	var errno syscall.Errno
	if errors.As(err, &errno) {
		r.Errno = map[syscall.Errno]string{
			syscall.ENOENT: "ENOENT", syscall.EACCES: "EACCES", syscall.ENOEXEC: "ENOEXEC", syscall.E2BIG: "E2BIG",
		}[errno]
	}
	if cmd.Process != nil {
		r.PID = cmd.Process.Pid
	}
	if s := cmd.ProcessState; s != nil {
		status := s.Sys().(syscall.WaitStatus)
		r.Code = status.ExitStatus()
		if status.Signaled() {
			r.Signal = int(status.Signal())
		}
		r.MaxRSS = s.SysUsage().(*syscall.Rusage).Maxrss * 1024
		r.CPU = int64(s.SystemTime() + s.UserTime())
	}
	r.print()
}

func (r Report) print() {
	text, err := json.Marshal(r)
	check(err)
	fmt.Println(string(text))
}

func plain() {
	cmd := exec.Command("/bin/true")
	r, err := site(), cmd.Run()
	r.say("ok", cmd, err)

	cmd = exec.Command("/bin/sh", "-c", "exit 3")
	r, err = site(), cmd.Run()
	r.say("exit 3", cmd, err)

	// Some processor time and memory.
	cmd = exec.Command("/proc/self/exe", "burn")
	r, err = site(), cmd.Run()
	r.say("burn", cmd, err)
}

func refusals(dir string) {
	cmd := exec.Command("/no/such/command", "with", "arguments")
	r, err := site(), cmd.Run()
	r.say("ENOENT", cmd, err)

	noExec := filepath.Join(dir, "no-exec")
	check(os.WriteFile(noExec, []byte("#!/bin/sh\n"), 0o644))
	cmd = exec.Command(noExec)
	r, err = site(), cmd.Run()
	r.say("EACCES", cmd, err)

	garbage := filepath.Join(dir, "garbage")
	check(os.WriteFile(garbage, []byte("no program\n"), 0o755))
	cmd = exec.Command(garbage)
	r, err = site(), cmd.Run()
	r.say("ENOEXEC", cmd, err)

	cmd = exec.Command("/bin/true", "never")
	cmd.Dir = "/no/such/directory"
	cmd.SysProcAttr = &syscall.SysProcAttr{} // else os looks for the directory first
	r, err = site(), cmd.Run()
	r.say("chdir", cmd, err)

	cmd = exec.Command("/bin/true", strings.Repeat("x", 200<<10))
	r, err = site(), cmd.Run()
	r.say("E2BIG", cmd, err)
}

func signals() {
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "/bin/sleep", "1000")
	r, err := site(), cmd.Start()
	check(err)
	asleep(cmd)
	cancel()
	r.say("context", cmd, cmd.Wait())

	cmd = exec.Command("/bin/sleep", "1000")
	r, err = site(), cmd.Start()
	check(err)
	asleep(cmd)
	check(cmd.Process.Signal(syscall.SIGTERM))
	r.say("SIGTERM", cmd, cmd.Wait())

	cmd = exec.Command("/proc/self/exe", "ignore")
	out, err := cmd.StdoutPipe()
	check(err)
	r, err = site(), cmd.Start()
	check(err)
	_, err = bufio.NewReader(out).ReadString('\n')
	check(err)
	check(cmd.Process.Signal(syscall.SIGTERM))
	check(cmd.Process.Kill())
	r.say("SIGTERM, SIGKILL", cmd, cmd.Wait())
}

// asleep waits until sleep(1) sleeps. Start returns while the kernel is still
// loading it, and a signal then ends the process before it has become a command.
func asleep(cmd *exec.Cmd) {
	for {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid))
		check(err)
		if strings.Contains(string(stat), "(sleep) S ") {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func arguments() {
	big := strings.Repeat("0123456789", 10<<10)
	cmd := exec.Command("/bin/true", big, big)
	r, err := site(), cmd.Run()
	r.say("200 KB", cmd, err)

	// As much as this kernel takes, found by trying.
	low, high := 0, 128
	for low+1 < high {
		n := (low + high) / 2
		cmd := exec.Command("/bin/true")
		for i := 0; i < n; i++ {
			cmd.Args = append(cmd.Args, big)
		}
		r, err := site(), cmd.Run()
		if err == nil {
			low = n
			r.Extra = strconv.Itoa(n)
			r.say("as much as can be", cmd, err)
		} else {
			high = n
		}
	}

	cmd = exec.Command("/bin/true")
	for i := 0; i < 150; i++ {
		cmd.Args = append(cmd.Args, strconv.Itoa(i))
	}
	r, err = site(), cmd.Run()
	r.say("150 arguments", cmd, err)

	cmd = exec.Command("/bin/true", "new\nline", "\x1b[31mred\x1b[0m", "\xff\xfe\xc3(", "", " ")
	r, err = site(), cmd.Run()
	r.say("odd arguments", cmd, err)
}

func places(dir string) {
	cmd := exec.Command("/bin/true")
	cmd.Dir = "/usr"
	r, err := site(), cmd.Run()
	r.say("chdir'd", cmd, err)

	script := filepath.Join(dir, "script")
	check(os.WriteFile(script, []byte("#!/bin/sh\nexit 4\n"), 0o755))
	cmd = exec.Command(script, "argument")
	r, err = site(), cmd.Run()
	r.Extra = script
	r.say("script", cmd, err)

	gone := filepath.Join(dir, "gone")
	program, err := os.ReadFile("/bin/true")
	check(err)
	check(os.WriteFile(gone, program, 0o755))
	f, err := os.Open(gone)
	check(err)
	check(os.Remove(gone))
	cmd = exec.Command("/proc/self/fd/3")
	cmd.ExtraFiles = []*os.File{f}
	r, err = site(), cmd.Run()
	r.Extra = gone
	r.say("deleted", cmd, err)
	f.Close()

	cmd = exec.Command("/bin/true")
	cmd.Env = []string{"A=" + strings.Repeat("b", 200), "TRACEPARENT=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "Z=1"}
	r, err = site(), cmd.Run()
	r.say("TRACEPARENT", cmd, err)

	cmd = exec.Command("/proc/self/exe", "chain")
	r, err = site(), cmd.Run()
	r.say("chain", cmd, err)
}

// deep runs a command some goroutines further down.
func deep(levels int) {
	done := make(chan bool)
	go func() {
		defer close(done)
		if levels > 1 {
			deep(levels - 1)
			return
		}
		cmd := exec.Command("/bin/true")
		r, err := site(), cmd.Run()
		r.say("deep", cmd, err)
	}()
	<-done
}

// leftBehind runs what nobody takes care of.
func leftBehind() {
	var out bytes.Buffer
	cmd := exec.Command("/proc/self/exe", "orphan")
	cmd.Stdout = &out
	r, err := site(), cmd.Run()
	r.say("parent of an orphan", cmd, err)
	fmt.Print(out.String())

	cmd = exec.Command("/bin/true")
	r, err = site(), cmd.Start()
	r.say("never waited for", cmd, err)

	cmd = exec.Command("/usr/bin/head", "-c", "300000", "/dev/zero")
	pipe, err := cmd.StdoutPipe()
	check(err)
	r, err = site(), cmd.Start()
	check(err)
	// The probe looks once a second.
	time.Sleep(5 * time.Second)
	_, err = io.Copy(io.Discard, pipe)
	check(err)
	r.say("unread", cmd, cmd.Wait())
}

// child is what the victim's own commands do.
func child(what string, args []string) {
	switch what {
	case "burn":
		memory := make([]byte, 64<<20)
		for start := time.Now(); time.Since(start) < 300*time.Millisecond; {
			for i := 0; i < len(memory); i += 512 {
				memory[i]++
			}
		}
	case "ignore":
		ignore()
	case "chain":
		// The thread that executes is not the first one of the process.
		runtime.LockOSThread()
		done := make(chan error)
		go func() {
			runtime.LockOSThread()
			done <- syscall.Exec("/bin/sh", []string{"sh", "-c", "exit 5"}, os.Environ())
		}()
		panic(<-done)
	case "orphan":
		cmd := exec.Command("/bin/sleep", "1")
		r, err := site(), cmd.Start()
		r.say("orphan", cmd, err)
	case "spawn":
		spawn(args)
	case "older":
		older(args)
	default:
		panic("what is " + what + "?")
	}
}
