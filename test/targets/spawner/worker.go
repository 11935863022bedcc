package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// job is what one worker is told, on its standard input.
type job struct {
	Worker   int
	Path     string
	First    []string // arguments before the serial number
	Args     int
	ArgBytes int
	Env      int
	Count    int
	Duration time.Duration
	Rate     float64 // commands a second, 0 for as many as there can be
	Paused   bool
}

// result is what one worker answers.
type result struct {
	Commands      int   `json:"commands"`
	ElapsedNS     int64 `json:"elapsed_ns"`
	CPUSelfNS     int64 `json:"cpu_self_ns"`
	CPUChildrenNS int64 `json:"cpu_children_ns"`
}

// work does the worker's job: it reads it from in, says on out that it is
// ready, begins at the next byte of in, and answers on out.
func work(in io.Reader, out io.Writer) error {
	var j job
	decoder := json.NewDecoder(in)
	if err := decoder.Decode(&j); err != nil {
		return fmt.Errorf("read the job: %w", err)
	}
	argv, env := j.vectors()
	fmt.Fprintln(out, "ready")
	var gate struct{}
	if err := decoder.Decode(&gate); err != nil {
		return fmt.Errorf("wait for the start: %w", err)
	}
	if j.Paused {
		return j.hold(decoder, out, argv, env)
	}
	var r result
	next := time.Now()
	begin, self, children := time.Now(), cpu(syscall.RUSAGE_SELF), cpu(syscall.RUSAGE_CHILDREN)
	for (j.Count == 0 || r.Commands < j.Count) && (j.Duration == 0 || time.Since(begin) < j.Duration) {
		if j.Rate > 0 {
			next = j.pace(next)
		}
		pid, err := j.spawn(argv, env, r.Commands)
		if err != nil {
			return err
		}
		if _, err := wait(pid); err != nil {
			return err
		}
		r.Commands++
	}
	r.ElapsedNS = int64(time.Since(begin))
	r.CPUSelfNS = int64(cpu(syscall.RUSAGE_SELF) - self)
	r.CPUChildrenNS = int64(cpu(syscall.RUSAGE_CHILDREN) - children)
	return json.NewEncoder(out).Encode(r)
}

// maxBehind is how much of its schedule a worker makes up for, in a burst, when
// it did not get the CPU.
const maxBehind = 20 * time.Millisecond

// pace waits for next, when a command is due, and returns when the one after
// it is.
func (j *job) pace(next time.Time) time.Time {
	now := time.Now()
	if late := now.Add(-maxBehind); next.Before(late) {
		next = late
	}
	time.Sleep(next.Sub(now))
	return next.Add(time.Duration(float64(time.Second) / j.Rate))
}

// vectors returns the argument vector, whose place for the serial number is
// empty, and the environment.
func (j *job) vectors() (argv, env []string) {
	argv = append([]string{j.Path}, j.First...)
	argv = append(argv, "")
	for range j.Args {
		argv = append(argv, strings.Repeat("a", j.ArgBytes))
	}
	for n := range j.Env {
		env = append(env, fmt.Sprintf("VARIABLE_%d=%s", n, strings.Repeat("v", 30)))
	}
	return argv, env
}

func (j *job) spawn(argv, env []string, n int) (int, error) {
	argv[1+len(j.First)] = strconv.Itoa(j.Worker) + "-" + strconv.Itoa(n)
	pid, err := syscall.ForkExec(j.Path, argv, &syscall.ProcAttr{Env: env})
	if err != nil {
		return 0, fmt.Errorf("run %s: %w", j.Path, err)
	}
	return pid, nil
}

// hold starts Count commands that pause, and kills them when in ends.
func (j *job) hold(in *json.Decoder, out io.Writer, argv, env []string) error {
	var pids []int
	defer func() {
		for _, pid := range pids {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}()
	for n := range j.Count {
		pid, err := j.spawn(argv, env, n)
		if err != nil {
			return err
		}
		pids = append(pids, pid)
	}
	fmt.Fprintln(out, "paused")
	var end struct{}
	if err := in.Decode(&end); err != io.EOF {
		return fmt.Errorf("wait for the end: %w", err)
	}
	var r result
	begin := time.Now()
	for _, pid := range pids {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	for _, pid := range pids {
		if _, err := wait(pid); err != nil {
			return err
		}
		r.Commands++
	}
	pids = nil
	r.ElapsedNS = int64(time.Since(begin))
	return json.NewEncoder(out).Encode(r)
}

func wait(pid int) (syscall.WaitStatus, error) {
	var status syscall.WaitStatus
	for {
		_, err := syscall.Wait4(pid, &status, 0, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("wait for process %d: %w", pid, err)
		}
		return status, nil
	}
}

// cpu returns the CPU time, user and system, of who.
func cpu(who int) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		fmt.Fprintln(os.Stderr, "spawner: getrusage:", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
