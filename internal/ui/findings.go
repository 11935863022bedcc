package ui

import (
	"cmp"
	"slices"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

// FindingView is a judgement: one, or all of one rule.
type FindingView struct {
	Rule, Class, Icon, Severity string
	// Count says how many there are, empty for one alone; Href leads to them.
	Count, Href string
	// Evidence is what was seen (the latest), Remedy what to do.
	Evidence, Remedy string
	rank             int
	n                uint64
	more             bool
}

func newFinding(f v1.Finding) FindingView {
	return FindingView{
		Rule: f.Rule, Class: severityClass(f.Severity), Icon: severityIcon(f.Severity), Severity: f.Severity,
		Evidence: visible(f.Evidence), Remedy: f.Remedy, rank: rank(f.Severity),
	}
}

func rank(severity string) int { return slices.Index([]string{"error", "warn", "info"}, severity) }

// groupFindings groups the findings of records, which come newest first, by
// rule: the worst first, then the most frequent. Each leads to its commands
// under the address that href returns.
func groupFindings(page v1.List[v1.Record], href func(rule string) string) []FindingView {
	var list []FindingView
	for i := range page.Items {
		r := &page.Items[i]
		for _, f := range r.Findings {
			at := slices.IndexFunc(list, func(v FindingView) bool { return v.Rule == f.Rule })
			if at < 0 {
				at = len(list)
				list = append(list, newFinding(f))
				list[at].Href = href(f.Rule)
				list[at].more = page.Next != ""
			}
			list[at].n += max(uint64(r.Weight+0.5), 1)
		}
	}
	slices.SortStableFunc(list, func(a, b FindingView) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(b.n, a.n), cmp.Compare(a.Rule, b.Rule))
	})
	for i := range list {
		v := &list[i]
		v.Count = plural(v.n, "command", "commands")
		if v.more {
			v.Count = "at least " + v.Count
		}
	}
	return list
}
