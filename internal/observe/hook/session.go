package hook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/goshawk-io/goshawk/internal/observe/uprobe"
)

// Options says what to hook. PID and Functions are needed; the zero value of
// everything else works.
type Options struct {
	// PID is the process, in the caller's PID namespace.
	PID int
	// Functions are names of functions as the linker spells them, or patterns
	// such as "main.*".
	Functions []string
	// Tier is how to hook: "" or "auto" chooses.
	Tier string
	// Budget is the share of a core that the hooks may take, [DefaultBudget]
	// by default.
	Budget float64
	// Force hooks whatever it costs, and goes on whatever it costs.
	Force bool
	// Sample is how long the rates are sampled, [DefaultSample] by default.
	Sample time.Duration
	// Args samples calls with their arguments, for [RunOptions.Sample].
	Args bool
	// Paths choose what is printed of the arguments: names of parameters, with
	// the path to a field behind them ("r.URL.Path"). Without paths it is every
	// parameter that has a name, and the first fields of structs.
	Paths []string
	// ErrorWord tells where functions return their error; nil asks the DWARF of
	// the program.
	ErrorWord ErrorWord
	// Threshold is the longest time that is good, for [Result.Bad]; 0 means any.
	Threshold time.Duration
	// Log hears of details, on the debug level; nil means nobody.
	Log *slog.Logger

	frames       uint32        // calls that may be open at once; 0 takes the default
	interval     time.Duration // between two samples of a function; 0 takes the default
	everyProcess bool          // attach as kernels before 6.10 do: to all processes that run the file
}

// Session is a process whose functions are to be hooked. It is used by one
// goroutine.
type Session struct {
	target    *process
	functions []function
	notes     []string
	tier      tier
	tierName  string
	sampler   *sampler // nil unless calls are sampled
	guard     *uprobe.Guard
	prices    prices
	estimate  Estimate

	groups [][]int
	links  []io.Closer // of each group, nil once closed
	hooked []hooked    // by function
}

// hooked is what became of a function.
type hooked struct {
	from, until time.Time // until is zero while it is hooked
	detached    string    // why it was given up
}

// Open finds the functions, measures what hooking costs here and samples how
// often they are called, in less than a second altogether. It attaches nothing
// for longer. The caller must close the session: until then, or until it has run,
// whoever opens the file of the process for writing is held up ([uprobe.Guard]).
//
// Errors are of type [*InputError] when the caller's wishes are at fault, and
// match [platform.ErrUnsupported] when this host cannot.
func Open(ctx context.Context, o Options) (*Session, error) {
	tierName, err := chooseTier(o.Tier)
	if err != nil {
		return nil, err
	}
	if len(o.Functions) == 0 {
		return nil, inputError("write the name of a function, or a pattern such as 'main.*'", "hook: no functions")
	}
	if err := checkHost(); err != nil {
		return nil, err
	}
	target, err := openProcess(o.PID)
	if err != nil {
		return nil, err
	}
	s := &Session{target: target, tierName: tierName}
	if err := s.prepare(ctx, o); err != nil {
		gone := target.gone()
		s.Close()
		if gone && ctx.Err() == nil {
			return nil, inputError("goshawk ps lists the Go processes", "PID %d: the process ended while it was looked at", o.PID)
		}
		return nil, err
	}
	return s, nil
}

func (s *Session) prepare(ctx context.Context, o Options) error {
	described := &signatures{binary: s.target.binary}
	if o.ErrorWord == nil {
		o.ErrorWord = described.errorWord
	}
	chosen, err := choose(s.target, o.Functions, o.ErrorWord)
	if err != nil {
		return err
	}
	s.functions, s.notes = chosen.functions, chosen.notes
	if o.Args {
		if err := chosen.findArguments(described, o.Paths); err != nil {
			return err
		}
		o.Args = described.err == nil
	}
	if note := described.note(); note != "" {
		s.notes = append(s.notes, note)
	}
	// Before anything is attached, and until nothing is.
	s.guard = s.target.guard(o.Log)
	kernel, err := newKernelTier(s.target, s.functions, o)
	if err != nil {
		return err
	}
	s.tier = kernel
	if s.prices, err = s.tier.measure(ctx); err != nil {
		return err
	}
	if o.Sample <= 0 {
		o.Sample = DefaultSample
	}
	if s.estimate, err = sample(ctx, s.tier, &s.prices, s.functions, o.Sample); err != nil {
		return err
	}
	switch {
	case o.Force:
	case o.Budget > 0:
		s.estimate.Budget = o.Budget
	default:
		s.estimate.Budget = DefaultBudget
	}
	if o.Args {
		if s.sampler, err = kernel.newSampler(); err != nil {
			return err
		}
	}
	return refusedAll(s.functions)
}

// Estimate returns what hooking will cost.
func (s *Session) Estimate() Estimate { return s.estimate }

// maxRefusals is how many refused functions the notes name.
const maxRefusals = 10

// Notes returns what the user should know of the choice of functions: those
// that are refused, some of many, and calls that are inlined.
func (s *Session) Notes() []string {
	notes := slices.Clone(s.notes)
	refused := 0
	for i := range s.functions {
		if f := &s.functions[i]; f.refused != nil {
			if refused++; refused <= maxRefusals {
				notes = append(notes, fmt.Sprintf("%s: not hooked: %v", f.name, f.refused))
			}
		}
	}
	if refused > maxRefusals {
		notes = append(notes, fmt.Sprintf("%d more functions are not hooked; --json says why", refused-maxRefusals))
	}
	return notes
}

