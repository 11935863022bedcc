package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/internal/export/otlp"
	"github.com/goshawk-io/goshawk/internal/export/prom"
	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probes"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

func TestMain(m *testing.M) { testutil.NoLeaks(m) }

// patience bounds how long a test waits for the collector.
const patience = time.Minute

// TestOTLP sends events of the exec probe to the OpenTelemetry Collector, by
// both protocols, and reads what it received.
func TestOTLP(t *testing.T) {
	testutil.RequireModules(t, "otelcol")
	program := testutil.BuildGo(t, testutil.Dir("otelcol"), testutil.BuildOptions{Flags: []string{"-trimpath", "-ldflags=-s -w"}})
	for _, protocol := range []string{"http/protobuf", "grpc"} {
		t.Run(protocol, func(t *testing.T) {
			c := startCollector(t, program)
			for _, entry := range os.Environ() {
				if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "OTEL_") {
					t.Setenv(name, "")
				}
			}
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.endpoints[protocol])
			t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
			t.Setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
			t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test,service.name=agent")

			events := commands(t)
			export(t, events)
			spans := c.wait(t, "traces.json", "    span ", len(events))
			testutil.Golden(t, "otlp_traces.txt", render(spans))
			const services = 2
			metrics := c.wait(t, "metrics.json", " goshawk.exec.duration ", services)
			testutil.Golden(t, "otlp_metrics.txt", render(metrics))
		})
	}
}

