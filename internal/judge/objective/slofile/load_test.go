package slofile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/platform/yamldoc"
	"github.com/goshawk-io/goshawk/sli"
)

const day = 24 * time.Hour

// equal compares objectives, leaving aside where they were read.
func equal() cmp.Option {
	return cmp.Options{
		cmp.Comparer(func(a, b sli.Window) bool { return a.String() == b.String() && reflect.DeepEqual(a, b) }),
		cmp.Comparer(func(a, b objective.Origin) bool { return true }),
	}
}

// load reads a file of testdata that has no errors.
func load(t *testing.T, name string) ([]objective.SLO, yamldoc.Errors) {
	t.Helper()
	set, problems := Load([]string{filepath.Join("testdata", name)}, Options{})
	if set == nil {
		t.Fatal(problems)
	}
	return set.SLOs, problems
}

func attribute(pattern string, keys ...string) objective.Attribute {
	return objective.Attribute{Keys: keys, Patterns: strings.Split(pattern, "|")}
}

func TestLoad_OpenSLO(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	quarter := sli.Calendar(time.Date(2026, 1, 1, 12, 30, 0, 0, newYork), 3, 0)
	stock := objective.Indicator{Name: "stock-errors", Signal: objective.SignalQuery, Query: objective.Query{
		Server: "http://prometheus.example:9090", Bad: `sum(stock_requests_total{code=~"5.."})`, Total: "sum(stock_requests_total)",
	}}
	want := []objective.SLO{
		{
			Name: "checkout-fast", Title: "Checkout is fast", Description: "Whoever pays must not wait.\n", Service: "shop",
			Labels: map[string]string{"team": "payments", "tier": "1,eu"}, Annotations: map[string]string{"wiki": "https://wiki.example/checkout"},
			Indicator: objective.Indicator{
				Name: "checkout-latency", Signal: objective.SignalHTTP,
				Select: objective.Selector{Service: []string{"shop"}, Attributes: []objective.Attribute{
					attribute("server", "goshawk.role"), attribute("/checkout", "http.route", "url.template"), attribute("POST|PUT", "http.request.method"),
				}},
				Exclude: []objective.Selector{
					{Attributes: []objective.Attribute{attribute("/healthz", "http.route", "url.template")}},
					{Attributes: []objective.Attribute{attribute("hijacked", "goshawk.http.outcome")}},
				},
				Bad: []objective.Selector{
					{Attributes: []objective.Attribute{attribute("5??|429", "http.response.status_code")}},
					{Attributes: []objective.Attribute{attribute("timeout", "error.type")}},
				},
				Threshold: 300 * time.Millisecond,
			},
			Target:  0.999,
			Windows: []sli.Window{sli.Rolling(30 * day), sli.Rolling(7 * day), sli.Calendar(time.Date(2026, 1, 1, 0, 0, 0, 0, berlin), 1, 0)},
			Alerts: []objective.Alert{{
				Alert: sli.Alert{Severity: "page", Burn: 14.4, Long: time.Hour, Short: 5 * time.Minute}, Name: "fast-burn", For: 2 * time.Minute,
				Labels: map[string]string{"area": "money"}, Annotations: map[string]string{"runbook": "https://wiki.example/burn"}, Receivers: []string{"oncall"},
			}},
			MinEvents: 100, MinBad: 3, Confidence: 0.9,
			Exclusions: []objective.Exclusion{{
				Reason: "database move", From: time.Date(2026, 3, 1, 22, 0, 0, 0, time.UTC), To: time.Date(2026, 3, 1, 23, 30, 0, 0, time.UTC),
				Select: objective.Selector{Attributes: []objective.Attribute{attribute("/reports/*", "http.route", "url.template")}},
			}},
		},
		{
			Name: "stock-our-own", Title: "Our own", Service: "stock", Indicator: stock, Target: 0.9995, Windows: []sli.Window{quarter},
			Slice: objective.Slice{Width: time.Minute, Target: 0.9}, Alerts: []objective.Alert{},
		},
		{
			Name: "stock-what-the-contract-says", Title: "What the contract says", Service: "stock", Indicator: stock, Target: 0.99, Windows: []sli.Window{quarter},
			Slice: objective.Slice{Width: time.Minute, Target: 0.9}, Alerts: []objective.Alert{},
		},
	}
	got, problems := load(t, "openslo.yaml")
	if diff := cmp.Diff(want, got, equal()); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
	if len(problems) > 0 {
		t.Error(problems)
	}
	if want := (objective.Origin{Format: "OpenSLO", File: "testdata/openslo.yaml", Line: 10, Column: 1}); got[0].Origin != want {
		t.Errorf("origin %+v, want %+v", got[0].Origin, want)
	}
}

