//go:build linux

// Command guest is the first process of a virtual machine: it mounts what
// Linux programs expect, runs Goshawk in the ways that users do, and turns the
// machine off.
//
// What comes in are the files of the initial file system that test/vm makes:
// /bin/goshawk, /bin/victim and busybox. What goes out is one JSON object per
// step on the second serial port, a [Step]: what the program printed and how
// it ended. It judges nothing.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Step is one thing that was run.
type Step struct {
	// Name is the step's.
	Name string `json:"name"`
	// Exit is the exit code, -1 when there is none.
	Exit int `json:"exit"`
	// Stdout and Stderr are what was printed.
	Stdout string `json:"stdout,omitempty"`
	Stderr string `json:"stderr,omitempty"`
	// Cases is what the victim printed meanwhile.
	Cases string `json:"cases,omitempty"`
	// Pages are the answers of the HTTP server, by path.
	Pages map[string]string `json:"pages,omitempty"`
	// ReadyNS is how long it took to attach, in nanoseconds.
	ReadyNS int64 `json:"ready_ns,omitempty"`
}

const (
	goshawk = "/bin/goshawk"
	listen  = "127.0.0.1:7788"
	// patience bounds every wait: software emulation is slow.
	patience = 90 * time.Second
	pause    = 50 * time.Millisecond
)

// links are the descriptors of attached eBPF programs, as /proc names them.
const links = "bpf_link"

func main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "guest: is the first process of a virtual machine, or nothing")
		os.Exit(2)
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "guest:", err)
	}
	unix.Sync()
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		fmt.Fprintln(os.Stderr, "guest: power off:", err)
	}
	select {}
}

func run() error {
	if err := mountAll(); err != nil {
		return err
	}
	out, err := openSerial("/dev/ttyS1")
	if err != nil {
		return err
	}
	defer out.Close()
	encoder := json.NewEncoder(out)
	say := func(s Step) error { return encoder.Encode(s) }

	release, err := os.ReadFile("/proc/version")
	if err != nil {
		return err
	}
	uptime, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return err
	}
	if err := say(Step{Name: "boot", Stdout: string(release), Stderr: string(uptime)}); err != nil {
		return err
	}
	steps := []func() Step{version, notRoot, watch, duration, tcp, requests, start, up, noBTF}
	for _, step := range steps {
		if err := say(step()); err != nil {
			return err
		}
	}
	return say(Step{Name: "end"})
}

// mountAll mounts the file systems of every Linux host. Of control groups it
// takes version 2, which all kernels in question have.
func mountAll() error {
	for _, m := range []struct{ kind, path string }{
		{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/tmp"},
		{"cgroup2", "/sys/fs/cgroup"}, {"tracefs", "/sys/kernel/tracing"},
	} {
		if err := os.MkdirAll(m.path, 0o755); err != nil && !errors.Is(err, unix.EPERM) {
			return fmt.Errorf("mount %s: %w", m.kind, err)
		}
		err := unix.Mount(m.kind, m.path, m.kind, 0, "")
		if err != nil && !errors.Is(err, unix.EBUSY) {
			fmt.Fprintf(os.Stderr, "guest: mount %s at %s: %v\n", m.kind, m.path, err)
		}
	}
	os.Setenv("PATH", "/bin")
	return exec.Command("/bin/busybox", "ip", "link", "set", "lo", "up").Run()
}

// openSerial opens a serial port for text that the terminal layer leaves as it
// is.
func openSerial(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	t, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	t.Oflag &^= unix.OPOST
	if err := unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, t); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

func version() Step { return finish("version", exec.Command(goshawk, "version", "--json")) }

func notRoot() Step {
	cmd := exec.Command(goshawk, "watch", "exec", "--all", "--json", "--duration", "1s")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 1000, Gid: 1000}}
	return finish("not-root", cmd)
}

// noBTF hides the kernel's type information, as a kernel built without would.
func noBTF() Step {
	if err := unix.Mount("tmpfs", "/sys/kernel/btf", "tmpfs", 0, ""); err != nil && !errors.Is(err, unix.ENOENT) {
		return Step{Name: "no-btf", Exit: -1, Stderr: err.Error()}
	}
	return finish("no-btf", exec.Command(goshawk, "watch", "exec", "--all", "--json", "--duration", "1s"))
}

func duration() Step {
	return finish("duration", exec.Command(goshawk, "watch", "exec", "--duration", "1s"))
}

// watch runs the victim while Goshawk watches, and interrupts that afterwards:
// how long emulation takes is anyone's guess.
func watch() Step {
	return during("watch", exec.Command(goshawk, "watch", "exec", "--all", "--json"), func(s *Step) error {
		return runVictim(s)
	})
}

// tcp watches connections: one that is refused, and one that is served.
func tcp() Step {
	return during("tcp", exec.Command(goshawk, "watch", "tcp", "--all", "--json"), func(s *Step) error {
		_, _ = get("http://127.0.0.1:1/")
		server := exec.Command("/bin/busybox", "httpd", "-f", "-p", "127.0.0.1:8080", "-h", "/tmp")
		if err := server.Start(); err != nil {
			return err
		}
		_, err := await("http://127.0.0.1:8080/", server.Process.Pid)
		http.DefaultClient.CloseIdleConnections()
		return errors.Join(err, server.Process.Kill(), ended(server.Wait()))
	})
}