// export sends events, and the metrics that they add up to.
func export(t *testing.T, events []*model.Event) {
	t.Helper()
	schema := probes.Find("exec").Schema
	registry := prometheus.NewRegistry()
	metrics, err := prom.New(registry, schema)
	if err != nil {
		t.Fatal(err)
	}
	exporter, err := otlp.Start(t.Context(), otlp.Options{
		Gatherer: registry, Schemas: []*model.Schema{schema}, Version: "v1.2.3", Host: "node-1",
		Now: func() time.Time { return begin().Add(time.Minute) },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		metrics.Consume(e)
		exporter.Consume(e)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := exporter.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if got, want := exporter.Stats(), (otlp.Stats{Exported: uint64(len(events))}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func begin() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// commands returns a shell that goes on, a command of it that went well, a
// command of that one that failed, and one that a stranger ran.
func commands(t *testing.T) []*model.Event {
	t.Helper()
	schema := probes.Find("exec").Schema
	newCommand := func(span, parent byte, service, name string, args ...string) *model.Event {
		e := &model.Event{}
		e.Reset(schema)
		e.Time = begin().Add(time.Duration(span) * time.Second)
		e.Duration = time.Duration(span) * 250 * time.Millisecond
		e.PID, e.Service = 100+int32(span), service
		e.TraceID, e.SpanID = model.TraceID{0: 0xaa, 15: 1}, model.SpanID{0: 0xbb, 7: span}
		if parent != 0 {
			e.ParentSpanID = model.SpanID{0: 0xbb, 7: parent}
		}
		put(t, e, "process.executable.name", model.StringValue(name))
		put(t, e, "process.executable.path", model.StringValue("/usr/bin/"+name))
		put(t, e, "process.command_args", model.StringsValue(strings.Join(args, "\x00")+"\x00"))
		put(t, e, "process.pid", model.IntValue(int64(e.PID)))
		return e
	}
	shell := newCommand(1, 0, "shop", "sh", "sh", "-c", "git gc")
	shell.Phase, shell.Duration = model.PhaseUnfinished, -1

	git := newCommand(2, 1, "shop", "git", "git", "gc")
	git.GoroutineID, git.ContainerID, git.PodUID = 42, "c0ffee", "0f1e-22"
	git.Stack = []model.Frame{{Func: "os/exec.(*Cmd).Run", File: "os/exec/exec.go", Line: 629}, {Func: "main.main", File: "shop/main.go", Line: 12}}
	put(t, git, "goshawk.exec.outcome", model.StringValue("exited"))
	put(t, git, "process.exit.code", model.IntValue(0))
	put(t, git, "process.exit.time", model.TimeValue(git.Time.Add(git.Duration)))
	put(t, git, "goshawk.cpu_user_ns", model.DurationValue(120*time.Millisecond))

	pack := newCommand(3, 2, "shop", "git-pack", "git-pack", "not \xff UTF-8")
	pack.Findings = []model.Finding{{Rule: "killed-without-grace", Severity: model.SeverityWarn, Evidence: "SIGKILL after 0.75 s", Remedy: "set Cmd.WaitDelay"}}
	put(t, pack, "goshawk.exec.outcome", model.StringValue("signaled"))
	put(t, pack, "goshawk.exec.signal", model.StringValue("SIGKILL"))
	put(t, pack, "error.type", model.StringValue("SIGKILL"))
	put(t, pack, "goshawk.args_truncated", model.BoolValue(true))

	stranger := newCommand(4, 0, "", "ls", "ls")
	put(t, stranger, "goshawk.exec.outcome", model.StringValue("exited"))
	return []*model.Event{shell, git, pack, stranger}
}

func put(t *testing.T, e *model.Event, key string, v model.Value) {
	t.Helper()
	i := e.Schema.Index(key)
	if i < 0 {
		t.Fatalf("the exec probe has no field %s", key)
	}
	e.Values[i] = v
}

// collector is a running OpenTelemetry Collector.
type collector struct {
	dir, log string
	// endpoints are by protocol.
	endpoints map[string]string
}

// startCollector starts the collector on two ports of its own.
func startCollector(t *testing.T, program string) *collector {
	t.Helper()
	dir, httpAddress, grpcAddress := t.TempDir(), freeAddress(t), freeAddress(t)
	c := &collector{
		dir: dir, log: filepath.Join(dir, "log"),
		endpoints: map[string]string{"http/protobuf": "http://" + httpAddress, "grpc": "http://" + grpcAddress},
	}
	config := fmt.Sprintf(`
receivers:
  otlp:
    protocols:
      http: {endpoint: %q}
      grpc: {endpoint: %q}
exporters:
  file/traces: {path: %q, flush_interval: 20ms}
  file/metrics: {path: %q, flush_interval: 20ms}
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [file/traces]}
    metrics: {receivers: [otlp], exporters: [file/metrics]}
`, httpAddress, grpcAddress, filepath.Join(dir, "traces.json"), filepath.Join(dir, "metrics.json"))
	configFile := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(configFile, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(c.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(program, "--config", configFile)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the collector's log:\n%s", c.readFile(t, c.log))
		}
		// It may have ended by itself; then there is nothing to stop.
		_ = cmd.Process.Signal(unix.SIGTERM)
		<-ended
	})
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if bytes.Contains(c.readFile(t, c.log), []byte("Everything is ready")) {
			return c
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("the collector ended: %v", err)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("the collector was not ready after %v", patience)
		}
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func (c *collector) readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// wait reads a file of the collector until its messages, rendered, have mark n
// times, and returns the messages.
func (c *collector) wait(t *testing.T, name, mark string, n int) []otlpMessage {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		var messages []otlpMessage
		data := c.readFile(t, filepath.Join(c.dir, name))
		for line := range bytes.Lines(data) {
			var m otlpMessage
			if json.Unmarshal(line, &m) != nil {
				break // not yet written to its end
			}
			messages = append(messages, m)
		}
		found := bytes.Count(render(messages), []byte(mark))
		if found >= n {
			return messages
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s has %d of %d %q after %v:\n%s", name, found, n, mark, patience, data)
		}
	}
}

// render writes messages in an order that does not depend on how they came.
func render(messages []otlpMessage) []byte {
	var texts []string
	for _, m := range messages {
		texts = append(texts, string(m.render()))
	}
	slices.Sort(texts)
	return []byte(strings.Join(texts, ""))
}
