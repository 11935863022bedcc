package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/goshawk-io/goshawk/internal/agent"
	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probe"
	"github.com/goshawk-io/goshawk/internal/observe/probes"
	"github.com/goshawk-io/goshawk/internal/observe/startup"
	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/pipeline"
)

const (
	// startupProbe is the probe's name.
	startupProbe = "startup"
	// killAfter is how long a command that is asked to end may take.
	killAfter = 5 * time.Second
	// tellAfter is how long the last records of a start may take to arrive.
	tellAfter = 20 * time.Second
)

// recorder records starts with the startup probe.
type recorder struct {
	agent   *agent.Agent
	path    string
	stop    context.CancelFunc
	done    chan error
	reader  *startup.Reader
	starts  chan *startup.Start
	reached chan string // names of phases, as they end
}

// newStarter opens what records starts of the command: the probe is attached to
// its executable from then on.
func newStarter(ctx context.Context, env Env, command []string) (starter, error) {
	path, err := exec.LookPath(command[0])
	if err != nil {
		return nil, usageError("name a program that can be executed", "startup: %s: %w", shortOperand(command[0]), errors.Unwrap(err))
	}
	r, err := newRecorder(ctx, env, path, probe.Settings{Launcher: int32(os.Getpid())})
	if err != nil {
		return nil, err
	}
	if err := r.agent.AttachFile(startupProbe, path); err != nil {
		return nil, errors.Join(attachError(path, err), r.Close())
	}
	return r, nil
}

// newRecorder starts the probe.
func newRecorder(ctx context.Context, env Env, path string, settings probe.Settings) (*recorder, error) {
	a, err := agent.Start(ctx, agent.Options{
		Log: env.logger(), Probes: []*probe.Spec{probes.Find(startupProbe)},
		Probe:       probe.Options{Detail: true, Unguarded: true, Targets: func(*model.Process) bool { return false }, Settings: settings},
		NoProcesses: settings.Joined == 0,
	})
	if errors.Is(err, context.Canceled) {
		return nil, errInterrupted
	}
	if err != nil {
		return nil, err
	}
	r := &recorder{
		agent: a, path: path, done: make(chan error, 1), reader: startup.NewReader(),
		starts: make(chan *startup.Start, 64), reached: make(chan string, 4096),
	}
	a.Pipeline.AddQueued(pipeline.Queued{Name: "startup", Consume: r.consume, Length: stdoutQueue, Bytes: stdoutQueueBytes})
	run, stop := context.WithCancel(context.Background())
	r.stop = stop
	go func() { r.done <- a.Run(run) }()
	return r, nil
}

// attachError says why the starts of a program cannot be recorded.
func attachError(path string, err error) error {
	switch {
	case errors.Is(err, symbol.ErrNotGo):
		return &failure{code: exitInternal, err: fmt.Errorf("startup: %s: is not a Go program", path), hint: "name the Go program itself, not a script or a wrapper that runs it"}
	case errors.Is(err, symbol.ErrUnsupported), errors.Is(err, probe.ErrNoFunctions):
		return &failure{code: exitInternal, err: fmt.Errorf("startup: %s: %w", path, err), hint: "programs of Go 1.20 to 1.26 for 64-bit Linux can be observed"}
	}
	return fmt.Errorf("startup: %w", err)
}

// consume takes an event; the queue calls it from one goroutine.
func (r *recorder) consume(e *model.Event) {
	start := r.reader.Add(e)
	if e.Get(startup.KeyKind).Str() == startup.KindPhase {
		select {
		case r.reached <- strings.Clone(e.Get(startup.KeyName).Str()):
		default:
		}
	}
	if start != nil {
		select {
		case r.starts <- start:
		default:
		}
	}
}

func (r *recorder) Close() error { return errors.Join(r.finish(), r.agent.Close()) }

// finish stops the probe: what goes on is told as it is. It may be called twice.
func (r *recorder) finish() error {
	r.stop()
	err := <-r.done
	r.done <- nil
	return err
}

