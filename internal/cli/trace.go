package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/observe/gotrace"
	"github.com/goshawk-io/goshawk/internal/observe/gotrace/fetch"
	"github.com/goshawk-io/goshawk/internal/observe/gotrace/hostsample"
	"github.com/goshawk-io/goshawk/internal/ui"
)

func newTrace(env Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "trace",
		Short: "Say why goroutines wait: analyse, compare and record execution traces",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTraceReport(env), newTraceDiff(env), newTraceRecord(env))
	return cmd
}

// traceOptions are the flags of trace report.
type traceOptions struct {
	json    bool
	html    string
	all     bool
	workers int
	// host is the file of samples, empty for the one beside the trace.
	host string
	// now is the clock of what --html writes.
	now func() time.Time
}

func newTraceReport(env Env) *cobra.Command {
	o := traceOptions{now: time.Now}
	cmd := &cobra.Command{
		Use:   "report FILE|URL|- [--json] [--html FILE]",
		Short: "Analyse an execution trace",
		Long: `Read an execution trace of Go 1.22 to 1.26, from a file, from standard input or
from a pprof endpoint, plain or gzip-compressed, and say why its goroutines waited:
how long for a P and after what, by entry function; stops of the world and the
garbage collector; where they were blocked; the longest single waits and what else
went on; regions, tasks and logs. What goshawk trace record sampled beside a trace
is read with it.

It reads a trace of any length in bounded memory, about 100 MiB with --parallel 2.
Memory grows with what a program writes in a second, for that is what a trace is
cut into, not with how long it was traced.

Quantiles are off by at most 6 %, all else is exact. Waits that had begun before
the trace are counted apart.

Exit codes: 0 done, 2 bad usage or a file that cannot be opened, 4 not a trace, or
one that is cut off or damaged: what could be read is printed, and where it ended,
130 interrupted.`,
		Example: `  goshawk trace record --url http://127.0.0.1:6060 -o t.trace
  goshawk trace report t.trace
  goshawk trace report --html t.html t.trace
  goshawk trace report 'http://127.0.0.1:6060/debug/pprof/trace?seconds=3'
  zcat t.trace.gz | goshawk trace report --json -`,
		Args: exactArgs(1, "a FILE, a URL, or - for standard input"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runTraceReport(cmd.Context(), env, args[0], o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.json, "json", false, "print a JSON document")
	f.StringVar(&o.html, "html", "", "write a page that needs nothing else to `FILE`, too")
	f.BoolVar(&o.all, "all", false, "show all functions and places, however short")
	f.StringVar(&o.host, "host", "", "take what was sampled beside the trace from `FILE` (default: the trace's name and "+hostSuffix+", if there)")
	f.IntVar(&o.workers, "parallel", 0, "parse `N` parts at once (default 2, or 1 on one CPU)")
	return cmd
}

// collectEarly keeps the heap small while a trace is read: what is read has few
// pointers, so that collecting it often costs little. It returns what undoes it.
func collectEarly() func() {
	const percent = 10
	before := debug.SetGCPercent(percent)
	return func() { debug.SetGCPercent(before) }
}

func runTraceReport(ctx context.Context, env Env, operand string, o traceOptions) error {
	if o.workers < 0 {
		return usageError("write a number from 1 on", "trace report: --parallel %d: is negative", o.workers)
	}
	var page *pendingFile
	if o.html != "" {
		var err error
		if page, err = createPending(o.html); err != nil {
			return usageError("name a file in a folder that can be written to", "trace report: --html %s: %w", shortOperand(o.html), err)
		}
		defer page.discard()
	}
	report, cause, err := analyseTrace(ctx, env, "trace report", operand, gotrace.Options{Workers: o.workers})
	if err != nil {
		return err
	}
	unjoined, err := joinHost(report, operand, o.host)
	if err != nil {
		return err
	}
	v := v1.NewTrace(operand, report, gotrace.Find(report), cause)
	v.HostNotSeen = unjoined
	if o.json {
		err = writeJSON(env.Stdout, &v)
	} else {
		t := traceText{startText{width: env.Width(), color: env.color(), all: o.all}}
		t.report(&v)
		_, err = t.b.WriteTo(env.Stdout)
	}
	if page != nil {
		html, rendered := ui.RenderTrace(&v, ui.TraceOptions{Version: buildVersion().Version, Now: o.now()})
		if rendered == nil {
			rendered = page.commit(html)
		}
		err = errors.Join(err, rendered)
	}
	if err != nil {
		return notWritten("trace report", err)
	}
	return incompleteTrace("trace report", operand, report, cause)
}

// analyseTrace analyses the trace that an operand names. cause is what ended the
// analysis of what then is a report of a part; err says that there is nothing.
func analyseTrace(ctx context.Context, env Env, command, operand string, o gotrace.Options) (report *gotrace.Report, cause, err error) {
	defer collectEarly()()
	in, err := openTrace(ctx, env, command, operand)
	if err != nil {
		return nil, nil, err
	}
	defer in.Close()
	// A read that waits for a pipe ends when what it reads from is closed.
	stop := context.AfterFunc(ctx, func() { in.Close() })
	defer stop()
	report, cause = gotrace.Analyse(ctx, in, o)
	if ctx.Err() != nil {
		cause = errInterrupted
	}
	if report == nil || report.Events == 0 && cause != nil {
		return nil, nil, unreadableTrace(command, operand, cause)
	}
	return report, cause, nil
}

// isTraceURL tells whether an operand is to be fetched.
func isTraceURL(operand string) bool {
	return strings.HasPrefix(operand, "http://") || strings.HasPrefix(operand, "https://")
}

// fetchedTrace is a trace that is being received.
type fetchedTrace struct {
	*fetch.Trace
	client *fetch.Client
}

func (f fetchedTrace) Close() error {
	err := f.Trace.Close()
	f.client.Close()
	return err
}

// openTrace opens a file, standard input or what a URL answers.
func openTrace(ctx context.Context, env Env, command, operand string) (io.ReadCloser, error) {
	if isTraceURL(operand) {
		client := fetch.New(fetch.Options{})
		t, err := client.Open(ctx, operand, 0)
		if err != nil {
			client.Close()
			return nil, fetchFailure(ctx, command, err)
		}
		return fetchedTrace{t, client}, nil
	}
	if operand == "-" {
		if f, ok := env.Stdin.(*os.File); ok {
			return f, nil
		}
		return io.NopCloser(env.Stdin), nil
	}
	const hint = "record one: goshawk trace record --url http://HOST:PORT -o t.trace"
	f, err := os.Open(operand)
	if err != nil {
		return nil, usageError(hint, "%s: %w", command, err)
	}
	if info, err := f.Stat(); err == nil && info.IsDir() {
		f.Close()
		return nil, usageError(hint, "%s: %s: is a directory", command, shortOperand(operand))
	}
	return f, nil
}

// joinHost adds to a report what was sampled beside a trace: in the file that is
// named, or in that beside it. why says that nothing was added, and why; err that
// what was asked for cannot be had.
func joinHost(r *gotrace.Report, operand, named string) (why string, err error) {
	file := named
	if file == "" {
		if operand == "-" || isTraceURL(operand) {
			return "", nil
		}
		file = operand + hostSuffix
	}
	refuse := func(err error) (string, error) {
		if named != "" {
			return "", usageError("name what goshawk trace record wrote beside this trace", "trace report: --host %s: %w", shortOperand(named), err)
		}
		return filepath.Base(file) + " " + err.Error(), nil
	}
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) && named == "" {
		return "", nil
	}
	if err != nil {
		return refuse(withoutPath(err))
	}
	defer f.Close()
	rec, err := hostsample.Read(f)
	if err != nil {
		return refuse(err)
	}
	if err := gotrace.Join(r, rec); err != nil {
		return refuse(err)
	}
	return "", nil
}

// unreadableTrace says why there is nothing to report.
func unreadableTrace(command, operand string, cause error) error {
	if errors.Is(cause, errInterrupted) {
		return errInterrupted
	}
	hint := "a trace is what runtime/trace, a flight recorder or /debug/pprof/trace write"
	trace, samples := strings.CutSuffix(operand, hostSuffix)
	switch {
	case samples && errors.Is(cause, gotrace.ErrNotTrace):
		hint = "these are the samples of the host beside a trace, and read with it: name " + shortOperand(trace)
	case errors.Is(cause, gotrace.ErrOldFormat):
		hint = "trace the program built with Go 1.22 or newer, or use the go tool trace of its version"
	case errors.Is(cause, gotrace.ErrEmpty):
		hint = "was the program still tracing? a trace is whole after trace.Stop"
	case errors.Is(cause, gotrace.ErrCut):
		hint = "a trace is whole after trace.Stop, or when the download ends by itself"
	}
	return &failure{code: exitInternal, err: fmt.Errorf("%s: %s: %w", command, shortOperand(operand), cause), hint: hint}
}

// incompleteTrace says that what was printed is of a part of a trace.
func incompleteTrace(command, operand string, r *gotrace.Report, cause error) error {
	if cause == nil {
		return nil
	}
	if errors.Is(cause, errInterrupted) {
		return errInterrupted
	}
	return &failure{code: exitInternal,
		err:  fmt.Errorf("%s: %s: %w; the report is of the %s before that", command, shortOperand(operand), cause, counted(r.Events, "event", "events")),
		hint: "a trace is whole after trace.Stop, or when the download ends by itself: record it again"}
}
