package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/observe/hook"
)

type hookOptions struct {
	tier     string
	budget   float64
	force    bool
	duration time.Duration
	json     bool
	args     string
}

func newHook(env Env) *cobra.Command {
	var o hookOptions
	cmd := &cobra.Command{
		Use:   "hook PID FUNC... [--duration D] [--budget PERCENT] [--args[=PATHS]] [--json]",
		Short: "Measure functions of a running Go process",
		Long: `Measure any functions of a running Go process: how often they are called, how
long they take, how many fail. Nothing in the process is changed.

FUNC is the name of a function as the linker spells it, or a pattern in which *
stands for any text: 'main.handle', 'net/http.(*conn).serve', 'main.Map' for
all instances of a generic function, 'main.run.func1' for a closure, 'main.*'.

What a call costs is measured on this host first, and how often the functions
are called; when the product is above the budget, nothing is hooked. While it
runs, functions that cost more than the budget within a second are given up.
Durations include what hooked functions that are called from within cost.

Calls that were open when the measurement began are not counted. Those that are
open at its end, or that a panic ended, count as calls without a duration, as
unfinished. lost counts calls whose duration could not be kept.

A call has failed when its last result is an error that is not nil. This and
--args need the DWARF of the program: it is there unless the program was built
with -ldflags=-w or -s. Of functions that loop over functions (range-over-func) the
results are not known, and so not the errors.

--args prints some of the calls, at most 10 a second of each function and fewer of
more than 10 functions, with their arguments, how long they took and how they
failed:

  15:04:05.000 g12 main.handle(id=3, r.Method="GET") -> 1.20ms error "no rows"

Numbers, strings, errors and the first four plain fields of structs and of
structs behind pointers are printed; --args=id,r.URL.Path chooses. Strings are
cut at 64 bytes. ? is what cannot be read: numbers in floating-point registers,
memory that is not there. Of an error that is more than a text the type is
printed, of other interfaces what they hold.

Exit codes: 0 the duration is over, or the process ended and there was none;
2 bad usage, a function that cannot be hooked, or a budget that is too small;
3 this host cannot; 4 incomplete: the process ended before the duration, or
functions were given up; 130 interrupted. What was measured is printed in each
of the last two.`,
		Example: `  goshawk hook 4711 main.handle
  goshawk hook 4711 'main.(*Store).*' --duration 30s --json
  goshawk hook 4711 strconv.Atoi --budget 10 --args
  goshawk hook 4711 main.handle --args=id,r.Method,r.URL.Path --duration 10s`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usageError("usage: "+cmd.UseLine(), "hook: want a PID and at least one FUNC, got %d arguments", len(args))
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runHook(cmd.Context(), env, args[0], args[1:], o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.tier, "tier", "auto", "how to hook: `TIER` is auto, kernel, relocated or user")
	f.Float64Var(&o.budget, "budget", hook.DefaultBudget*100, "what the hooks may cost, in `PERCENT` of a core")
	f.BoolVar(&o.force, "force", false, "hook whatever it costs")
	f.DurationVar(&o.duration, "duration", 0, "stop after `D` (30s, 5m); 0 goes on until interrupted")
	f.StringVar(&o.args, "args", "", "print calls with their arguments: all, or those that `PATHS` name (id,r.URL.Path)")
	f.Lookup("args").NoOptDefVal = allArguments
	f.BoolVar(&o.json, "json", false, "print a JSON array")
	return cmd
}

// open returns what the user wishes for.
func (o *hookOptions) open(pid string, functions []string) (hook.Options, error) {
	if o.duration < 0 {
		return hook.Options{}, usageError("write a positive duration such as 30s", "hook: --duration %s: is negative", o.duration)
	}
	if !(o.budget > 0) || math.IsInf(o.budget, 0) {
		return hook.Options{}, usageError("write a number above 0 such as 5, or use --force", "hook: --budget %v: is not a share of a core", o.budget)
	}
	number, err := strconv.ParseInt(pid, 10, 32)
	if err != nil {
		return hook.Options{}, usageError("goshawk ps lists the Go processes", "hook: PID %q: is not a number", pid)
	}
	paths, err := hookPaths(o.args)
	return hook.Options{
		PID: int(number), Functions: functions, Tier: o.tier, Budget: o.budget / 100, Force: o.force,
		Args: o.args != "", Paths: paths,
	}, err
}

func runHook(ctx context.Context, env Env, pid string, functions []string, o hookOptions) error {
	wishes, err := o.open(pid, functions)
	if err != nil {
		return err
	}
	session, err := hook.Open(ctx, wishes)
	if err != nil {
		return hookFailure(ctx, err)
	}
	defer session.Close()
	for _, note := range session.Notes() {
		fmt.Fprintln(env.Stderr, "note:", printable(note))
	}
	estimate := session.Estimate()
	printEstimate(env.Stderr, &estimate)
	screen := hookScreen{env: env}
	run := hook.RunOptions{
		Duration: o.duration,
		Started:  func() { fmt.Fprintln(env.Stderr, hookStarted(len(estimate.Functions), o.duration)) },
		Warn:     func(text string) { fmt.Fprintln(env.Stderr, "warning:", printable(text)) },
	}
	var samples *hookSamples
	switch {
	case o.args != "":
		samples = &hookSamples{}
		if !o.json {
			samples.out = env.Stdout // and no table but the last one
		}
		run.Sample = samples.take
	case !o.json && env.Width() > 0:
		run.Every, run.Tick = time.Second, screen.draw
	}
	report, err := session.Run(ctx, run)
	if err != nil {
		return hookFailure(ctx, err)
	}
	if o.json {
		err = printHookJSON(env.Stdout, report, samples)
	} else {
		screen.draw(report)
		printHookNotes(env.Stderr, report)
	}
	if samples != nil && session.Samples() {
		samples.printNotes(env.Stderr, report)
	}
	if err != nil {
		return err
	}
	return hookEnding(report, o.duration)
}

// hookStarted says that calls are counted from now on.
func hookStarted(functions int, duration time.Duration) string {
	what := "1 function"
	if functions != 1 {
		what = fmt.Sprintf("%d functions", functions)
	}
	if duration > 0 {
		return fmt.Sprintf("measuring %s for %v", what, duration)
	}
	return fmt.Sprintf("measuring %s until interrupted", what)
}

// hookFailure gives an error of package hook its exit code.
func hookFailure(ctx context.Context, err error) error {
	var input *hook.InputError
	switch {
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return errInterrupted
	case errors.As(err, &input):
		return usageError(input.Hint, "%w", err)
	}
	return err
}

// hookEnding is the outcome of a measurement that was printed.
func hookEnding(report *hook.Report, wanted time.Duration) error {
	incomplete := func(hint, format string, args ...any) error {
		return &failure{code: exitInternal, err: fmt.Errorf(format, args...), hint: hint}
	}
	took := report.Took.Round(time.Millisecond)
	switch {
	case report.Ending == hook.EndInterrupted:
		return errInterrupted
	case report.Ending == hook.EndExited && wanted > 0:
		return incomplete("the result is of the time before", "hook: the process ended after %v of %v", took, wanted)
	case report.Ending == hook.EndReplaced:
		return incomplete("start again to hook the new program", "hook: the process executed another program after %v", took)
	}
	for i := range report.Functions {
		if f := &report.Functions[i]; f.Detached != "" {
			return incomplete("allow more with --budget, or anything with --force", "hook %s: given up after %v: %s", f.Func, f.Took.Round(time.Millisecond), f.Detached)
		}
	}
	return nil
}

// maxEstimates is how many functions of an estimate are shown.
const maxEstimates = 5

func printEstimate(w io.Writer, e *hook.Estimate) {
	called := 0
	for _, f := range e.Functions {
		if f.Rate == 0 {
			break // the dearest come first
		}
		if called++; called <= maxEstimates {
			fmt.Fprintf(w, "estimate: %s: %.0f calls/s x %s = %.2f%% of a core\n", printable(f.Func), f.Rate, shortDuration(f.Cost), f.Share*100)
		}
	}
	if called > maxEstimates {
		fmt.Fprintf(w, "estimate: and %d more functions\n", called-maxEstimates)
	}
	budget := "any cost is allowed"
	if e.Budget > 0 {
		budget = fmt.Sprintf("the budget is %.2g%%", e.Budget*100)
	}
	fmt.Fprintf(w, "estimate: %d of %d functions were called within %s: %.2f%% of a core in all, %s\n",
		called, len(e.Functions), shortDuration(e.Took), e.Share*100, budget)
}

func printHookJSON(w io.Writer, report *hook.Report, samples *hookSamples) error {
	list := make([]v1.Hook, 0, len(report.Functions))
	for i := range report.Functions {
		one := wireHook(&report.Functions[i])
		if samples != nil {
			one.Samples = samples.of(one.Func)
		}
		list = append(list, one.Valid())
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(list)
}

func wireHook(r *hook.Result) v1.Hook {
	h := v1.Hook{
		Func: r.Func, Tier: r.Tier, Calls: r.Calls, PerSec: math.Round(r.Rate()*1000) / 1000,
		P50: int64(r.Latency.Quantile(0.5)), P90: int64(r.Latency.Quantile(0.9)), P99: int64(r.Latency.Quantile(0.99)),
		Max: int64(r.Latency.Max()), Mean: int64(r.Latency.Mean()), Lost: r.Lost, Open: r.Unfinished,
		Cost: int64(r.Cost), Took: int64(r.Took), Refused: r.Refused, Detached: r.Detached != "", Reason: r.Detached,
	}
	if r.ErrorsKnown && r.Refused == "" {
		h.Errors = &r.Errors
	}
	return h
}

// printHookNotes says what the table leaves out.
func printHookNotes(w io.Writer, report *hook.Report) {
	known, unknown, open, lost := false, false, false, false
	for i := range report.Functions {
		f := &report.Functions[i]
		known = known || f.Refused == "" && f.ErrorsKnown
		unknown = unknown || f.Refused == "" && !f.ErrorsKnown
		open = open || f.Unfinished > 0
		lost = lost || f.Lost > 0
	}
	if unknown && known { // of all it was said at the start
		fmt.Fprintln(w, "note: ERRORS is - where it is not known which result of a function is its error")
	}
	if open {
		fmt.Fprintln(w, "note: UNFINISHED are calls that had not returned at the end, or that a panic ended")
	}
	if lost {
		fmt.Fprintln(w, "note: LOST are calls without a duration: too many were open at once")
	}
	if report.Ending == hook.EndExited {
		fmt.Fprintf(w, "note: the process ended after %s\n", shortDuration(report.Took))
	}
}

// shortDuration is d with three digits.
func shortDuration(d time.Duration) string {
	unit, name := time.Nanosecond, "ns"
	switch {
	case d >= time.Second:
		unit, name = time.Second, "s"
	case d >= time.Millisecond:
		unit, name = time.Millisecond, "ms"
	case d >= time.Microsecond:
		unit, name = time.Microsecond, "µs"
	}
	n := float64(d) / float64(unit)
	switch {
	case unit == time.Nanosecond || n >= 100:
		return fmt.Sprintf("%.0f%s", n, name)
	case n >= 10:
		return fmt.Sprintf("%.1f%s", n, name)
	}
	return strings.TrimSuffix(fmt.Sprintf("%.2f", n), ".00") + name
}
