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

// PrometheusOptions configures [NewPrometheus]. The zero value works.
type PrometheusOptions struct {
	// Config is the text of its configuration.
	Config string
	// Args are added to its arguments.
	Args []string
}

// Prometheus is a real server on a loopback address, which also takes samples by
// remote write. It may be started and stopped again and again, and ends with the
// test.
type Prometheus struct {
	t      testing.TB
	binary string
	dir    string
	args   []string
	cmd    *exec.Cmd
	// Address is where it listens.
	Address string
}

// NewPrometheus returns one that does not run yet.
func NewPrometheus(t testing.TB, o PrometheusOptions) *Prometheus {
	t.Helper()
	p := &Prometheus{t: t, binary: RequireTool(t, "prometheus", "prometheus"), dir: t.TempDir(), args: o.Args}
	if o.Config == "" {
		o.Config = "global: {}\n"
	}
	if err := os.WriteFile(filepath.Join(p.dir, "prometheus.yml"), []byte(o.Config), 0o644); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.Address = listener.Addr().String()
	listener.Close()
	t.Cleanup(p.Stop)
	return p
}

// URL returns that of a path.
func (p *Prometheus) URL(path string) string { return "http://" + p.Address + path }

// Start runs it, and returns when it answers.
func (p *Prometheus) Start() {
	p.t.Helper()
	log, err := os.OpenFile(filepath.Join(p.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		p.t.Fatal(err)
	}
	defer log.Close()
	p.cmd = exec.Command(p.binary, append([]string{
		"--config.file=" + filepath.Join(p.dir, "prometheus.yml"), "--storage.tsdb.path=" + filepath.Join(p.dir, "data"),
		"--web.listen-address=" + p.Address, "--web.enable-remote-write-receiver", "--log.level=warn",
	}, p.args...)...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if response, err := client.Get(p.URL("/-/ready")); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(log.Name())
			p.t.Fatalf("prometheus is not ready after a minute:\n%s", text)
		}
	}
}

// Stop ends it, if it runs.
func (p *Prometheus) Stop() {
	if p.cmd == nil || p.cmd.Process == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Wait()
	p.cmd = nil
}
