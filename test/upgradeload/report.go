package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/test/upgradeload/load"
)

// shownLosses bounds the losses of a run that are printed one by one, without -v.
const shownLosses = 12

// figures are the latencies of a run.
type figures struct {
	in, out, control load.Latencies
	// Ratios of p99; 0 where there is nothing to compare with.
	inOut, inControl, paired float64
}

func (run *measured) figures() figures {
	var windows []load.Window
	var ratios []float64
	for _, at := range run.triggers {
		windows = append(windows, load.Window{From: at, To: at + run.window})
	}
	f := figures{}
	f.in, f.out = run.result.Split(windows)
	for _, c := range run.controls {
		_, all := c.Split(nil)
		f.control = append(f.control, all...)
	}
	slices.Sort(f.control)
	for _, w := range windows {
		in, _ := run.result.Split([]load.Window{w})
		rest, _ := run.result.Split([]load.Window{{From: w.To, To: w.From + run.every}})
		if r := ratio(in, rest); r > 0 {
			ratios = append(ratios, r)
		}
	}
	f.inOut, f.inControl, f.paired = ratio(f.in, f.out), ratio(f.in, f.control), median(ratios)
	return f
}

// ratio is that of two p99, 0 if there is none.
func ratio(a, b load.Latencies) float64 {
	if len(a) == 0 || b.Quantile(0.99) == 0 {
		return 0
	}
	return float64(a.Quantile(0.99)) / float64(b.Quantile(0.99))
}

// median returns the middle, or the mean of the two middle ones; 0 of nothing.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func printHead(out io.Writer) {
	fmt.Fprintln(out, "Latencies in ms as p50 / p99, from the time at which a request was meant to be sent.")
	fmt.Fprintln(out)
	fmt.Fprintln(out, "| Kind | Program | Run | Sent | Lost | How | Resent | Dials | Upgrades | Processes | New one accepts after | In windows | Outside | Control | In/out | Paired | In/control | Sent late, p99 | Load average |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|")
}

func printRow(out io.Writer, run *measured) {
	f, r := run.figures(), run.result
	took := slices.Clone(run.upgrades.took)
	slices.Sort(took)
	fmt.Fprintf(out, "| %s | %s | %d | %d | **%d** | %s | %d | %s | %d of %d%s | %d | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n",
		run.kind, run.program, run.number, run.sent(), run.lost(), how(run), r.Resent, dials(r), run.upgrades.done, len(run.triggers), notDone(run),
		len(r.Processes()), both(took), both(f.in), both(f.out), both(f.control),
		times(f.inOut), times(f.paired), times(f.inControl), millis(r.Lags().Quantile(0.99)), run.busyWith)
}

// sent counts also the controls.
func (run *measured) sent() int {
	n := run.result.Sent
	for _, c := range run.controls {
		n += c.Sent
	}
	return n
}

// how lists the kinds of losses, those of the controls apart.
func how(run *measured) string {
	list := func(lost map[load.LossKind]int, where string) []string {
		var kinds []string
		for _, kind := range slices.Sorted(maps.Keys(lost)) {
			kinds = append(kinds, fmt.Sprintf("%d %s%s", lost[kind], kind, where))
		}
		return kinds
	}
	kinds := list(run.result.Lost(), "")
	for _, c := range run.controls {
		kinds = append(kinds, list(c.Lost(), " without an upgrade")...)
	}
	if len(kinds) == 0 {
		return "-"
	}
	return strings.Join(kinds, ", ")
}

func dials(r *load.Result) string {
	if r.Resumed == 0 {
		return strconv.Itoa(r.Dials)
	}
	return fmt.Sprintf("%d, %d of them resumed", r.Dials, r.Resumed)
}

// notDone says why there are fewer upgrades than triggers.
func notDone(run *measured) string {
	var b strings.Builder
	untold := len(run.triggers) - run.upgrades.done
	for _, reason := range slices.Sorted(maps.Keys(run.upgrades.failed)) {
		n := run.upgrades.failed[reason]
		untold -= n
		fmt.Fprintf(&b, "; %d: %s", n, strings.ReplaceAll(reason, "|", "/"))
	}
	if untold > 0 {
		fmt.Fprintf(&b, "; %d: it does not say why", untold)
	}
	return b.String()
}

