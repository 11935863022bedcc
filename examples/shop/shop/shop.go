package shop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

// maxProcesses bounds the processes alive at once, zombies and the children of
// commands included. It leaves room below 32 for those that Go starts itself.
const maxProcesses = 28

var (
	errBusy    = errors.New("too many commands at once")
	errLeftOut = errors.New("left out: a command it needs is not installed")
	errClosed  = errors.New("the shop is closed")
	// errUnfinished is wrapped by Run's error when commands do not end.
	errUnfinished = errors.New("commands did not end")
)

// shop is an open shop: its tools, its files, and an account of its commands.
type shop struct {
	log *slog.Logger
	dir string
	// tools are the paths of the commands that the host has, by name.
	tools    map[string]string
	detacher []string
	ledger   *ledger
	// works are the pieces of work that the host has the tools for, by name.
	works   map[string]work
	leftOut []string
	// stop is closed when the shop closes.
	stop    <-chan struct{}
	close   context.CancelFunc
	running sync.WaitGroup

	mu        sync.Mutex
	closed    bool           // guarded by mu
	processes int            // guarded by mu
	active    map[string]int // guarded by mu
	runs      map[string]int // guarded by mu
}

// newShop looks up the tools and logs once what is left out.
func newShop(ctx context.Context, o Options, dir string) *shop {
	ctx, cancel := context.WithCancel(ctx)
	s := &shop{
		log:      o.log(),
		dir:      dir,
		detacher: o.Detacher,
		works:    make(map[string]work),
		stop:     ctx.Done(),
		close:    cancel,
		active:   make(map[string]int),
		runs:     make(map[string]int),
	}
	s.tools = findTools(allWork())
	for _, w := range allWork() {
		if missing := w.missing(s.tools); len(missing) > 0 {
			s.leftOut = append(s.leftOut, w.name)
			s.log.Warn("left out, a command is not installed", "work", w.name, "missing", missing)
			continue
		}
		s.works[w.name] = w
	}
	return s
}

// begin accounts for a piece of work, whose commands the caller starts. The
// caller calls end when they are reaped.
func (s *shop) begin(name string) (end func(), err error) {
	w, ok := s.works[name]
	if !ok {
		return nil, fmt.Errorf("%s: %w", name, errLeftOut)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, fmt.Errorf("%s: %w", name, errClosed)
	case s.active[name] >= w.limit || s.processes+w.processes > maxProcesses:
		return nil, fmt.Errorf("%s: %w", name, errBusy)
	}
	s.active[name]++
	s.runs[name]++
	s.processes += w.processes
	s.running.Add(1)
	return func() {
		s.mu.Lock()
		s.active[name]--
		s.processes -= w.processes
		s.mu.Unlock()
		s.running.Done()
	}, nil
}

// pause blocks for d, or until the shop closes.
func (s *shop) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.stop:
	}
}

// end lets no further work begin and waits for what runs.
func (s *shop) end() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.close()
	ended := make(chan struct{})
	go func() {
		s.running.Wait()
		close(ended)
	}()
	timer := time.NewTimer(endPatience)
	defer timer.Stop()
	select {
	case <-ended:
		return nil
	case <-timer.C:
		return fmt.Errorf("close the shop: %w within %s: %v", errUnfinished, endPatience, s.unfinished())
	}
}

func (s *shop) unfinished() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, name := range slices.Sorted(maps.Keys(s.active)) {
		if s.active[name] > 0 {
			names = append(names, name)
		}
	}
	return names
}

// status is what GET /status answers.
type status struct {
	// Runs counts how often each piece of work began.
	Runs map[string]int `json:"runs"`
	// Idle are the pieces of work that never ran so far.
	Idle []string `json:"idle"`
	// LeftOut are those that the host lacks a command for.
	LeftOut []string `json:"left_out"`
	// Processes bounds from above how many processes are alive.
	Processes int `json:"processes"`
}

func (s *shop) status() status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := status{Runs: maps.Clone(s.runs), Idle: []string{}, LeftOut: append([]string{}, s.leftOut...), Processes: s.processes}
	for _, name := range slices.Sorted(maps.Keys(s.works)) {
		if s.runs[name] == 0 {
			st.Idle = append(st.Idle, name)
		}
	}
	return st
}
