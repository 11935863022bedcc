package testutil

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Server is a real server of somebody else's, on a loopback address and with a
// folder of its own. It may be started and stopped again and again, and ends with
// the test.
type Server struct {
	t      testing.TB
	binary string
	args   func(s *Server) []string
	cmd    *exec.Cmd
	ended  chan struct{} // closed when the process has ended
	// Dir is its folder: its data is in "data", which may be put there before.
	Dir string
	// Address is where it listens once it was started.
	Address string
}

// PrometheusOptions configures [NewPrometheus]. The zero value works.
type PrometheusOptions struct {
	// Config is the text of its configuration, and Rules that of its rules, if any.
	Config, Rules string
	// Args are added to its arguments.
	Args []string
}

// NewPrometheus returns a Prometheus that does not run yet. It also takes samples by
// remote write.
func NewPrometheus(t testing.TB, o PrometheusOptions) *Server {
	t.Helper()
	if o.Config == "" {
		o.Config = "global: {}\n"
	}
	if o.Rules != "" {
		o.Config += "rule_files: [rules.yml]\n"
	}
	s := newServer(t, "prometheus", o.Config, func(s *Server) []string {
		return append([]string{
			"--config.file=" + s.file("config.yml"), "--storage.tsdb.path=" + s.file("data"), "--web.listen-address=" + s.Address,
			"--web.enable-remote-write-receiver", "--log.level=warn",
		}, o.Args...)
	})
	if o.Rules != "" {
		s.write("rules.yml", o.Rules)
	}
	return s
}

// NewAlertmanager returns an Alertmanager that does not run yet.
func NewAlertmanager(t testing.TB, config string) *Server {
	t.Helper()
	return newServer(t, "prometheus-alertmanager", config, func(s *Server) []string {
		return []string{
			"--config.file=" + s.file("config.yml"), "--storage.path=" + s.file("data"), "--web.listen-address=" + s.Address,
			"--cluster.listen-address=", "--log.level=warn",
		}
	})
}

func newServer(t testing.TB, tool, config string, args func(*Server) []string) *Server {
	t.Helper()
	s := &Server{t: t, binary: RequireTool(t, tool, tool), Dir: t.TempDir(), args: args}
	s.write("config.yml", config)
	t.Cleanup(s.Stop)
	return s
}

func (s *Server) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(s.file(name), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) file(name string) string { return filepath.Join(s.Dir, name) }

// URL returns that of a path.
func (s *Server) URL(path string) string { return "http://" + s.Address + path }

// Start runs it, and returns when it answers. It listens where it did before.
func (s *Server) Start() {
	s.t.Helper()
	first := s.Address == ""
	for range 5 {
		if first {
			// Another may take a port that is free before the server does.
			s.Address = freeAddress(s.t)
		}
		s.run()
		if s.ready() {
			return
		}
		s.Stop()
	}
	text, _ := os.ReadFile(s.file("log"))
	s.t.Fatalf("%s does not become ready:\n%.3000s", s.binary, text)
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (s *Server) run() {
	s.t.Helper()
	log, err := os.OpenFile(s.file("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	cmd, ended := exec.Command(s.binary, s.args(s)...), make(chan struct{})
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	s.cmd, s.ended = cmd, ended
}

// ready waits until the server answers; it does not when it has ended.
func (s *Server) ready() bool {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if response, err := client.Get(s.URL("/-/ready")); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return true
			}
		}
		select {
		case <-s.ended:
			return false
		case <-time.After(50 * time.Millisecond):
		}
	}
	return false
}

// Stop ends it, if it runs.
func (s *Server) Stop() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	<-s.ended
	s.cmd = nil
}
