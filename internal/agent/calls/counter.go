package calls

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/hook"
	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/sli"
)

const (
	// lookEvery is how often processes are looked for, and readEvery how often
	// calls are read.
	lookEvery = 2 * time.Second
	readEvery = 5 * time.Second
	// retryEvery is when a process is looked at again that could not be hooked, or
	// in which it ended: it may have executed another program.
	retryEvery = time.Minute
)

// Process is a Go process of a service.
type Process struct {
	ID      model.ProcessID
	Service string
}

// Options configures [New]. Processes and Count must be set.
type Options struct {
	// Processes returns the Go processes of the host.
	Processes func() []Process
	// Count takes the calls of an objective. It must not block, and is called by
	// several goroutines.
	Count func(name string, calls sli.Counts)
	// Look, Read and Retry are how often processes are looked for, calls are read,
	// and what failed is tried again; 0 means 2 s, 5 s and a minute.
	Look, Read, Retry time.Duration
	// Log hears what is hooked, and what cannot be; nil discards it.
	Log *slog.Logger
}

// Counter counts calls. It may be used by several goroutines.
type Counter struct {
	options Options

	mu     sync.Mutex
	wanted map[string]*wanted // by the objective's name
	tasks  map[taskKey]*task
}

// wanted is an objective whose calls are counted.
type wanted struct {
	slo      *objective.SLO
	question question
}

type taskKey struct {
	slo     string
	process model.ProcessID
}

// task is an objective in one process.
type task struct {
	question question
	stop     context.CancelFunc
	err      error     // why calls are not counted
	running  bool      // a session is, or is being opened
	begun    bool      // calls are counted
	again    time.Time // when it is tried again if it is not
}

// New returns a counter without objectives.
func New(o Options) *Counter {
	if o.Look == 0 {
		o.Look = lookEvery
	}
	if o.Read == 0 {
		o.Read = readEvery
	}
	if o.Retry == 0 {
		o.Retry = retryEvery
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Counter{options: o, wanted: make(map[string]*wanted), tasks: make(map[taskKey]*task)}
}

// Set makes these the objectives whose calls are counted, of those that are about
// functions. What is counted already goes on if the objective asks the same.
func (c *Counter) Set(slos []objective.SLO) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wanted = make(map[string]*wanted)
	for i := range slos {
		s := &slos[i]
		if s.Indicator.Signal != objective.SignalFunc {
			continue
		}
		if q, err := newQuestion(s); err == nil {
			c.wanted[s.Name] = &wanted{s, q}
		}
	}
	for key, t := range c.tasks {
		if w := c.wanted[key.slo]; w == nil || w.question != t.question {
			c.drop(key, t)
		}
	}
}

// drop forgets a task, and ends its session. The lock is held.
func (c *Counter) drop(key taskKey, t *task) {
	if t.stop != nil {
		t.stop()
	}
	delete(c.tasks, key)
}

