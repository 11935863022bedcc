package table

import (
	"bufio"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
)

// Options configures a table. The zero value is a plain table of any width.
type Options struct {
	// Width is the terminal's width in cells; 0 lets the last column run.
	Width int
	// Color allows ANSI colours.
	Color bool
}

// Writer renders the events of one schema as rows.
type Writer struct {
	w       *bufio.Writer
	schema  *model.Schema
	options Options
	columns []int // indices into schema.Fields, the open-ended one last
	rows    int
}

// The widths of the columns that all events have.
const (
	timeWidth     = 12
	serviceWidth  = 14
	pidWidth      = 7
	durationWidth = 9
	flexMin       = 20
)

// headerEvery repeats the header on long streams.
const headerEvery = 40

// New returns a writer of rows to w. Each event is written with one Write.
func New(w io.Writer, schema *model.Schema, options Options) *Writer {
	t := &Writer{w: bufio.NewWriter(w), schema: schema, options: options}
	flex := -1
	for i := range schema.Fields {
		switch f := &schema.Fields[i]; {
		case f.Column == "":
		case f.Width == 0:
			flex = i
		default:
			t.columns = append(t.columns, i)
		}
	}
	if flex >= 0 {
		t.columns = append(t.columns, flex)
	}
	return t
}

// Event writes e as a row, and a line for each of its findings.
func (t *Writer) Event(e *model.Event) error {
	if t.rows%headerEvery == 0 {
		t.header()
	}
	t.rows++
	used := 0
	cell := func(s string) {
		t.w.WriteString(s)
		t.w.WriteByte(' ')
		used += len([]rune(s)) + 1
	}
	cell(e.Time.Local().Format("15:04:05.000"))
	cell(fit(Printable(e.Service), serviceWidth))
	cell(fmt.Sprintf("%*d", pidWidth, e.PID))
	cell(fmt.Sprintf("%*s", durationWidth, Duration(e.Duration)))
	failed := e.Failure().IsSet()
	for _, i := range t.columns {
		f := &t.schema.Fields[i]
		s := Text(f.Kind, e.Values[i])
		switch {
		case f.Key == "code.function.name":
			// The import path before the package's name tells less.
			s = fitEnd(strings.TrimPrefix(path.Base(s), "."), f.Width)
		case f.Width > 0:
			s = fit(s, f.Width)
		case t.options.Width > 0:
			s = strings.TrimRight(fit(s, max(flexMin, t.options.Width-used-1)), " ")
		}
		if failed && f.Outcome {
			s = t.color("31", s)
		}
		cell(s)
	}
	t.w.WriteByte('\n')
	for _, f := range e.Findings {
		t.w.WriteString("    " + t.color("33", f.Severity.String()+" "+f.Rule) + ": " + Printable(f.Evidence) + "\n")
	}
	return t.w.Flush()
}

func (t *Writer) header() {
	heads := []string{fit("TIME", timeWidth), fit("SERVICE", serviceWidth), fmt.Sprintf("%*s", pidWidth, "PID"), fmt.Sprintf("%*s", durationWidth, "DURATION")}
	for _, i := range t.columns {
		heads = append(heads, fit(t.schema.Fields[i].Column, t.schema.Fields[i].Width))
	}
	for i, h := range heads {
		if i == len(heads)-1 && len(t.columns) > 0 {
			h = t.schema.Fields[t.columns[len(t.columns)-1]].Column
		}
		heads[i] = h
	}
	t.w.WriteString(t.color("1", strings.Join(heads, " ")) + "\n")
}

func (t *Writer) color(code, s string) string {
	if !t.options.Color {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// Text renders one value for a cell.
func Text(kind model.Kind, v model.Value) string {
	if !v.IsSet() {
		return ""
	}
	switch kind {
	case model.KindString:
		return Printable(v.Str())
	case model.KindStrings:
		return Command(v.Strings())
	case model.KindBool:
		return strconv.FormatBool(v.Bool())
	case model.KindDuration:
		return Duration(v.Duration())
	case model.KindTime:
		return v.Time().Local().Format("15:04:05.000")
	}
	return strconv.FormatInt(v.Int(), 10)
}

// Duration renders d with three significant digits; a negative one, which is
// not known, as a dash.
func Duration(d time.Duration) string {
	switch {
	case d < 0:
		return "-"
	case d < time.Microsecond:
		return fmt.Sprintf("%dns", d)
	case d < time.Millisecond:
		return significant(float64(d)/1e3) + "µs"
	case d < time.Second:
		return significant(float64(d)/1e6) + "ms"
	case d < 100*time.Second:
		return significant(d.Seconds()) + "s"
	}
	return d.Round(time.Second).String()
}

func significant(f float64) string {
	switch {
	case f < 10:
		return strconv.FormatFloat(f, 'f', 2, 64)
	case f < 100:
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return strconv.FormatFloat(f, 'f', 0, 64)
}