func TestLoad_Sloth(t *testing.T) {
	page := sli.Alert{Severity: "page", Burn: 14.4, Long: time.Hour, Short: 5 * time.Minute}
	slowPage := sli.Alert{Severity: "page", Burn: 6, Long: 6 * time.Hour, Short: 30 * time.Minute}
	ticket := sli.Alert{Severity: "ticket", Burn: 3, Long: day, Short: 2 * time.Hour}
	slowTicket := sli.Alert{Severity: "ticket", Burn: 1, Long: 3 * day, Short: 6 * time.Hour}
	alert := func(a sli.Alert, name, severity string, more map[string]string) objective.Alert {
		labels := map[string]string{"severity": severity}
		for k, v := range more {
			labels[k] = v
		}
		return objective.Alert{Alert: a, Name: name, Labels: labels}
	}
	loans := func(a sli.Alert) objective.Alert {
		made := alert(a, "LoansFail", "critical", map[string]string{"category": "availability"})
		made.Annotations = map[string]string{"summary": "Loans fail"}
		return made
	}
	plugins := `{"chain":[{"config":{"deep":[1,2.50,{"x":null,"y":true,"z":"\u003c\u0026\u003e"}]},"id":"example/one","priority":10}]}`
	window := []sli.Window{sli.Rolling(30 * day)}
	want := []objective.SLO{
		{
			Name: "library-loans-availability", Title: "loans-availability", Description: "Loans are made.", Service: "library",
			Labels: map[string]string{"owner": "loans", "tier": "2"},
			Indicator: objective.Indicator{Name: "library-loans-availability", Signal: objective.SignalQuery, Query: objective.Query{
				Bad: `sum(rate(loans_total{result="error"}[{{.window}}]))`, Total: "# all of them\nsum(rate(loans_total[{{ .window }}]))\n",
			}},
			Target: 0.999, Windows: window, Alerts: []objective.Alert{loans(page), loans(slowPage)},
			Extra: map[string]string{"slo_plugins": plugins, "alerting.ticket_alert": `{"disable":true,"labels":{"severity":"slack"}}`},
		},
		{
			Name: "library-returns", Title: "returns", Service: "library", Labels: map[string]string{"owner": "books", "tier": "2"},
			Indicator: objective.Indicator{Name: "library-returns", Signal: objective.SignalQuery, Query: objective.Query{Ratio: "1 - avg_over_time(returns_ok[{{.window}}])"}},
			Target:    0.95, Windows: window, Alerts: []objective.Alert{},
			Extra: map[string]string{
				"slo_plugins": plugins, "plugins": `{"chain":[{"id":"example/two"}]}`, "alerting.name": `"Returns"`,
				"alerting.page_alert": `{"disable":true}`, "alerting.ticket_alert": `{"disable":true}`,
			},
		},
	}
	got, problems := load(t, "sloth.yaml")
	if diff := cmp.Diff(want, got, equal()); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
	if len(problems) != 2 || problems[0].Line != 7 || problems[1].Line != 33 {
		t.Errorf("want a warning for each of the plugins, got %v", problems)
	}
	want = []objective.SLO{{
		Name: "archive-reads", Title: "reads", Service: "archive", Annotations: map[string]string{"owner": "books"},
		Indicator: objective.Indicator{Name: "archive-reads", Signal: objective.SignalQuery, Query: objective.Query{
			Bad: `sum(rate(reads_total{result="error"}[{{.window}}]))`, Total: "sum(rate(reads_total[{{.window}}]))",
		}},
		Target: 0.995, Windows: window,
		Alerts: []objective.Alert{
			alert(page, "ReadsFail", "critical", nil), alert(slowPage, "ReadsFail", "critical", nil),
			alert(ticket, "ReadsFail", "slack", nil), alert(slowTicket, "ReadsFail", "slack", nil),
		},
		Extra: map[string]string{"metadata.name": `"library"`, "metadata.namespace": `"prod"`, "metadata.labels": `{"app":"library"}`},
	}}
	got, _ = load(t, "sloth-resource.yaml")
	if diff := cmp.Diff(want, got, equal()); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
}

