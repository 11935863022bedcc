package ui

import (
	"context"
	_ "embed"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/api/v1/client"
	"github.com/goshawk-io/goshawk/sli"
)

// sloExample is a file with one objective, which whoever has none begins with.
//
//go:embed templates/slo_example.yaml
var sloExample string

// SLOView is the page of one objective.
type SLOView struct {
	// Name is its name, Title what people call it.
	Name, Title          string
	Service, ServiceHref string
	Promise, Description string
	Outcome              Outcome
	// Proposal is the command that accepts it; empty when it is in force.
	Proposal string
	Filter   *Filter
	Ranges   []Range
	Figures  []Figure
	Bar      *BarView
	Left     string
	// Notes are what must be known to read the numbers, Lacks what they lack.
	Notes, Lacks []string

	Budget, Events Lines
	// Many is what the events are called, Counted since when they are counted and
	// CountedFor how long that is; empty when it was all of the time.
	Many, CountedFor string
	Counted          when
	Burns            []BurnView
	// Step is the time between two points.
	Step     string
	Numbers  Table
	Alerts   Table
	Fired    Table
	Windows  Table
	Requests *SLORequests
	// NoRequests says why there are none.
	NoRequests string
	Facts      []Prop
}

// sloPages adds the pages about objectives.
func (s *server) sloPages(mux *http.ServeMux) {
	mux.Handle("GET /slos", s.page(s.slos))
	mux.Handle("GET /slos/{name}", s.page(s.slo))
}

