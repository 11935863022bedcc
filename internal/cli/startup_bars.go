package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/export/table"
	"github.com/goshawk-io/goshawk/internal/observe/startup"
)

// barKind is how a part of a bar is drawn: with a character of its own, so that
// parts are told apart without colours.
type barKind struct{ kind, mark, color, text string }

func barKinds() []barKind {
	return []barKind{
		{"cpu", "█", "34", "on CPU"},
		{"run_delay", "▒", "33", "ready, no CPU free"},
		{"throttled", "▚", "35", "throttled"},
		{"wait", "─", "90", "waiting"},
		{"", "·", "90", "not accounted for"},
	}
}

// instant marks what takes no time, beyondMark what is past the end of the axis.
const (
	instantMark = "◆"
	beyondMark  = "›"
)

// startColumn is a column of numbers beside the bars.
type startColumn struct {
	head string
	text func(u *v1.StartupUsage) string
}

// startColumns returns the columns that tell something, the most telling first.
func startColumns(steps []v1.StartupStep) []startColumn {
	ms := func(head string, of func(u *v1.StartupUsage) *int64) startColumn {
		return startColumn{head, func(u *v1.StartupUsage) string {
			if ns := of(u); ns != nil {
				return millis(*ns)
			}
			return notMeasured
		}}
	}
	number := func(head string, of func(u *v1.StartupUsage) *uint64) startColumn {
		return startColumn{head, func(u *v1.StartupUsage) string {
			if n := of(u); n != nil {
				return strconv.FormatUint(*n, 10)
			}
			return notMeasured
		}}
	}
	has := func(of func(u *v1.StartupUsage) bool) bool {
		return slices.ContainsFunc(steps, func(s v1.StartupStep) bool { return of(s.Usage) })
	}
	list := []startColumn{
		ms("TOOK ms", func(u *v1.StartupUsage) *int64 { return &u.DurationNS }),
		ms("CPU", func(u *v1.StartupUsage) *int64 { return u.CPUNS }),
		ms("READY", func(u *v1.StartupUsage) *int64 { return u.RunDelayNS }),
		ms("WAIT", func(u *v1.StartupUsage) *int64 { return u.OffCPUNS }),
	}
	if has(func(u *v1.StartupUsage) bool { return u.ThrottledNS != nil && *u.ThrottledNS > 0 }) {
		list = append(list, ms("THROTTLED", func(u *v1.StartupUsage) *int64 { return u.ThrottledNS }))
	}
	if has(func(u *v1.StartupUsage) bool { return u.MajorFaults != nil && *u.MajorFaults > 0 }) {
		list = append(list, number("MAJOR", func(u *v1.StartupUsage) *uint64 { return u.MajorFaults }))
	}
	if has(func(u *v1.StartupUsage) bool { return u.Syscalls != nil }) {
		list = append(list, number("CALLS", func(u *v1.StartupUsage) *uint64 { return u.Syscalls }))
	}
	return append(list, number("FAULTS", func(u *v1.StartupUsage) *uint64 { return u.MinorFaults }))
}

// notMeasured stands for what is not known.
const notMeasured = "-"

// The least widths of a bar and a name, and the most of a name.
const (
	leastBar  = 16
	leastStep = 20
	mostStep  = 44
)