// TestLoad_SlothOf28Days: the rate of the slowest ticket is not raised to 1.
func TestLoad_SlothOf28Days(t *testing.T) {
	set, problems := Load([]string{"testdata/sloth-resource.yaml"}, Options{Window: 28 * day})
	if set == nil {
		t.Fatal(problems)
	}
	s := set.SLOs[0]
	if got, want := s.Windows[0], sli.Rolling(28*day); got != want {
		t.Errorf("window %v, want %v", got, want)
	}
	var burns []float64
	for _, a := range s.Alerts {
		burns = append(burns, a.Burn)
	}
	if want := []float64{13.44, 5.6, 2.8, 28.0 / 30}; !reflect.DeepEqual(burns, want) {
		t.Errorf("rates %v, want %v", burns, want)
	}
}

func TestLoad_Pyrra(t *testing.T) {
	got, problems := load(t, "pyrra.yaml")
	ratio := got[0]
	alert := func(severity string, burn float64, long, short, after time.Duration) objective.Alert {
		return objective.Alert{
			Alert: sli.Alert{Severity: severity, Burn: burn, Long: long, Short: short}, Name: "GatewayErrors", For: after,
			Annotations: map[string]string{"runbook": "https://wiki.example/gateway"},
		}
	}
	want := objective.SLO{
		Name: "gateway-errors", Description: "The gateway answers.", Service: "gateway",
		Labels: map[string]string{"team": "edge", "service": "gateway"}, Annotations: map[string]string{"note": "by hand"},
		Indicator: objective.Indicator{Name: "gateway-errors", Signal: objective.SignalQuery, Query: objective.Query{
			Bad:   `sum by (handler, method) (rate(http_requests_total{job="gateway",code=~"5..|4{2}9"}[{{.window}}]))`,
			Total: `sum by (handler, method) (rate(http_requests_total{job="gateway"}[{{.window}}]))`,
			By:    []string{"handler", "method"},
		}},
		Target: 0.999, Windows: []sli.Window{sli.Rolling(28 * day)},
		Alerts: []objective.Alert{
			alert("page", 14, time.Hour, 5*time.Minute, 2*time.Minute),
			alert("critical", 7, 6*time.Hour, 30*time.Minute, 15*time.Minute),
			alert("warning", 2, day, 2*time.Hour, time.Hour),
			alert("warning", 1, 4*day, 6*time.Hour, 3*time.Hour),
		},
		Extra: map[string]string{
			"metadata.namespace": `"prod"`, "metadata.labels": `{"pyrra.dev/service":"gateway","pyrra.dev/team":"edge","role":"alert-rules"}`,
			"spec.partial_response_strategy": `"warn"`, "spec.ruleOutput": `{"shortRulesLabels":{"shard":"a"}}`,
			"spec.indicator":       `{"ratio":{"errors":{"metric":"http_requests_total{job=\"gateway\",code=~\"5..|4{2}9\"}"},"grouping":["handler","method"],"total":{"metric":"http_requests_total{job=\"gateway\"}"}}}`,
			"spec.alerting.absent": "false", "spec.alerting.absentName": `"GatewayGone"`, "spec.alerting.severities.absent": `"info"`,
		},
	}
	if diff := cmp.Diff(want, ratio, equal()); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
	queries := []objective.Query{
		{
			Good: `sum(rate(http_seconds_bucket{job="gateway",le="0.25"}[{{.window}}]))`, Total: `sum(rate(http_seconds_count{job="gateway"}[{{.window}}]))`,
		},
		{
			Good:  `histogram_fraction(0, 0.2, sum by (handler) (rate(http_seconds{job="gateway"}[{{.window}}]))) * histogram_count(sum by (handler) (rate(http_seconds{job="gateway"}[{{.window}}])))`,
			Total: `histogram_count(sum by (handler) (rate(http_seconds{job="gateway"}[{{.window}}])))`, By: []string{"handler"},
		},
		{
			Good: `sum by (target) (sum_over_time(probe_success[{{.window}}]))`, Total: `sum by (target) (count_over_time(probe_success[{{.window}}]))`, By: []string{"target"},
		},
	}
	for i, want := range queries {
		if diff := cmp.Diff(want, got[i+1].Indicator.Query); diff != "" {
			t.Errorf("%s (-want +got)\n%s", got[i+1].Name, diff)
		}
	}
	// Of a target of 90 % ten times the allowed rate is all there is.
	if n := len(got[1].Alerts); n != 3 || len(problems) != 1 || !strings.Contains(problems[0].Cause, "14 times") {
		t.Errorf("%d alerts, problems %v", n, problems)
	}
	if silent := got[2]; len(silent.Alerts) != 0 || silent.Alerts == nil || silent.Extra["spec.alerting.name"] != `"Kept"` || silent.Extra["spec.alerting.burnrates"] != "false" {
		t.Errorf("without alerts: %+v", silent)
	}
	// The windows are parts of the objective's, to the minute.
	if a := got[3].Alerts[0]; a.Long != 15*time.Minute || a.Short != time.Minute || a.For != time.Minute {
		t.Errorf("of 7 days: %+v", a)
	}
}

