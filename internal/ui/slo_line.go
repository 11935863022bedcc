package ui

import (
	"cmp"
	"slices"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

// ObjectiveView is an objective, or how many there are of a verdict, on a page
// about something else.
type ObjectiveView struct {
	Outcome           Outcome
	Name, Left, Title string
	Href              string
}

// maxObjectiveLine bounds the objectives on a page about something else.
const maxObjectiveLine = 12

// objectiveLine is what the page of a service says of its objectives.
func objectiveLine(list []v1.SLO) []ObjectiveView {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b v1.SLO) int {
		return cmp.Or(cmp.Compare(proposed(&a), proposed(&b)), worstFirst(&a, &b))
	})
	var views []ObjectiveView
	for i := range list[:min(len(list), maxObjectiveLine)] {
		o := &list[i]
		v := ObjectiveView{Outcome: sloOutcome(o), Name: clip(visible(o.Name), 100), Title: visible(promiseText(o)), Href: sloHref(o.Name)}
		switch {
		case o.Proposal:
			v.Left = "proposed"
		case o.Error == "" && o.Good+o.Bad > 0:
			v.Left = budgetText(o.BudgetRemainingRatio) + " left"
		}
		views = append(views, v)
	}
	if left := len(list) - len(views); left > 0 {
		views = append(views, ObjectiveView{
			Outcome: Outcome{Class: "neutral", Icon: "next"}, Name: plural(uint64(left), "more objective", "more objectives"), Title: "All objectives of the service",
			Href: link("/slos", "service", list[0].Service),
		})
	}
	return views
}

func proposed(o *v1.SLO) int {
	if o.Proposal {
		return 1
	}
	return 0
}

// verdictCounts is what the overview says of all objectives.
func verdictCounts(list []v1.SLO) []ObjectiveView {
	v := newCounts(list)
	if v.all+v.proposed == 0 {
		return []ObjectiveView{{Outcome: Outcome{Class: "neutral", Icon: "unknown", Text: "none yet"}, Name: "write the first one", Title: "What services promise is an SLO", Href: "/slos"}}
	}
	var views []ObjectiveView
	for _, name := range verdicts() {
		n := v.verdicts[name]
		if n == 0 {
			continue
		}
		out := verdictOf(name)
		out.Text = grouped(int64(n)) + " " + out.Text
		views = append(views, ObjectiveView{Outcome: out, Title: out.Title, Href: link("/slos", "verdict", name)})
	}
	if v.proposed > 0 {
		views = append(views, ObjectiveView{
			Outcome: Outcome{Class: "neutral", Icon: "info", Text: grouped(int64(v.proposed)) + " proposed"}, Title: "Nobody has accepted them: they alert nobody", Href: "/slos#proposals-title",
		})
	}
	return views
}
