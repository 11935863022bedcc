package ui

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/api/v1/client"
	"github.com/goshawk-io/goshawk/sli"
)

// SLOs is the page of all objectives.
type SLOs struct {
	// None is set when there is no objective and no proposal at all: the page then
	// says how to write one.
	None bool
	// Services can be chosen from, and Service is.
	Services []Option
	Service  string
	// Verdicts lead to the objectives of one verdict.
	Verdicts []VerdictTab
	// Counted are the objectives, Proposed those that nobody has accepted.
	Counted, Proposed Table
	// Accept is the command that accepts the first proposal.
	Accept string
	// Example is a file with one objective.
	Example string
	// Here is the address of the page, Clear that without a choice.
	Here, Clear, Verdict string
	Live                 bool
	Lacks                []string
}

// VerdictTab leads to the objectives of one verdict.
type VerdictTab struct {
	Outcome Outcome
	Text    string
	Count   string
	Href    string
	Current bool
}

// maxObjectives bounds the rows of a table of objectives.
const maxObjectives = 500

// sloCounts are how many objectives there are of each verdict, and proposals.
type sloCounts struct {
	all, proposed int
	verdicts      map[string]int
}

func newCounts(list []v1.SLO) sloCounts {
	c := sloCounts{verdicts: make(map[string]int)}
	for i := range list {
		if list[i].Proposal {
			c.proposed++
			continue
		}
		c.all++
		c.verdicts[list[i].Verdict.String()]++
	}
	return c
}

// verdictOf returns how a verdict is shown, by its name.
func verdictOf(name string) Outcome {
	var v sli.Verdict
	if v.UnmarshalText([]byte(name)) != nil {
		v = sli.InsufficientData
	}
	return verdictOutcome(v)
}

// verdicts are the names of the verdicts, worst first.
func verdicts() []string { return []string{"exhausted", "burning", "insufficient_data", "ok"} }

// objectives returns all objectives, and whether anybody judges here.
func (s *server) objectives(r *http.Request, service string) (list []v1.SLO, judged bool, lacks []string, err error) {
	all, err := s.api.SLOs(r.Context(), v1.SLOListQuery{Service: service})
	var refused *client.Error
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
		return nil, false, nil, nil
	}
	return all.Items, err == nil, all.Incomplete, err
}

func (s *server) slos(r *http.Request) (*Page, error) {
	asked := r.URL.Query()
	for name := range asked {
		if !slices.Contains([]string{"service", "verdict", "sort", "save"}, name) {
			return nil, &v1.ParameterError{Parameter: name, Value: asked.Get(name), Cause: "there is no such parameter here", Hint: "the parameters are service, sort and verdict"}
		}
	}
	verdict := asked.Get("verdict")
	if verdict != "" && !slices.Contains(verdicts(), verdict) {
		return nil, &v1.ParameterError{Parameter: "verdict", Value: verdict, Cause: "is no verdict", Hint: "write one of " + strings.Join(verdicts(), ", ")}
	}
	list, judged, lacks, err := s.objectives(r, "")
	if err != nil {
		return nil, err
	}
	if !judged {
		lacks = append(lacks, "This agent judges no objectives.")
	}
	v := newSLOs(list, asked.Get("service"), verdict, asked.Get("sort"), s.now())
	v.Lacks = lacks
	return &Page{View: "slos", Nav: "slo", Title: "SLOs", Body: v}, nil
}

// newSLOs makes the page of what a service and a verdict choose of a list; empty
// ones choose all.
func newSLOs(list []v1.SLO, service, verdict, sort string, now time.Time) SLOs {
	address := func(service, verdict, sort string) string {
		return link("/slos", "service", service, "verdict", verdict, "sort", sort)
	}
	v := SLOs{
		None: len(list) == 0, Service: service, Verdict: verdict, Example: sloExample, Live: true,
		Here: address(service, verdict, sort), Clear: address("", "", sort), Services: serviceOptions(list, service),
	}
	var counted, proposed []*v1.SLO
	var chosen []v1.SLO
	for i := range list {
		o := &list[i]
		if service != "" && o.Service != service {
			continue
		}
		chosen = append(chosen, *o)
		switch {
		case o.Proposal:
			proposed = append(proposed, o)
		case verdict == "" || o.Verdict.String() == verdict:
			counted = append(counted, o)
		}
	}
	counts := newCounts(chosen)
	v.Verdicts = append(v.Verdicts, VerdictTab{Text: "All", Count: grouped(int64(counts.all)), Href: address(service, "", sort), Current: verdict == ""})
	for _, name := range verdicts() {
		if n := counts.verdicts[name]; n > 0 || name == verdict {
			out := verdictOf(name)
			v.Verdicts = append(v.Verdicts, VerdictTab{Outcome: out, Text: out.Text, Count: grouped(int64(n)), Href: address(service, name, sort), Current: verdict == name})
		}
	}
	v.Counted = sloTable("slos-table", "Objectives", counted, sort, func(column string) string { return address(service, verdict, column) }, now)
	v.Counted.Empty = State{Kind: "empty", Title: "No objective is like that", Text: "Choose another service or verdict above."}
	if len(proposed) > 0 && counts.all == 0 {
		v.Counted.Empty = State{Kind: "empty", Title: "No objective is in force", Text: "Those below are proposed. Accept one, or write a file:", Code: "goshawk slo check slo.yaml"}
	}
	if len(proposed) > 0 {
		v.Proposed = sloTable("proposals-table", "Proposed objectives", proposed, "", nil, now)
		v.Accept = acceptCommand(proposed[0])
	}
	return v
}

