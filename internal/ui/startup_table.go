package ui

import (
	"cmp"
	"fmt"
	"html/template"
	"slices"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/observe/startup"
)

// addStartupViews adds the pages about starts to those that there are.
func addStartupViews(a *assets, views map[string]*view) error {
	for _, name := range []string{"startup", "startups"} {
		if _, ok := views[name]; ok {
			continue
		}
		v, err := parseView(a, name)
		if err != nil {
			return err
		}
		views[name] = v
	}
	return nil
}

// parseView parses one page with the components.
func parseView(a *assets, name string) (*view, error) {
	t := template.New(name).Funcs(functions(a))
	t, err := t.ParseFS(templateFiles, append(componentFiles(), "templates/"+name+".html")...)
	if err != nil {
		return nil, fmt.Errorf("parse the view %s: %w", name, err)
	}
	return &view{t}, nil
}

// maxStartRows bounds the rows of a table about a start.
const maxStartRows = 1000

// startTable has the numbers of every phase and package, in their order.
func startTable(v *v1.Startup) Table {
	t := Table{
		ID: "steps-table", Caption: "Phases and packages",
		Columns: []Column{
			{Label: "Phase, package"}, {Label: "At", Class: "w-num-s num", Title: "After exec"}, {Label: "Took", Class: "w-num num"}, {Label: "CPU", Class: "w-num-s num"},
			{Label: "No CPU", Class: "w-num-s num", Title: "Ready, and no CPU was free"}, {Label: "Waited", Class: "w-num-s num"}, {Label: "Throttled", Class: "w-num-s num"},
			{Label: "Calls", Class: "w-num-s num", Title: "System calls"}, {Label: "Faults", Class: "w-num-s num", Title: "Page faults: without, and with I/O"},
		},
		Empty: State{Kind: "empty", Title: "Nothing was seen", Text: "No phase of this start was seen."},
	}
	steps := v.Steps()
	for i := range steps {
		if i == maxStartRows {
			t.Left = plural(uint64(len(steps)-i), "more is", "more are") + " in the waterfall only."
			break
		}
		t.Rows = append(t.Rows, stepRow(&steps[i]))
	}
	return t
}

func stepRow(s *v1.StartupStep) Row {
	u := s.Usage
	spent := func(ns *int64) Cell {
		switch {
		case ns == nil:
			return numCell(unknown)
		case *ns == 0:
			return numCell("")
		}
		return numCell(duration(*ns))
	}
	calls, faults := numCell(unknown), numCell(unknown)
	if u.Syscalls != nil {
		calls = numCell(count(*u.Syscalls))
	}
	if u.MinorFaults != nil {
		faults = numCell(count(*u.MinorFaults))
	}
	if u.MinorFaults != nil && u.MajorFaults != nil && *u.MajorFaults > 0 {
		faults = Cell{Kind: "num", Class: "num warn", Text: count(*u.MinorFaults) + " + " + count(*u.MajorFaults), Title: "with I/O: " + count(*u.MajorFaults)}
	}
	name := Cell{Kind: "tree", Text: visible(s.Name), Title: visible(s.Name), Class: "main", Spark: &Spark{Width: min(s.Depth, 12) * 14}}
	if s.Address != "" {
		name.Sub = " " + visible(s.Address)
	}
	return Row{Cells: []Cell{name, numCell(duration(u.StartNS)), spent(&u.DurationNS), spent(u.CPUNS), spent(u.RunDelayNS), spent(u.OffCPUNS), spent(u.ThrottledNS), calls, faults}}
}

// maxStartCalls bounds the system calls that are listed.
const maxStartCalls = 50

