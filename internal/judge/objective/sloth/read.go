package sloth

import (
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/judge/objective/draft"
	"github.com/goshawk-io/goshawk/internal/platform/yamldoc"
	"github.com/goshawk-io/goshawk/sli"
)

// What a document says it is.
const (
	Version    = "prometheus/v1"
	APIVersion = "sloth.slok.dev/v1"
	kind       = "PrometheusServiceLevel"
)

// Format is what an objective's origin says.
const Format = "Sloth"

// Options configures the reading. The zero value works.
type Options struct {
	// Window is the objectives' window, which the files do not say; 0 means 30
	// days, as it does for Sloth.
	Window time.Duration
}

// spelling has the names of fields, which differ by the form of the file.
type spelling struct {
	plugins, errorQuery, totalQuery, ratioQuery, page, ticket string
}

func plain() spelling {
	return spelling{"slo_plugins", "error_query", "total_query", "error_ratio_query", "page_alert", "ticket_alert"}
}

func kubernetes() spelling {
	return spelling{"sloPlugins", "errorQuery", "totalQuery", "errorRatioQuery", "pageAlert", "ticketAlert"}
}

// group is a document: the objectives of a service.
type group struct {
	options   Options
	spelling  spelling
	whole     yamldoc.Value
	service   string
	serviceAt yamldoc.Value
	labels    map[string]string
	plugins   yamldoc.Value
	slos      yamldoc.Value
	// annotations and extra are of a Kubernetes resource.
	annotations map[string]string
	extra       map[string]yamldoc.Value
}

// Document reads a document with a field version.
func Document(v yamldoc.Value, o Options) []*draft.Draft {
	g := &group{options: o, spelling: plain(), whole: v}
	v.Object(append([]yamldoc.Field{{Name: "version", Required: true, Sample: Version, Read: func(v yamldoc.Value) {
		version := ""
		if v.Text(&version, draft.MaxName) && version != Version {
			v.Fail("write version: "+Version, "is no version that goshawk reads")
		}
	}}}, g.fields()...))
	return g.drafts()
}

// Resource reads a document with an apiVersion of [APIVersion].
func Resource(v yamldoc.Value, o Options) []*draft.Draft {
	g := &group{options: o, spelling: kubernetes(), whole: v, extra: make(map[string]yamldoc.Value)}
	keep := func(name string) yamldoc.Field {
		return yamldoc.Field{Name: name, Nothing: true, Read: func(v yamldoc.Value) { g.extra["metadata."+name] = v }}
	}
	v.Object([]yamldoc.Field{
		{Name: "apiVersion", Raw: true},
		{Name: "kind", Required: true, Sample: kind, Read: func(v yamldoc.Value) {
			name := ""
			if v.Text(&name, draft.MaxName) && name != kind {
				v.Fail("write kind: "+kind, "there is no such kind that goshawk reads")
			}
		}},
		{Name: "metadata", Required: true, Sample: "{name: shop}", Fields: []yamldoc.Field{
			keep("name"), keep("namespace"), keep("labels"),
			{Name: "annotations", Nothing: true, Read: func(v yamldoc.Value) { g.annotations = draft.Texts(v) }},
		}},
		{Name: "spec", Required: true, Sample: "below it, the service and its slos", Fields: g.fields()},
		{Name: "status", Raw: true},
	})
	return g.drafts()
}

// fields are those that both forms have.
func (g *group) fields() []yamldoc.Field {
	return []yamldoc.Field{
		{Name: "service", Kind: "a name", Required: true, Sample: "shop", Read: func(v yamldoc.Value) {
			g.serviceAt = v
			v.Text(&g.service, draft.MaxName)
		}},
		{Name: "labels", Nothing: true, Read: func(v yamldoc.Value) { g.labels = draft.Texts(v) }},
		{Name: g.spelling.plugins, Nothing: true, Read: func(v yamldoc.Value) {
			g.plugins = v
			warnPlugins(v)
		}},
		{Name: "slos", Kind: "a list", Required: true, Sample: "[{name: availability}]", Read: func(v yamldoc.Value) { g.slos = v }},
	}
}

func warnPlugins(v yamldoc.Value) {
	v.Named().Warn("look whether the objective is right without them", "Goshawk keeps Sloth's plugins and does not run them")
}

