package slofile

import (
	"strings"
	"testing"

	"github.com/goshawk-io/goshawk/internal/platform/yamldoc"
)

// parse reads a text and returns its problems, without the name of the file, with
// their hints.
func parse(text string) (*Set, []string) {
	set, problems := Parse([]yamldoc.Source{{Name: "f", Data: []byte(text)}}, Options{})
	var list []string
	for _, p := range problems {
		line := strings.TrimPrefix(p.Error(), "f:")
		if p.Warning {
			line = "warning " + line
		}
		list = append(list, line+" | "+p.Hint)
	}
	return set, list
}

// counted is an SLO whose goshawk source says spec, in one line.
func counted(spec, rest string) string {
	return "apiVersion: openslo/v1\nkind: SLO\nmetadata: {name: a}\nspec:\n  service: shop\n  budgetingMethod: Occurrences\n" +
		"  indicator: {spec: {thresholdMetric: {metricSource: {type: goshawk,\n    spec: {" + spec + "}}}}}\n" + rest
}

const oneGoal = "  objectives: [{target: 0.99}]\n"

// asked is an SLO with this spec below service and indicator.
func asked(annotations, rest string) string {
	return "apiVersion: openslo/v1\nkind: SLO\nmetadata: {name: a, annotations: {" + annotations + "}}\nspec:\n  service: shop\n" +
		"  indicator: {spec: {ratioMetric: {rawType: failure, raw: {metricSource: {type: prometheus, spec: {query: x}}}}}}\n" + rest
}