// Err returns why calls are not counted for an objective in one of the processes,
// nil when they are, or when no process is there.
func (c *Counter) Err(s *objective.SLO) error {
	if _, err := newQuestion(s); err != nil {
		return fmt.Errorf("the agent cannot count its calls: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var found error
	least := int32(0)
	for key, t := range c.tasks {
		if key.slo == s.Name && t.err != nil && (found == nil || key.process.PID < least) {
			least, found = key.process.PID, fmt.Errorf("calls in process %d are not counted: %w", key.process.PID, t.err)
		}
	}
	return found
}

// Run hooks the processes that there are and that come, until ctx is done.
func (c *Counter) Run(ctx context.Context) {
	var sessions sync.WaitGroup
	defer sessions.Wait()
	tick := time.NewTicker(c.options.Look)
	defer tick.Stop()
	for {
		c.look(ctx, &sessions)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look begins what is to be counted and is not, and forgets processes that are gone.
func (c *Counter) look(ctx context.Context, sessions *sync.WaitGroup) {
	c.mu.Lock()
	idle := len(c.wanted) == 0
	c.mu.Unlock()
	if idle {
		return
	}
	processes := c.options.Processes()
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	there := make(map[taskKey]bool)
	for _, p := range processes {
		for name, w := range c.wanted {
			if !w.slo.Indicator.Select.Matches(p.Service, anything(w.slo)) {
				continue
			}
			key := taskKey{name, p.ID}
			there[key] = true
			t := c.tasks[key]
			if t == nil {
				t = &task{question: w.question}
				c.tasks[key] = t
			}
			if t.running || now.Before(t.again) {
				continue
			}
			session, stop := context.WithCancel(ctx)
			t.stop, t.running = stop, true
			sessions.Go(func() {
				defer stop()
				c.count(session, key, t)
			})
		}
	}
	for key, t := range c.tasks {
		if !there[key] && !t.running {
			c.drop(key, t)
		}
	}
}

// anything matches the attributes of an objective, so that its service decides.
func anything(s *objective.SLO) objective.Lookup {
	return func(string) string { return s.Indicator.Select.Attributes[0].Patterns[0] }
}

// count counts the calls in one process until it ends, and keeps why it could not.
func (c *Counter) count(ctx context.Context, key taskKey, t *task) {
	err := c.session(ctx, key, t)
	if ctx.Err() != nil {
		err = nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t.running, t.begun, t.err, t.again = false, false, err, time.Now().Add(c.options.Retry)
	if err != nil {
		c.options.Log.Warn("calls are not counted", "slo", key.slo, "pid", key.process.PID, "error", err)
	}
}

func (c *Counter) session(ctx context.Context, key taskKey, t *task) error {
	o := hook.Options{PID: int(key.process.PID), Functions: strings.Split(t.question.functions, "\n"), Threshold: t.question.threshold, Log: c.options.Log}
	if t.question.slow {
		o.ErrorWord = func(*symbol.Binary, symbol.Function) (int, bool) { return -1, true }
	}
	s, err := hook.Open(ctx, o)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var before sli.Counts
	take := func(r *hook.Report) {
		now, err := tell(r)
		if err != nil {
			stop(err)
			return
		}
		// What is read of a moment in which calls return may say of the next reading's
		// good ones that they are bad.
		now = sli.Counts{Good: max(now.Good, before.Good), Bad: max(now.Bad, before.Bad)}
		if now != before {
			c.options.Count(key.slo, sli.Counts{Good: now.Good - before.Good, Bad: now.Bad - before.Bad})
		}
		before = now
	}
	report, err := s.Run(ctx, hook.RunOptions{Every: c.options.Read, Tick: take, Started: func() { c.began(key, t) }})
	if report != nil {
		take(report)
	}
	err = errors.Join(err, s.Close())
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// began says that calls are counted.
func (c *Counter) began(key taskKey, t *task) {
	c.mu.Lock()
	t.err, t.begun = nil, true
	c.mu.Unlock()
	c.options.Log.Info("calls are counted", "slo", key.slo, "pid", key.process.PID)
}

// tell returns the good and the bad calls of a report, or why these are not known of
// one of the functions.
func tell(r *hook.Report) (sli.Counts, error) {
	var sum sli.Counts
	for i := range r.Functions {
		f := &r.Functions[i]
		switch {
		case f.Refused != "":
			return sum, fmt.Errorf("%s: %s", f.Func, f.Refused)
		case f.Detached != "":
			return sum, fmt.Errorf("%s: %s", f.Func, f.Detached)
		case !f.ErrorsKnown:
			return sum, fmt.Errorf("%s: whether it fails cannot be told from the program: write bad: [] with a threshold to judge by time alone", f.Func)
		}
		sum = sum.Plus(sli.Counts{Good: f.Latency.Count() - f.Bad, Bad: f.Bad})
	}
	return sum, nil
}
