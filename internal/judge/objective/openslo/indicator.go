package openslo

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/judge/objective/draft"
	"github.com/goshawk-io/goshawk/internal/platform/yamldoc"
)

// The types of sources that Goshawk can ask.
const (
	typeGoshawk    = "goshawk"
	typePrometheus = "prometheus"
)

// indicator is an SLI that was read; what it refers to is looked up later.
type indicator struct {
	meta        metadata
	at          yamldoc.Value
	description yamldoc.Value
	// threshold is thresholdMetric; the others are those of ratioMetric.
	threshold, good, bad, total, raw *source
	rawType                          string
	rawTypeAt                        yamldoc.Value
	counter                          bool
	counterAt                        yamldoc.Value
	// broken says that parts are missing, or there are too many.
	broken bool
}

// source is a metricSource.
type source struct {
	at, refAt, typeAt yamldoc.Value
	spec              yamldoc.Value
	ref, kind         string
	// what the spec says is read once, however many objectives use it.
	goshawk    *counted
	prometheus *query
}

// query is the spec of a source of the type prometheus.
type query struct {
	text   string
	at     yamldoc.Value
	server string
	by     []string
	broken bool
}

// dataSource is a DataSource.
type dataSource struct {
	kind   string
	server string
}

func readDataSource(o object) *dataSource {
	d := &dataSource{}
	if o.spec.IsZero() {
		return d
	}
	o.spec.Object([]yamldoc.Field{
		description(new(string)),
		text("type", &d.kind, true, "prometheus"),
		{Name: "connectionDetails", Raw: true},
	})
	details, _ := o.spec.Child("connectionDetails")
	if url, ok := details.Child("url"); ok {
		url.Prose(&d.server, draft.MaxProse)
	}
	return d
}

func readIndicator(o object) *indicator {
	i := &indicator{meta: o.meta, at: o.whole}
	i.meta.read(nil)
	if o.spec.IsZero() {
		return i
	}
	var ratio yamldoc.Value
	o.spec.Object([]yamldoc.Field{
		{Name: "description", Nothing: true, Read: func(v yamldoc.Value) { i.description = v }},
		{Name: "thresholdMetric", Nothing: true, Read: func(v yamldoc.Value) { i.threshold = readMetric(v) }},
		{Name: "ratioMetric", Nothing: true, Read: func(v yamldoc.Value) {
			ratio = v
			i.readRatio(v)
		}},
	})
	before := i.broken
	i.broken = true
	switch {
	case i.threshold == nil && ratio.IsZero():
		o.spec.Missing("ratioMetric", "write a ratioMetric or a thresholdMetric")
	case i.threshold != nil && !ratio.IsZero():
		i.threshold.at.Named().Fail("remove one of the two", "there is a ratioMetric as well")
	default:
		i.broken = before
	}
	return i
}

func (i *indicator) readRatio(v yamldoc.Value) {
	v.Object([]yamldoc.Field{
		{Name: "counter", Kind: "true or false", Read: func(v yamldoc.Value) { i.counterAt = v; v.Boolean(&i.counter) }},
		{Name: "good", Nothing: true, Read: func(v yamldoc.Value) { i.good = readMetric(v) }},
		{Name: "bad", Nothing: true, Read: func(v yamldoc.Value) { i.bad = readMetric(v) }},
		{Name: "total", Nothing: true, Read: func(v yamldoc.Value) { i.total = readMetric(v) }},
		{Name: "raw", Nothing: true, Read: func(v yamldoc.Value) { i.raw = readMetric(v) }},
		{Name: "rawType", Kind: "success or failure", Read: func(v yamldoc.Value) {
			i.rawTypeAt = v
			if v.Text(&i.rawType, draft.MaxName) && i.rawType != "success" && i.rawType != "failure" {
				v.Fail("write success or failure", "there is no such type")
			}
		}},
	})
	i.broken = true
	switch {
	case i.raw != nil && (i.good != nil || i.bad != nil || i.total != nil):
		i.raw.at.Named().Fail("remove raw, or good, bad and total", "there are counts as well")
	case i.raw != nil:
		if i.broken = i.rawTypeAt.IsZero(); i.broken {
			v.Missing("rawType", "write success for good/total, failure for bad/total")
		}
	case i.total == nil:
		v.Missing("total", "write what is counted")
	case i.good == nil && i.bad == nil:
		v.Missing("good", "write what is good, or what is bad")
	case i.good != nil && i.bad != nil:
		i.bad.at.Named().Fail("remove one of the two", "there is good as well")
	default:
		i.broken = false
	}
}

