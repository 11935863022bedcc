package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/config"
	"github.com/goshawk-io/goshawk/internal/observe/probes"
)

// execProbe is a document about the exec probe.
func execProbe(spec string) string {
	return "apiVersion: goshawk.io/v1\nkind: Probe\nmetadata: {name: exec}\nspec: {" + spec + "}\n"
}

func configFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "goshawk.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// ranConfig is what a command printed.
type ranConfig struct{ out, err bytes.Buffer }

func (r *ranConfig) env() Env {
	return Env{Stdout: &r.out, Stderr: &r.err, Stdin: strings.NewReader(""), Width: func() int { return 0 }, Height: func() int { return 0 }, Getenv: func(string) string { return "" }}
}

// run runs goshawk config with args and returns the exit code.
func (r *ranConfig) run(args ...string) int {
	cmd := newConfig(r.env())
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	cmd.SetOut(&r.out)
	cmd.SetErr(&r.err)
	err := cmd.Execute()
	if err != nil {
		report(&r.err, err)
	}
	return exitCode(err)
}

func TestConfigCheck(t *testing.T) {
	right, wrong := configFile(t, execProbe("enabled: true")), configFile(t, execProbe("enabled: 1, x: 2"))
	tests := []struct {
		name     string
		args     []string
		code     int
		out, err string
	}{
		{"right", []string{"check", right}, 0, right + ":1: Probe exec\nok: resources=1 files=1\n", ""},
		{"wrong", []string{"check", wrong}, 2, "",
			"error: config check: " + wrong + ":4:17: spec.enabled: 1: is a number, not true or false\nhint: write true or false\n" +
				"error: config check: " + wrong + ":4:20: spec.x: there is no such field\nhint: the fields there are: enabled\n"},
		{"no file", []string{"check"}, 2, "", "error: config check: want one FILE or more, got none\nhint: usage: config check FILE... [--json] [flags]\n"},
		{"unknown", []string{"chek"}, 2, "", "error: config: unknown command \"chek\"\nhint: did you mean check?\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r ranConfig
			if code := r.run(tt.args...); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if r.out.String() != tt.out || r.err.String() != tt.err {
				t.Errorf("stdout:\n%s\nwant:\n%s\nstderr:\n%s\nwant:\n%s", &r.out, tt.out, &r.err, tt.err)
			}
		})
	}
}