// waterfall draws a line for each phase and each package that weighs.
func (t *startText) waterfall(v *v1.Startup) {
	steps := v.Steps()
	if len(steps) == 0 {
		t.line("Nothing of the start was seen.")
		return
	}
	fold := foldPackages(steps, t.all)
	var shown []v1.StartupStep
	for _, s := range steps {
		if !fold.hides(&s) {
			shown = append(shown, s)
		}
	}
	name := leastStep
	for i := range shown {
		name = max(name, utf8.RuneCountInString(stepName(&shown[i])))
	}
	name = min(name, mostStep, max(t.room()/3, leastStep))
	columns := startColumns(steps)
	cells, widths := stepCells(columns, shown)
	for bar := 0; len(columns) > 1; {
		if bar = t.room() - name - 2 - numbersWidth(widths); bar >= leastBar {
			break
		}
		columns, widths = columns[:len(columns)-1], widths[:len(widths)-1]
	}
	from, to := v.AxisNS()
	bars := barScale{from: from, to: to, width: max(t.room()-name-2-numbersWidth(widths), 1), paint: t.paint, seen: make(map[string]bool)}
	head := padEnd("", name) + "  " + bars.axis()
	for i, c := range columns {
		head += "  " + padStart(c.head, widths[i])
	}
	t.line("%s", t.paint("1", head))
	for i := range shown {
		row := padEnd(cutName(&shown[i], name), name) + "  " + bars.bar(shown[i].Usage)
		for n := range columns {
			row += "  " + padStart(cells[i][n], widths[n])
		}
		t.line("%s", strings.TrimRight(row, " "))
		// The folded ones come after the last package that is shown, or after the
		// phase that they are in.
		if fold.count > 0 && (i+1 == len(shown) || !shown[i+1].Package) && (shown[i].Package || fold.only && shown[i].Name == startup.PackageInits) {
			t.line("%s", cutEnd("  "+fold.text(), t.room()))
		}
	}
	t.legend(bars.legend())
}

func numbersWidth(widths []int) int {
	n := 0
	for _, w := range widths {
		n += w + 2
	}
	return n
}

// stepCells returns the numbers of each row and how wide each column is.
func stepCells(columns []startColumn, steps []v1.StartupStep) ([][]string, []int) {
	widths := make([]int, len(columns))
	for i, c := range columns {
		widths[i] = len(c.head)
	}
	cells := make([][]string, len(steps))
	for i := range steps {
		for n, c := range columns {
			text := c.text(steps[i].Usage)
			cells[i] = append(cells[i], text)
			widths[n] = max(widths[n], utf8.RuneCountInString(text))
		}
	}
	return cells, widths
}

// stepName is the name of a phase or package with its indent.
func stepName(s *v1.StartupStep) string {
	name := strings.Repeat("  ", s.Depth) + table.Printable(s.Name)
	if s.Address != "" {
		name += " " + table.Printable(s.Address)
	}
	return name
}

// cutName keeps of a package the indent and the end, which tells more.
func cutName(s *v1.StartupStep, width int) string {
	name := stepName(s)
	if !s.Package || utf8.RuneCountInString(name) <= width {
		return cutEnd(name, width)
	}
	indent := min(2*s.Depth, width/2)
	return strings.Repeat(" ", indent) + cutStart(strings.TrimLeft(name, " "), width-indent)
}

// packageFold says which packages are not shown.
type packageFold struct {
	under time.Duration
	count int
	sum   time.Duration
	// only says that no package is shown.
	only bool
}

// mostPackages is about how many packages are shown.
const mostPackages = 15

// foldPackages chooses what packages are too short to be shown: under 0.5 ms or
// 2 % of all inits, the lesser of the two that leaves few enough; else all but
// the longest.
func foldPackages(steps []v1.StartupStep, all bool) packageFold {
	var took []time.Duration
	var sum time.Duration
	for i := range steps {
		if steps[i].Package {
			took = append(took, time.Duration(steps[i].Usage.DurationNS))
			sum += took[len(took)-1]
		}
	}
	if all || len(took) == 0 {
		return packageFold{}
	}
	slices.SortFunc(took, func(a, b time.Duration) int { return cmp.Compare(b, a) })
	share := sum / 50
	under := max(share, 500*time.Microsecond)
	for _, candidate := range []time.Duration{min(share, 500*time.Microsecond), under} {
		if n := countFrom(took, candidate); n <= mostPackages {
			under = candidate
			break
		}
	}
	if countFrom(took, under) > mostPackages {
		under = took[mostPackages-1]
	}
	f := packageFold{under: under}
	for _, d := range took {
		if d < under {
			f.count++
			f.sum += d
		}
	}
	f.only = f.count == len(took)
	return f
}

// countFrom counts the durations of at least that length.
func countFrom(list []time.Duration, least time.Duration) int {
	n := 0
	for _, d := range list {
		if d >= least {
			n++
		}
	}
	return n
}

