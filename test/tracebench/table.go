package main

import (
	"fmt"
	"slices"
	"strings"
)

// sample holds the values of one quantity, one per run.
type sample []float64

// least returns the smallest value; 0 of nothing.
func (s sample) least() float64 {
	if len(s) == 0 {
		return 0
	}
	return slices.Min(s)
}

// median returns the middle, or the mean of the two middle ones; 0 of nothing.
func (s sample) median() float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// text returns "least / median", each in format, or "-" of nothing.
func (s sample) text(format string) string {
	if len(s) == 0 {
		return "-"
	}
	return fmt.Sprintf(format+" / "+format, s.least(), s.median())
}

// of takes a quantity of all runs.
func (w *row) of(quantity func(outcome) float64) sample {
	var s sample
	for _, o := range w.outcomes {
		s = append(s, quantity(o))
	}
	return s
}

func cpuSeconds(o outcome) float64 { return o.cpu.Seconds() }
func peakMiB(o outcome) float64    { return float64(o.peak) / (1 << 20) }
func othersCPUs(o outcome) float64 { return o.others }

// walls returns the wall times, in s, of runs in which others used at most quiet
// CPUs.
func (w *row) walls(quiet float64) sample {
	var s sample
	for _, o := range w.outcomes {
		if o.others <= quiet {
			s = append(s, o.wall.Seconds())
		}
	}
	return s
}

// table returns a trace's rows as Markdown. Ratios are of the least CPU time to the
// bare reader's, and of the least wall time to that of goshawk with one parser.
func table(name string, size int64, rows []*row, quiet float64) string {
	var b strings.Builder
	var cpu, wall float64
	for _, w := range rows {
		switch w.name {
		case bare:
			cpu = w.of(cpuSeconds).least()
			fmt.Fprintf(&b, "%s: %.1f MiB, %d events\n\n", name, float64(size)/(1<<20), w.events)
		case sequential:
			wall = w.walls(quiet).least()
		}
	}
	fmt.Fprintf(&b, "| reader | CPU s, least / median | to the %s | peak RSS MiB, most | wall s of quiet runs | to one parser | runs, quiet | others' CPUs | exit |\n", bare)
	b.WriteString("|---|---|---|---|---|---|---|---|---|\n")
	for _, w := range rows {
		if w.skipped != "" {
			fmt.Fprintf(&b, "| %s | %s | | | | | | | |\n", w.name, w.skipped)
			continue
		}
		used, quietly, others := w.of(cpuSeconds), w.walls(quiet), w.of(othersCPUs)
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %d, %d | %s | %s |\n", w.name, used.text("%.2f"), ratio(used.least(), cpu),
			w.of(peakMiB).most("%.0f"), quietly.text("%.2f"), ratio(quietly.least(), wall),
			len(w.outcomes), len(quietly), others.text("%.1f"), w.exits())
	}
	b.WriteString("\n")
	return b.String()
}

// most returns the largest value in format, or "-" of nothing.
func (s sample) most(format string) string {
	if len(s) == 0 {
		return "-"
	}
	return fmt.Sprintf(format, slices.Max(s))
}

// ratio returns a / b, or "-" when there is none.
func ratio(a, b float64) string {
	if a == 0 || b == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", a/b)
}

// exits lists the exit statuses that runs had, each once.
func (w *row) exits() string {
	var seen []int
	for _, o := range w.outcomes {
		if !slices.Contains(seen, o.exit) {
			seen = append(seen, o.exit)
		}
	}
	return strings.Trim(fmt.Sprint(seen), "[]")
}