// printSummary prints a line for each kind and program.
func printSummary(out io.Writer, all []*measured) {
	type key struct {
		kind    load.Kind
		program string
	}
	runs := map[key][]*measured{}
	var order []key
	for _, run := range all {
		k := key{run.kind, run.program}
		if runs[k] == nil {
			order = append(order, k)
		}
		runs[k] = append(runs[k], run)
	}
	fmt.Fprintln(out)
	fmt.Fprintln(out, "Over all runs; ratios of p99 are medians.")
	fmt.Fprintln(out)
	fmt.Fprintln(out, "| Kind | Program | Runs | Sent | Lost | Upgrades | In/out | Paired | In/control |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|---|---|")
	for _, k := range order {
		var sent, lost, upgraded int
		var inOut, paired, inControl []float64
		for _, run := range runs[k] {
			f := run.figures()
			sent, lost, upgraded = sent+run.sent(), lost+run.lost(), upgraded+run.upgrades.done
			inOut, paired, inControl = append(inOut, f.inOut), append(paired, f.paired), append(inControl, f.inControl)
		}
		fmt.Fprintf(out, "| %s | %s | %d | %d | **%d** | %d | %s | %s | %s |\n", k.kind, k.program, len(runs[k]), sent, lost, upgraded,
			times(median(inOut)), times(median(paired)), times(median(inControl)))
	}
}

// profileParts is into how many parts a profile divides the time after a trigger.
const profileParts = 20

// printProfile prints the latencies of a run by the time since the last trigger.
func printProfile(out io.Writer, run *measured) {
	if len(run.triggers) == 0 {
		return
	}
	fmt.Fprintf(out, "\nLatencies of %s, %s, run %d, by when after a trigger they were meant to be sent, in ms:\n\n", run.kind, run.program, run.number)
	fmt.Fprintln(out, "| After | p50 | p99 | Highest |")
	fmt.Fprintln(out, "|---|---|---|---|")
	for i := range profileParts {
		from, to := run.every*time.Duration(i)/profileParts, run.every*time.Duration(i+1)/profileParts
		var windows []load.Window
		for _, at := range run.triggers {
			windows = append(windows, load.Window{From: at + from, To: at + to})
		}
		in, _ := run.result.Split(windows)
		fmt.Fprintf(out, "| %s | %s | %s | %s |\n", millis(from), millis(in.Quantile(0.5)), millis(in.Quantile(0.99)), millis(in.Quantile(1)))
	}
}

// printLosses says when each loss was, and of which process.
func printLosses(out io.Writer, all []*measured, most int) {
	for _, run := range all {
		for i, l := range run.result.Losses {
			if i == 0 {
				fmt.Fprintf(out, "\nLosses of %s, %s, run %d; from when they were meant to be sent until they were known to be lost, in ms after the trigger:\n\n", run.kind, run.program, run.number)
			}
			if i == most {
				fmt.Fprintf(out, "- and %d more\n", len(run.result.Losses)-i)
				break
			}
			upgrade, since := run.before(l.After)
			fmt.Fprintf(out, "- upgrade %d: %s to %s: %v\n", upgrade, millis(since+l.At-l.After), millis(since), &l)
		}
	}
}

// before returns the number of the upgrade that was triggered last before a time, from
// 1 on, and how long before; 0 and the time if there was none.
func (run *measured) before(at time.Duration) (int, time.Duration) {
	i, found := slices.BinarySearch(run.triggers, at)
	if !found {
		i--
	}
	if i < 0 {
		return 0, at
	}
	return i + 1, at - run.triggers[i]
}

func both(l load.Latencies) string {
	if len(l) == 0 {
		return "-"
	}
	return millis(l.Quantile(0.5)) + " / " + millis(l.Quantile(0.99))
}

func millis(d time.Duration) string {
	return fmt.Sprintf("%.1f", float64(d)/float64(time.Millisecond))
}

func times(r float64) string {
	if r == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", r)
}