func TestParse_refuses(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"nothing", "# nothing\n", []string{" has no document | "}},
		{"a list", "- a\n", []string{"1:1: the document is a list, not an object | begin with one of "}},
		{"no YAML", "a: b: c\n", []string{"1:5: is no YAML: "}},
		{"no version", "a: b\n", []string{"1:1: apiVersion: is missing | begin with one of "}},
		{"another version", "apiVersion: openslo/v1beta\nkind: SLO\n", []string{"1:13: apiVersion: openslo/v1beta: is no version of objectives that goshawk reads | did you mean openslo/v1? "}},
		{"another kind", "apiVersion: openslo/v1\nkind: SLOs\n", []string{"2:7: kind: SLOs: there is no such kind in openslo/v1 | did you mean SLO? "}},
		{"no kind", "apiVersion: openslo/v1\n", []string{"1:1: kind: is missing | the kinds are: SLO, "}},
		{"an empty SLO", "apiVersion: openslo/v1\nkind: SLO\n", []string{"1:1: metadata: is missing", "1:1: spec: is missing"}},
		{
			"misspelt fields", asked("", "  budgetingMethod: Occurrences\n  objective: [{target: 0.9}]\n  objectives: [{targt: 0.9}]\n"),
			[]string{
				"8:3: spec.objective: there is no such field | did you mean objectives? ",
				"9:16: spec.objectives[0].target: is missing | write a target such as 0.999",
				"9:17: spec.objectives[0].targt: there is no such field | did you mean target? ",
			},
		},
		{
			"methods", asked("", "  budgetingMethod: RatioTimeslices\n"+oneGoal),
			[]string{"7:20: spec.budgetingMethod: RatioTimeslices: an average of shares says nothing of the events: it is not supported | write Timeslices"},
		},
		{"a misspelt method", asked("", "  budgetingMethod: Occurences\n"+oneGoal), []string{"7:20: spec.budgetingMethod: Occurences: there is no such method | did you mean Occurrences?"}},
		{
			"slices that are not complete", asked("", "  budgetingMethod: Timeslices\n  objectives: [{target: 0.9, timeSliceTarget: 0.9}]\n"),
			[]string{"8:16: spec.objectives[0].timeSliceWindow: is missing | write timeSliceWindow: 1m"},
		},
		{
			"slices that mean nothing", asked("", "  budgetingMethod: Occurrences\n  objectives: [{target: 0.9, timeSliceWindow: 1m}]\n"),
			[]string{"8:47: spec.objectives[0].timeSliceWindow: 1m: means nothing with Occurrences | "},
		},
		{
			"a target in per cent", asked("", "  budgetingMethod: Occurrences\n  objectives: [{target: 99.9}]\n"),
			[]string{"8:25: spec.objectives[0].target: 99.9: 99.9 is not above 0 and below 1 | write 0.999 for 99.9 %"},
		},
		{
			"two targets, and none that is a number", asked("", "  budgetingMethod: Occurrences\n  objectives: [{target: 0.99, targetPercent: 90}, {target: .inf}, {targetPercent: 0}]\n"),
			[]string{
				"8:46: spec.objectives[0].targetPercent: 90: there is a target as well",
				"8:60: spec.objectives[1].target: .inf: is not a decimal number",
				"8:83: spec.objectives[2].targetPercent: 0: 0 is not above 0 and below 1",
			},
		},
		{
			"a composite", asked("", "  budgetingMethod: Occurrences\n  objectives: [{target: 0.99, compositeWeight: 2}]\n"),
			[]string{"8:31: spec.objectives[0].compositeWeight: Goshawk has no composite objectives: "},
		},
		{
			"two windows", asked("", "  budgetingMethod: Occurrences\n"+oneGoal+"  timeWindow: [{duration: 9d, isRolling: true}, {duration: 7d, isRolling: true}]\n"),
			[]string{"9:49: spec.timeWindow[1]: OpenSLO has one window for an SLO | write the others as an annotation, such as goshawk.io/windows: 7d, 90d"},
		},
		{
			"windows", asked("", "  budgetingMethod: Occurrences\n"+oneGoal+"  timeWindow: [{duration: 30 d, isRolling: true}]\n"),
			[]string{"9:27: spec.timeWindow[0].duration: 30 d: is not a length of time | write a length such as 30d, 4w or 1M"},
		},
		{
			"minutes of a calendar", asked("", "  budgetingMethod: Occurrences\n"+oneGoal+"  timeWindow: [{duration: 1m, calendar: {startTime: 2026-01-01 00:00:00, timeZone: Europe/Berlin}}]\n"),
			[]string{"9:27: spec.timeWindow[0].duration: 1m: is less than a day of a calendar | write 1M for months: m is minutes"},
		},
		{
			"a place that is not", asked("", "  budgetingMethod: Occurrences\n"+oneGoal+"  timeWindow: [{duration: 1M, calendar: {startTime: 2026-01-01 00:00:00, timeZone: Mars/Base}}]\n"),
			[]string{"9:84: spec.timeWindow[0].calendar.timeZone: Mars/Base: there is no such time zone | "},
		},
		{
			"this machine's zone", asked("", "  budgetingMethod: Occurrences\n"+oneGoal+"  timeWindow: [{duration: 1M, calendar: {startTime: yesterday, timeZone: Local}}]\n"),
			[]string{"9:74: spec.timeWindow[0].calendar.timeZone: Local: there is no such time zone | "},
		},
		{
			"no calendar", asked("", "  budgetingMethod: Occurrences\n"+oneGoal+"  timeWindow: [{duration: 1M}]\n"),
			[]string{"9:16: spec.timeWindow[0].calendar: is missing | write when the first period begins, or isRolling: true"},
		},
		{
			"annotations", asked("goshawk.io/min-event: '1', goshawk.io/min-bad: some, goshawk.io/confidence: '2', goshawk.io/proposal: perhaps", "  budgetingMethod: Occurrences\n"+oneGoal),
			[]string{
				"3:57: metadata.annotations.goshawk.io/min-event: there is no such annotation here | did you mean goshawk.io/min-events? ",
				"3:82: metadata.annotations.goshawk.io/min-bad: some: is not a whole number | ",
				"3:111: metadata.annotations.goshawk.io/confidence: 2: 2 is not from 0.5 to below 1 | ",
				"3:137: metadata.annotations.goshawk.io/proposal: perhaps: is neither true nor false | ",
			},
		},
		{
			"windows of an annotation", asked("goshawk.io/windows: '7d, ,1M from 2026-13-01,1M from 2026-01-01 Mars,30d'", "  budgetingMethod: Occurrences\n"+oneGoal),
			[]string{"has an empty entry", "has no time that a calendar can start at", "there is no time zone Mars", "30d is there twice"},
		},
		{
			"no signal", counted("route: /a", oneGoal),
			[]string{"8:11: spec.indicator.spec.thresholdMetric.metricSource.spec.signal: is missing | write http, exec, tcp or func"},
		},
		{
			"another signal", counted("signal: https", oneGoal),
			[]string{"8:20: spec.indicator.spec.thresholdMetric.metricSource.spec.signal: https: there is no such signal | did you mean http?"},
		},
		{
			"what the signal has not", counted("signal: http, peer: '10.*', rout: /a", oneGoal),
			[]string{
				"8:26: spec.indicator.spec.thresholdMetric.metricSource.spec.peer: the events of http have no peer | remove it",
				"8:40: spec.indicator.spec.thresholdMetric.metricSource.spec.rout: there is no such field | did you mean route? ",
			},
		},
		{
			"values", counted("signal: http, status: 6xx, role: both, threshold: 300, exclude: [{}]", oneGoal),
			[]string{
				"8:34: spec.indicator.spec.thresholdMetric.metricSource.spec.status: 6xx: 6xx is no status | ",
				"8:45: spec.indicator.spec.thresholdMetric.metricSource.spec.role: both: there is no such role | write server, client or any",
				"8:62: spec.indicator.spec.thresholdMetric.metricSource.spec.threshold: 300: has no unit | write a duration such as 300ms",
				"8:77: spec.indicator.spec.thresholdMetric.metricSource.spec.exclude[0]: chooses everything | ",
			},
		},
		{
			"nothing that is bad", counted("signal: http, bad: []", oneGoal),
			[]string{"8:31: spec.indicator.spec.thresholdMetric.metricSource.spec.bad: no event is ever bad: "},
		},
		{
			"two thresholds", counted("signal: http, threshold: 300ms", "  objectives: [{target: 0.99, op: lte, value: 0.4}]\n"),
			[]string{"9:47: spec.objectives[0].value: 0.4: is not the threshold of 300ms that the indicator has | remove one of the two"},
		},
		{
			"a comparison the wrong way", counted("signal: http", "  objectives: [{target: 0.99, op: gt, value: 0.4}]\n"),
			[]string{"9:35: spec.objectives[0].op: gt: an event is not better for being slower | write lte"},
		},
		{
			"a source that nobody can ask", strings.ReplaceAll(counted("query: x", oneGoal), "goshawk", "Datadog"),
			[]string{"7:61: spec.indicator.spec.thresholdMetric.metricSource.type: Datadog: Goshawk cannot ask a source of this type | write type: goshawk, or type: prometheus with a query"},
		},
		{
			"alerts that can never fire, and that look back too far",
			asked("", "  budgetingMethod: Occurrences\n  objectives: [{target: 0.9}]\n  timeWindow: [{duration: 7d, isRolling: true}]\n  alertPolicies:\n"+
				"  - metadata: {name: a}\n    spec:\n      conditions: [{metadata: {name: c}, spec: {severity: page, condition: {kind: burnrate, op: gt,\n        threshold: 14.4,\n        lookbackWindow: 3d}}}]\n"),
			[]string{
				"14:20: spec.alertPolicies[0].spec.conditions[0].spec.condition.threshold: 14.4: 14.4 times 0.1 is not below 1: it cannot fire even when all events are bad | a burn rate below 10 can",
				"15:25: spec.alertPolicies[0].spec.conditions[0].spec.condition.lookbackWindow: 3d: 72h0m0s is more than a third of the window of 168h0m0s | ",
			},
		},
		{
			"references to nothing", asked("", "  budgetingMethod: Occurrences\n"+oneGoal+"  alertPolicies: [{alertPolicyRef: fas}]\n") +
				"---\napiVersion: openslo/v1\nkind: AlertPolicy\nmetadata: {name: fast}\nspec: {conditions: [{conditionRef: none}]}\n",
			[]string{"9:36: spec.alertPolicies[0].alertPolicyRef: fas: there is no AlertPolicy of that name | did you mean fast?"},
		},
		{
			"an empty query", strings.ReplaceAll(asked("", "  budgetingMethod: Occurrences\n"+oneGoal), "query: x", "query: ' '"),
			[]string{"6:107: spec.indicator.spec.ratioMetric.raw.metricSource.spec.query:  : is empty"},
		},
		{
			"Sloth's fields", "version: prometheus/v2\nservice: s\nslos:\n- name: a b\n  objective: 101\n  sli: {events: {error_query: x, total_query: 'y[{{.window}}]'}}\n- sli: {plugin: {id: x}}\n  alertng: {}\n",
			[]string{
				"1:10: version: prometheus/v2: is no version that goshawk reads",
				"6:31: slos[0].sli.events.error_query: the query has no {{.window}} | ",
				"7:3: slos[1].name: is missing", "7:3: slos[1].objective: is missing",
				"7:17: slos[1].sli.plugin: the indicator is a plugin, which is code for Sloth alone | ",
				"8:3: slos[1].alertng: there is no such field | did you mean alerting? ",
			},
		},
		{
			"Sloth's names and shares", "version: prometheus/v1\nservice: s\nslos:\n- name: a b\n  objective: 100\n  sli: {raw: {error_ratio_query: 'x[{{.window}}]'}}\n",
			[]string{`4:9: slos[0].name: a b: "s-a b" is no name`, "5:14: slos[0].objective: 100: 1 is not above 0 and below 1"},
		},
		{
			"one query twice", "version: prometheus/v1\nservice: s\nslos:\n- name: a\n  objective: 99\n  sli: {events: {error_query: 'y[{{.window}}]', total_query: 'y[{{.window}}]'}}\n",
			[]string{"6:17: slos[0].sli.events: both queries are the same | "},
		},
		{
			"Sloth's windows of alerts", "apiVersion: sloth.slok.dev/v1\nkind: AlertWindows\nmetadata: {name: x}\nspec: {sloPeriod: 7d}\n",
			[]string{"2:7: kind: AlertWindows: there is no such kind that goshawk reads", "spec.service: is missing", "spec.slos: is missing", "spec.sloPeriod: there is no such field"},
		},
		{
			"Pyrra's fields", "apiVersion: pyrra.dev/v1alpha1\nkind: ServiceLevelObjective\nmetadata: {name: x}\nspec:\n  target: ninety\n  window: 4 weeks\n" +
				"  indicator: {ratio: {errors: {metric: 'rate(x[5m])'}, total: {metric: 'x{} or y{}'}}}\n",
			[]string{
				"5:11: spec.target: ninety: is not a decimal number", "6:11: spec.window: 4 weeks: is not a length of time",
				"7:40: spec.indicator.ratio.errors.metric: rate(x[5m]): is not the selector of a metric", "7:72: spec.indicator.ratio.total.metric: x{} or y{}: is not the selector of a metric",
			},
		},
		{
			"a window too short for Pyrra", "apiVersion: pyrra.dev/v1alpha1\nkind: ServiceLevelObjective\nmetadata: {name: x}\nspec:\n  target: '99'\n  window: 1h\n  indicator: {bool_gauge: {metric: up}}\n",
			[]string{"6:11: spec.window: 1h: is too short: Pyrra's alert windows come out as 0s and 0s | write 3d or more"},
		},
		{
			"two of Pyrra's indicators", "apiVersion: pyrra.dev/v1alpha1\nkind: ServiceLevelObjective\nmetadata: {name: x}\nspec:\n  target: '99'\n  window: 30d\n" +
				"  indicator:\n    bool_gauge: {metric: up}\n    latencyNative: {latency: 1s, total: {metric: x}}\n",
			[]string{"9:20: spec.indicator.latencyNative: there are 2 indicators | remove all but one"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			set, got := parse(test.text)
			if set != nil {
				t.Errorf("there is a set: %+v", set.SLOs)
			}
			joined := strings.Join(got, "\n")
			for _, want := range test.want {
				if !strings.Contains("\n"+joined, want) {
					t.Errorf("want %s", want)
				}
			}
			if len(got) != len(test.want) || t.Failed() {
				t.Errorf("want %d problems, got %d:\n%s", len(test.want), len(got), joined)
			}
		})
	}
}

