package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/goshawk-io/goshawk/internal/agent"
	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probe"
	"github.com/goshawk-io/goshawk/internal/observe/probes"
	"github.com/goshawk-io/goshawk/internal/observe/startup"
	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/observe/uprobe"
	"github.com/goshawk-io/goshawk/internal/pipeline"
	"github.com/goshawk-io/goshawk/internal/platform"
)

const (
	// startupProbe is the probe's name.
	startupProbe = "startup"
	// tellAfter is how long the last records of a start may take to arrive.
	tellAfter = 20 * time.Second
	// attachGCPercent has garbage collected from 32 MiB on, where the runtime does from
	// 4 MiB on. To attach makes 10 MiB of it.
	attachGCPercent = 800
)

// recorder records starts with the startup probe.
type recorder struct {
	agent   *agent.Agent
	path    string
	stop    context.CancelFunc
	done    chan error
	reader  *startup.Reader
	starts  chan *startup.Start
	reached chan string // names of phases as they end, and of marks
	// collect has garbage collected as ever again.
	collect func()
}

// newStarter opens what records starts of the command: the probe is attached to
// its executable from then on.
func newStarter(ctx context.Context, env Env, command []string) (starter, error) {
	file, err := exec.LookPath(command[0])
	if err != nil {
		return nil, usageError("name a program that can be executed", "startup: %s: %w", shortOperand(command[0]), errors.Unwrap(err))
	}
	attached := uprobe.Ready()
	defer attached()
	collect := collectLate()
	r, err := newRecorder(ctx, env, file, probe.Settings{Launcher: int32(os.Getpid())})
	if err != nil {
		collect()
		return nil, err
	}
	r.collect = collect
	if err := r.agent.AttachFile(startupProbe, file); err != nil {
		return nil, errors.Join(attachError(file, err), r.Close())
	}
	return r, nil
}

// collectLate has garbage collected later until collect is called, unless it is
// collected later still as the environment asks. Else it is collected while the probe
// is attached and while the program starts, and takes the CPUs from both.
func collectLate() (collect func()) {
	asked := debug.SetGCPercent(attachGCPercent)
	if asked < 0 || asked > attachGCPercent {
		debug.SetGCPercent(asked)
	}
	return sync.OnceFunc(func() { debug.SetGCPercent(asked) })
}

// newRecorder starts the probe.
func newRecorder(ctx context.Context, env Env, path string, settings probe.Settings) (*recorder, error) {
	a, err := agent.Start(ctx, agent.Options{
		Log: env.logger(), Probes: []*probe.Spec{probes.Find(startupProbe)},
		Probe:       probe.Options{Detail: true, Unguarded: true, First: path, Targets: func(*model.Process) bool { return false }, Settings: settings},
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
		starts: make(chan *startup.Start, 64), reached: make(chan string, 4096), collect: func() {},
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
	case errors.Is(err, platform.ErrUnsupported):
		return fmt.Errorf("startup: %w", err)
	}
	return &failure{code: exitInternal, err: fmt.Errorf("startup: %w", err), hint: "if the file may not be whole build or copy it again; go version -m " + shortOperand(path) + " says what is in it"}
}

// consume takes an event; the queue calls it from one goroutine.
func (r *recorder) consume(e *model.Event) {
	start := r.reader.Add(e)
	if kind := e.Get(startup.KeyKind).Str(); kind == startup.KindPhase || kind == startup.KindMark {
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
	r.collect()
	r.stop()
	err := <-r.done
	r.done <- nil
	return err
}

// Run implements starter.
func (r *recorder) Run(ctx context.Context, o startOptions) (*startup.Start, error) {
	r.forget()
	c, err := startCommand(r.path, &o)
	if err != nil {
		return nil, err
	}
	reason := r.observe(ctx, &o, c.ended)
	enough := time.Now()
	r.collect()
	var left []relative
	why := "the command has left it behind: goshawk ends what it ends itself alone"
	if reason == startup.EndedExit {
		left = c.left()
	} else {
		left = c.finish()
		why = "a process group other than the command's is not ended with it"
	}
	s, err := r.await(int32(c.process.Pid))
	if err != nil {
		return nil, err
	}
	r.complete(s, o, reason, enough)
	if len(left) > 0 {
		s.Unseen = append(s.Unseen, goesOn(left, why))
	}
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
		enough[startup.Main] = startup.EndedMain
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

// await returns the start of a process. When it executed several programs it is
// the start of the last one that the probe is attached to, and its Unseen names
// those that came after.
func (r *recorder) await(pid int32) (*startup.Start, error) {
	var last *startup.Start
	var after []*startup.Start
	late := time.After(tellAfter)
	for {
		select {
		case s := <-r.starts:
			switch {
			case last == nil, s.Phase(startup.RuntimeEntry) != nil:
				last, after = s, nil
			default:
				// No point is attached to it: it is another program.
				after = append(after, s)
			}
			if s.Ended == startup.EndedExec {
				continue
			}
			sayExecuted(last, after, r.path)
			return last, nil
		case <-late:
			if last != nil {
				sayExecuted(last, after, r.path)
				return last, nil
			}
			h := r.agent.Health()[0]
			return nil, fmt.Errorf("startup: process %d: its start was not seen; %d events, %d records lost", pid, h.Events, h.LostRecords)
		}
	}
}

// sayExecuted says what a process executed after the program whose start is shown.
// What came between is known by number alone: when its start was over, the
// process was the next program.
func sayExecuted(s *startup.Start, after []*startup.Start, attached string) {
	if len(after) == 0 {
		return
	}
	name := ""
	if last := after[len(after)-1]; last.Ended != startup.EndedExec && last.Exe != "" {
		name = path.Base(last.Exe)
	}
	what := "the program that it executed then"
	switch {
	case len(after) == 1 && name != "":
		what += ": " + name
	case len(after) > 1:
		what = fmt.Sprintf("the %d programs that it executed then", len(after))
		if name != "" {
			what += ", the last of which is " + name
		}
	}
	s.Unseen = append(s.Unseen, startup.Unseen{What: what, Why: "the probe is attached to " + attached + " alone"})
}
