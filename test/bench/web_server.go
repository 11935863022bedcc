package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// webServer is a running program of test/bench/webserver.
type webServer struct {
	pid     int
	address string
	service string // what goshawk calls it
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
}

// serve starts the usual server.
func (b *bench) serve() (*webServer, error) { return b.serveAs("webserver", b.webserver) }

// serveAs starts a server of a name of its own.
func (b *bench) serveAs(service, binary string) (*webServer, error) {
	command := b.niced(binary)
	s := &webServer{service: service, cmd: exec.Command(command[0], command[1:]...)}
	s.cmd.Env = append(os.Environ(), "OTEL_SERVICE_NAME="+service)
	s.cmd.Stderr = os.Stderr
	var err error
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	s.pid = s.cmd.Process.Pid
	s.out = bufio.NewReader(out)
	line, err := s.out.ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("start the server: %w", errors.Join(err, s.stop()))
	}
	s.address = strings.TrimSpace(line)
	return s, nil
}

// served asks the server how many requests it has begun to serve.
func (s *webServer) served() (int, error) {
	if _, err := io.WriteString(s.in, "\n"); err != nil {
		return 0, fmt.Errorf("ask the server: %w", err)
	}
	line, err := s.out.ReadBytes('\n')
	if err != nil {
		return 0, fmt.Errorf("ask the server: %w", err)
	}
	var answer struct {
		Served int `json:"served"`
	}
	if err := json.Unmarshal(line, &answer); err != nil {
		return 0, fmt.Errorf("ask the server: %w", err)
	}
	return answer.Served, nil
}

// settled returns how many requests were served when that has not changed for
// a while.
func (s *webServer) settled() (int, error) {
	last, err := s.served()
	for same := 0; same < 5 && err == nil; {
		time.Sleep(200 * time.Millisecond)
		var now int
		now, err = s.served()
		if now == last {
			same++
		} else {
			last, same = now, 0
		}
	}
	return last, err
}

// stop ends the server.
func (s *webServer) stop() error {
	return errors.Join(s.in.Close(), s.cmd.Wait())
}

// niced returns the command at the nice level that b asks for.
func (b *bench) niced(command ...string) []string {
	if b.nice == 0 {
		return command
	}
	return append([]string{"nice", "-n", strconv.Itoa(b.nice)}, command...)
}

// buildWeb builds the programs of the http scenarios.
func (b *bench) buildWeb() error {
	for _, p := range []struct {
		path *string
		name string
	}{{&b.webserver, "webserver"}, {&b.webload, "webload"}} {
		*p.path = filepath.Join(b.dir, p.name)
		if err := b.build(*p.path, "./test/bench/"+p.name); err != nil {
			return err
		}
	}
	return nil
}

// build builds a Go program at path.
func (b *bench) build(path, source string, flags ...string) error {
	args := append(append([]string{"build"}, flags...), "-o", path, source)
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build %s: %w", source, err)
	}
	return nil
}
