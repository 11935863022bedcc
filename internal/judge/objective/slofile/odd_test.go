package slofile

import (
	"errors"
	"fmt"
	"go/build"
	"slices"
	"strings"
	"testing"

	"github.com/goshawk-io/goshawk/internal/platform/yamldoc"
)

// TestParse_warnsOfWhatIsInVain finds what is allowed, and is not what anybody wants.
func TestParse_warnsOfWhatIsInVain(t *testing.T) {
	policy := func(targets string) string {
		return "  objectives: [{target: 0.99}]\n  alertPolicies:\n    - metadata: {name: fast}\n      spec:\n        conditions:\n" +
			"          - {kind: AlertCondition, metadata: {name: fast}, spec: {severity: page, condition: {kind: burnrate, op: gt, threshold: 10, lookbackWindow: 1h}}}\n" +
			"        notificationTargets: " + targets + "\n"
	}
	noted := func(receivers string) string {
		return strings.Replace(counted("signal: http", oneGoal), "{name: a}", "{name: a, annotations: {goshawk.io/receivers: '"+receivers+"'}}", 1)
	}
	var many strings.Builder
	for n := range maxThresholds + 2 {
		many.WriteString("---\n" + strings.Replace(counted(fmt.Sprintf("signal: http, threshold: %dms", 1000-n), oneGoal), "{name: a}", fmt.Sprintf("{name: a%d}", n), 1))
	}
	tests := []struct {
		name, text string
		receivers  []string
		want       []string
	}{
		{"a path that is chosen", counted("signal: http, path: /pay", oneGoal), nil, []string{"8:32: spec.indicator.spec.thresholdMetric.metricSource.spec.path: /pay: requests are counted by role, route, method and status, and not by url.path: none is ever chosen"}},
		{"a path that is left out", counted("signal: http, exclude: [{route: /a}, {path: /pay}]", oneGoal), nil, []string{"8:49: spec.indicator.spec.thresholdMetric.metricSource.spec.exclude[1]: requests are counted by role, route, method and status, and not by url.path: nothing is ever excluded"}},
		{"a path that is bad", counted("signal: http, bad: [5xx, {path: /pay}]", oneGoal), nil, []string{"8:31: spec.indicator.spec.thresholdMetric.metricSource.spec.bad: requests are counted by role, route, method and status, and not by url.path: none is ever bad for that"}},
		{"an attribute that is not counted", counted("signal: http, attributes: [{key: [url.scheme, http.rout], values: [x]}]", oneGoal), nil, []string{"and not by url.scheme or http.rout: none is ever chosen"}},
		{"what any path fits", counted("signal: http, path: '*'", oneGoal), nil, nil},
		{"a route", counted("signal: http, route: /pay, method: GET, status: 2xx, role: any, bad: [timeout]", oneGoal), nil, nil},
		{"a command has what it has", counted("signal: exec, attributes: [{key: a.b, values: [x]}]", oneGoal), nil, nil},
		{"default alerts that never fire", counted("signal: http", "  objectives: [{target: 0.9}]\n"), nil, []string{"9:25: spec.objectives[0].target: 0.9: the default alert at 14.4 times the allowed rate can never fire, and is left out"}},
		{"a receiver that there is not", counted("signal: http", policy("[{kind: AlertNotificationTarget, metadata: {name: on-cal}, spec: {target: x}}]")), []string{"on-call"}, []string{"15:31: spec.alertPolicies[0].spec.notificationTargets[0]: the receiver on-cal is not configured: it is told nothing"}},
		{"a receiver of the default alerts", noted("on-call, chat"), []string{"on-call"}, []string{"3:", "the receiver chat is not configured: it is told nothing"}},
		{"a receiver that there is", noted("on-call"), []string{"on-call"}, nil},
		{"all receivers, and one", counted("signal: http", policy("[{kind: AlertNotificationTarget, metadata: {name: all-receivers}, spec: {target: x}}, {kind: AlertNotificationTarget, metadata: {name: nobody}, spec: {target: x}}]")), []string{}, nil},
		{"all receivers of the default alerts", noted("all-receivers"), []string{}, nil},
		{"receivers, and nobody knows who there is", noted("chat"), nil, nil},
		{"more thresholds than there is room for", many.String(), nil, []string{"9:37: spec.indicator.spec.thresholdMetric.metricSource.spec.threshold: 1000ms: requests are counted by 16 different thresholds at most", "threshold: 999ms: "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			set, problems := Parse([]yamldoc.Source{{Name: "f", Data: []byte(tt.text)}}, Options{Receivers: tt.receivers})
			if set == nil || len(problems) > max(len(tt.want), 1) || len(problems) == 0 != (len(tt.want) == 0) {
				t.Fatalf("set %v, problems %v", set, problems)
			}
			for _, want := range tt.want {
				if !slices.ContainsFunc(problems, func(p *yamldoc.Error) bool { return p.Warning && strings.Contains(p.Error(), want) }) {
					t.Errorf("want %s, got %v", want, problems)
				}
			}
		})
	}
}

// TestParse_saysWhereAQueryIsWrong has a check that finds the same in all of them.
func TestParse_saysWhereAQueryIsWrong(t *testing.T) {
	text := measured("ratioMetric: {counter: true, total: "+prometheus("query: 'sum(a)'")+", bad: "+prometheus("query: 'sum(b'")+"}", "target: 0.99")
	check := func(expression string) error {
		if expression == "sum(b" {
			return errors.New("1:4: unclosed left parenthesis")
		}
		return nil
	}
	set, problems := Parse([]yamldoc.Source{{Name: "f", Data: []byte(text)}}, Options{Query: check})
	if set != nil || len(problems) != 1 || !strings.HasSuffix(problems[0].Error(), "bad.metricSource.spec.query: is no PromQL: 1:4: unclosed left parenthesis") || problems[0].Line == 0 {
		t.Errorf("set %v, problems %v", set, problems)
	}
}

// TestZones_areInTheBinary: a machine without a database of time zones has them too.
func TestZones_areInTheBinary(t *testing.T) {
	p, err := build.ImportDir("../openslo", 0)
	if err != nil || !slices.Contains(p.Imports, "time/tzdata") {
		t.Errorf("the package that loads time zones has none of its own: %v, %v", p.Imports, err)
	}
}
