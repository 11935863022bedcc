package dashboards

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goshawk-io/goshawk/internal/judge/rules"
)

// newWorld returns a store with all that dashboards show, as a server has it that
// scrapes two agents and evaluates the rules.
func newWorld(t testing.TB) *library {
	t.Helper()
	l := newLibrary(t)
	own, asking := objectives()
	record(t, l, rules.Options{Interval: step}, append(own, asking...))
	scrape(t, l, "host-a:7788", "host-b:7788")
	return l
}

// newWritten returns a store of objectives that agents on two hosts have written to:
// each judges the same ones itself.
func newWritten(t testing.TB) *library {
	t.Helper()
	agent, l := newLibrary(t), newLibrary(t)
	own, _ := objectives()
	record(t, agent, rules.Options{Interval: step, ResetFree: true}, own)
	for _, instance := range []string{"host-a", "host-b"} {
		agent.copyTo(t, l, "job", "goshawk", "instance", instance)
	}
	return l
}

// TestAnswers asks stores, which take seconds to make.
func TestAnswers(t *testing.T) {
	world := newWorld(t)
	t.Run("of a server that evaluates the rules", func(t *testing.T) { everyQuery(t, world, "goshawk-") })
	t.Run("of what agents write", func(t *testing.T) { everyQuery(t, newWritten(t), "goshawk-slo") })
	t.Run("of Debian's Prometheus", func(t *testing.T) { everyQuery(t, startServer(t, world), "goshawk-") })
	t.Run("about one objective", func(t *testing.T) { everyKind(t, world) })
	t.Run("to Sloth's dashboards", func(t *testing.T) { slothsDashboards(t, world) })
}

// everyQuery asks a store what the dashboards ask whose uid begins so.
func everyQuery(t *testing.T, s store, uid string) {
	for _, d := range read(t) {
		if strings.HasPrefix(d.UID, uid) {
			t.Run(d.UID, func(t *testing.T) { answers(t, s, d) })
		}
	}
}

// answers asks a store all that a dashboard does: for All, and for one value of each
// variable.
func answers(t *testing.T, s store, d *dashboard) {
	for _, known := range []values{choose(t, s, d, true), choose(t, s, d, false)} {
		for _, q := range d.questions() {
			expr := known.fill(t, q.expr)
			selects(t, s, q.where, expr)
			all := s.ask(t, expr, q.instant)
			if !slices.ContainsFunc(all, func(f found) bool { return f.number() }) {
				t.Errorf("%s: no answer\n%s\n%v", q.where, expr, all)
			}
			for _, f := range all {
				checkLabels(t, q, f)
			}
		}
	}
}

// choose gives variables values: what stands for All where there is that, and
// otherwise the one that the data are about.
func choose(t *testing.T, s store, d *dashboard, all bool) values {
	t.Helper()
	known := values{"datasource": "x"}
	for _, v := range d.Templating.List[1:] {
		options := v.options(t, s, known)
		if len(options) == 0 {
			t.Fatalf("variable %s: nothing to choose", v.Name)
		}
		switch preferred := regexp.MustCompile(`^(checkout.*|/carts/.*|\d+)$`); {
		case all && v.IncludeAll:
			known[v.Name] = v.AllValue
		case v.Multi:
			// The doubled backslash is Grafana's too: it is in a string of PromQL.
			i := max(slices.IndexFunc(options, preferred.MatchString), 0)
			known[v.Name] = "(" + strings.ReplaceAll(regexp.QuoteMeta(options[i]), `\`, `\\`) + "|other)"
		default:
			i := slices.IndexFunc(options, preferred.MatchString)
			if i < 0 {
				t.Fatalf("variable %s: %q are not of the data", v.Name, options)
			}
			known[v.Name] = options[i]
		}
	}
	return known
}

// checkLabels checks that the answer has the labels that legends and columns are made
// of, as those of "name" would be empty.
func checkLabels(t *testing.T, q question, f found) {
	t.Helper()
	for _, m := range regexp.MustCompile(`\{\{\s*(\w+)\s*\}\}`).FindAllStringSubmatch(q.legend, -1) {
		if _, ok := f.labels[m[1]]; !ok {
			t.Errorf("%s: the legend is of %s, and the answer is %v", q.where, m[1], f.labels)
		}
	}
	for _, column := range q.columns {
		if _, ok := f.labels[column]; !ok && !strings.HasPrefix(column, "Value") {
			t.Errorf("%s: a column is of %s, and the answer is %v", q.where, column, f.labels)
		}
	}
}
