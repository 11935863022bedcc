package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// webAgent is what observes the server.
type webAgent struct {
	name string
	// command is run by sh; empty for no agent. {pid}, {port}, {otlp} and {dir}
	// stand for the server's process and port, where spans are to be sent, and
	// a folder for the run.
	command string
	// config is written to {dir}/goshawk.yaml.
	config string
	// metrics is set of an agent that serves its metrics at goshawkAddress.
	metrics bool
	// events is set of one that prints its events and, at the end, how many.
	events bool
	// spans is set of one that sends a span of every request.
	spans bool
}

// goshawkAddress is where a goshawk up under test listens.
const goshawkAddress = "127.0.0.1:17789"

// everyRequest makes an event of every request, of the server alone.
const everyRequest = `apiVersion: goshawk.io/v1
kind: Probe
metadata:
  name: http
spec:
  targets:
    services: [webserver]
  sampling:
    perSecond: 100000
    failedPerSecond: 100000
`

// webAgents returns the agents of the names: none, goshawk (watch http), up,
// every (up, an event of every request) and those of the flag -agent.
func (b *bench) webAgents(names []string) ([]webAgent, error) {
	up := b.goshawk + " up --listen " + goshawkAddress + " --data {dir}/events"
	known := []webAgent{
		{name: "none"},
		{name: "goshawk", command: b.goshawk + " watch http --json", events: true},
		{name: "up", command: up, metrics: true},
		{name: "every", command: up + " --config {dir}/goshawk.yaml", config: everyRequest, metrics: true},
	}
	for _, text := range b.peers {
		name, command, ok := strings.Cut(text, "=")
		if !ok {
			return nil, fmt.Errorf("-agent %q is not name=command", text)
		}
		known = append(known, webAgent{name: name, command: command, spans: true})
	}
	var list []webAgent
	for _, name := range names {
		found := false
		for _, a := range known {
			if a.name == name {
				list, found = append(list, a), true
			}
		}
		if !found {
			return nil, fmt.Errorf("agent %q is not known", name)
		}
	}
	return list, nil
}

// runningAgent is a webAgent that observes a server.
type runningAgent struct {
	webAgent
	pid      int
	out, err string // the files of its output
	cmd      *exec.Cmd
	sink     *spanSink
	took     time.Duration // from its start until it saw a request
	end      time.Duration // how long it took to end
}

// attach starts a beside the server and returns when it has seen one of its
// requests, which are sent meanwhile.
func (b *bench) attach(a webAgent, s *webServer) (*runningAgent, error) {
	run := &runningAgent{webAgent: a}
	if a.command == "" {
		return run, nil
	}
	dir, err := os.MkdirTemp(b.dir, a.name)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "goshawk.yaml"), []byte(a.config), 0o600); err != nil {
		return nil, err
	}
	if run.sink, err = newSpanSink(); err != nil {
		return nil, err
	}
	if err := run.start(b, dir, s); err != nil {
		return nil, errors.Join(err, run.sink.Close())
	}
	begin := time.Now()
	for time.Since(begin) < time.Minute {
		if err := request(s.address); err != nil {
			return nil, errors.Join(err, run.stop())
		}
		time.Sleep(50 * time.Millisecond)
		if run.observes(s.service) {
			run.took = time.Since(begin)
			return run, nil
		}
	}
	said, _ := os.ReadFile(run.err)
	also, _ := os.ReadFile(run.out)
	return nil, errors.Join(fmt.Errorf("%s sees no request: %s%s", a.name, tail(said), tail(also)), run.stop())
}

// tail returns the last 2000 bytes.
func tail(text []byte) []byte { return text[max(0, len(text)-2000):] }

func (r *runningAgent) start(b *bench, dir string, s *webServer) error {
	_, port, err := net.SplitHostPort(s.address)
	if err != nil {
		return err
	}
	command := strings.NewReplacer("{pid}", strconv.Itoa(s.pid), "{port}", port,
		"{otlp}", "http://"+r.sink.address(), "{dir}", dir).Replace(r.command)
	r.out, r.err = filepath.Join(dir, "out"), filepath.Join(dir, "err")
	stdout, err := os.Create(r.out)
	if err != nil {
		return err
	}
	defer stdout.Close()
	stderr, err := os.Create(r.err)
	if err != nil {
		return err
	}
	defer stderr.Close()
	niced := b.niced("sh", "-c", "exec "+command)
	r.cmd = exec.Command(niced[0], niced[1:]...)
	r.cmd.Stdout, r.cmd.Stderr = stdout, stderr
	if err := r.cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", r.name, err)
	}
	r.pid = r.cmd.Process.Pid
	return nil
}

// observes reports whether the agent has shown a request of the service.
func (r *runningAgent) observes(service string) bool {
	switch {
	case r.spans:
		return r.sink.spans() > 0
	case r.metrics:
		m, err := scrape()
		return err == nil && m.requests(service) > 0
	default:
		shown, err := os.ReadFile(r.out)
		return err == nil && strings.Contains(string(shown), "/hello/{name}")
	}
}

// stop ends the agent; one that has not ended after a minute is killed, and
// another's after 10 s.
func (r *runningAgent) stop() error {
	if r.cmd == nil {
		return nil
	}
	defer r.sink.Close()
	patience := time.Minute
	if r.spans {
		patience = 10 * time.Second
	}
	begin := time.Now()
	r.cmd.Process.Signal(syscall.SIGINT)
	killer := time.AfterFunc(patience, func() { r.cmd.Process.Kill() })
	defer killer.Stop()
	err := r.cmd.Wait()
	r.end = time.Since(begin)
	var exit *exec.ExitError
	if r.spans || err == nil || errors.As(err, &exit) && exit.ExitCode() == 130 {
		return nil
	}
	said, _ := os.ReadFile(r.err)
	return fmt.Errorf("%s: %w: %s", r.name, err, tail(said))
}

// saidLost returns what an agent that prints events says it lost, when it has
// ended.
func (r *runningAgent) saidLost() (int, error) {
	said, err := os.ReadFile(r.err)
	if err != nil {
		return 0, err
	}
	m := regexp.MustCompile(`events=\d+ lost=(\d+)`).FindSubmatch(said)
	if m == nil {
		return 0, fmt.Errorf("%s does not say what it lost: %s", r.name, tail(said))
	}
	return strconv.Atoi(string(m[1]))
}

// request sends one request on a connection of its own.
func request(address string) error {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write([]byte("GET /hello/ready HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")); err != nil {
		return err
	}
	_, err = c.Read(make([]byte, 1024))
	return err
}