func TestLoad_namesAcrossFiles(t *testing.T) {
	dir := t.TempDir()
	slo := func(name string) string {
		return "apiVersion: openslo/v1\nkind: SLO\nmetadata: {name: " + name + "}\nspec:\n  service: shop\n  budgetingMethod: Occurrences\n  indicatorRef: errors\n  objectives: [{target: 0.99}]\n"
	}
	files := map[string]string{
		"a.yaml":   slo("shop-a"),
		"sli.yaml": "apiVersion: openslo/v1\nkind: SLI\nmetadata: {name: errors}\nspec: {ratioMetric: {rawType: success, raw: {metricSource: {type: goshawk, spec: {signal: http}}}}}\n",
		"b.yaml":   slo("shop-a"),
		"c.yaml":   "version: prometheus/v1\nservice: shop\nslos:\n- name: A\n  objective: 99\n  sli: {raw: {error_ratio_query: 'x[{{.window}}]'}}\n",
	}
	path := func(name string) string { return filepath.Join(dir, name) }
	for name, text := range files {
		if err := os.WriteFile(path(name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if set, problems := Load([]string{path("a.yaml"), path("sli.yaml")}, Options{}); set == nil || len(set.SLOs) != 1 || len(set.Files) != 2 {
		t.Fatalf("a reference to another file: %v", problems)
	}
	for _, test := range []struct {
		files []string
		want  string
	}{
		{[]string{"a.yaml"}, "a.yaml:7:17: spec.indicatorRef: errors: there is no SLI of that name"},
		{[]string{"a.yaml", "b.yaml", "sli.yaml"}, "b.yaml:3:18: metadata.name: shop-a: is defined already, at DIR/a.yaml:3:18"},
		{[]string{"a.yaml", "c.yaml", "sli.yaml"}, "a.yaml:3:18: metadata.name: shop-a: the objective shop-a is defined already, at DIR/c.yaml:4:9"},
		{[]string{"a.yaml", "sli.yaml", "gone.yaml"}, "gone.yaml: no such file or directory"},
	} {
		var paths []string
		for _, name := range test.files {
			paths = append(paths, path(name))
		}
		set, problems := Load(paths, Options{})
		if got := strings.ReplaceAll(problems.Error(), dir, "DIR"); set != nil || got != "DIR/"+test.want {
			t.Errorf("%v: set %v\ngot  %s\nwant %s", test.files, set, got, test.want)
		}
	}
}

func TestParse_queriesAreChecked(t *testing.T) {
	data, err := os.ReadFile("testdata/sloth.yaml")
	if err != nil {
		t.Fatal(err)
	}
	refuse := func(expression string) error {
		if strings.Contains(expression, "returns_ok") {
			return errors.New("1:1: not\nthis")
		}
		return nil
	}
	set, problems := Parse([]yamldoc.Source{{Name: "s.yaml", Data: data}}, Options{Query: refuse})
	last := problems[len(problems)-1]
	if want := `s.yaml:36:28: slos[1].sli.raw.error_ratio_query: "is no PromQL: 1:1: not\nthis"`; set != nil || last.Error() != want {
		t.Errorf("got %v\nwant %s", last, want)
	}
}

func TestParse_boundsErrorsAndAliases(t *testing.T) {
	var b strings.Builder
	b.WriteString("version: prometheus/v1\nservice: s\nslos:\n")
	for i := range 500 {
		fmt.Fprintf(&b, "- {name: n%d, colour: red, objective: 99, sli: {raw: {error_ratio_query: 'x[{{.window}}]'}}}\n", i)
	}
	if set, problems := Parse([]yamldoc.Source{{Name: "many", Data: []byte(b.String())}}, Options{}); set != nil || len(problems) != yamldoc.MaxErrors+1 {
		t.Errorf("%d problems", len(problems))
	}
	b.Reset()
	for i := range 2500 {
		fmt.Fprintf(&b, "---\napiVersion: pyrra.dev/v1alpha1\nkind: ServiceLevelObjective\nmetadata: {name: n%d}\n", i)
		if i%3 == 0 {
			b.WriteString("spec: {target: '99', window: 30d, indicator: {bool_gauge: {metric: up}}}\n")
		} else {
			b.WriteString("spec: {target: '90', window: 30d, indicator: {bool_gauge: {metric: up}}}\n")
		}
	}
	if set, problems := Parse([]yamldoc.Source{{Name: "many", Data: []byte(b.String())}}, Options{}); set != nil || !strings.Contains(problems.Error(), "there are more than 2000 objectives") {
		t.Errorf("2500 objectives: %.300v", problems)
	}
	// Lists of lists of lists, by their names.
	bomb := "apiVersion: openslo/v1\nkind: DataSource\nmetadata: {name: x}\nspec: {type: a, connectionDetails: {}}\n---\n" +
		"version: prometheus/v1\nservice: s\nslo_plugins:\n  a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	last := "a"
	for _, next := range []string{"b", "c", "d", "e", "f", "g", "h", "i"} {
		bomb += "  " + next + ": &" + next + " [" + strings.Repeat("*"+last+",", 10) + "]\n"
		last = next
	}
	bomb += "slos: [{name: n, objective: 99, sli: {raw: {error_ratio_query: 'x[{{.window}}]'}}}]\n"
	if set, problems := Parse([]yamldoc.Source{{Name: "bomb", Data: []byte(bomb)}}, Options{}); set != nil || !strings.Contains(problems.Error(), "the aliases of the file stand for more than") {
		t.Errorf("a bomb of aliases: %v", problems)
	}
}
