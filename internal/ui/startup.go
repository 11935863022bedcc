package ui

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

// StartupOptions is what a file about a start is told.
type StartupOptions struct {
	// Version is Goshawk's own.
	Version string
	// Now is when the file is made.
	Now time.Time
}

// StartView is the page of one start, with the runs that it is of.
type StartView struct {
	Command string
	// Back leads to the list of starts and ServiceHref to the service; they are
	// empty in a file.
	Back, Service, ServiceHref string
	// Began is when it was executed; Outcome how the observation ended.
	Began   when
	Outcome Outcome
	Figures []Figure
	// Tree is the waterfall, Rows its numbers.
	Tree Waterfall
	// Short says what is too short for the waterfall.
	Short    string
	Rows     Table
	Calls    Table
	Findings []FindingView
	Facts    []Prop
	Unseen   []Prop
	Lacks    []string
	// Spread is about all runs; it has no rows for a single one.
	Spread Table
	// Middle says which run the page shows.
	Middle string
}

// RenderStartup renders starts of one program as one file that needs nothing
// else: the run in the middle, and how the others are spread. There must be a
// run; a summary is shown when there are several.
func RenderStartup(v *v1.StartupRuns, o StartupOptions) ([]byte, error) {
	a, views, err := load()
	if err != nil {
		return nil, err
	}
	s := &server{version: o.Version, now: func() time.Time { return o.Now }, assets: a, views: views, policy: policy(a.early())}
	if err := addStartupViews(a, views); err != nil {
		return nil, err
	}
	view := newStartView(v.Middle(), o.Now)
	if len(v.Runs) > 1 {
		view.Middle = "The run in the middle of " + strconv.Itoa(len(v.Runs)) + "."
		view.Spread = spreadTable(&v.Summary)
		view.Lacks = append(view.Lacks, v.Summary.Notes...)
	}
	p := &Page{View: "startup", Title: "start of " + clip(view.Command, 80), Version: o.Version, Now: o.Now.UTC(), Body: view}
	return s.file(p)
}

// leastBar is what a package takes at least to be drawn where there are more
// than a few: what is shorter is as long as measuring it takes.
const (
	leastBar    = 50 * time.Microsecond
	fewPackages = 40
)

func (v StartView) keep() any {
	v.Tree.Src = ""
	return v
}

func newStartView(v *v1.Startup, now time.Time) StartView {
	least := leastBar
	if len(v.Packages) <= fewPackages {
		least = 0
	}
	w, left := v.Waterfall(least)
	for i := range w.Bars {
		showThrottling(&w.Bars[i])
	}
	tree := newWaterfall("startup", "Start-up of "+commandOf(v), "", w, "")
	tree.Data = w
	short := ""
	if left > 0 {
		short = plural(uint64(left), "package that took", "packages that took") + " less than " + duration(int64(least)) + " each: see the table below"
	}
	view := StartView{
		Command: commandOf(v), Began: newDay(v.Time, now), Outcome: startOutcome(v), Figures: startFigures(v),
		Tree: tree, Short: short, Rows: startTable(v), Calls: startCallTable(v), Facts: startFacts(v),
	}
	if v.Lost > 0 {
		view.Lacks = append(view.Lacks, plural(v.Lost, "record was", "records were")+" lost: what is here may be incomplete.")
	}
	for _, f := range v.Findings {
		view.Findings = append(view.Findings, newFinding(f))
	}
	for _, u := range v.Unseen {
		view.Unseen = append(view.Unseen, Prop{Name: visible(u.What), Value: visible(u.Why)})
	}
	return view
}

func commandOf(v *v1.Startup) string {
	if len(v.Command) == 0 {
		return visible(v.Exe)
	}
	return visible(strings.Join(v.Command, " "))
}

// showThrottling says in words what the drawing has no colour for: throttled
// time is drawn as time without a CPU, which it is.
func showThrottling(b *v1.Bar) {
	var throttled int64
	var parts []v1.Part
	for _, p := range b.Parts {
		if p.Kind == "throttled" {
			throttled, p.Kind = p.NS, "run_delay"
		}
		parts = append(parts, p)
	}
	b.Parts = parts
	if throttled > 0 {
		b.Outcome = "throttled " + duration(throttled)
	}
}

func startOutcome(v *v1.Startup) Outcome {
	switch {
	case v.Signal != 0:
		return Outcome{"bad", "kill", fmt.Sprintf("signal %d", v.Signal), "The process was killed."}
	case v.ExitCode != nil && *v.ExitCode != 0:
		return Outcome{"bad", "fail", fmt.Sprintf("exit %d", *v.ExitCode), "The process has failed."}
	case v.ExitCode != nil:
		return Outcome{"ok", "ok", "exit 0", "The process has ended."}
	case v.Ended == "interrupted":
		return Outcome{"neutral", "stop", "interrupted", "The observation was ended early."}
	}
	return Outcome{"neutral", "run", orWord(visible(strings.ReplaceAll(v.Ended, "_", " ")), unknown), "This ended the observation."}
}

func startFigures(v *v1.Startup) []Figure {
	var list []Figure
	for _, m := range []struct {
		phase, label string
		end          bool
	}{
		{"main", "to main.main", false}, {"first_listen", "to the first listen", false},
		{"first_accept", "to the first connection", false}, {"first_response", "to the first response", true},
	} {
		if p := v.Phase(m.phase); p != nil {
			at := p.StartNS
			if m.end {
				at += p.DurationNS
			}
			list = append(list, figure(duration(at), m.label))
		}
	}
	if n := len(v.Packages); n > 0 {
		var sum int64
		for i := range v.Packages {
			sum += v.Packages[i].DurationNS
		}
		list = append(list, figure(duration(sum), "in the inits of "+plural(uint64(n), "package", "packages")))
	}
	return list
}

func startFacts(v *v1.Startup) []Prop {
	var list []Prop
	for _, p := range []Prop{
		{Name: "Executable", Value: v.Exe}, {Name: "Go", Value: v.GoVersion}, {Name: "Process", Value: pidText(v.PID)}, {Name: "Observed for", Value: duration(v.DurationNS)},
		{Name: "Threads started", Value: optional(v.Threads)}, {Name: "Processes started", Value: optional(v.Children)}, {Name: "CPUs", Value: optional(v.Facts.CPUs)},
		{Name: "Quota in CPUs", Value: quotaText(v.Facts.QuotaCPUs)}, {Name: "Throttled, times", Value: optional(v.Facts.Throttles)},
		{Name: "GOMAXPROCS", Value: optional(v.Facts.GoMaxProcs)}, {Name: "GODEBUG", Value: v.Facts.GoDebug}, {Name: "GODEBUG, built in", Value: v.Facts.DefaultGoDebug},
		{Name: "GOPROXY", Value: strings.Join(v.Facts.GoProxy, ", ")},
	} {
		if p.Value != "" {
			p.Value = visible(p.Value)
			list = append(list, p)
		}
	}
	return list
}

func optional(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func quotaText(cpus float64) string {
	if cpus == 0 {
		return ""
	}
	return significant(cpus)
}