func startCallTable(v *v1.Startup) Table {
	t := Table{
		ID: "calls-table", Caption: "Slowest system calls",
		Columns: []Column{{Label: "Call"}, {Label: "In", Class: "w-caller"}, {Label: "At", Class: "w-num-s num", Title: "After exec"}, {Label: "Took", Class: "w-num num"}, {Label: "Result", Class: "w-num-s num"}},
		Empty:   State{Kind: "empty", Title: "No system call is worth naming", Text: "None took long, and none went to the network."},
	}
	type key struct {
		name, operand string
		at            int64
	}
	type call struct {
		ns  int64
		row Row
	}
	at := make(map[key]int)
	var list []call
	for _, step := range v.Steps() {
		for _, c := range step.Usage.SlowestSyscalls {
			k := key{c.Name, c.Operand, c.StartNS}
			// A package is within a phase, which has its calls as well.
			if i, ok := at[k]; ok {
				list[i].row.Cells[1] = textCell(visible(step.Label()))
				continue
			}
			at[k] = len(list)
			result := numCell(grouped(c.Result))
			if c.Result < 0 {
				result.Class = "num warn"
			}
			list = append(list, call{c.DurationNS, Row{Cells: []Cell{
				{Kind: "two", Text: visible(c.Name), Sub: visible(c.Operand), Title: visible(c.Name + " " + c.Operand), Class: "main wide"},
				textCell(visible(step.Label())), numCell(duration(c.StartNS)), numCell(duration(c.DurationNS)), result,
			}}})
		}
	}
	slices.SortStableFunc(list, func(a, b call) int { return cmp.Compare(b.ns, a.ns) })
	for _, c := range list[:min(len(list), maxStartCalls)] {
		t.Rows = append(t.Rows, c.row)
	}
	if left := len(list) - maxStartCalls; left > 0 {
		t.Left = plural(uint64(left), "shorter one is", "shorter ones are") + " not shown."
	}
	return t
}

// spreadTable shows how runs are spread: the phases in their order, then the
// packages, the longest first.
func spreadTable(v *v1.StartupSummary) Table {
	t := Table{
		ID: "spread-table", Caption: "All runs",
		Columns: []Column{
			{Label: "Phase, package"}, {Label: "Minimum", Class: "w-num num"}, {Label: "Median", Class: "w-num num"},
			{Label: "Spread", Class: "w-num num", Title: "The median distance from the median"}, {Label: "Maximum", Class: "w-num num"},
			{Label: "Own", Class: "w-num num", Title: "The median without the time that no CPU was free or the quota was used up"}, {Label: "Runs", Class: "w-num-s num"},
		},
	}
	add := func(name string, depth int, took, own *v1.StartupSpread) {
		cell := Cell{Kind: "tree", Text: visible(name), Title: visible(name), Class: "main", Spark: &Spark{Width: depth * 14}}
		row := []Cell{cell, numCell(duration(took.MinNS)), numCell(duration(took.MedianNS)), numCell("± " + duration(took.MADNS)), numCell(duration(took.MaxNS)), numCell(""), numCell(count(uint64(took.Runs)))}
		if own != nil {
			row[5] = numCell(duration(own.MedianNS))
		}
		t.Rows = append(t.Rows, Row{Cells: row})
	}
	add("exec to main.main", 0, &v.Total, &v.Own)
	if v.Ready != nil {
		add("exec to the first listen", 0, v.Ready, nil)
	}
	packages := slices.Clone(v.Packages)
	slices.SortStableFunc(packages, func(a, b v1.StartupUsageSpread) int { return cmp.Compare(b.Duration.MedianNS, a.Duration.MedianNS) })
	addPackages := func() {
		for i := range packages[:min(len(packages), maxStartRows)] {
			add(packages[i].Name, 1, &packages[i].Duration, &packages[i].Own)
		}
		packages = nil
	}
	for i := range v.Phases {
		p := &v.Phases[i]
		switch {
		case p.Duration.MaxNS == 0 && v.Ready != nil && p.Name == startup.FirstListen:
			// It is the row above.
		case p.Duration.MaxNS == 0:
			add("exec to "+p.Name, 0, &p.Start, nil)
		default:
			add(p.Name, min(len(p.Within), 1), &p.Duration, &p.Own)
		}
		if p.Name == startup.PackageInits {
			addPackages()
		}
	}
	addPackages()
	return t
}
