package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// Report is what spawner prints.
type Report struct {
	// Executable is the path of the command.
	Executable string `json:"executable"`
	// Workers is how many processes spawned; each is a command as well.
	Workers int `json:"workers"`
	// Commands is how many commands ran, in all workers together.
	Commands int `json:"commands"`
	// ElapsedNS is the time of the slowest worker.
	ElapsedNS int64 `json:"elapsed_ns"`
	// CPUSelfNS is the CPU time of the workers, CPUChildrenNS that of the
	// commands they waited for.
	CPUSelfNS     int64 `json:"cpu_self_ns"`
	CPUChildrenNS int64 `json:"cpu_children_ns"`
}

type options struct {
	workers int
	nice    int
	command string
	job     job
}

func main() {
	var o options
	worker := flag.Bool("worker", false, "be a worker (internal)")
	flag.IntVar(&o.workers, "workers", 2, "spawn from this many processes")
	flag.DurationVar(&o.job.Duration, "for", 0, "spawn for this long")
	flag.IntVar(&o.job.Count, "count", 0, "spawn this many commands per worker")
	flag.Float64Var(&o.job.Rate, "rate", 0, "commands a second per worker, 0 for as many as there can be")
	flag.StringVar(&o.command, "command", "", "run this program instead of the smallest one")
	flag.IntVar(&o.job.Args, "args", 10, "arguments of each command, besides its serial number")
	flag.IntVar(&o.job.ArgBytes, "arg-bytes", 512, "size of each argument")
	flag.IntVar(&o.job.Env, "env", 20, "environment variables of each command, 40 bytes each")
	flag.IntVar(&o.nice, "nice", 0, "nice level of the workers and the commands")
	flag.BoolVar(&o.job.Paused, "paused", false, "keep the commands running until standard input is closed")
	flag.Parse()
	err := error(nil)
	if *worker {
		err = work(os.Stdin, os.Stdout)
	} else {
		err = run(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "spawner:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	if o.job.Count == 0 && (o.job.Duration == 0 || o.job.Paused) {
		return errors.New("say -for or -count; -paused takes -count")
	}
	if err := syscall.Setpriority(syscall.PRIO_PROCESS, 0, o.nice); err != nil {
		return fmt.Errorf("set nice level %d: %w", o.nice, err)
	}
	dir, err := os.MkdirTemp("", "spawner")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	o.job.Path = o.command
	if o.command == "" {
		o.job.Path, o.job.First, err = writeChild(dir, o.job.Paused)
	}
	if err != nil {
		return err
	}
	workers := make([]*process, o.workers)
	for n := range workers {
		if workers[n], err = start(o.job, n); err != nil {
			return err
		}
		defer workers[n].kill()
	}
	for _, w := range workers {
		if err := w.expect("ready"); err != nil {
			return err
		}
	}
	for _, w := range workers {
		if _, err := io.WriteString(w.in, "{}"); err != nil {
			return fmt.Errorf("start worker: %w", err)
		}
	}
	if o.job.Paused {
		if err := untilEnd(workers, o.job.Count); err != nil {
			return err
		}
	}
	return report(o, workers)
}

// untilEnd returns when the commands of all workers have run together and
// standard input is closed.
func untilEnd(workers []*process, count int) error {
	for _, w := range workers {
		if err := w.expect("paused"); err != nil {
			return err
		}
	}
	fmt.Printf("{\"paused\":%d}\n", count*len(workers))
	_, err := io.Copy(io.Discard, os.Stdin)
	for _, w := range workers {
		w.in.Close()
	}
	return err
}

func report(o options, workers []*process) error {
	total := Report{Executable: o.job.Path, Workers: o.workers}
	for _, w := range workers {
		var r result
		if err := json.NewDecoder(w.out).Decode(&r); err != nil {
			return fmt.Errorf("read a worker's result: %w", err)
		}
		total.Commands += r.Commands
		total.ElapsedNS = max(total.ElapsedNS, r.ElapsedNS)
		total.CPUSelfNS += r.CPUSelfNS
		total.CPUChildrenNS += r.CPUChildrenNS
		w.in.Close()
		if err := w.cmd.Wait(); err != nil {
			return fmt.Errorf("worker: %w", err)
		}
	}
	return json.NewEncoder(os.Stdout).Encode(total)
}

// process is a worker.
type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func start(j job, n int) (*process, error) {
	j.Worker = n
	cmd := exec.Command("/proc/self/exe", "-worker")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start worker: %w", err)
	}
	w := &process{cmd, in, bufio.NewReader(out)}
	if err := json.NewEncoder(in).Encode(j); err != nil {
		w.kill()
		return nil, fmt.Errorf("tell the worker its job: %w", err)
	}
	return w, nil
}

func (w *process) expect(word string) error {
	line, err := w.out.ReadString('\n')
	if err == nil && strings.TrimSpace(line) != word {
		err = fmt.Errorf("got %q", line)
	}
	if err != nil {
		return fmt.Errorf("wait for a worker to be %s: %w", word, err)
	}
	return nil
}

func (w *process) kill() {
	if w.cmd.ProcessState == nil {
		w.cmd.Process.Kill()
		w.cmd.Wait()
	}
}