// readMetric reads what has a metricSource.
func readMetric(v yamldoc.Value) *source {
	s := &source{at: v}
	v.Object([]yamldoc.Field{{Name: "metricSource", Required: true, Sample: "{type: goshawk, spec: {signal: http}}", Fields: []yamldoc.Field{
		{Name: "metricSourceRef", Kind: "a name", Read: func(v yamldoc.Value) { s.refAt = v; v.Text(&s.ref, draft.MaxName) }},
		{Name: "type", Kind: "goshawk or prometheus", Read: func(v yamldoc.Value) { s.typeAt = v; v.Text(&s.kind, draft.MaxName) }},
		{Name: "spec", Required: true, Sample: "{signal: http}", Raw: true},
	}}})
	metric, _ := v.Child("metricSource")
	s.spec, _ = metric.Child("spec")
	return s
}

// resolve finds the type of a source and reads its spec, and reports whether
// there is anything to go on with.
func (r *Reader) resolve(s *source) bool {
	server := ""
	if !s.refAt.IsZero() {
		d := r.sources[s.ref]
		if d == nil {
			if s.ref != "" {
				r.dangling(s.refAt, kindSource, s.ref)
			}
			return false
		}
		server = d.server
		if s.kind == "" {
			s.kind = d.kind
		}
	}
	if s.spec.IsNull() {
		return false
	}
	hint := "write type: goshawk, or type: prometheus with a query"
	switch {
	case strings.EqualFold(s.kind, typeGoshawk):
		if s.goshawk == nil {
			s.goshawk = readCounted(s.spec)
		}
		return !s.goshawk.broken
	case strings.EqualFold(s.kind, typePrometheus):
		if s.prometheus == nil {
			s.prometheus = readQuery(s.spec, server)
		}
		return !s.prometheus.broken
	case s.kind == "" && s.typeAt.IsZero():
		s.at.Missing("metricSource.type", hint)
	case s.kind != "" && !s.typeAt.IsZero():
		s.typeAt.Fail(hint, "Goshawk cannot ask a source of this type")
	case s.kind != "":
		s.refAt.Fail(hint, "Goshawk cannot ask a source of the type %s", yamldoc.Show(s.kind))
	}
	return false
}

func readQuery(v yamldoc.Value, server string) *query {
	q := &query{server: server, broken: true}
	v.Object([]yamldoc.Field{
		{Name: "query", Kind: "a query in PromQL", Required: true, Sample: "sum(http_requests_total)", Read: func(v yamldoc.Value) {
			q.at = v
			if v.Prose(&q.text, draft.MaxProse) && strings.TrimSpace(q.text) == "" {
				v.Fail("write a query in PromQL", "is empty")
				return
			}
			q.broken = q.text == ""
		}},
		{Name: "server", Kind: "a URL", Read: func(v yamldoc.Value) { v.Text(&q.server, draft.MaxProse) }},
		{Name: "by", Kind: "a list of labels", Read: func(v yamldoc.Value) {
			v.Items(draft.MaxList, func(v yamldoc.Value) {
				if label := ""; v.Text(&label, draft.MaxName) {
					q.by = append(q.by, label)
				}
			})
		}},
	})
	return q
}

// indicate fills in the indicator of an objective, and reports whether it could.
func (r *Reader) indicate(d *draft.Draft, i *indicator, g *goal) bool {
	s := &d.SLO
	s.Indicator.Name = i.meta.name
	if s.Indicator.Name == "" {
		s.Indicator.Name = s.Name
	}
	d.At("indicator", i.at.Named())
	if i.meta.title != "" {
		d.SLO.Extra = draft.Merge(d.SLO.Extra, map[string]string{"indicator.metadata.displayName": strconv.Quote(i.meta.title)})
	}
	if !i.description.IsZero() {
		d.Keep("indicator.spec.description", i.description)
	}
	ok := true
	var sources []*source
	for _, s := range []*source{i.threshold, i.good, i.bad, i.total, i.raw} {
		if s != nil {
			ok = r.resolve(s) && ok
			sources = append(sources, s)
		}
	}
	if !ok || i.broken || len(sources) == 0 {
		return false
	}
	if slices.ContainsFunc(sources, func(s *source) bool { return (s.goshawk == nil) != (sources[0].goshawk == nil) }) {
		sources[1].at.Named().Fail("write both of the same type", "is of another type than the other one")
		return false
	}
	if sources[0].goshawk != nil {
		return i.indicateCounted(d, g)
	}
	return i.indicateQuery(d, g, sources)
}

