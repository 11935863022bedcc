package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// launchVariable makes this program a launcher: it works for that long, starts the command
// in its arguments, and waits for it.
const launchVariable = "GOSHAWK_BENCH_LAUNCH"

// launchWork is how long goshawk startup works before the execve of a small program.
const launchWork = 45 * time.Millisecond

// launch works through memory as a tracer does that reads the program and the kernel's
// types, so that the program is started with caches that hold nothing of it, and starts the
// program as goshawk startup does. It returns the exit code.
func launch(work string, args []string) int {
	d, err := time.ParseDuration(work)
	if err == nil {
		err = os.Unsetenv(launchVariable)
	}
	if err == nil {
		const line = 64
		memory := make([]byte, 16<<20)
		for end := time.Now().Add(d); time.Now().Before(end); {
			for i := 0; i < len(memory); i += line {
				memory[i]++
			}
		}
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		err = cmd.Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "launch:", err)
		return 1
	}
	return 0
}

// startLaunched starts a program by a launcher, which does all that Goshawk does but
// observe. What the program itself used is measured as that beside Goshawk.
func startLaunched(p startProgram) (r startRun, err error) {
	self, err := os.Executable()
	if err != nil {
		return r, err
	}
	cmd := exec.Command(self, p.command...)
	var said bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr = startEnv(append(slices.Clone(p.env), launchVariable+"="+launchWork.String())...), &said, &said
	if err := cmd.Start(); err != nil {
		return r, err
	}
	if r.observer, err = cpuAtEnd(cmd.Process.Pid); err != nil {
		return r, errors.Join(err, cmd.Process.Kill(), cmd.Wait())
	}
	if err := cmd.Wait(); err != nil {
		return r, fmt.Errorf("%s: %w: %.200s", strings.Join(p.command, " "), err, said.Bytes())
	}
	r.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime() - r.observer
	return r, nil
}