func (f *packageFold) hides(s *v1.StartupStep) bool {
	return f.count > 0 && s.Package && time.Duration(s.Usage.DurationNS) < f.under
}

func (f *packageFold) text() string {
	what := "packages"
	if f.count == 1 {
		what = "package"
	}
	text := fmt.Sprintf("… and %d %s under %s ms, together %s ms", f.count, what, millis(int64(f.under)), millis(int64(f.sum)))
	if f.only {
		return strings.Replace(text, "and ", "", 1)
	}
	return text
}

// barScale draws bars on one axis.
type barScale struct {
	from, to int64
	width    int
	paint    func(code, text string) string
	// seen are the kinds that were drawn.
	seen map[string]bool
}

// axis is the head of the bars: where they begin and end.
func (s *barScale) axis() string {
	begin, end := "0", millis(s.to)+" ms"
	if s.from < 0 {
		begin = millis(s.from)
	}
	if utf8.RuneCountInString(begin)+len(end)+1 > s.width {
		return padStart(cutEnd(end, s.width), s.width)
	}
	return begin + padStart(end, s.width-utf8.RuneCountInString(begin))
}

// cell is the cell in which a time is.
func (s *barScale) cell(ns int64) int {
	at := float64(ns-s.from) / float64(s.to-s.from) * float64(s.width)
	return int(max(min(at, float64(s.width)), 0))
}

// bar draws one interval. What is not seen for its size has one cell.
func (s *barScale) bar(u *v1.StartupUsage) string {
	end := u.StartNS + u.DurationNS
	first := min(s.cell(u.StartNS), s.width-1)
	if u.StartNS > s.to {
		return padEnd("", s.width-1) + beyondMark
	}
	if u.DurationNS == 0 {
		return padEnd("", first) + instantMark + padEnd("", s.width-first-1)
	}
	cells := max(s.cell(min(end, s.to))-first, 1)
	rest := s.width - first - cells
	tail := ""
	if end > s.to && cells > 1 {
		cells--
		tail = beyondMark
	}
	return padEnd("", first) + s.parts(u, cells) + tail + padEnd("", rest)
}

// parts divides cells among the parts of an interval, so that the rounded ends
// are where the exact ones are.
func (s *barScale) parts(u *v1.StartupUsage, cells int) string {
	spent := make(map[string]int64)
	left := u.DurationNS
	for _, p := range u.Parts() {
		spent[p.Kind] = p.NS
		left -= p.NS
	}
	spent[""] = left
	if cells == 1 {
		// The largest stands for all.
		most := barKinds()[0]
		for _, k := range barKinds() {
			if spent[k.kind] > spent[most.kind] {
				most = k
			}
		}
		s.seen[most.kind] = true
		return s.paint(most.color, most.mark)
	}
	var b strings.Builder
	var before int64
	drawn := 0
	for _, k := range barKinds() {
		before += spent[k.kind]
		end := int(float64(before)/float64(u.DurationNS)*float64(cells) + 0.5)
		if n := min(end, cells) - drawn; n > 0 {
			b.WriteString(s.paint(k.color, strings.Repeat(k.mark, n)))
			s.seen[k.kind] = true
			drawn += n
		}
	}
	return b.String()
}

// legend says what the marks are that were drawn.
func (s *barScale) legend() []string {
	var list []string
	for _, k := range barKinds() {
		if s.seen[k.kind] {
			list = append(list, s.paint(k.color, k.mark)+" "+k.text)
		}
	}
	return append(list, instantMark+" an instant")
}

// legend prints entries in as few lines as fit the width.
func (t *startText) legend(entries []string) {
	line, used := "", 0
	for _, e := range entries {
		cells := utf8.RuneCountInString(e) - uncounted(e)
		if used > 0 && used+3+cells > t.room() {
			t.line("%s", line)
			line, used = "", 0
		}
		if used > 0 {
			line += "   "
			used += 3
		}
		line += e
		used += cells
	}
	t.line("%s", line)
}