// TestParse_placesInAnnotations: what is wrong in YAML within an annotation has its
// own line and column when it is a literal block.
func TestParse_placesInAnnotations(t *testing.T) {
	tail := "  budgetingMethod: Occurrences\n" + oneGoal
	block := strings.Replace(asked("", tail), "metadata: {name: a, annotations: {}}", "metadata:\n  name: a\n  annotations:\n    goshawk.io/exclusions: |\n"+
		"      - from: 2026-01-01T00:00:00Z\n        to: 2026-01-01T00:00:00Z\n        reson: x\n      - {from: soon, to: 2026-01-01T00:00:00+01:00, reason: y}\n", 1)
	_, got := parse(block)
	want := []string{
		"7:9: metadata.annotations.goshawk.io/exclusions[0]: from 2026-01-01T00:00:00Z to 2026-01-01T00:00:00Z is no time",
		"9:9: metadata.annotations.goshawk.io/exclusions[0].reson: there is no such field | did you mean reason? ",
		"10:16: metadata.annotations.goshawk.io/exclusions[1].from: soon: is not a time | ",
	}
	for _, w := range want {
		if !strings.Contains("\n"+strings.Join(got, "\n"), "\n"+w) {
			t.Errorf("want %s", w)
		}
	}
	if t.Failed() {
		t.Log(strings.Join(got, "\n"))
	}
	_, got = parse(asked("goshawk.io/exclusions: '[a: b: c'", tail))
	if len(got) != 1 || !strings.HasPrefix(got[0], "3:58: metadata.annotations.goshawk.io/exclusions: is no YAML: ") {
		t.Errorf("got %v", got)
	}
}