// slo makes the page of one objective.
func (s *server) slo(r *http.Request) (*Page, error) {
	ctx, now := r.Context(), s.now()
	o, err := s.api.SLO(ctx, r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	f, err := readFilter(r.URL, now, "")
	if err != nil {
		return nil, err
	}
	f.Query, f.View, f.Sort = v1.EventQuery{From: f.Query.From, To: f.Query.To}, "", ""
	h, unread, err := s.sloHistory(ctx, &o, f)
	if err != nil {
		return nil, err
	}
	since := countedSince(&h)
	for range mostYoung {
		if !whole(f) || !young(&h) {
			break
		}
		if h, err = s.api.SLOHistory(ctx, o.Name, v1.SLOHistoryQuery{From: v1.Moment{At: countedSince(&h)}}); err != nil {
			return nil, err
		}
		if finer := countedSince(&h); !finer.IsZero() {
			since = finer
		}
	}
	v := newSLOView(&o, &h, f, now)
	v.Lacks = append(v.Lacks, unread...)
	if !since.IsZero() {
		v.Counted, v.CountedFor = newDay(v1.Time(since), now), age(since, now)
	}
	if block(r) == "" {
		// What is brought up to date by itself has no part of it.
		if v.Requests, v.NoRequests, err = s.sloRequests(ctx, &o, requestFilter(f, &h, now), now); err != nil {
			return nil, err
		}
	}
	return &Page{View: "slo", Nav: "slo", Title: "SLO " + clip(v.Name, 150), Body: v}, nil
}

// sloHistory returns the history of an objective in the time of a page. When it
// cannot be read it is empty, and says so: what stands now is known all the same.
func (s *server) sloHistory(ctx context.Context, o *v1.SLO, f *Filter) (h v1.SLOHistory, unread []string, err error) {
	h, err = s.api.SLOHistory(ctx, o.Name, v1.SLOHistoryQuery{From: f.Query.From, To: f.Query.To})
	var refused *client.Error
	if err == nil || !errors.As(err, &refused) || refused.Status == http.StatusBadRequest {
		return h, nil, err
	}
	h = v1.SLOHistory{From: o.From, To: o.To}
	if time.Time(o.To).IsZero() {
		h.From, h.To = v1.Time(f.now.Add(-defaultSpan)), v1.Time(f.now)
	}
	return h, []string{"How it stood before cannot be shown: " + visible(refused.Error())}, nil
}

// whole reports whether a page is about the whole window.
func whole(f *Filter) bool { return f.Query.From.IsZero() && f.Query.To.IsZero() }

// youngShare is how many times longer the window must be than what was counted of
// it for the page to be about that alone: the rest would be empty.
const youngShare = 5

// mostYoung is how often the begin is looked for, by shorter steps each time.
const mostYoung = 3

// young reports whether just the end of a time was counted.
func young(h *v1.SLOHistory) bool {
	since, end := countedSince(h), time.Time(h.To)
	return !since.IsZero() && end.Sub(since) < end.Sub(time.Time(h.From))/youngShare
}

// newSLOView makes the page of what the API says, but for the requests.
func newSLOView(o *v1.SLO, h *v1.SLOHistory, f *Filter, now time.Time) SLOView {
	_, many := eventWords(o)
	v := SLOView{
		Name: visible(o.Name), Title: visible(orWord(o.Title, o.Name)), Service: visible(o.Service), Promise: visible(promiseText(o)),
		Description: visible(o.Description), Outcome: sloOutcome(o), Filter: f, Ranges: sloRanges(f, o), Figures: sloFigures(o),
		Bar: wideBudgetBar(&o.SLOWindow), Left: remainingText(o), Many: many, Step: duration(h.StepNS),
		Budget: newBudgetChart(o, h, whole(f), now), Events: newEventsChart(o, h, now), Burns: newBurnCharts(o, h, now),
		Numbers: historyNumbers(o, h, now), Alerts: alertTable(o, now), Fired: firedTable(h, now), Windows: windowTable(o, now), Facts: sloFacts(o),
	}
	if o.Service != "" {
		v.ServiceHref = serviceHref(o.Service)
	}
	if o.Proposal {
		v.Proposal = acceptCommand(o)
	}
	v.Budget.Apart, v.Events.Apart = true, true
	for i := range v.Burns {
		v.Burns[i].Chart.Apart = true
	}
	if o.Error != "" {
		v.Lacks = append(v.Lacks, "How it stands is not known: "+visible(o.Error))
		v.Bar, v.Left = nil, ""
	}
	if o.Unjudged > 0 {
		one, many := signalWords(o.Signal)
		v.Notes = append(v.Notes, plural(o.Unjudged, one+" since Goshawk started is", many+" since Goshawk started are")+" in none of the numbers: how long "+map[bool]string{true: "it", false: "they"}[o.Unjudged == 1]+" took was not known exactly, so neither good nor bad was certain.")
	}
	if o.Verdict == sli.InsufficientData && o.Error == "" {
		v.Notes = append(v.Notes, insufficient(o))
	}
	return v
}

// sloRanges are the times that the page of an objective offers: its window, and
// shorter ones.
func sloRanges(f *Filter, o *v1.SLO) []Range {
	length := time.Time(o.To).Sub(time.Time(o.From))
	window := Range{Text: "window", Href: f.Path, Current: whole(f)}
	if text, _, _ := strings.Cut(strings.TrimPrefix(o.Window, "calendar "), " "); text != "" {
		window.Text = visible(text)
	}
	var list []Range
	found := window.Current
	for _, span := range []time.Duration{time.Hour, 6 * time.Hour, 24 * time.Hour, 72 * time.Hour, 7 * 24 * time.Hour} {
		if length > 0 && span >= length {
			break
		}
		from := v1.Moment{Ago: span}
		current := f.Query.From == from && f.Query.To.IsZero()
		found = found || current
		list = append(list, Range{Text: lengthText(int64(span)), Href: link(f.Path, "from", from.String()), Current: current})
	}
	list = append(list, window)
	if !found {
		list = append(list, Range{Text: orWord(f.Query.From.String(), "the begin") + " to " + orWord(f.Query.To.String(), "now"), Href: f.Here(), Current: true})
	}
	return list
}

// sloFigures are the numbers that are read first.
func sloFigures(o *v1.SLO) []Figure {
	_, many := eventWords(o)
	good := Figure{Value: availabilityOr(o.SLI), Label: "good now"}
	if o.SLI != nil && (o.Verdict != sli.InsufficientData || *o.SLI < o.Objective) {
		good.Class = "ok"
		if *o.SLI < o.Objective {
			good.Class = "bad"
		}
	}
	left := Figure{Value: unknown, Label: "of the error budget left"}
	if o.Good+o.Bad > 0 {
		left.Value, left.Class = budgetText(o.BudgetRemainingRatio), budgetClass(&o.SLOWindow)
		if o.Verdict == sli.InsufficientData && left.Class == "ok" {
			left.Class = ""
		}
	}
	events := Figure{Value: amount(o, o.Good+o.Bad), Label: many + " in the window"}
	if o.Bad > 0 {
		events.Unit = amount(o, o.Bad) + " bad"
	}
	if o.Error != "" {
		good, left, events = Figure{Value: unknown, Label: good.Label}, Figure{Value: unknown, Label: left.Label}, Figure{Value: unknown, Label: events.Label}
	}
	window, _, _ := strings.Cut(strings.TrimPrefix(o.Window, "calendar "), " ")
	list := []Figure{{Value: targetText(o.Objective), Unit: "in " + visible(window), Label: "promised"}, good, left, events}
	if b := worstBurn(o); b != nil {
		burn := Figure{Value: timesText(b.rate), Unit: "of " + timesText(b.alert.Burn), Label: "burns, over " + lengthText(b.alert.LongNS) + " and " + lengthText(b.alert.ShortNS)}
		if b.rate > b.alert.Burn {
			burn.Class = alertClass(b.alert.Severity)
		}
		list = append(list, burn)
	}
	return list
}

// countedSince says since when events are counted, when that is after the begin of
// the time; the zero time else.
func countedSince(h *v1.SLOHistory) time.Time {
	at := slices.IndexFunc(h.Points, func(p v1.SLOPoint) bool { return p.Good != nil })
	if at <= 0 {
		return time.Time{}
	}
	return time.Time(h.Points[at-1].Time)
}

// alertOutcome is the state of an alert.
func alertOutcome(a *v1.SLOAlert, now time.Time) Outcome {
	switch {
	case a.Firing && a.Since != nil:
		return Outcome{alertClass(a.Severity), "burn", "fires for " + age(sinceOf(a), now), "It fires since " + newDay(*a.Since, now).Full}
	case a.Firing:
		return Outcome{alertClass(a.Severity), "burn", "fires", "It fires."}
	case a.LeastEvents == nil:
		return Outcome{"bad", "warn", "never can", "Even if all events were bad, the rate would not be above its threshold."}
	case a.Blind:
		return Outcome{"warn", "warn", "blind", "Both rates are above the threshold, but there are too few events to be sure."}
	case unsure(a):
		return Outcome{"warn", "warn", "not sure", "Both rates are above the threshold, but so few events were bad that it may be chance."}
	case min(a.LongEvents, a.ShortEvents) < *a.LeastEvents:
		return Outcome{"neutral", "unknown", "too few events", "With as few events as now it could not fire, even if all of them were bad."}
	}
	return Outcome{"ok", "ok", "quiet", "It would fire if the budget burned too fast."}
}

// unsure reports whether both rates are above the threshold, and yet it does not
// fire, as that may be chance.
func unsure(a *v1.SLOAlert) bool {
	return !a.Firing && a.LongBurn != nil && a.ShortBurn != nil && min(*a.LongBurn, *a.ShortBurn) > a.Burn
}

// alertTable shows the alerts, and what each needs before it can fire.
func alertTable(o *v1.SLO, now time.Time) Table {
	_, many := eventWords(o)
	t := Table{
		ID: "slo-alerts", Caption: "Alerts of " + visible(o.Name),
		Columns: []Column{
			{Label: "Alert", Class: "w-name"}, {Label: "Fires above", Class: "w-target num", Title: "When the rates over both windows are"}, {Label: "Over", Class: "w-target num"},
			{Label: "Burns now", Class: "w-two num", Title: "Over the long and the short window"},
			{Label: "Needs", Class: "w-num num", Title: "So " + map[bool]string{true: "much ", false: "many "}[o.UnitNS > 0] + many + " must be in both windows for it to fire when all are bad"},
			{Label: "Has", Class: "w-two num", Title: "The " + many + " in the long and in the short window"}, {Label: "State"},
		},
		Empty: State{Kind: "empty", Title: "It has no alerts", Text: "Nobody is told when its budget burns."},
	}
	for i := range o.Alerts {
		a := &o.Alerts[i]
		needs, has := numCell("never"), numCell(amount(o, a.LongEvents)+" / "+amount(o, a.ShortEvents))
		if a.LeastEvents != nil {
			needs = numCell(amount(o, *a.LeastEvents))
			if min(a.LongEvents, a.ShortEvents) < *a.LeastEvents {
				has.Class = "num warn"
			}
		}
		name := Cell{Kind: "two", Text: visible(a.Severity), Class: "main"}
		if a.Name != "" {
			name.Sub, name.Title = visible(a.Name), visible(a.Name)
		}
		burns := numCell(timesOr(a.LongBurn) + " / " + timesOr(a.ShortBurn))
		row := Row{Cells: []Cell{
			name, numCell(timesText(a.Burn)), {Kind: "num", Text: lengthText(a.LongNS) + " / " + lengthText(a.ShortNS), Class: "num"}, burns, needs, has,
			{Kind: "outcome", Outcome: alertOutcome(a, now)},
		}}
		if a.Firing {
			row.Class = "failed"
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// maxFired bounds the rows of the alerts that fired.
const maxFired = 100

// firedTable is the history of the alerts, the latest first.
func firedTable(h *v1.SLOHistory, now time.Time) Table {
	t := Table{
		ID: "slo-fired", Caption: "Alerts that fired",
		Columns: []Column{
			{Label: "Began", Class: "w-day"}, {Label: "Ended", Class: "w-day"}, {Label: "Fired for", Class: "w-num num"}, {Label: "Alert", Class: "w-name"}, {Label: "Above"},
		},
		Empty: State{Kind: "empty", Title: "No alert fired in this time"},
	}
	for i := len(h.Alerts) - 1; i >= 0; i-- {
		f := &h.Alerts[i]
		if len(t.Rows) == maxFired {
			t.Left = plural(uint64(i+1), "earlier one is", "earlier ones are") + " not shown."
			break
		}
		ended, end := Cell{Kind: "outcome", Outcome: Outcome{alertClass(f.Severity), "burn", "fires", "It still fires."}}, now
		if f.To != nil {
			ended, end = Cell{Kind: "time", When: newDay(*f.To, now)}, time.Time(*f.To)
		}
		t.Rows = append(t.Rows, Row{Cells: []Cell{
			{Kind: "time", When: newDay(f.From, now), Class: "main"}, ended, numCell(age(time.Time(f.From), end)), textCell(visible(f.Severity)),
			textCell(timesText(f.Burn) + " over " + lengthText(f.LongNS)),
		}})
	}
	return t
}

// windowTable compares the windows of an objective that has several.
func windowTable(o *v1.SLO, now time.Time) Table {
	t := Table{
		ID: "slo-windows", Caption: "Windows of " + visible(o.Name),
		Columns: []Column{
			{Label: "State", Class: "w-verdict"}, {Label: "Window", Class: "w-num"}, {Label: "Since"}, {Label: "Events", Class: "w-num num"}, {Label: "Bad", Class: "w-num num"},
			{Label: "Good", Class: "w-num num", Title: "The share of good events"}, {Label: "Budget left", Class: "w-budget"},
		},
	}
	if len(o.Windows) == 0 {
		return t
	}
	for _, w := range append([]v1.SLOWindow{o.SLOWindow}, o.Windows...) {
		t.Rows = append(t.Rows, Row{Cells: []Cell{
			{Kind: "outcome", Outcome: verdictOutcome(w.Verdict)}, {Kind: "text", Text: visible(w.Window), Class: "main"}, {Kind: "time", When: newDay(w.From, now)},
			numCell(amount(o, w.Good+w.Bad)), numCell(amount(o, w.Bad)), numCell(availabilityOr(w.SLI)), windowBudgetCell(&w),
		}})
	}
	return t
}

// sloFacts say what is counted, and where it was read.
func sloFacts(o *v1.SLO) []Prop {
	exclude := ""
	if len(o.Exclude) > 0 {
		exclude = selectorsText(o.Exclude)
	}
	read := ""
	if o.File != "" {
		read = visible(o.File)
		if o.Line > 0 {
			read += ":" + strconv.Itoa(o.Line)
		}
	}
	list := []Prop{{Name: "Name", Value: visible(o.Name)}, {Name: "Signal", Value: visible(o.Signal)}}
	if o.Query == nil {
		list = append(list, Prop{Name: "Events", Value: selectorText(&o.Select)}, Prop{Name: "But for", Value: exclude})
		if len(o.BadWhen) > 0 {
			list = append(list, Prop{Name: "Bad when", Value: selectorsText(o.BadWhen)})
		}
	} else {
		list = append(list, Prop{Name: "Server", Value: visible(orWord(o.Query.Server, "any that has the rules"))}, Prop{Name: "Total", Value: visible(o.Query.Total)},
			Prop{Name: "Good", Value: visible(o.Query.Good)}, Prop{Name: "Bad", Value: visible(o.Query.Bad)}, Prop{Name: "Bad share", Value: visible(o.Query.Ratio)})
	}
	if o.ThresholdNS > 0 {
		list = append(list, Prop{Name: "Threshold", Value: duration(o.ThresholdNS), Sub: "exact: each event is held against it"})
	}
	if o.SliceNS > 0 {
		list = append(list, Prop{Name: "Slices of", Value: duration(o.SliceNS)})
	}
	for _, x := range o.Exclusions {
		const layout = "2006-01-02 15:04"
		list = append(list, Prop{Name: "Does not count", Value: time.Time(x.From).UTC().Format(layout) + " to " + time.Time(x.To).UTC().Format(layout) + " UTC", Sub: visible(x.Reason)})
	}
	var labels []string
	for name, value := range o.Labels {
		labels = append(labels, visible(name+"="+value))
	}
	slices.Sort(labels)
	list = append(list, Prop{Name: "Labels", Value: strings.Join(labels, ", ")}, Prop{Name: "Read from", Value: read, Sub: visible(o.Format)})
	if o.Proposal {
		list = append(list, Prop{Name: "Origin", Value: "proposed from what Goshawk has seen"})
	}
	return slices.DeleteFunc(list, func(p Prop) bool { return p.Value == "" })
}
