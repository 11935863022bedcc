package ui

import (
	"net/url"
	"strconv"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

// Table is the one table. Its layout does not depend on its rows.
type Table struct {
	// ID tells it from others of the page.
	ID string
	// Caption names it for who does not see it.
	Caption string
	Columns []Column
	Rows    []Row
	// Empty says what to do when there are no rows.
	Empty State
	// Left says how many rows are not shown; empty when all are.
	Left string
}

// Column is a column's head.
type Column struct {
	Label string
	// Title explains the label.
	Title string
	// Class sets the width, and "num" the side.
	Class string
	// Sort leads to the table in the order of this column; Sorted is the order
	// it has now, "descending" or empty.
	Sort, Sorted string
}

// Row is a line of the table.
type Row struct {
	// Class is "failed", "noted", "gone", "current", "own" or empty.
	Class string
	Cells []Cell
}

// Cell is one value. Kind says how it is drawn: text, link, cmd, time, num,
// two, route, outcome, badges, spark, meter, budget, burn, bars, tree.
type Cell struct {
	Kind string
	// Class is added to the cell: "main" leads the card of a narrow window,
	// "wide" takes a line of it.
	Class string
	// Text is what is shown, Tail the end of it that is never left out, Sub a
	// second line, Title the whole.
	Text, Tail, Sub, Title string
	// Href is where it leads; ID names the link over refreshes, so that the
	// focus stays on it.
	Href, ID string
	When     when
	Outcome  Outcome
	Badges   []Badge
	Spark    *Spark
	Bar      *BarView
}

// Badge is a short mark.
type Badge struct {
	// Class is ok, warn, bad, info or empty.
	Class             string
	Icon, Text, Title string
	Href              string
}

// State stands in place of content: nothing there, an error, still loading.
type State struct {
	// Kind is empty, error or loading.
	Kind string
	// Title says what is, Text what to do; Code can be typed into a shell.
	Title, Text, Code string
}

func textCell(s string) Cell {
	return Cell{Kind: "text", Text: s, Title: s}
}

func numCell(s string) Cell {
	if s == "0" || s == "0/s" || s == "" {
		return Cell{Kind: "num", Text: s, Class: "num muted none"}
	}
	return Cell{Kind: "num", Text: s, Class: "num"}
}

// failedCell draws attention to a number when it is not 0.
func failedCell(n uint64, href string) Cell {
	c := numCell(count(n))
	if n > 0 {
		c.Class, c.Href = "num bad", href
	}
	return c
}

func findingsCell(n uint64, href string) Cell {
	c := numCell(count(n))
	if n > 0 {
		c.Class, c.Href = "num warn", href
	}
	return c
}

// siteCell shows the line of code that ran a command, or else the program.
func siteCell(s site, parent string) Cell {
	switch {
	case s.Func == "" && parent == "":
		return Cell{Kind: "text", Text: unknown, Class: "muted none wide", Title: "no Go stack was seen"}
	case s.Func == "":
		return Cell{Kind: "text", Text: "by " + visible(parent), Class: "muted wide", Title: visible(parent) + " ran it, not a line of Go"}
	}
	return Cell{Kind: "two", Text: s.Short, Sub: s.At(), Title: s.Whole(), Class: "wide"}
}

// findingBadges are the rules of an event's findings.
func findingBadges(findings []v1.Finding) []Badge {
	var list []Badge
	for _, f := range findings {
		list = append(list, Badge{Class: severityClass(f.Severity), Text: f.Rule, Title: f.Evidence})
	}
	return list
}

func severityClass(severity string) string {
	switch severity {
	case "error":
		return "bad"
	case "warn":
		return "warn"
	}
	return "info"
}

func severityIcon(severity string) string {
	switch severity {
	case "error":
		return "fail"
	case "warn":
		return "warn"
	}
	return "info"
}

// link renders a page's address with parameters. Each pair is a name and a
// value; an empty value is left out.
func link(path string, pairs ...string) string {
	values := make(url.Values)
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			values.Add(pairs[i], pairs[i+1])
		}
	}
	if len(values) == 0 {
		return path
	}
	return path + "?" + values.Encode()
}

func serviceHref(name string) string { return "/services/" + url.PathEscape(name) }

func eventHref(probe, id string) string {
	if probe == probeExec {
		return "/commands/" + url.PathEscape(id)
	}
	return "/events/" + url.PathEscape(id)
}

func pidText(pid int32) string { return strconv.Itoa(int(pid)) }