// drafts reads the objectives, when all that they share is known.
func (g *group) drafts() []*draft.Draft {
	var all []*draft.Draft
	if g.slos.IsZero() {
		return nil
	}
	g.slos.Items(1000, func(v yamldoc.Value) { all = append(all, g.objective(v)) })
	return all
}

// entry is an objective of a group.
type entry struct {
	*draft.Draft
	g        *group
	alerting yamldoc.Value
	// sound says that all is there that Check wants.
	named, targeted, indicated bool
}

func (g *group) objective(v yamldoc.Value) *draft.Draft {
	e := &entry{Draft: draft.New(v, Format), g: g}
	s := &e.SLO
	window := g.options.Window
	if window == 0 {
		window = 30 * 24 * time.Hour
	}
	s.Service, s.Windows = g.service, []sli.Window{sli.Rolling(window)}
	e.At("service", g.serviceAt)
	var labels map[string]string
	v.Object([]yamldoc.Field{
		{Name: "name", Kind: "a name", Required: true, Sample: "availability", Read: e.readName},
		{Name: "description", Nothing: true, Read: func(v yamldoc.Value) { v.Prose(&s.Description, draft.MaxProse) }},
		{Name: "objective", Kind: "a number such as 99.9", Required: true, Sample: "99.9", Read: func(v yamldoc.Value) {
			e.At("target", v)
			e.targeted = draft.ReadPercent(v, &s.Target)
		}},
		{Name: "labels", Nothing: true, Read: func(v yamldoc.Value) { labels = draft.Texts(v) }},
		{Name: "plugins", Nothing: true, Read: func(v yamldoc.Value) {
			warnPlugins(v)
			e.Keep("plugins", v)
		}},
		{Name: "sli", Required: true, Sample: "below it, events or raw", Read: e.readSLI},
		{Name: "alerting", Nothing: true, Read: func(v yamldoc.Value) { e.alerting = v }},
	})
	s.Labels, s.Annotations = draft.Merge(g.labels, labels), g.annotations
	s.Indicator.Name = s.Name
	for path, v := range g.extra {
		e.Keep(path, v)
	}
	if !g.plugins.IsZero() {
		e.Keep("slo_plugins", g.plugins)
	}
	e.readAlerting()
	if e.named && e.targeted && e.indicated && s.Service != "" {
		e.Check()
	}
	return e.Draft
}

// readName reads the name, which is unique among those of the service.
func (e *entry) readName(v yamldoc.Value) {
	e.At("name", v)
	name := ""
	if e.named = v.Text(&name, draft.MaxName); !e.named {
		return
	}
	e.SLO.Name, e.SLO.Title = name, name
	if e.g.service != "" {
		e.SLO.Name = e.g.service + "-" + name
	}
}

// readSLI reads the indicator.
func (e *entry) readSLI(v yamldoc.Value) {
	q := &e.SLO.Indicator.Query
	names := e.g.spelling
	kinds := 0
	query := func(name, part string, to *string) yamldoc.Field {
		return yamldoc.Field{Name: name, Kind: "a query in PromQL", Required: true, Sample: "sum(rate(errors_total[{{.window}}]))", Read: func(v yamldoc.Value) {
			e.At("indicator.query."+part, v)
			e.indicated = readQuery(v, to) && e.indicated
		}}
	}
	e.At("indicator", v)
	e.At("indicator.query", v.Named())
	e.indicated = true
	v.Object([]yamldoc.Field{
		{Name: "events", Nothing: true, Read: func(v yamldoc.Value) {
			kinds++
			v.Object([]yamldoc.Field{query(names.errorQuery, "bad", &q.Bad), query(names.totalQuery, "total", &q.Total)})
			if q.Bad != "" && q.Bad == q.Total {
				v.Named().Fail("write what is bad as "+names.errorQuery, "both queries are the same")
			}
		}},
		{Name: "raw", Nothing: true, Read: func(v yamldoc.Value) {
			kinds++
			v.Object([]yamldoc.Field{query(names.ratioQuery, "ratio", &q.Ratio)})
		}},
		{Name: "plugin", Nothing: true, Read: func(v yamldoc.Value) {
			kinds++
			e.indicated = false
			v.Named().Fail("write the queries that it makes as events; sloth generate shows them", "the indicator is a plugin, which is code for Sloth alone")
		}},
	})
	switch {
	case kinds == 0:
		e.indicated = false
		if v.IsObject() || v.IsNull() {
			v.Named().Fail("write events, or raw", "has no indicator")
		}
	case kinds > 1:
		e.indicated = false
		v.Named().Fail("write one of events and raw", "has %d indicators", kinds)
	}
	e.indicated = e.indicated && (q.Ratio != "" || q.Bad != "" && q.Total != "")
	e.SLO.Indicator.Signal = objective.SignalQuery
}