// acceptCommand returns the command that accepts a proposal, which is a file in the
// agent's folder.
func acceptCommand(o *v1.SLO) string {
	const usual = "/var/lib/goshawk"
	command := "goshawk slo accept "
	if dir, ok := strings.CutSuffix(o.File, "/slo/"+o.Name+".yaml"); ok && dir != usual {
		command += "--data " + quote(dir) + " "
	}
	return command + quote(o.Name)
}

func serviceOptions(list []v1.SLO, service string) []Option {
	var names []string
	for i := range list {
		names = append(names, list[i].Service)
	}
	if service != "" {
		names = append(names, service)
	}
	slices.Sort(names)
	options := []Option{{Text: "all", Selected: service == ""}}
	for _, name := range slices.Compact(names) {
		options = append(options, Option{Value: name, Text: visible(orWord(name, "(none)")), Selected: name == service && service != ""})
	}
	return options
}

// sloColumn is a column of a table of objectives.
type sloColumn struct {
	name   string
	column Column
	order  func(a, b *v1.SLO) int
	cell   func(o *v1.SLO, now time.Time) Cell
}

const worstSort = "worst"

func sloColumns() []sloColumn {
	known := func(of func(o *v1.SLO) float64) func(a, b *v1.SLO) int {
		return func(a, b *v1.SLO) int { return cmp.Compare(of(a), of(b)) }
	}
	sliOf := func(o *v1.SLO) float64 {
		if o.SLI == nil {
			return 2 // after all that is known
		}
		return *o.SLI
	}
	return []sloColumn{
		{worstSort, Column{Label: "State", Class: "w-verdict"}, worstFirst, func(o *v1.SLO, _ time.Time) Cell { return Cell{Kind: "outcome", Outcome: sloOutcome(o)} }},
		{"name", Column{Label: "Objective"}, func(a, b *v1.SLO) int { return strings.Compare(a.Name, b.Name) }, sloNameCell},
		{"service", Column{Label: "Service", Class: "w-owner"}, func(a, b *v1.SLO) int { return strings.Compare(a.Service, b.Service) }, sloServiceCell},
		{"target", Column{Label: "Promised", Class: "w-target num", Title: "The share of good events, and the time in which it is to be kept"}, known(func(o *v1.SLO) float64 { return -o.Objective }), targetCell},
		{"sli", Column{Label: "Good", Class: "w-num num", Title: "The share of good events in the window that ends now"}, known(sliOf), sliCell},
		{"budget", Column{Label: "Budget left", Class: "w-budget", Title: "The share of the error budget that is left; the bar begins at 0 and ends at 100 %"}, known(func(o *v1.SLO) float64 { return o.BudgetRemainingRatio }), budgetCell},
		{"burn", Column{Label: "Burns", Class: "w-burn num", Title: "How many times faster than allowed the budget burns, and above which rate the alert fires that is nearest to it"}, known(func(o *v1.SLO) float64 { return -burnShare(o) }), burnCell},
		{"", Column{Label: "Alerts", Class: "w-firing", Title: "The alerts that fire, and for how long"}, nil, firingCell},
	}
}