// indicateQuery fills in the indicator of queries.
func (i *indicator) indicateQuery(d *draft.Draft, g *goal, sources []*source) bool {
	q := objective.Query{Server: sources[0].prometheus.server}
	for _, s := range sources {
		if s.prometheus.server != q.Server {
			s.at.Named().Fail("write one server", "asks another server than the other one")
			return false
		}
		if len(s.prometheus.by) > 0 {
			if q.By != nil && !slices.Equal(q.By, s.prometheus.by) {
				s.at.Named().Fail("write the same labels", "keeps other labels than the other one")
				return false
			}
			q.By = s.prometheus.by
		}
	}
	switch {
	case i.threshold != nil:
		if !g.compares() {
			return false
		}
		q.Good, q.Total = compare(i.threshold.prometheus.text, g.op, g.value, q.By)
	case i.raw != nil:
		q.Ratio = i.raw.prometheus.text
		if i.rawType == "success" {
			q.Ratio = "1 - " + enclose(q.Ratio)
		}
	default:
		q.Total = i.total.prometheus.text
		i.gauge(i.total)
		if i.good != nil {
			q.Good = i.good.prometheus.text
			i.gauge(i.good)
		} else {
			q.Bad = i.bad.prometheus.text
			i.gauge(i.bad)
		}
	}
	if i.threshold == nil {
		g.ignored("the indicator is a ratio")
	}
	d.SLO.Indicator.Signal, d.SLO.Indicator.Query = objective.SignalQuery, q
	d.At("indicator.query", sources[0].prometheus.at)
	for _, part := range []struct {
		name string
		of   *source
	}{{"good", i.good}, {"bad", i.bad}, {"total", i.total}} {
		if part.of != nil {
			d.At("indicator.query."+part.name, part.of.prometheus.at)
		}
	}
	return true
}

// gauge refuses a query for something that goes up and down, unless it says
// itself what to make of it over a window.
func (i *indicator) gauge(s *source) {
	if !i.counterAt.IsZero() && !i.counter && !objective.Windowed(s.prometheus.text) {
		s.prometheus.at.Fail("count over {{.window}} in the query, or write counter: true", "is no counter, as counter: false says, and has no {{.window}}")
	}
}

// compares says what is missing to compare a metric with a value.
func (g *goal) compares() bool {
	ok := true
	for _, field := range []struct {
		name string
		at   yamldoc.Value
	}{{"op", g.opAt}, {"value", g.valueAt}} {
		if field.at.IsZero() {
			if _, broken := g.at.Child(field.name); !broken {
				g.at.Missing(field.name, "write when the metric is good, such as op: lte and value: 0.5")
			}
			ok = false
		}
	}
	return ok
}

// ignored warns of a comparison that means nothing.
func (g *goal) ignored(why string) {
	if !g.valueAt.IsZero() {
		g.valueAt.Warn("remove it", "means nothing: %s", why)
	}
	if !g.opAt.IsZero() && (g.op == "lt" || g.op == "lte") {
		g.opAt.Warn("remove it", "means nothing: %s", why)
	}
}

// compare returns queries for how often, once a minute, a metric was good, and
// how often it was there.
func compare(text, op string, value float64, by []string) (good, total string) {
	symbol := map[string]string{"lte": "<=", "lt": "<", "gte": ">=", "gt": ">"}[op]
	sum := "sum"
	if len(by) > 0 {
		sum += " by (" + strings.Join(by, ", ") + ") "
	}
	text = enclose(text)
	good = sum + "(sum_over_time((" + text + " " + symbol + " bool " + strconv.FormatFloat(value, 'g', -1, 64) + ")[{{.window}}:1m]))"
	return good, sum + "(count_over_time(" + text + "[{{.window}}:1m]))"
}

// enclose puts a query into parentheses, of which a comment at its end would take
// one.
func enclose(query string) string {
	if strings.Contains(query, "#") {
		query += "\n"
	}
	return "(" + query + ")"
}

// limit returns the longest duration that the goal's comparison finds good; ok is
// false when it is no limit, which is said.
func (g *goal) limit() (limit time.Duration, ok bool) {
	seconds := g.value * float64(time.Second)
	switch {
	case g.op == "gt" || g.op == "gte":
		g.opAt.Fail("write lte", "an event is not better for being slower")
		return 0, false
	case !(seconds >= 1 && seconds < math.MaxInt64):
		g.valueAt.Fail("write how many seconds an event may take, such as 0.3", "is no duration in seconds")
		return 0, false
	}
	limit = time.Duration(math.Round(seconds))
	if g.op == "lt" {
		limit--
	}
	if limit == 0 {
		g.valueAt.Fail("write how many seconds an event may take, such as 0.3", "leaves no time at all")
	}
	return limit, limit > 0
}
