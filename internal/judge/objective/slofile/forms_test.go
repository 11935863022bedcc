package slofile

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/sli"
)

// measured is an SLO with this spec of its indicator, and this goal.
func measured(spec, goal string) string {
	return "apiVersion: openslo/v1\nkind: SLO\nmetadata: {name: a}\nspec:\n  service: shop\n  budgetingMethod: Occurrences\n  indicator: {spec: {" + spec + "}}\n  objectives: [{" + goal + "}]\n"
}

func goshawk(spec string) string { return "{metricSource: {type: goshawk, spec: {" + spec + "}}}" }

func prometheus(spec string) string {
	return "{metricSource: {type: Prometheus, spec: {" + spec + "}}}"
}

func TestParse_formsOfIndicators(t *testing.T) {
	server := attribute("server", "goshawk.role")
	shop := []string{"shop"}
	status := objective.Selector{Attributes: []objective.Attribute{attribute("5??", "http.response.status_code")}}
	http := objective.Selector{Service: shop, Attributes: []objective.Attribute{server}}
	asked := func(q objective.Query) objective.Indicator {
		return objective.Indicator{Signal: objective.SignalQuery, Query: q}
	}
	tests := []struct {
		name, text string
		want       objective.Indicator
	}{
		{
			"raw", measured("ratioMetric: {rawType: success, raw: "+goshawk("signal: http, service: ['shop-*', till], role: any")+"}", "target: 0.99"),
			objective.Indicator{Signal: objective.SignalHTTP, Select: objective.Selector{Service: []string{"shop-*", "till"}}},
		},
		{
			"a limit in seconds", measured("thresholdMetric: "+goshawk("signal: http"), "target: 0.99, op: lte, value: 0.3"),
			objective.Indicator{Signal: objective.SignalHTTP, Select: http, Threshold: 300 * time.Millisecond},
		},
		{
			"a limit that is bad itself", measured("thresholdMetric: "+goshawk("signal: http"), "target: 0.99, op: lt, value: 0.3"),
			objective.Indicator{Signal: objective.SignalHTTP, Select: http, Threshold: 300*time.Millisecond - 1},
		},
		{
			"the same limit twice", measured("thresholdMetric: "+goshawk("signal: http, threshold: 1m30s"), "target: 0.99, op: lte, value: 90"),
			objective.Indicator{Signal: objective.SignalHTTP, Select: http, Threshold: 90 * time.Second},
		},
		{
			"a threshold of days", measured("thresholdMetric: "+goshawk("signal: exec, threshold: 2d"), "target: 0.99"),
			objective.Indicator{Signal: objective.SignalExec, Select: objective.Selector{Service: shop}, Threshold: 2 * day},
		},
		{
			"bad of a total", measured("ratioMetric: {counter: true, total: "+goshawk("signal: http, service: x")+", bad: "+goshawk("signal: http, service: x, status: 5xx")+"}", "target: 0.99"),
			objective.Indicator{Signal: objective.SignalHTTP, Select: objective.Selector{Service: []string{"x"}, Attributes: []objective.Attribute{server}}, Bad: []objective.Selector{status}},
		},
		{
			"good of a total", measured("ratioMetric: {counter: true, total: "+goshawk("signal: http, exclude: [{path: /x}]")+", good: "+goshawk("signal: http, threshold: 1s, bad: [503]")+"}", "target: 0.99"),
			objective.Indicator{
				Signal: objective.SignalHTTP, Select: http, Threshold: time.Second,
				Exclude: []objective.Selector{{Attributes: []objective.Attribute{attribute("/x", "url.path")}}},
				Bad:     []objective.Selector{{Attributes: []objective.Attribute{attribute("503", "http.response.status_code")}}},
			},
		},
		{
			"a word that is a status for http alone", measured("thresholdMetric: "+goshawk("signal: exec, command: git, bad: [404, ENOENT]"), "target: 0.99"),
			objective.Indicator{
				Signal: objective.SignalExec, Select: objective.Selector{Service: shop, Attributes: []objective.Attribute{attribute("git", "process.executable.name")}},
				Bad: []objective.Selector{{Attributes: []objective.Attribute{attribute("404|ENOENT", "error.type")}}},
			},
		},
		{
			"tcp", measured("thresholdMetric: "+goshawk("signal: tcp, port: 5432, peer: '10.*', command: shop"), "target: 0.99"),
			objective.Indicator{Signal: objective.SignalTCP, Select: objective.Selector{Service: shop, Attributes: []objective.Attribute{
				attribute("10.*", "network.peer.address"), attribute("5432", "server.port"), attribute("shop", "process.executable.name"),
			}}},
		},
		{
			"func", measured("thresholdMetric: "+goshawk("signal: func, function: main.pay"), "target: 0.99"),
			objective.Indicator{Signal: objective.SignalFunc, Select: objective.Selector{Service: shop, Attributes: []objective.Attribute{attribute("main.pay", "code.function.name")}}},
		},
		{
			"attributes stand behind those with a name", measured("thresholdMetric: "+goshawk("signal: http, attributes: [{key: url.scheme, values: https}, {key: http.request.method, values: [GET]}], role: client"), "target: 0.99"),
			objective.Indicator{Signal: objective.SignalHTTP, Select: objective.Selector{Service: shop, Attributes: []objective.Attribute{
				attribute("client", "goshawk.role"), attribute("GET", "http.request.method"), attribute("https", "url.scheme"),
			}}},
		},
		{
			"queries", measured("ratioMetric: {counter: true, good: "+prometheus("query: a, server: 'http://p'")+", total: "+prometheus("query: b, server: 'http://p', by: [x]")+"}", "target: 0.99"),
			asked(objective.Query{Good: "a", Total: "b", Server: "http://p", By: []string{"x"}}),
		},
		{
			"a share of bad events", measured("ratioMetric: {rawType: failure, raw: "+prometheus("query: a")+"}", "target: 0.99"),
			asked(objective.Query{Ratio: "a"}),
		},
		{
			"a share of good events", measured("ratioMetric: {rawType: success, raw: "+prometheus(`query: "a # of b"`)+"}", "target: 0.99"),
			asked(objective.Query{Ratio: "1 - (a # of b\n)"}),
		},
		{
			"a gauge within bounds", measured("thresholdMetric: "+prometheus("query: 'a + b', by: [x, y]"), "target: 0.99, op: gte, value: 1.5"),
			asked(objective.Query{
				Good:  "sum by (x, y) (sum_over_time(((a + b) >= bool 1.5)[{{.window}}:1m]))",
				Total: "sum by (x, y) (count_over_time((a + b)[{{.window}}:1m]))", By: []string{"x", "y"},
			}),
		},
		{
			"no counters, over windows", measured("ratioMetric: {counter: false, bad: "+prometheus("query: 'a[{{ .window }}]'")+", total: "+prometheus("query: 'b[{{.window}}]'")+"}", "target: 0.99"),
			asked(objective.Query{Bad: "a[{{ .window }}]", Total: "b[{{.window}}]"}),
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			set, problems := parse(test.text)
			odd := slices.DeleteFunc(slices.Clone(problems), func(p string) bool { return strings.Contains(p, "requests are counted by") })
			if set == nil || len(odd) > 0 {
				t.Fatal(problems)
			}
			test.want.Name = "a"
			if diff := cmp.Diff(test.want, set.SLOs[0].Indicator); diff != "" {
				t.Error("(-want +got)\n", diff)
			}
			if diff := cmp.Diff(set.SLOs, again(t, set.SLOs), equal()); diff != "" {
				t.Error("(-read +read again)\n", diff)
			}
		})
	}
}