// sloTable shows objectives, worst first unless another column is chosen. href
// is the address of the table in another order; nil when it has one only.
func sloTable(id, caption string, list []*v1.SLO, sort string, href func(column string) string, now time.Time) Table {
	t := Table{ID: id, Caption: caption}
	columns := sloColumns()
	chosen := slices.IndexFunc(columns, func(c sloColumn) bool { return c.order != nil && c.name == cmp.Or(sort, worstSort) })
	chosen = max(chosen, 0)
	for i, c := range columns {
		if href != nil && c.order != nil {
			if c.column.Sort = href(c.name); c.name == worstSort {
				c.column.Sort = href("")
			}
			if i == chosen {
				c.column.Sorted = "ascending"
			}
		}
		t.Columns = append(t.Columns, c.column)
	}
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b *v1.SLO) int { return cmp.Or(columns[chosen].order(a, b), worstFirst(a, b)) })
	for _, o := range list[:min(len(list), maxObjectives)] {
		row := Row{Class: map[string]string{"bad": "failed", "warn": "noted"}[sloOutcome(o).Class]}
		for _, c := range columns {
			row.Cells = append(row.Cells, c.cell(o, now))
		}
		t.Rows = append(t.Rows, row)
	}
	if left := len(list) - maxObjectives; left > 0 {
		t.Left = plural(uint64(left), "more row is", "more rows are") + " not shown: choose a service."
	}
	return t
}

func sloNameCell(o *v1.SLO, _ time.Time) Cell {
	name := visible(o.Name)
	title := name
	if o.Title != "" {
		title += "\n" + visible(o.Title)
	}
	c := Cell{Kind: "two", ID: "slo-" + url.PathEscape(o.Name), Text: clip(name, 200), Title: title, Href: sloHref(o.Name), Class: "main strong"}
	if o.ThresholdNS > 0 {
		c.Sub = "≤ " + duration(o.ThresholdNS)
	}
	return c
}

func sloServiceCell(o *v1.SLO, _ time.Time) Cell {
	name := visible(o.Service)
	if name == "" {
		return Cell{Kind: "text", Text: unknown, Class: "muted none"}
	}
	return Cell{Kind: "link", Text: name, Title: name, Href: serviceHref(o.Service)}
}

func targetCell(o *v1.SLO, _ time.Time) Cell {
	window := strings.TrimPrefix(o.Window, "calendar ")
	window, _, _ = strings.Cut(window, " ")
	text := targetText(o.Objective) + " in " + visible(window)
	return Cell{Kind: "num", Text: text, Title: visible(promiseText(o)), Class: "num"}
}

func sliCell(o *v1.SLO, _ time.Time) Cell {
	if o.Error != "" || o.SLI == nil {
		return Cell{Kind: "num", Text: unknown, Class: "num muted none"}
	}
	_, many := eventWords(o)
	c := Cell{Kind: "num", Text: availability(*o.SLI), Title: count(o.Bad) + " of " + count(o.Good+o.Bad) + " " + many + " were bad", Class: "num"}
	if o.UnitNS > 0 {
		c.Title = amount(o, o.Bad) + " of " + amount(o, o.Good+o.Bad) + " was bad"
	}
	if *o.SLI < o.Objective {
		c.Class = "num bad"
	}
	return c
}

// budgetZero is where 0 is in the bar of a budget of 100: one that is overspent is
// seen for what it is.
const budgetZero = 20.0

// newBudgetBar draws what is left in a box of 100 by 10. All bars of a table have
// the same axis.
func newBudgetBar(w *v1.SLOWindow) *BarView { return budgetBar(w, budgetZero, 0.8) }

// wideBudgetBar is newBudgetBar as wide as the page: it begins at 0 unless it is
// below.
func wideBudgetBar(w *v1.SLOWindow) *BarView {
	if w.BudgetRemainingRatio >= 0 {
		return budgetBar(w, 0, 0)
	}
	return budgetBar(w, budgetZero, 0.15)
}

func budgetBar(w *v1.SLOWindow, zero, tick float64) *BarView {
	b := &BarView{Label: budgetText(w.BudgetRemainingRatio) + " of the budget is left"}
	left, whole := w.BudgetRemainingRatio, 100-zero
	if w.Good+w.Bad == 0 {
		b.Label = "nothing is known of the budget"
		left = 0
	}
	b.Rects = []Rect{{X: zero, Y: 3, W: whole, H: 4, Class: "b-whole"}}
	switch {
	case left > 0:
		b.Rects = append(b.Rects, Rect{X: zero, Y: 1.5, W: rounded(max(min(left, 1)*whole, 0.8)), H: 7, Class: "b-" + budgetClass(w)})
	case left < 0:
		wide := rounded(max(min(-left*whole, zero), 1.5))
		b.Rects = append(b.Rects, Rect{X: zero - wide, Y: 1.5, W: wide, H: 7, Class: "b-bad"})
	}
	if tick > 0 {
		b.Rects = append(b.Rects, Rect{X: zero - tick/2, Y: 0, W: tick, H: 10, Class: "b-zero"})
	}
	return b
}

