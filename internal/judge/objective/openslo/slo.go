package openslo

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/judge/objective/draft"
	"github.com/goshawk-io/goshawk/internal/platform/yamldoc"
	"github.com/goshawk-io/goshawk/sli"
)

// The ways to count against a budget.
const (
	occurrences     = "Occurrences"
	timeslices      = "Timeslices"
	ratioTimeslices = "RatioTimeslices"
)

// promise is the spec of an SLO.
type promise struct {
	description  string
	service      string
	serviceAt    yamldoc.Value
	indicator    *indicator
	indicatorRef yamldoc.Value
	window       sli.Window
	windowAt     yamldoc.Value
	method       string
	goals        []goal
	alerts       []objective.Alert
	alertAt      []alertPlaces
	alertsAt     yamldoc.Value
	extra        []kept
	notes        notes
}

// kept is a value that no field holds.
type kept struct {
	path string
	at   yamldoc.Value
}

// goal is an entry of objectives.
type goal struct {
	at       yamldoc.Value
	title    yamldoc.Value
	op       string
	opAt     yamldoc.Value
	value    float64
	valueAt  yamldoc.Value
	target   float64
	targetAt yamldoc.Value
	percent  yamldoc.Value
	slice    objective.Slice
	widthAt  yamldoc.Value
	shareAt  yamldoc.Value
}

// slo returns the objectives of an SLO.
func (r *Reader) slo(o object) []*draft.Draft {
	p := promise{window: sli.Rolling(30 * 24 * time.Hour)}
	if o.spec.IsZero() {
		return nil
	}
	r.readNotes(&p, &o.meta)
	o.spec.Object([]yamldoc.Field{
		description(&p.description),
		{Name: "service", Kind: "a name", Required: true, Sample: "shop", Read: func(v yamldoc.Value) {
			p.serviceAt = v
			v.Text(&p.service, draft.MaxName)
		}},
		{Name: "indicator", Nothing: true, Read: func(v yamldoc.Value) { p.indicator = readIndicator(readObject(v, kindSLI, false)) }},
		{Name: "indicatorRef", Nothing: true, Read: func(v yamldoc.Value) { p.indicatorRef = v }},
		{Name: "timeWindow", Nothing: true, Read: func(v yamldoc.Value) { r.readWindow(&p, v) }},
		{Name: "budgetingMethod", Kind: "Occurrences or Timeslices", Required: true, Sample: occurrences, Read: p.readMethod},
		{Name: "objectives", Kind: "a list", Required: true, Sample: "[{target: 0.999}]", Read: p.readGoals},
		{Name: "alertPolicies", Nothing: true, Read: func(v yamldoc.Value) { r.readPolicies(&p, v) }},
	})
	r.findIndicator(&p, o.spec)
	var drafts []*draft.Draft
	for i := range p.goals {
		d := draft.New(o.whole, Format)
		r.fill(d, &o, &p, i)
		drafts = append(drafts, d)
	}
	return drafts
}

// findIndicator follows the reference to the indicator.
func (r *Reader) findIndicator(p *promise, spec yamldoc.Value) {
	switch {
	case p.indicatorRef.IsZero() && p.indicator == nil:
		spec.Missing("indicator", "write an indicator, or an indicatorRef with the name of an SLI")
	case p.indicatorRef.IsZero():
	case p.indicator != nil:
		p.indicatorRef.Fail("remove one of the two", "there is an indicator as well")
	default:
		name := ""
		if !p.indicatorRef.Text(&name, draft.MaxName) {
			return
		}
		if p.indicator = r.slis[name]; p.indicator == nil {
			r.dangling(p.indicatorRef, kindSLI, name)
		}
	}
}

// fill makes the objective of goal i.
func (r *Reader) fill(d *draft.Draft, o *object, p *promise, i int) {
	g, s := &p.goals[i], &d.SLO
	d.At("name", o.meta.at)
	d.At("service", p.serviceAt)
	s.Name, s.Title, s.Description, s.Service = o.meta.name, o.meta.title, p.description, p.service
	s.Labels, s.Annotations = o.meta.labels, o.meta.annotations
	if len(p.goals) > 1 {
		s.Name += "-" + p.suffix(i)
	}
	switch title := g.name(); {
	case title == "":
	case s.Title == "":
		s.Title = title
	default:
		d.Keep("objectives.displayName", g.title)
	}
	s.Target, s.Slice = g.target, g.slice
	d.At("target", g.at)
	if !g.targetAt.IsZero() {
		d.At("target", g.targetAt)
	}
	d.At("slice.width", g.widthAt)
	d.At("slice.target", g.shareAt)
	sliced := p.checkSlice(g)
	s.Windows = append([]sli.Window{p.window}, p.notes.windows...)
	d.At("windows", p.windowAt)
	d.At("windows[0]", p.windowAt)
	for j := range p.notes.windows {
		d.At(fmt.Sprintf("windows[%d]", j+1), p.notes.windowsAt)
	}
	complete := p.indicator != nil && r.indicate(d, p.indicator, g)
	r.alert(d, p)
	p.notes.apply(d)
	for _, k := range p.extra {
		d.Keep(k.path, k.at)
	}
	if complete && sliced && !g.targetAt.IsZero() && s.Name != "" && s.Service != "" {
		d.Check()
	}
}

// name returns the goal's displayName.
func (g *goal) name() string {
	title := ""
	if !g.title.IsZero() {
		g.title.Prose(&title, draft.MaxProse)
	}
	return title
}