func TestParse_warns(t *testing.T) {
	tests := []struct {
		name, text, want string
	}{
		{
			"a comparison that means nothing", asked("", "  budgetingMethod: Occurrences\n  objectives: [{target: 0.99, value: 3, op: gt}]\n"),
			"warning 8:38: spec.objectives[0].value: 3: means nothing: the indicator is a ratio | remove it",
		},
		{
			"a receiver that no file has", asked("", "  budgetingMethod: Occurrences\n"+oneGoal+"  alertPolicies:\n  - metadata: {name: a}\n    spec:\n"+
				"      conditions: [{spec: {severity: page, condition: {op: lte, threshold: 2, lookbackWindow: 1h}}}]\n      notificationTargets: [{targetRef: me}]\n"),
			"warning 12:60: spec.alertPolicies[0].spec.conditions[0].spec.condition.op: lte: an alert is for a budget that burns too fast: it is taken as gt | write gt\n" +
				"warning 13:41: spec.alertPolicies[0].spec.notificationTargets[0].targetRef: me: there is no AlertNotificationTarget of that name: a receiver of that name must be configured | write a document of the kind AlertNotificationTarget, and name its file as well",
		},
		{
			"alerts shorter than a slice", asked("", "  budgetingMethod: Timeslices\n  objectives: [{target: 0.99, timeSliceTarget: 0.9, timeSliceWindow: 10m}]\n  alertPolicies:\n  - metadata: {name: a}\n    spec:\n"+
				"      conditions: [{spec: {severity: page, condition: {op: gt, threshold: 2, lookbackWindow: 1h}}}]\n"),
			"warning 12:94: spec.alertPolicies[0].spec.conditions[0].spec.condition.lookbackWindow: 1h: 5m0s is less than a slice of 10m0s: it sees one slice or none | look back over some slices, or make them shorter",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			set, got := parse(test.text)
			if joined := strings.Join(got, "\n"); set == nil || joined != test.want {
				t.Errorf("set %v\ngot  %s\nwant %s", set, joined, test.want)
			}
		})
	}
}