func TestConfigCheck_json(t *testing.T) {
	wrong := configFile(t, execProbe("enabled: 1"))
	var r ranConfig
	if code := r.run("check", "--json", wrong); code != exitUsage {
		t.Errorf("exit code %d, want %d", code, exitUsage)
	}
	var got v1.Config
	if err := json.Unmarshal(r.out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := v1.ConfigError{File: wrong, Line: 4, Column: 17, Field: "spec.enabled", Error: "1: is a number, not true or false", Hint: "write true or false"}
	if got.State != "rejected" || len(got.Errors) != 1 || got.Errors[0] != want {
		t.Errorf("got %+v", got)
	}
	r = ranConfig{}
	if code := r.run("check", "--json", configFile(t, execProbe(""))); code != exitDone {
		t.Errorf("exit code %d, want %d", code, exitDone)
	}
	if text := r.out.String(); !strings.Contains(text, `"state":"ok"`) || !strings.Contains(text, `"resources":[{"kind":"Probe","name":"exec"}]`) {
		t.Errorf("got %s", text)
	}
}

// TestConfigExample checks the example that the command prints, which has all
// probes.
func TestConfigExample(t *testing.T) {
	var r ranConfig
	if code := r.run("example"); code != exitDone {
		t.Fatalf("exit code %d", code)
	}
	c, err := config.Load([]string{configFile(t, r.out.String())}, config.Options{Probes: knownProbes()})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(c.Resources()), len(probes.All()); got != want {
		t.Errorf("%d resources, want %d", got, want)
	}
}

// openConfig opens the configuration in path as goshawk up does.
func openConfig(t *testing.T, env Env, path string) *configured {
	t.Helper()
	var o configOptions
	flags := pflag.NewFlagSet("up", pflag.ContinueOnError)
	o.flags(flags)
	if err := flags.Parse([]string{"--config", path}); err != nil {
		t.Fatal(err)
	}
	c, err := o.open(env, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	return c
}

func TestConfigured_leavesOutProbesThatAreOff(t *testing.T) {
	c := openConfig(t, new(ranConfig).env(), configFile(t, execProbe("enabled: false")))
	var names []string
	for _, spec := range c.enabled(probes.All()) {
		names = append(names, spec.Name)
	}
	// The probe startup is off where no document speaks of it.
	if slices.Contains(names, "exec") || len(names) != len(probes.All())-2 {
		t.Errorf("got %v", names)
	}
	c = openConfig(t, new(ranConfig).env(), configFile(t, strings.Replace(execProbe("enabled: true"), "exec", "startup", 1)))
	if got := len(c.enabled(probes.All())); got != len(probes.All()) {
		t.Errorf("%d probes are on with a document of startup, want all %d", got, len(probes.All()))
	}
}

func TestConfigured_badFileIsBadUsage(t *testing.T) {
	var r ranConfig
	o := configOptions{paths: []string{configFile(t, "- a")}}
	_, err := o.open(r.env(), slog.New(slog.DiscardHandler))
	if exitCode(err) != exitUsage || !strings.HasPrefix(err.Error(), "up: --config: "+o.paths[0]+":1:1: the document is a list") {
		t.Errorf("got %v", err)
	}
}

// TestConfigured_reloads sends this process what an operator sends.
func TestConfigured_reloads(t *testing.T) {
	file := configFile(t, execProbe("enabled: true"))
	c := openConfig(t, new(ranConfig).env(), file)
	ctx, cancel := context.WithCancel(t.Context())
	done := c.follow(ctx, func() { t.Error("the agent was stopped") }, nil, nil)
	if err := os.WriteFile(file, []byte(execProbe("enabled: false")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	loaded := func() bool {
		w := c.wire()
		return w.Generation == 2 && len(w.Resources) == 1 && w.Resources[0].State == config.StatePendingRestart
	}
	for deadline := time.Now().Add(time.Minute); !loaded(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it was not loaded: %+v", c.wire())
		}
	}
	cancel()
	<-done
}

// TestConfigured_stopsWhenTheTerminalIsGone tells the two meanings of SIGHUP
// apart.
func TestConfigured_stopsWhenTheTerminalIsGone(t *testing.T) {
	tests := []struct {
		name         string
		first, later int32 // width of the terminal
		stops        bool
	}{
		{"the terminal is there", 80, 80, false},
		{"the terminal is gone", 80, 0, true},
		{"there never was one", 0, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var width atomic.Int32
			width.Store(tt.first)
			env := new(ranConfig).env()
			env.Width = func() int { return int(width.Load()) }
			c := &configured{env: env, terminal: env.Width() > 0, hangups: make(chan os.Signal), reload: make(chan os.Signal, 1)}
			width.Store(tt.later)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			var stopped atomic.Bool
			go func() {
				defer close(done)
				c.forward(ctx, func() { stopped.Store(true) })
			}()
			c.hangups <- syscall.SIGHUP
			if tt.stops {
				<-done
			} else {
				c.hangups <- syscall.SIGHUP // a second one while nobody reads
				<-c.reload
			}
			cancel()
			<-done
			if stopped.Load() != tt.stops {
				t.Errorf("stopped: %t, want %t", stopped.Load(), tt.stops)
			}
		})
	}
}

func TestApplyProbe(t *testing.T) {
	load := func(spec string) *config.Config {
		text := strings.Replace(execProbe(spec), "exec", "http", 1)
		c, err := config.Load([]string{configFile(t, text)}, config.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	full := errors.New("full")
	tests := []struct {
		name     string
		old, new string
		live     liveProbe
		want     error
	}{
		{"what runs is told", "", "routes: {limit: 3}", func(context.Context, config.ProbeConfig) error { return nil }, nil},
		{"what it says is returned", "", "routes: {limit: 3}", func(context.Context, config.ProbeConfig) error { return full }, full},
		{"nobody to tell", "", "routes: {limit: 3}", nil, config.ErrNeedsRestart},
		{"turned off", "", "enabled: false", func(context.Context, config.ProbeConfig) error { return full }, config.ErrNeedsRestart},
		{"turned on", "enabled: false", "enabled: true", nil, config.ErrNeedsRestart},
		{"off before and after", "enabled: false", "enabled: false, routes: {limit: 3}", func(context.Context, config.ProbeConfig) error { return full }, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			live := make(map[string]liveProbe)
			if tt.live != nil {
				live["http"] = tt.live
			}
			if err := applyProbe(live)(t.Context(), "http", load(tt.old), load(tt.new)); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestConfigured_metrics(t *testing.T) {
	c := openConfig(t, new(ranConfig).env(), configFile(t, execProbe("")))
	registry := prometheus.NewRegistry()
	c.register(registry)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]float64)
	for _, f := range families {
		got[f.GetName()] = f.GetMetric()[0].GetGauge().GetValue()
	}
	if got["goshawk_config_in_force"] != 1 || got["goshawk_config_generation"] != 1 || got["goshawk_config_loaded_timestamp_seconds"] == 0 {
		t.Errorf("got %v", got)
	}
}