func TestParse_refusesForms(t *testing.T) {
	const goal = "target: 0.99"
	for _, test := range []struct{ name, text, want string }{
		{"no metric", measured("", goal), "7:21: spec.indicator.spec.ratioMetric: is missing"},
		{"two metrics", measured("thresholdMetric: "+goshawk("signal: http")+", ratioMetric: {rawType: success, raw: "+goshawk("signal: http")+"}", goal), "thresholdMetric: there is a ratioMetric as well"},
		{"no total", measured("ratioMetric: {counter: true, good: "+goshawk("signal: http")+"}", goal), "ratioMetric.total: is missing"},
		{"neither good nor bad", measured("ratioMetric: {counter: true, total: "+goshawk("signal: http")+"}", goal), "ratioMetric.good: is missing"},
		{"good and bad", measured("ratioMetric: {counter: true, total: "+prometheus("query: a")+", good: "+prometheus("query: b")+", bad: "+prometheus("query: c")+"}", goal), "ratioMetric.bad: there is good as well"},
		{"raw and total", measured("ratioMetric: {rawType: success, raw: "+prometheus("query: a")+", total: "+prometheus("query: b")+"}", goal), "ratioMetric.raw: there are counts as well"},
		{"no rawType", measured("ratioMetric: {raw: "+prometheus("query: a")+"}", goal), "ratioMetric.rawType: is missing"},
		{"another rawType", measured("ratioMetric: {rawType: good, raw: "+prometheus("query: a")+"}", goal), "rawType: good: there is no such type"},
		{"no comparison", measured("thresholdMetric: "+prometheus("query: a"), goal), "spec.objectives[0].op: is missing"},
		{"half a comparison", measured("thresholdMetric: "+goshawk("signal: http"), goal+", value: 3"), "spec.objectives[0].op: is missing"},
		{"another comparison", measured("thresholdMetric: "+prometheus("query: a"), goal+", op: eq, value: 3"), "op: eq: there is no such comparison"},
		{"no limit", measured("thresholdMetric: "+goshawk("signal: http"), goal+", op: lte, value: 0"), "value: 0: is no duration in seconds"},
		{"no time at all", measured("thresholdMetric: "+goshawk("signal: http"), goal+", op: lt, value: 1e-9"), "value: 1e-9: leaves no time at all"},
		{"a gauge", measured("ratioMetric: {counter: false, good: "+prometheus("query: a")+", total: "+prometheus("query: 'b[{{.window}}]'")+"}", goal), "query: a: is no counter, as counter: false says"},
		{"two servers", measured("ratioMetric: {counter: true, good: "+prometheus("query: a, server: x")+", total: "+prometheus("query: b")+"}", goal), "total: asks another server than the other one"},
		{"other labels", measured("ratioMetric: {counter: true, good: "+prometheus("query: a, by: [x]")+", total: "+prometheus("query: b, by: [y]")+"}", goal), "total: keeps other labels than the other one"},
		{"two types", measured("ratioMetric: {counter: true, good: "+prometheus("query: a")+", total: "+goshawk("signal: http")+"}", goal), "total: is of another type than the other one"},
		{"no type", measured("ratioMetric: {counter: true, rawType: failure, raw: {metricSource: {spec: {query: a}}}}", goal), "raw.metricSource.type: is missing"},
		{"no such source", measured("ratioMetric: {rawType: failure, raw: {metricSource: {metricSourceRef: main, spec: {query: a}}}}", goal), "metricSourceRef: main: there is no DataSource of that name"},
		{"another signal", measured("ratioMetric: {counter: true, bad: "+goshawk("signal: tcp")+", total: "+goshawk("signal: http")+"}", goal), "bad: is of another signal than the total"},
		{"bad with a threshold", measured("ratioMetric: {counter: true, bad: "+goshawk("signal: http, threshold: 1s")+", total: "+goshawk("signal: http")+"}", goal), "bad: can only say which events are bad"},
		{"all are bad", measured("ratioMetric: {counter: true, bad: "+goshawk("signal: http")+", total: "+goshawk("signal: http")+"}", goal), "bad: chooses all events that the total does"},
		{"good of others", measured("ratioMetric: {counter: true, good: "+goshawk("signal: http, route: /a")+", total: "+goshawk("signal: http")+"}", goal), "good: chooses other events than the total"},
		{"a threshold that is none", measured("thresholdMetric: "+goshawk("signal: http, threshold: soon"), goal), "threshold: soon: is not a duration"},
		{"less than no time", measured("thresholdMetric: "+goshawk("signal: http, threshold: -1s"), goal), "threshold: -1s: leaves no time at all"},
		{"two indicators", strings.Replace(measured("thresholdMetric: "+goshawk("signal: http"), goal), "  objectives", "  indicatorRef: x\n  objectives", 1), "indicatorRef: x: there is an indicator as well"},
		{"no indicator", strings.Replace(measured("", goal), "  indicator: {spec: {}}\n", "", 1), "spec.indicator: is missing"},
		{"a signal that is a list", measured("thresholdMetric: "+goshawk("signal: [http]"), goal), "signal: is a list, not the name of a signal"},
		{"a slice that is none", strings.Replace(measured("thresholdMetric: "+goshawk("signal: http"), goal+", timeSliceTarget: 0.9, timeSliceWindow: soon"), "Occurrences", "Timeslices", 1), "timeSliceWindow: soon: is not a length of time"},
		{"annotations of an SLI", strings.Replace(measured("thresholdMetric: "+goshawk("signal: http"), goal), "{spec", "{metadata: {name: a, annotations: {goshawk.io/windows: 7d}}, spec", 1), "goshawk.io/windows: there is no such annotation here | remove it: none of Goshawk's annotations go here"},
	} {
		t.Run(test.name, func(t *testing.T) {
			set, problems := parse(test.text)
			if joined := strings.Join(problems, "\n"); set != nil || !strings.Contains(joined, test.want) {
				t.Errorf("set %v\ngot  %s\nwant %s", set, joined, test.want)
			}
		})
	}
}