// requests watches the requests that this program serves and makes: one that
// runs a command from a goroutine, one that panics.
func requests() Step {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /run/{word}", func(w http.ResponseWriter, r *http.Request) {
		done := make(chan error)
		go func() { done <- exec.Command("/bin/true", r.PathValue("word")).Run() }()
		if err := <-done; err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	mux.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("on purpose") })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return Step{Name: "http", Exit: -1, Stderr: err.Error()}
	}
	server := &http.Server{Handler: mux, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = server.Serve(listener) }()
	defer server.Close()
	return during("http", exec.Command(goshawk, "watch", "http", "--json"), func(*Step) error {
		_, err := get("http://" + listener.Addr().String() + "/run/word")
		_, _ = get("http://" + listener.Addr().String() + "/panic")
		return err
	})
}

// start observes how a Go program starts: Goshawk itself.
func start() Step {
	return finish("startup", exec.Command(goshawk, "startup", "--json", "--", goshawk, "version"))
}

func up() Step {
	return during("up", exec.Command(goshawk, "up", "--listen", listen, "--data", "/events"), func(s *Step) error {
		if err := runVictim(s); err != nil {
			return err
		}
		if err := awaitEvents(); err != nil {
			return err
		}
		s.Pages = make(map[string]string)
		for _, path := range []string{"/healthz", "/readyz", "/api/v1/probes", "/api/v1/services", "/metrics"} {
			page, err := get("http://" + listen + path)
			if err != nil {
				return err
			}
			s.Pages[path] = page
		}
		return nil
	})
}

// awaitEvents waits until the commands that have ended are told of.
func awaitEvents() error {
	const none = `goshawk_probe_events_total{probe="exec"} 0`
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		page, err := get("http://" + listen + "/metrics")
		if err != nil || !strings.Contains(page, none+"\n") {
			return err
		}
		if time.Now().After(end) {
			return errors.New("goshawk up tells of no command")
		}
	}
}

func runVictim(s *Step) error {
	var out bytes.Buffer
	cmd := exec.Command("/bin/victim")
	cmd.Stdout = &out
	cmd.Stderr = os.Stderr
	err := cmd.Run()
	s.Cases = out.String()
	return err
}

// during runs load once cmd has attached its programs, then interrupts cmd.
func during(name string, cmd *exec.Cmd, load func(*Step) error) Step {
	s := Step{Name: name, Exit: -1}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		s.Stderr = err.Error()
		return s
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	var err error
	if took, ok := attached(cmd.Process.Pid, ended); ok {
		s.ReadyNS = took.Nanoseconds()
		err = load(&s)
	}
	_ = cmd.Process.Signal(os.Interrupt)
	select {
	case <-ended:
	case <-time.After(patience):
		_ = cmd.Process.Signal(syscall.SIGQUIT)
		<-ended
	}
	s.Exit = cmd.ProcessState.ExitCode()
	s.Stdout, s.Stderr = stdout.String(), stderr.String()
	if err != nil {
		s.Stderr += "guest: " + err.Error() + "\n"
	}
	return s
}

// attached waits until a process holds links to eBPF programs, and their
// number has stayed for a while, and returns how long the last of them took;
// false when the process has ended or holds none in time.
func attached(pid int, ended <-chan struct{}) (time.Duration, bool) {
	const steady = 20
	last, same := 0, 0
	var took time.Duration
	for began := time.Now(); time.Since(began) < patience; {
		select {
		case <-ended:
			return 0, false
		case <-time.After(pause):
		}
		n := countLinks(pid)
		if n != last {
			last, same = n, 0
			took = time.Since(began)
			continue
		}
		if same++; n > 0 && same >= steady {
			return took, true
		}
	}
	return 0, false
}

func countLinks(pid int) int {
	// The pattern is well-formed.
	fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	n := 0
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil && strings.Contains(to, links) {
			n++
		}
	}
	return n
}

func finish(name string, cmd *exec.Cmd) Step {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	s := Step{Name: name, Exit: -1, Stdout: stdout.String(), Stderr: stderr.String()}
	if cmd.ProcessState != nil {
		s.Exit = cmd.ProcessState.ExitCode()
	} else {
		s.Stderr = err.Error()
	}
	return s
}

// ended takes away the error that a killed program's Wait returns.
func ended(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil
	}
	return err
}

// await asks until the server answers.
func await(url string, pid int) (string, error) {
	var last error
	for began := time.Now(); time.Since(began) < patience; time.Sleep(pause) {
		page, err := get(url)
		if err == nil {
			return page, nil
		}
		last = err
	}
	return "", fmt.Errorf("process %d does not answer: %w", pid, last)
}

func get(url string) (string, error) {
	client := http.Client{Timeout: patience}
	r, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(bufio.NewReader(r.Body))
	return string(text), err
}
