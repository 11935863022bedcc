package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/spf13/cobra"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/export/table"
	"github.com/goshawk-io/goshawk/internal/observe/gotrace"
)

// traceDiffOptions are the flags of trace diff.
type traceDiffOptions struct {
	json      bool
	all       bool
	threshold float64
}

func newTraceDiff(env Env) *cobra.Command {
	var o traceDiffOptions
	cmd := &cobra.Command{
		Use:   "diff OLD NEW [--json] [--threshold PERCENT]",
		Short: "Compare two execution traces",
		Long: `Compare two execution traces of the same work, or the reports that goshawk trace
report --json made of them: how long goroutines waited for a P, by class and entry
function, stops of the world and assists of the garbage collector.

A latency is worse when its median is longer by more than the threshold, or its
99th percentile by more than ten times that; either takes 200 samples on both
sides. One run says little about another: compare three of each before you trust a
difference. There is no verdict when samples are too few, or when one host kept
its program from running and the other did not.

Exit codes: 0 nothing is worse, or no verdict, 1 a regression, 2 bad usage or a file
that cannot be opened, 4 a file that is no trace, 130 interrupted.`,
		Example: `  goshawk trace diff before.trace after.trace
  goshawk trace report --json before.trace > before.json
  goshawk trace diff --threshold 50 before.json after.trace`,
		Args: exactArgs(2, "OLD and NEW"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runTraceDiff(cmd.Context(), env, args[0], args[1], o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.json, "json", false, "print a JSON document")
	f.BoolVar(&o.all, "all", false, "show all functions, also those that did not change")
	f.Float64Var(&o.threshold, "threshold", 20, "by how many `PERCENT` a median must differ to count")
	return cmd
}

func runTraceDiff(ctx context.Context, env Env, oldFile, newFile string, o traceDiffOptions) error {
	switch {
	case !(o.threshold > 0) || math.IsInf(o.threshold, 0):
		return usageError("write a number of percent above 0, such as 20", "trace diff: --threshold %v: is not above 0", o.threshold)
	case oldFile == "-" && newFile == "-":
		return usageError("name one of the two as a file", "trace diff: both are standard input")
	}
	var sides [2]*gotrace.Report
	for i, file := range []string{oldFile, newFile} {
		r, err := readTraceSide(ctx, env, file)
		if err != nil {
			return err
		}
		sides[i] = r
	}
	ratio := o.threshold / 100
	c := gotrace.Compare(sides[0], sides[1], gotrace.CompareOptions{Threshold: ratio})
	v := v1.NewTraceDiff(oldFile, newFile, ratio, c)
	var err error
	if o.json {
		err = writeJSON(env.Stdout, &v)
	} else {
		t := traceText{startText{width: env.Width(), color: env.color(), all: o.all}}
		t.diff(&v)
		_, err = t.b.WriteTo(env.Stdout)
	}
	if err != nil {
		return notWritten("trace diff", err)
	}
	if c.Verdict == gotrace.VerdictWorse {
		return &failure{code: exitBad, err: fmt.Errorf("trace diff: %s: goroutines wait longer than in %s", shortOperand(newFile), shortOperand(oldFile))}
	}
	return nil
}

// readTraceSide reads a trace, or the document that trace report made of one.
func readTraceSide(ctx context.Context, env Env, file string) (*gotrace.Report, error) {
	if file != "-" && !isTraceURL(file) {
		if r, err := readTraceDocument(file); r != nil || err != nil {
			return r, err
		}
	}
	report, cause, err := analyseTrace(ctx, env, "trace diff", file, gotrace.Options{})
	if err != nil {
		return nil, err
	}
	if errors.Is(cause, errInterrupted) {
		return nil, errInterrupted
	}
	_, err = joinHost(report, file, "")
	return report, err
}

// readTraceDocument reads a JSON document; it returns nothing for what is none.
func readTraceDocument(file string) (*gotrace.Report, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, usageError("name a trace, or what goshawk trace report --json printed", "trace diff: %w", err)
	}
	defer f.Close()
	in := bufio.NewReader(f)
	if first, err := in.Peek(1); err != nil || first[0] != '{' {
		return nil, nil
	}
	r, err := v1.ReadTrace(io.Reader(in))
	if err != nil {
		return nil, usageError("name a trace, or what goshawk trace report --json printed", "trace diff: %s: %w", shortOperand(file), err)
	}
	return r, nil
}

// diff renders a comparison.
func (t *traceText) diff(v *v1.TraceDiff) {
	t.traceSide("old", &v.Old)
	t.traceSide("new", &v.New)
	for _, note := range v.Notes {
		t.wrapped("note: ", table.Printable(note))
	}
	wide := max(min(t.room()-74, 52), 16)
	t.line("\n  %s", t.paint("2", fmt.Sprintf("%-*s %9s %9s %9s %9s %9s %9s  %s", wide, "p50, p99: old and new", "count", "count", "p50", "p50", "p99", "p99", "")))
	quiet := 0
	for i := range v.Deltas {
		d := &v.Deltas[i]
		if !t.all && d.Kind == "function" && (d.Verdict == string(gotrace.VerdictSame) || d.Verdict == string(gotrace.NoVerdict)) {
			quiet++
			continue
		}
		name := d.Name
		switch d.Kind {
		case "class":
			name = "waits for a P: " + d.Name
		case "stw":
			name = "stopped: " + d.Name
		case "function":
			name = d.Name + " (" + d.Class + ")"
		}
		t.line("  %-*s %9d %9d %9s %9s %9s %9s  %s", wide, cutMiddle(table.Printable(name), wide),
			d.Old.Count, d.New.Count, ns(d.Old.P50NS), ns(d.New.P50NS), ns(d.Old.P99NS), ns(d.New.P99NS), t.verdict(d.Verdict, !d.Weighs))
	}
	if quiet > 0 {
		t.line("  %s", t.paint("2", counted(uint64(quiet), "row of a function that", "rows of functions that")+" did not change, or have fewer than 200 samples: --all"))
	}
	t.b.WriteByte('\n')
	t.wrapped("", t.verdict(v.Verdict, false)+": "+table.Printable(v.Reason))
}

// verdict renders a verdict; light says that it does not count.
func (t *traceText) verdict(verdict string, light bool) string {
	switch gotrace.Verdict(verdict) {
	case gotrace.VerdictWorse:
		if light {
			return "slower, of little weight"
		}
		return t.paint("31", "slower")
	case gotrace.VerdictBetter:
		return t.paint("32", "faster")
	case gotrace.NoVerdict:
		return t.paint("33", "no verdict")
	}
	return "no change"
}

func (t *traceText) traceSide(name string, s *v1.TraceSide) {
	text := fmt.Sprintf("%s  %s: %s, %s, format of %s, goroutines waited with no P idle for %.0f %% of it", name, table.Printable(s.File),
		ns(s.DurationNS), counted(s.Events, "event", "events"), s.GoVersion, s.SaturatedRatio*100)
	if s.StallRatio > 0.005 {
		text += fmt.Sprintf(", stalled for %.0f %%", s.StallRatio*100)
	}
	t.wrapped("", text)
}