// TestParse_standardIsKnown: what an SLO does not say.
func TestParse_standardIsKnown(t *testing.T) {
	set, problems := parse(measured("thresholdMetric: "+goshawk("signal: http"), "target: 0.99"))
	if set == nil {
		t.Fatal(problems)
	}
	s := set.SLOs[0]
	if s.Alerts != nil || len(s.Windows) != 1 || s.Windows[0] != sli.Rolling(30*day) || s.Slice != (objective.Slice{}) || s.MinEvents+s.MinBad != 0 || s.Confidence != 0 || s.Proposal {
		t.Errorf("%+v", s)
	}
	receivers := strings.Replace(measured("thresholdMetric: "+goshawk("signal: http"), "target: 0.99"), "{name: a}", "{name: a, annotations: {goshawk.io/receivers: 'oncall, chat'}}", 1)
	if set, problems = parse(receivers); set == nil {
		t.Fatal(problems)
	}
	alerts := set.SLOs[0].Alerts
	if len(alerts) != 4 || alerts[3].Severity != "ticket" || strings.Join(alerts[3].Receivers, "|") != "oncall|chat" || alerts[3].Name != "" {
		t.Errorf("%+v", alerts)
	}
	if set, problems = parse(receivers + "  alertPolicies: []\n"); set != nil || !strings.Contains(strings.Join(problems, "\n"), "there are alertPolicies, which say who is told") {
		t.Errorf("%v", problems)
	}
}

// TestParse_timesAreUTC: a time with another zone is the same instant.
func TestParse_timesAreUTC(t *testing.T) {
	set, problems := parse(asked("goshawk.io/exclusions: '- {from: 2026-01-01T00:00:00+01:00, to: 2026-01-02T00:00:00.5Z, reason: x}'", "  budgetingMethod: Occurrences\n"+oneGoal))
	if set == nil {
		t.Fatal(problems)
	}
	want := objective.Exclusion{Reason: "x", From: time.Date(2025, 12, 31, 23, 0, 0, 0, time.UTC), To: time.Date(2026, 1, 2, 0, 0, 0, 5e8, time.UTC)}
	if diff := cmp.Diff(want, set.SLOs[0].Exclusions[0]); diff != "" || set.SLOs[0].Exclusions[0].From.Location() != time.UTC {
		t.Error(diff)
	}
}
