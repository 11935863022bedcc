package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goshawk-io/goshawk/internal/export/table"
	"github.com/goshawk-io/goshawk/internal/observe/hook"
)

// printable is what a terminal shows of a text of the target.
func printable(s string) string { return table.Printable(s) }

// hookScreen draws reports, on a terminal each over the one before.
type hookScreen struct {
	env   Env
	lines int // of the last report
}

// draw prints a report as a table.
func (s *hookScreen) draw(report *hook.Report) {
	most := 0
	if height := s.env.Height(); height > 0 && report.Ending == "" {
		// A table that is drawn again must not scroll.
		most = max(height-4, 1)
	}
	lines := hookTable(report, most, s.env.Width())
	if s.env.Width() > 0 && s.lines > 0 {
		fmt.Fprintf(s.env.Stdout, "\x1b[%dA\x1b[J", s.lines)
	}
	s.lines = len(lines)
	fmt.Fprintln(s.env.Stdout, strings.Join(lines, "\n"))
}

// hookTable returns the lines of a table: the functions that were called, the
// one that took the most time first. At most most functions are shown, and a
// line has at most width cells, unless these are 0.
func hookTable(report *hook.Report, most, width int) []string {
	rows := [][]string{{"FUNC", "CALLS", "PER S", "ERRORS", "P50", "P90", "P99", "MAX", "LOST", "UNFINISHED"}}
	var called []*hook.Result
	quiet, refused := 0, 0
	for i := range report.Functions {
		switch f := &report.Functions[i]; {
		case f.Refused != "":
			refused++
		case f.Calls == 0 && len(report.Functions) > 1:
			quiet++
		default:
			called = append(called, f)
		}
	}
	slices.SortStableFunc(called, func(a, b *hook.Result) int { return cmp.Compare(b.Latency.Sum(), a.Latency.Sum()) })
	hidden := 0
	if most > 0 && len(called) > most {
		hidden = len(called) - most
		called = called[:most]
	}
	for _, f := range called {
		rows = append(rows, hookRow(f))
	}
	lines := alignRows(rows, width)
	for _, rest := range []struct {
		n    int
		text string
	}{{hidden, "called, not shown"}, {quiet, "not called"}, {refused, "not hooked"}} {
		if rest.n > 0 {
			lines = append(lines, fmt.Sprintf("%s: %d", rest.text, rest.n))
		}
	}
	return lines
}

func hookRow(f *hook.Result) []string {
	failed := "-"
	if f.ErrorsKnown {
		failed = strconv.FormatUint(f.Errors, 10)
	}
	row := []string{printable(f.Func), strconv.FormatUint(f.Calls, 10), strconv.FormatFloat(f.Rate(), 'f', 1, 64), failed}
	for _, q := range []float64{0.5, 0.9, 0.99, 1} {
		text := "-"
		if f.Latency.Count() > 0 {
			text = shortDuration(f.Latency.Quantile(q))
			if q == 1 {
				text = shortDuration(f.Latency.Max())
			}
		}
		row = append(row, text)
	}
	row = append(row, strconv.FormatUint(f.Lost, 10), strconv.FormatUint(f.Unfinished, 10))
	if f.Detached != "" {
		row[0] += " (detached)"
	}
	return row
}

// leastName is how many cells of a name are shown however narrow a terminal is.
const leastName = 12

// alignRows pads the first column on the right and the others on the left. Of
// names that are too long for the width the end is kept, which tells more.
func alignRows(rows [][]string, width int) []string {
	widths := make([]int, len(rows[0]))
	all := 2 * (len(widths) - 1)
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, w := range widths {
		all += w
	}
	if width > 0 && all > width {
		widths[0] = max(widths[0]-(all-width), leastName)
	}
	lines := make([]string, len(rows))
	for n, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			cell = cutStart(cell, widths[i])
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				b.WriteString(cell + pad)
			} else {
				b.WriteString("  " + pad + cell)
			}
		}
		lines[n] = cutEnd(b.String(), width)
	}
	return lines
}

// cutStart keeps the last width cells of a text.
func cutStart(text string, width int) string {
	if runes := []rune(text); len(runes) > width {
		return "…" + string(runes[len(runes)-width+1:])
	}
	return text
}

// cutEnd keeps the first width cells of a text, all when width is 0.
func cutEnd(text string, width int) string {
	if runes := []rune(text); width > 0 && len(runes) > width {
		return string(runes[:width-1]) + "…"
	}
	return text
}