// readQuery reads a query, which must be about a window.
func readQuery(v yamldoc.Value, to *string) bool {
	if !v.Prose(to, draft.MaxProse) {
		return false
	}
	if !objective.Windowed(*to) {
		v.Named().Fail("write the range as [{{.window}}]", "the query has no {{.window}}")
		return false
	}
	return true
}

// alertText is what a file says with an alert.
type alertText struct {
	at                  yamldoc.Value
	disable             bool
	labels, annotations map[string]string
}

// readAlerting reads what is said with the alerts, and makes them.
func (e *entry) readAlerting() {
	var all, page, ticket alertText
	name := ""
	texts := func(to *alertText) []yamldoc.Field {
		return []yamldoc.Field{
			{Name: "labels", Nothing: true, Read: func(v yamldoc.Value) { to.labels = draft.Texts(v) }},
			{Name: "annotations", Nothing: true, Read: func(v yamldoc.Value) { to.annotations = draft.Texts(v) }},
		}
	}
	alert := func(name string, to *alertText) yamldoc.Field {
		return yamldoc.Field{Name: name, Nothing: true, Read: func(v yamldoc.Value) {
			to.at = v
			v.Object(append(texts(to), yamldoc.Field{Name: "disable", Nothing: true, Read: func(v yamldoc.Value) { v.Boolean(&to.disable) }}))
		}}
	}
	if !e.alerting.IsZero() {
		e.At("alerts", e.alerting.Named())
		e.alerting.Object(append(texts(&all),
			yamldoc.Field{Name: "name", Nothing: true, Read: func(v yamldoc.Value) { v.Text(&name, draft.MaxName) }},
			alert(e.g.spelling.page, &page), alert(e.g.spelling.ticket, &ticket)))
	}
	e.SLO.Alerts = []objective.Alert{}
	if !e.targeted || !(e.SLO.Target > 0 && e.SLO.Target < 1) || e.SLO.Windows[0].Validate() != nil {
		return
	}
	told := map[string]bool{}
	for _, a := range burnAlerts(e.SLO.Target, e.SLO.Windows[0]) {
		text := &page
		if a.Severity == "ticket" {
			text = &ticket
		}
		if text.disable {
			continue
		}
		told[a.Severity] = true
		e.SLO.Alerts = append(e.SLO.Alerts, objective.Alert{
			Alert: a, Name: name,
			Labels: draft.Merge(all.labels, text.labels), Annotations: draft.Merge(all.annotations, text.annotations),
		})
	}
	e.keepUntold(told, page, ticket)
}

// keepUntold keeps what is said with alerts that there are none of.
func (e *entry) keepUntold(told map[string]bool, page, ticket alertText) {
	if !told["page"] && !page.at.IsZero() {
		e.Keep("alerting.page_alert", page.at)
	}
	if !told["ticket"] && !ticket.at.IsZero() {
		e.Keep("alerting.ticket_alert", ticket.at)
	}
	if len(told) > 0 || e.alerting.IsZero() {
		return
	}
	for _, field := range []string{"name", "labels", "annotations"} {
		if v, ok := e.alerting.Child(field); ok {
			e.Keep("alerting."+field, v)
		}
	}
	if !page.disable || !ticket.disable {
		e.alerting.Named().Warn("write a higher target", "none of the alerts can ever fire at this target and window")
	}
}

// burnAlerts returns the alerts that Sloth generates, less those that can never
// fire.
func burnAlerts(target float64, w sli.Window) []sli.Alert {
	alerts := sli.DefaultAlerts(target, w)
	for i, a := range alerts {
		// They are the same ones, but for the rate that Sloth does not raise to 1.
		if w == sli.Rolling(28*24*time.Hour) && a.Long == 72*time.Hour {
			alerts[i].Burn = 28.0 / 30
		}
	}
	return alerts
}
