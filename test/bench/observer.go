package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// observer is a tool that prints the commands of the whole machine.
type observer struct {
	name string
	// command is what starts it; empty for no observer.
	command []string
	// count reads what it printed.
	count func(out io.Reader, command string) (counts, error)
	// ready, when set, is the address that answers once it observes; else it
	// is ready when it has shown a command.
	ready string
}

// counts is what an observer showed of the spawner's commands.
type counts struct {
	events     int  // with the command's path
	duplicates int  // serial numbers seen twice
	spawners   int  // events of the spawner itself and its workers
	exact      bool // spawners is counted
	damaged    int  // events whose arguments are not those that were given
	lost       int  // what its output says is lost
}

// bpftraceScript prints what one has without a script file: when, who, the
// arguments; and the end with its status.
const bpftraceScript = `tracepoint:syscalls:sys_enter_execve { printf("%d ", pid); join(args->argv); } ` +
	`tracepoint:sched:sched_process_exit /pid == tid/ { printf("exit %d %s\n", pid, comm); }`

func (b *bench) observers(names []string) ([]observer, error) {
	var list []observer
	for _, name := range names {
		o := observer{name: name}
		switch name {
		case "none":
		case "goshawk":
			o.command = append([]string{b.goshawk, "watch", "exec", "--all", "--json"}, b.goshawkArgs...)
			o.count = countEvents
		case "up":
			o.command = []string{b.goshawk, "up", "--listen", "127.0.0.1:17788", "--data", filepath.Join(b.dir, "events")}
			o.ready = "http://127.0.0.1:17788/readyz"
			o.count = countLines
		case "bpftrace":
			o.command = []string{"bpftrace", "-B", "line", "-e", bpftraceScript}
			o.count = countLines
		case "execsnoop":
			o.command = []string{"stdbuf", "-oL", "execsnoop"}
			o.count = countLines
		default:
			return nil, fmt.Errorf("observer %q is not known", name)
		}
		if len(o.command) > 0 {
			if _, err := exec.LookPath(o.command[0]); err != nil {
				fmt.Printf("%s is left out: %v\n", name, err)
				continue
			}
		}
		list = append(list, o)
	}
	return list, nil
}

// observed is an observer that runs.
type observed struct {
	observer
	pid      int
	out, err string // the files of its output
	cmd      *exec.Cmd
	took     time.Duration // from its start until it was ready
}

// start starts o and returns when it has shown a command. nice is its nice
// level.
func (b *bench) start(o observer, nice int) (*observed, error) {
	run := &observed{observer: o}
	if len(o.command) == 0 {
		return run, nil
	}
	b.runs++
	run.out = filepath.Join(b.dir, fmt.Sprintf("%s.%d.out", o.name, b.runs))
	run.err = filepath.Join(b.dir, fmt.Sprintf("%s.%d.err", o.name, b.runs))
	stdout, err := os.Create(run.out)
	if err != nil {
		return nil, err
	}
	defer stdout.Close()
	stderr, err := os.Create(run.err)
	if err != nil {
		return nil, err
	}
	defer stderr.Close()
	command := o.command
	if nice != 0 {
		command = append([]string{"nice", "-n", strconv.Itoa(nice)}, command...)
	}
	run.cmd = exec.Command(command[0], command[1:]...)
	run.cmd.Stdout, run.cmd.Stderr = stdout, stderr
	run.cmd.Env = append(os.Environ(), "BPFTRACE_STRLEN=200")
	begin := time.Now()
	if err := run.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", o.name, err)
	}
	run.pid = run.cmd.Process.Pid
	const marker = "bench-ready-marker"
	for time.Since(begin) < 30*time.Second {
		if err := exec.Command("/bin/true", marker).Run(); err != nil {
			return nil, errors.Join(err, run.stop())
		}
		time.Sleep(20 * time.Millisecond)
		if run.observes(marker) {
			run.took = time.Since(begin)
			return run, nil
		}
	}
	said, _ := os.ReadFile(run.err)
	return nil, errors.Join(fmt.Errorf("%s shows no command: %s", o.name, said), run.stop())
}

// observes reports whether the observer is ready; marker is an argument of
// commands that run now.
func (r *observed) observes(marker string) bool {
	if r.ready == "" {
		shown, err := os.ReadFile(r.out)
		return err == nil && bytes.Contains(shown, []byte(marker))
	}
	answer, err := http.Get(r.ready)
	if err != nil {
		return false
	}
	answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// stop interrupts the observer and waits for it.
func (r *observed) stop() error {
	if r.cmd == nil {
		return nil
	}
	r.cmd.Process.Signal(syscall.SIGCONT)
	r.cmd.Process.Signal(syscall.SIGINT)
	err := r.cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) && (exit.ExitCode() == 130 || exit.ExitCode() == -1 || exit.ExitCode() == 0) {
		return nil
	}
	if err != nil {
		said, _ := os.ReadFile(r.err)
		return fmt.Errorf("%s: %w: %s", r.name, err, said)
	}
	return nil
}

// seen reads what the observer showed of the commands called path, and what
// it says it lost. The output is removed.
func (r *observed) seen(path string) (counts, error) {
	if r.cmd == nil {
		return counts{}, nil
	}
	out, err := os.Open(r.out)
	if err != nil {
		return counts{}, err
	}
	defer out.Close()
	defer os.Remove(r.out)
	c, err := r.count(out, path)
	if err != nil {
		return c, err
	}
	said, err := os.ReadFile(r.err)
	c.lost += lost(said)
	return c, err
}

// lost adds up what a tool's standard error says was lost: "lost=3" or "Lost 3
// events".
func lost(said []byte) int {
	total := 0
	for _, m := range regexp.MustCompile(`(?:lost=|[Ll]ost )(\d+)`).FindAllSubmatch(said, -1) {
		n, _ := strconv.Atoi(string(m[1]))
		total += n
	}
	return total
}

// countEvents reads Goshawk's events.
func countEvents(out io.Reader, command string) (counts, error) {
	c := counts{exact: true}
	serials := map[string]bool{}
	serial := regexp.MustCompile(`^\d+-\d+$`)
	type event struct {
		Attributes struct {
			Path string   `json:"process.executable.path"`
			Args []string `json:"process.command_args"`
		} `json:"attributes"`
	}
	decoder := json.NewDecoder(bufio.NewReaderSize(out, 1<<20))
	for {
		var e event
		err := decoder.Decode(&e)
		if err == io.EOF {
			return c, nil
		}
		if err != nil {
			return c, fmt.Errorf("read events: %w", err)
		}
		path, args := e.Attributes.Path, e.Attributes.Args
		if filepath.Base(path) == "spawner" {
			c.spawners++
		}
		numbered := len(args) > 1 && args[0] == command && serial.MatchString(args[1])
		if path != command && !numbered {
			continue
		}
		c.events++
		if !numbered || !given(args[2:]) {
			c.damaged++
			continue
		}
		if serials[args[1]] {
			c.duplicates++
		}
		serials[args[1]] = true
	}
}

// given reports whether args look as the spawner made them.
func given(args []string) bool {
	for _, arg := range args {
		if strings.Trim(arg, "a") != "" || len(arg) != len(args[0]) {
			return false
		}
	}
	return true
}

// countLines counts the lines that name the command.
func countLines(out io.Reader, command string) (counts, error) {
	var c counts
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if bytes.Contains(lines.Bytes(), []byte(command)) {
			c.events++
		}
		if bytes.HasPrefix(lines.Bytes(), []byte("Lost ")) {
			c.lost += lost(lines.Bytes())
		}
	}
	return c, lines.Err()
}