// Samples reports whether calls are sampled: that was asked for, and the DWARF
// tells where arguments are.
func (s *Session) Samples() bool { return s.sampler != nil }

// RunOptions configures [Session.Run]. The zero value runs until the context is
// done or the process ends.
type RunOptions struct {
	// Duration is for how long to measure; 0 means without end.
	Duration time.Duration
	// Started is called once calls are counted; nil means nobody.
	Started func()
	// Every is how often Tick is called, not at all when it is 0.
	Every time.Duration
	// Tick gets what was measured so far.
	Tick func(*Report)
	// Sample gets the calls that were sampled, a moment after they returned,
	// and those that did not in the end. It is called by the goroutine that
	// runs.
	Sample func(*Sample)
	// Warn hears at once of functions that are given up; nil means nobody.
	Warn func(string)
}

// sampled hands out a sample.
func (o *RunOptions) sampled(call *Sample) {
	if o.Sample != nil {
		o.Sample(call)
	}
}

// Run hooks the functions and measures them until ctx is done, the duration is
// over, the process ends or executes another program, or nothing is left to
// measure. It returns what was measured, detached from everything. An estimate
// above the budget is an error of type [*InputError], before anything is
// attached.
//
// Run is called once.
func (s *Session) Run(ctx context.Context, o RunOptions) (*Report, error) {
	if s.estimate.Exceeds() {
		return nil, s.estimate.exceeded()
	}
	if err := s.attach(); err != nil {
		return nil, err
	}
	begin := time.Now()
	if o.Started != nil {
		o.Started()
	}
	ending, err := s.watch(ctx, begin, o)
	now := time.Now()
	for i := range s.hooked {
		s.off(i, now, "")
	}
	if err := errors.Join(err, s.detachAll(), s.unguard()); err != nil {
		return nil, err
	}
	if s.sampler != nil {
		if err := s.sampler.finish(o.sampled); err != nil {
			return nil, err
		}
	}
	report, err := s.report(now.Sub(begin), ending)
	if err != nil {
		return nil, err
	}
	return report, nil
}

// attach attaches the groups and then begins to count, in all at once.
func (s *Session) attach() error {
	s.hooked = make([]hooked, len(s.functions))
	s.groups = groupFunctions(s.byCost())
	s.links = make([]io.Closer, len(s.groups))
	for i := range s.groups {
		if err := s.attachGroup(i); err != nil {
			return fmt.Errorf("hook: %w", err)
		}
	}
	if err := refusedAll(s.functions); err != nil {
		return err
	}
	now := time.Now()
	for i := range s.functions {
		if s.functions[i].refused != nil {
			continue
		}
		s.hooked[i].from = now
		if err := s.tier.counter().switchOn(i); err != nil {
			return err
		}
	}
	return nil
}

// attachGroup attaches the functions of a group that the kernel takes in full.
func (s *Session) attachGroup(i int) error {
	for len(s.groups[i]) > 0 {
		link, refused, err := s.tier.attach(s.groups[i])
		if len(refused) == 0 {
			s.links[i] = link
			return err
		}
		// Half of a function is worth nothing, and costs.
		if link != nil {
			err = link.Close()
		} else {
			err = nil
		}
		for f, cause := range refused {
			s.functions[f].refused = cause
		}
		s.groups[i] = slices.DeleteFunc(s.groups[i], func(f int) bool { return s.functions[f].refused != nil })
		if err != nil {
			return err
		}
	}
	return nil
}

// byCost returns the functions that can be hooked, the dearest first.
func (s *Session) byCost() []int {
	index := make(map[string]int, len(s.functions))
	for i := range s.functions {
		index[s.functions[i].name] = i
	}
	var order []int
	for _, e := range s.estimate.Functions {
		if i := index[e.Func]; s.functions[i].refused == nil {
			order = append(order, i)
		}
	}
	return order
}

// off ends the counting of a function; why is empty when the measurement is
// over.
func (s *Session) off(f int, now time.Time, why string) {
	h := &s.hooked[f]
	if h.from.IsZero() || !h.until.IsZero() {
		return
	}
	// What cannot be switched off is detached all the same.
	_ = s.tier.counter().switchOff(f)
	h.until, h.detached = now, why
}

// detachAll closes all links at once.
func (s *Session) detachAll() error {
	results := make(chan error)
	n := 0
	for i, link := range s.links {
		if link != nil {
			n++
			go func() { results <- link.Close() }()
			s.links[i] = nil
		}
	}
	var err error
	for range n {
		err = errors.Join(err, <-results)
	}
	return err
}

// unguard lets go on who waits to write to the file. Nothing may be attached.
func (s *Session) unguard() error {
	if s.guard == nil {
		return nil
	}
	guard := s.guard
	s.guard = nil
	return guard.Close()
}

// Close detaches everything and lets go of the process.
func (s *Session) Close() error {
	err := errors.Join(s.detachAll(), s.unguard())
	if s.sampler != nil {
		err = errors.Join(err, s.sampler.close())
	}
	if s.tier != nil {
		err = errors.Join(err, s.tier.Close())
	}
	return errors.Join(err, s.target.Close())
}
