// Command victim is what Goshawk watches inside of a virtual machine: a Go
// program that runs one command of each kind, each from a function of its own.
//
// What comes in is nothing. Its commands are found in /bin (busybox) and
// /refused, a file that cannot be executed. What goes out is one JSON object
// per command on stdout, a [Case], with what an observer must have seen.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Case is a command that victim ran.
type Case struct {
	// Name is the kind of command.
	Name string `json:"name"`
	// Func is the function that ran it.
	Func string `json:"func"`
	// PID is the command's process id, 0 when it could not be started.
	PID int `json:"pid"`
	// Parent is the process id of victim.
	Parent int `json:"parent"`
	// Goroutine is the goroutine that ran it.
	Goroutine uint64 `json:"goroutine"`
}

// grownBytes is what the command "grown" has resident.
const grownBytes = 48 << 20

// blockedFor is how long the command "blocked" sleeps in a write.
const blockedFor = 4 * time.Second

func main() {
	if len(os.Args) == 2 && os.Args[1] == "grow" {
		grow()
		return
	}
	for _, run := range []func(){ok, code, killed, missing, denied, shell, chained, traced, grown, piped, blocked} {
		// Another goroutine each time: its id must be told apart.
		done := make(chan struct{})
		go func() {
			defer close(done)
			run()
		}()
		<-done
	}
}

//go:noinline
func ok() { report("ok", exec.Command("/bin/true", "one", "two words")) }

//go:noinline
func code() { report("code", exec.Command("/bin/sh", "-c", "exit 3")) }

//go:noinline
func missing() { report("missing", exec.Command("/nowhere/at-all", "x")) }

//go:noinline
func denied() { report("denied", exec.Command("/refused", "y")) }

//go:noinline
func shell() { report("shell", exec.Command("/bin/sh", "-c", "/bin/true first; /bin/true second")) }

//go:noinline
func chained() {
	report("chained", exec.Command("/bin/sh", "-c", "exec /bin/env STEP=2 /bin/echo third"))
}

//go:noinline
func killed() {
	cmd := exec.Command("/bin/sleep", "1000")
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "victim:", err)
		return
	}
	// The kernel's exec is over when Start returns.
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	say("killed", cmd)
}

//go:noinline
func traced() {
	cmd := exec.Command("/bin/true")
	cmd.Env = []string{"LONG=" + strings.Repeat("x", 500), "TRACEPARENT=00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"}
	cmd.Dir = "/tmp"
	report("traced", cmd)
}

//go:noinline
func grown() { report("grown", exec.Command("/proc/self/exe", "grow")) }

//go:noinline
func piped() {
	cmd := exec.Command("/bin/cat")
	cmd.Stdin = strings.NewReader(strings.Repeat("p", 10_000))
	var out strings.Builder
	cmd.Stdout = &out
	report("piped", cmd)
}

//go:noinline
func blocked() {
	cmd := exec.Command("/bin/yes")
	if _, err := cmd.StdoutPipe(); err != nil {
		fmt.Fprintln(os.Stderr, "victim:", err)
		return
	}
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "victim:", err)
		return
	}
	time.Sleep(blockedFor)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	say("blocked", cmd)
}

// grow makes memory resident.
func grow() {
	b := make([]byte, grownBytes)
	for i := 0; i < len(b); i += 4096 {
		b[i] = 1
	}
	runtime.KeepAlive(b)
}

// report runs cmd; how it ends is what the observer is asked.
func report(name string, cmd *exec.Cmd) {
	_ = cmd.Run()
	say(name, cmd)
}

func say(name string, cmd *exec.Cmd) {
	c := Case{Name: name, Func: "main." + name, Parent: os.Getpid(), Goroutine: goroutine()}
	if cmd.Process != nil {
		c.PID = cmd.Process.Pid
	}
	// Strings and numbers do not fail.
	_ = json.NewEncoder(os.Stdout).Encode(c)
}

// goroutine returns the id of the calling goroutine, from the head of its
// stack trace: "goroutine 7 [running]:".
func goroutine() uint64 {
	text := make([]byte, 64)
	text = text[:runtime.Stack(text, false)]
	id, _, _ := strings.Cut(strings.TrimPrefix(string(text), "goroutine "), " ")
	n, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