// Run implements starter.
func (r *recorder) Run(ctx context.Context, o startOptions) (*startup.Start, error) {
	r.forget()
	cmd := exec.Command(r.path)
	cmd.Args = o.Command
	cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = o.Dir, o.Env, o.Stdin, o.Stdout, o.Stderr
	// Whoever has inherited the output may outlive the command.
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("startup: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	reason := r.observe(ctx, &o, ended)
	enough := time.Now()
	if reason != startup.EndedExit {
		finish(cmd.Process, ended)
	}
	s, err := r.await(int32(cmd.Process.Pid))
	if err != nil {
		return nil, err
	}
	r.complete(s, o, reason, enough)
	return s, nil
}

// forget drops what is left of an earlier start.
func (r *recorder) forget() {
	for {
		select {
		case <-r.starts:
		case <-r.reached:
		default:
			return
		}
	}
}

// observe waits until enough of a start was seen, and says why it is enough.
func (r *recorder) observe(ctx context.Context, o *startOptions, ended <-chan error) startup.Ended {
	enough := map[string]startup.Ended{}
	switch o.Until {
	case "main":
		enough[startup.PackageInits] = startup.EndedMain
	case "listen":
		enough[startup.FirstListen] = startup.EndedListen
	case "accept":
		enough[startup.FirstAccept] = startup.EndedAccept
	case "exit":
	default:
		enough[startup.FirstResponse] = startup.EndedResponse
	}
	var patience <-chan time.Time
	for {
		select {
		case <-ended:
			return startup.EndedExit
		case <-ctx.Done():
			return startup.EndedInterrupted
		case <-patience:
			return startup.EndedTimeout
		case name := <-r.reached:
			if reason, ok := enough[name]; ok {
				return reason
			}
			if name == startup.FirstListen && o.Until != "exit" && patience == nil {
				patience = time.After(o.Wait)
			}
		}
	}
}

// finish ends a command that goes on.
func finish(p *os.Process, ended <-chan error) {
	_ = p.Signal(syscall.SIGTERM)
	select {
	case <-ended:
	case <-time.After(killAfter):
		_ = p.Kill()
		<-ended
	}
}

// await returns the start of a process: when it executed several programs, the
// last one that the probe is attached to.
func (r *recorder) await(pid int32) (*startup.Start, error) {
	var last *startup.Start
	late := time.After(tellAfter)
	for {
		select {
		case s := <-r.starts:
			if s.Ended == startup.EndedExec {
				last = s
				continue
			}
			if last == nil || s.Phase(startup.RuntimeEntry) != nil {
				return s, nil
			}
			// What it executed is another program, to which no point is attached.
			last.Unseen = append(last.Unseen, startup.Unseen{What: "the program that it executed then", Why: "the probe is attached to " + r.path + " alone"})
			return last, nil
		case <-late:
			if last != nil {
				return last, nil
			}
			h := r.agent.Health()[0]
			return nil, fmt.Errorf("startup: process %d: its start was not seen; %d events, %d records lost", pid, h.Events, h.LostRecords)
		}
	}
}

// complete adds what the probe does not know. enough is when we had seen enough.
func (r *recorder) complete(s *startup.Start, o startOptions, reason startup.Ended, enough time.Time) {
	s.Command, s.Exe = o.Command, r.path
	if absolute, err := filepath.Abs(r.path); err == nil {
		s.Exe = absolute
	}
	if reason != startup.EndedExit && s.Ended == startup.EndedExit {
		// The command was ended by us: how says nothing about it.
		s.Ended, s.Exit = reason, nil
		s.Duration = min(s.Duration, enough.Sub(s.Time))
	}
	s.Facts.CPUs = runtime.NumCPU()
	env := o.Env
	if env == nil {
		env = os.Environ()
	}
	for _, pair := range env {
		name, value, _ := strings.Cut(pair, "=")
		switch name {
		case "GODEBUG":
			s.Facts.GoDebug = value
		case "GOMAXPROCS":
			s.Facts.GoMaxProcs, _ = strconv.Atoi(value)
		case "GOPROXY":
			if filepath.Base(s.Exe) == "go" {
				s.Facts.GoProxy = proxies(value)
			}
		}
	}
}

// proxies returns the hosts and ports of a GOPROXY.
func proxies(value string) []string {
	var hosts []string
	for _, one := range strings.FieldsFunc(value, func(c rune) bool { return c == ',' || c == '|' }) {
		_, host, ok := strings.Cut(one, "://")
		if !ok {
			continue
		}
		host, _, _ = strings.Cut(host, "/")
		if _, after, ok := strings.Cut(host, "@"); ok {
			host = after
		}
		hosts = append(hosts, host)
	}
	return hosts
}