func budgetCell(o *v1.SLO, _ time.Time) Cell {
	if o.Error != "" {
		return Cell{Kind: "num", Text: unknown, Class: "num muted none"}
	}
	c := windowBudgetCell(&o.SLOWindow)
	c.Title = remainingText(o)
	return c
}

func windowBudgetCell(w *v1.SLOWindow) Cell {
	class := budgetClass(w)
	if class == "ok" {
		class = ""
	}
	text := budgetText(w.BudgetRemainingRatio)
	if w.Good+w.Bad == 0 {
		text = unknown
	}
	return Cell{Kind: "budget", Text: text, Sub: class, Class: "budget-cell", Bar: newBudgetBar(w)}
}

func burnCell(o *v1.SLO, _ time.Time) Cell {
	b := worstBurn(o)
	if o.Error != "" || b == nil {
		return Cell{Kind: "num", Text: unknown, Class: "num muted none", Title: "no event is in the windows of an alert"}
	}
	c := Cell{
		Kind: "burn", Text: timesText(b.rate), Sub: "/ " + timesText(b.alert.Burn), Class: "num",
		Title: timesText(*b.alert.LongBurn) + " over " + lengthText(b.alert.LongNS) + " and " + timesText(*b.alert.ShortBurn) + " over " + lengthText(b.alert.ShortNS) + "; " + b.alert.Severity + " fires when both are above " + timesText(b.alert.Burn),
	}
	if b.rate > b.alert.Burn {
		c.Class = "num bad"
	}
	c.Title = visible(c.Title)
	return c
}

func firingCell(o *v1.SLO, now time.Time) Cell {
	c := Cell{Kind: "badges"}
	firing := firingAlerts(o)
	for _, a := range firing[:min(len(firing), 1)] {
		text := visible(a.Severity)
		if a.Since != nil {
			text += " for " + shortAge(sinceOf(a), now)
		}
		c.Badges = append(c.Badges, Badge{Class: alertClass(a.Severity), Text: text, Title: "above " + timesText(a.Burn) + " over " + lengthText(a.LongNS) + " and " + lengthText(a.ShortNS)})
	}
	if len(firing) > 1 {
		var others []string
		for _, a := range firing[1:] {
			others = append(others, visible(a.Severity)+" above "+timesText(a.Burn)+" over "+lengthText(a.LongNS))
		}
		c.Badges = append(c.Badges, Badge{Text: "+" + grouped(int64(len(others))), Title: strings.Join(others, "\n")})
	}
	if i := slices.IndexFunc(o.Alerts, func(a v1.SLOAlert) bool { return unsure(&a) }); i >= 0 && len(c.Badges) == 0 && blindAlert(o) == nil {
		a := &o.Alerts[i]
		c.Badges = append(c.Badges, Badge{Text: "not sure", Title: "above " + timesText(a.Burn) + " over " + lengthText(a.LongNS) + " and " + lengthText(a.ShortNS) + ", but so few events were bad that it may be chance"})
	}
	if a := blindAlert(o); a != nil && len(c.Badges) == 0 {
		c.Badges = append(c.Badges, Badge{Text: "too few events", Title: "above " + timesText(a.Burn) + " over " + lengthText(a.LongNS) + " and " + lengthText(a.ShortNS) + ", but too few events for the alert to be sure"})
	}
	return c
}

// shortAge renders how long ago t was in one unit.
func shortAge(t, now time.Time) string {
	d := max(now.Sub(t), time.Second)
	for _, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second} {
		if d >= unit {
			return duration(int64(d.Truncate(unit)))
		}
	}
	return ""
}

func alertClass(severity string) string {
	if severity == "page" || severity == "critical" {
		return "bad"
	}
	return "warn"
}

// remainingText says how many more events may be bad.
func remainingText(o *v1.SLO) string {
	one, many := eventWords(o)
	all := float64(o.Good + o.Bad)
	if all == 0 {
		return "no event in the window"
	}
	allowed := (1 - o.Objective) * all
	left := allowed * o.BudgetRemainingRatio
	// What is left over of an event is none.
	n := uint64(max(left, -left) + 1e-6)
	if o.UnitNS > 0 {
		return amount(o, n) + map[bool]string{true: " too much was bad", false: " more may be bad"}[left < 0]
	}
	text := count(n) + " more " + many + " may be bad"
	switch n {
	case 0:
		text = "not one more " + one + " may be bad"
	case 1:
		text = "1 more " + one + " may be bad"
	}
	if left < 0 {
		text = plural(n, one, many) + " too many " + map[bool]string{true: "was", false: "were"}[n == 1] + " bad"
	}
	if o.SliceNS > 0 {
		text += ", " + duration(int64(n)*o.SliceNS)
	}
	return text
}
