package cli

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/goshawk-io/goshawk/internal/observe/probe"
	"github.com/goshawk-io/goshawk/internal/observe/startup"
	"github.com/goshawk-io/goshawk/internal/observe/target"
)

// aliveEvery is how often a process that is not ours is asked whether it is
// there.
const aliveEvery = 200 * time.Millisecond

// joiner observes the rest of the start of a process that runs.
type joiner struct{ *recorder }

// newJoiner opens what observes process pid.
func newJoiner(ctx context.Context, env Env, pid int32) (starter, error) {
	path := "/proc/" + strconv.Itoa(int(pid)) + "/exe"
	r, err := newRecorder(ctx, env, path, probe.Settings{Joined: pid})
	if err != nil {
		return nil, err
	}
	return &joiner{r}, nil
}

// Run implements starter. The process goes on.
func (j *joiner) Run(ctx context.Context, o startOptions) (*startup.Start, error) {
	p, ok := j.agent.Processes.Get(o.PID)
	if !ok {
		return nil, usageError("goshawk ps lists the Go processes", "startup: --pid %d: no such process", o.PID)
	}
	if p.Go == nil {
		exe, _ := os.Readlink(j.path)
		return nil, &failure{code: exitInternal, err: fmt.Errorf("startup: --pid %d: %s is not a Go program", o.PID, shortOperand(exe)), hint: "goshawk ps lists the Go processes"}
	}
	listens, err := target.Listens(o.PID)
	if err != nil {
		return nil, fmt.Errorf("startup: --pid %d: %w", o.PID, err)
	}
	if len(listens) > 0 {
		// It listens by now: what is to come, if anything, comes soon.
		j.reached <- startup.FirstListen
	}
	gone := make(chan error)
	watch, stop := context.WithCancel(ctx)
	defer stop()
	go alive(watch, o.PID, gone)
	reason := j.observe(ctx, &o, gone)
	stop()
	if err := j.finish(); err != nil {
		return nil, err
	}
	s := &startup.Start{PID: o.PID, Time: p.StartTime, Duration: time.Since(p.StartTime)}
	select {
	case s = <-j.starts:
	default: // it made no system call
	}
	s.Command, s.Exe, s.GoVersion, s.Ended = slices.Clone(p.Args), p.Exe, p.Go.GoVersion, reason
	s.Unseen = append(s.Unseen, startup.Unseen{
		What: "all until main.main, and what main.main did first",
		Why:  "the process runs since " + p.StartTime.Format(time.RFC3339) + "; start it by goshawk startup to see it",
	})
	if len(listens) > 0 {
		var list []string
		for _, l := range listens {
			list = append(list, l.String())
		}
		s.Unseen = append(s.Unseen, startup.Unseen{What: startup.FirstListen, Why: "it listens on " + strings.Join(list, ", ") + " already"})
	}
	return s, nil
}

// alive closes gone when a process has ended, unless ctx is done before.
func alive(ctx context.Context, pid int32, gone chan<- error) {
	tick := time.NewTicker(aliveEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if _, err := os.Stat("/proc/" + strconv.Itoa(int(pid))); err != nil || syscall.Kill(int(pid), 0) == syscall.ESRCH {
				close(gone)
				return
			}
		}
	}
}