// suffix tells the objectives of an SLO apart: by their names where these do.
func (p *promise) suffix(i int) string {
	slug := slugOf(p.goals[i].name())
	number := fmt.Sprint(i + 1)
	for j := range p.goals {
		if other := slugOf(p.goals[j].name()); j != i && other == slug || other == number {
			return number
		}
	}
	if slug == "" {
		return number
	}
	return slug
}

func slugOf(title string) string {
	slug := strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			return c
		case c >= 'A' && c <= 'Z':
			return c - 'A' + 'a'
		}
		return '-'
	}, title)
	parts := strings.FieldsFunc(slug, func(c rune) bool { return c == '-' })
	slug = strings.Join(parts, "-")
	return strings.Trim(slug[:min(len(slug), 40)], "-")
}

func (p *promise) readMethod(v yamldoc.Value) {
	if !v.Text(&p.method, draft.MaxName) {
		return
	}
	methods := []string{occurrences, timeslices}
	switch {
	case slices.Contains(methods, p.method):
	case p.method == ratioTimeslices:
		v.Fail("write Timeslices with a timeSliceTarget, or Occurrences", "an average of shares says nothing of the events: it is not supported")
	default:
		hint := "write Occurrences or Timeslices"
		if near := yamldoc.Nearest(p.method, methods); near != "" {
			hint = "did you mean " + near + "?"
		}
		v.Fail(hint, "there is no such method")
	}
}

func (p *promise) readGoals(v yamldoc.Value) {
	v.Items(draft.MaxList, func(v yamldoc.Value) {
		g := goal{at: v}
		composite := "Goshawk has no composite objectives: write an SLO of its own"
		share := "write a number such as 0.999"
		number := func(name, hint string, to *float64, at *yamldoc.Value) yamldoc.Field {
			return yamldoc.Field{Name: name, Kind: "a number", Read: func(v yamldoc.Value) {
				if n, ok := v.Decimal(hint); ok {
					*to, *at = n, v
				}
			}}
		}
		v.Object([]yamldoc.Field{
			{Name: "displayName", Nothing: true, Read: func(v yamldoc.Value) {
				if title := ""; v.Prose(&title, draft.MaxProse) {
					g.title = v
				}
			}},
			{Name: "op", Kind: "lte, lt, gte or gt", Read: func(v yamldoc.Value) { g.op, g.opAt = readOp(v), v }},
			number("value", "write a number", &g.value, &g.valueAt),
			number("target", share, &g.target, &g.targetAt),
			{Name: "targetPercent", Kind: "a number", Read: func(v yamldoc.Value) { g.percent = v }},
			number("timeSliceTarget", share, &g.slice.Target, &g.shareAt),
			{Name: "timeSliceWindow", Kind: "a length such as 1m", Read: func(v yamldoc.Value) {
				g.widthAt = v
				readSliceWidth(v, &g.slice.Width)
			}},
			{Name: "indicator", Refuse: composite},
			{Name: "indicatorRef", Refuse: composite},
			{Name: "compositeWeight", Refuse: composite},
		})
		g.readPercent()
		p.goals = append(p.goals, g)
	})
}

// readPercent reads the target where it is in per cent.
func (g *goal) readPercent() {
	switch {
	case g.percent.IsZero() && g.targetAt.IsZero():
		if _, broken := g.at.Child("target"); !broken {
			g.at.Missing("target", "write a target such as 0.999, or a targetPercent")
		}
	case g.percent.IsZero():
	case !g.targetAt.IsZero():
		g.percent.Fail("remove one of the two", "there is a target as well")
	default:
		if draft.ReadPercent(g.percent, &g.target) {
			g.targetAt = g.percent
		}
	}
}

func readOp(v yamldoc.Value) string {
	op := ""
	ops := []string{"lte", "lt", "gte", "gt"}
	if v.Text(&op, draft.MaxName) && !slices.Contains(ops, op) {
		v.Fail("write lte, lt, gte or gt", "there is no such comparison")
	}
	return op
}

// readSliceWidth reads a length, or a number of minutes.
func readSliceWidth(v yamldoc.Value, to *time.Duration) {
	hint := "write a length such as 1m"
	word := ""
	if !v.Word(&word, draft.MaxName) {
		return
	}
	if short, days, months, ok := draft.Shorthand(word); ok {
		*to = draft.Rolling(short, days, months)
	} else if length, ok := draft.Length(word); ok {
		*to = length
	} else if minutes, ok := yamldoc.ParseDecimal(word); ok && minutes > 0 && minutes < 1e6 {
		*to = time.Duration(minutes * float64(time.Minute))
	} else {
		v.Fail(hint, "is not a length of time")
	}
}

// checkSlice says what is wrong with the fields of time slices, and reports whether
// nothing is.
func (p *promise) checkSlice(g *goal) bool {
	right := true
	for _, f := range []struct {
		name   string
		at     yamldoc.Value
		sample string
	}{{"timeSliceTarget", g.shareAt, "0.99"}, {"timeSliceWindow", g.widthAt, "1m"}} {
		switch {
		case p.method == timeslices && f.at.IsZero():
			right = false
			if _, broken := g.at.Child(f.name); !broken {
				g.at.Missing(f.name, "write "+f.name+": "+f.sample)
			}
		case p.method == occurrences && !f.at.IsZero():
			right = false
			f.at.Fail("write budgetingMethod: Timeslices, or remove the line", "means nothing with %s", occurrences)
		}
	}
	return right
}
