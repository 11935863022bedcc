package agent_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/agent"
	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probe"
	"github.com/goshawk-io/goshawk/internal/observe/probes"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

func TestMain(m *testing.M) { testutil.NoLeaks(m) }

// patience bounds the wait for what must come.
const patience = time.Minute

// observer is an agent with the probes of requests and commands.
type observer struct {
	*agent.Agent
	mu     sync.Mutex
	events []*model.Event
}

// observe starts an agent that tells of each request of one program.
func observe(t *testing.T, exe string) *observer {
	t.Helper()
	testutil.RequireBPF(t)
	testutil.RequireArch(t, "points at calls and returns are found on amd64 only", "amd64")
	a, err := agent.Start(t.Context(), agent.Options{
		Probes: []*probe.Spec{probes.Find("http"), probes.Find("exec")},
		Probe: probe.Options{
			Settings: probe.Settings{PerSecond: 1e10, FailedPerSecond: 1e10},
			Targets:  func(p *model.Process) bool { return p.Exe == exe },
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	o := &observer{Agent: a}
	a.Pipeline.AddDirect(func(e *model.Event) {
		if e.Phase == model.PhaseEnd {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.events = append(o.events, e.Clone())
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return o
}

// attached blocks until the probe of requests is attached to a process.
func (o *observer) attached(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		health := o.Health()
		for _, h := range health {
			for _, at := range h.Targets {
				if at.Points > 0 && slices.Contains(at.PIDs, int32(pid)) {
					return
				}
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("health = %+v", health)
		}
	}
}

// wait blocks until there are n events that keep says.
func (o *observer) wait(t *testing.T, what string, n int, keep func(*model.Event) bool) []*model.Event {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		o.mu.Lock()
		var found []*model.Event
		for _, e := range o.events {
			if keep(e) {
				found = append(found, e)
			}
		}
		o.mu.Unlock()
		if len(found) >= n {
			return found
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d events of %s, want %d; health = %+v", len(found), what, n, o.Health())
		}
	}
}

// request is what became of one request.
type request struct {
	id, child string // the child is the process id of its command
}

// startVictim starts the http probe's victim from a file of its own.
func startVictim(t *testing.T) (exe string, victim *testutil.Target, address string) {
	t.Helper()
	files := testutil.Files{}
	names, err := filepath.Glob("../observe/probes/http/testdata/victim/*.go")
	if err != nil || len(names) == 0 {
		t.Fatalf("no victim: %v", err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(name)] = string(text)
	}
	exe = testutil.BuildGo(t, files, testutil.BuildOptions{Flags: []string{"-trimpath", "-ldflags=-s -w"}})
	victim = testutil.StartTarget(t, exe)
	var a struct{ Plain string }
	if err := json.Unmarshal([]byte("{"+victim.WaitLine("{")), &a); err != nil {
		t.Fatal(err)
	}
	return exe, victim, a.Plain
}

// runAtOnce makes requests that each run a command from a goroutine four levels
// down, so many at once.
func runAtOnce(t *testing.T, address string, first, n, atOnce int) []request {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: atOnce}}
	defer client.CloseIdleConnections()
	all := make([]request, n)
	turn := make(chan struct{}, atOnce)
	var wait sync.WaitGroup
	for i := range n {
		turn <- struct{}{}
		wait.Go(func() {
			defer func() { <-turn }()
			id := strconv.Itoa(first + i)
			resp, err := client.Get("http://" + address + "/run/" + id + "?" + id)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			child, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != http.StatusOK {
				t.Errorf("status %d: %v", resp.StatusCode, err)
			}
			all[i] = request{id, string(child)}
		})
	}
	wait.Wait()
	return all
}

// TestCommandsOfRequests has many requests at once run a command each, from
// four goroutines down: each command is in the trace of its request.
func TestCommandsOfRequests(t *testing.T) {
	exe, victim, address := startVictim(t)
	o := observe(t, exe)
	o.attached(t, victim.PID)
	first := 0
	for _, test := range []struct{ requests, atOnce int }{{100, 100}, {500, 20}, {20, 1}} {
		t.Run(fmt.Sprintf("%d at once", test.atOnce), func(t *testing.T) {
			all := runAtOnce(t, address, first, test.requests, test.atOnce)
			ids := map[string]bool{}
			for _, r := range all {
				ids[r.id] = true
			}
			commands := map[string]*model.Event{}
			for _, e := range o.wait(t, "commands", len(all), func(e *model.Event) bool {
				args := slices.Collect(e.Get("process.command_args").Strings())
				return e.Get("process.parent_pid").Int() == int64(victim.PID) && len(args) == 2 && ids[args[1]]
			}) {
				commands[slices.Collect(e.Get("process.command_args").Strings())[1]] = e
			}
			served := map[string]*model.Event{}
			for _, e := range o.wait(t, "requests", len(all), func(e *model.Event) bool {
				path := e.Get("url.path").Str()
				return int(e.PID) == victim.PID && len(path) > 5 && path[:5] == "/run/" && ids[path[5:]]
			}) {
				served[e.Get("url.path").Str()[5:]] = e
			}
			traces := map[model.TraceID]bool{}
			for _, r := range all {
				command, request := commands[r.id], served[r.id]
				if command == nil || request == nil {
					t.Fatalf("request %s: its event %v, its command's %v", r.id, request != nil, command != nil)
				}
				if strconv.Itoa(int(command.PID)) != r.child {
					t.Errorf("request %s ran process %s, its command is process %d", r.id, r.child, command.PID)
				}
				if command.TraceID != request.TraceID || command.ParentSpanID != request.SpanID || !command.Requested {
					t.Errorf("request %s: the command is in trace %x below %x, want %x, %x", r.id, command.TraceID, command.ParentSpanID, request.TraceID, request.SpanID)
				}
				traces[request.TraceID] = true
			}
			if len(traces) != test.requests {
				t.Errorf("%d traces of %d requests", len(traces), test.requests)
			}
		})
		first += test.requests
	}
}
