package rules

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/testutil"
	"github.com/goshawk-io/goshawk/sli"
)

const day = 24 * time.Hour

// example is an objective of a name, with the default alerts.
func example(name string, change ...func(*objective.SLO)) objective.SLO {
	slo := objective.SLO{
		Name: name, Service: "checkout", Target: 0.999,
		Windows:   []sli.Window{sli.Rolling(30 * day)},
		Indicator: objective.Indicator{Signal: objective.SignalHTTP, Threshold: 300 * time.Millisecond},
	}
	for _, c := range change {
		c(&slo)
	}
	return slo
}

func asks(q objective.Query) func(*objective.SLO) {
	return func(s *objective.SLO) {
		s.Indicator = objective.Indicator{Signal: objective.SignalQuery, Query: q}
	}
}

func in(windows ...sli.Window) func(*objective.SLO) {
	return func(s *objective.SLO) { s.Windows = windows }
}

func sliced(width time.Duration, target float64) func(*objective.SLO) {
	return func(s *objective.SLO) { s.Slice = objective.Slice{Width: width, Target: target} }
}

func alerting(alerts ...sli.Alert) func(*objective.SLO) {
	return func(s *objective.SLO) {
		s.Alerts = []objective.Alert{}
		for _, a := range alerts {
			s.Alerts = append(s.Alerts, objective.Alert{Alert: a})
		}
	}
}

func month() sli.Window { return sli.Calendar(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), 1, 0) }

// kind is a kind of objective that rules differ for, and its golden file.
type kind struct {
	name    string
	slo     objective.SLO
	options Options
}

func kinds() []kind {
	page := alerting(sli.Alert{Severity: "page", Burn: 14.4, Long: time.Hour, Short: 5 * time.Minute})
	return []kind{
		{"counters", example("checkout-availability"), Options{}},
		{"reset-free", example("checkout-availability"), Options{ResetFree: true}},
		{"labels", example("checkout-availability", func(s *objective.SLO) {
			s.Title, s.Description = "Paying {{works}}", "Whoever pays gets an answer.\nIn time."
			s.Labels = map[string]string{"team": "pay", "app.kubernetes.io/name": "checkout", "__name__": "x", "result": "y"}
			s.Annotations = map[string]string{"runbook_url": "https://wiki/checkout"}
			s.Alerts = []objective.Alert{{
				Alert: sli.Alert{Severity: "page", Burn: 14.4, Long: time.Hour, Short: 5 * time.Minute}, Name: "CheckoutFails", For: 2 * time.Minute,
				Labels: map[string]string{"team": "other", "routing": "x"}, Annotations: map[string]string{"summary": "{{ $labels.sloth_slo }} fails"},
				Receivers: []string{"oncall", "chat"},
			}}
		}), Options{RunbookURL: "https://runbooks/{slo}", DashboardURL: "https://grafana/d/slo?var-service={service}&var-slo={slo}", Version: "1.2.3"}},
		{"proposal", example("checkout-availability", func(s *objective.SLO) { s.Proposal = true }), Options{}},
		{"windows", example("checkout-availability", in(sli.Rolling(28*day), sli.Rolling(7*day)), page), Options{}},
		{"month", example("checkout-availability", in(month()), page), Options{}},
		{"excluded", example("checkout-availability", page, excluding()), Options{}},
		{"excluded-reset-free", example("checkout-availability", page, excluding()), Options{ResetFree: true}},
		{"query-selectors", example("q", page, asks(objective.Query{Bad: `http_requests_total{job="api",code=~"5.."}`, Total: `sum(http_requests_total{job="api"})`})), Options{}},
		{"query-by", example("q", page, asks(objective.Query{Bad: `http_requests_total{code=~"5.."}`, Total: `http_requests_total`, By: []string{"handler", "verb"}}),
			func(s *objective.SLO) { s.Labels = map[string]string{"handler": "x", "team": "pay"} }), Options{}},
		{"query-sums", example("q", page, asks(objective.Query{Good: `sum(a_total) + sum(b_total)`, Total: `c_total`})), Options{}},
		{"query-window", example("q", page, asks(objective.Query{
			Bad:   `sum(rate(http_requests_total{job="api",code=~"5.."}[{{.window}}]))`,
			Total: `sum(rate(http_requests_total{job="api"}[{{ .window }}]))`,
		})), Options{}},
		{"query-fixed", example("q", page, asks(objective.Query{Good: `sum(increase(ok_total[5m]))`, Total: `sum(increase(all_total[5m]))`})), Options{}},
		{"query-unknown", example("q", page, asks(objective.Query{Good: `sum(deriv(ok_total[{{.window}}]))`, Total: `sum(deriv(all_total[{{.window}}]))`})), Options{}},
		{"ratio-window", example("q", page, asks(objective.Query{Ratio: "1 - avg_over_time(up{job=\"api\"}[{{.window}}]) # of all"})), Options{}},
		{"ratio-instant", example("q", page, in(month()), asks(objective.Query{Ratio: `1 - up{job="api"}`})), Options{}},
		{"slices-of-counters", example("q", page, sliced(time.Minute, 0.95), asks(objective.Query{Bad: `bad_total`, Total: `all_total`})), Options{}},
		{"slices-of-windows", example("q", page, sliced(time.Minute, 0.95), asks(objective.Query{
			Bad: `sum(rate(bad_total[{{.window}}]))`, Total: `sum(rate(all_total[{{.window}}]))`})), Options{}},
		{"slices-of-ratio", example("q", page, sliced(time.Minute, 0.95), asks(objective.Query{Ratio: `1 - up{job="api"}`})), Options{}},
	}
}

func excluding() func(*objective.SLO) {
	return func(s *objective.SLO) {
		from := time.Date(2026, 3, 1, 22, 0, 0, 0, time.UTC)
		s.Exclusions = []objective.Exclusion{
			{Reason: "migration", From: from, To: from.Add(90 * time.Minute)},
			{Reason: "probes", From: from, To: from.Add(time.Hour), Select: objective.Selector{Service: []string{"x"}}},
		}
	}
}

func yamlOf(t testing.TB, slos []objective.SLO, o Options) (file []byte, warnings []Warning) {
	t.Helper()
	groups, warnings, err := Groups(slos, o)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := WriteYAML(&b, groups); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), warnings
}

func TestGroups_areWrittenLikeThis(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			file, warnings := yamlOf(t, []objective.SLO{k.slo}, k.options)
			for _, w := range warnings {
				file = append(file, "# warning: "+w.String()+"\n"...)
			}
			testutil.Golden(t, k.name+".yaml", file)
		})
	}
}

func TestGroups_refuse(t *testing.T) {
	tests := []struct {
		name string
		slos []objective.SLO
		o    Options
		want string
	}{
		{"an objective that is not valid", []objective.SLO{example("a", func(s *objective.SLO) { s.Target = 1 })}, Options{}, `objective "a": target: 1 is not`},
		{"a name that is there twice", []objective.SLO{example("a"), example("a")}, Options{}, `objective "a": is there twice`},
		{"an interval after which samples are forgotten", nil, Options{Interval: 3 * time.Minute}, "interval 3m0s: must be from 1s to 2m0s"},
		{"what the check refuses", []objective.SLO{example("a")}, Options{Check: func(string) error { return errors.New("is odd") }}, `group "goshawk-slo-a": slo:sli_events:growth30s: is odd`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := Groups(tt.slos, tt.o)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestGroups_splitForMimir(t *testing.T) {
	whole, _, err := Groups([]objective.SLO{example("a")}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	parts, _, err := Groups([]objective.SLO{example("a")}, Options{MaxRules: 20})
	if err != nil {
		t.Fatal(err)
	}
	flat := func(groups []Group) (all []string) {
		names := make(map[string]bool)
		for _, g := range groups {
			if names[g.Name] {
				t.Errorf("two groups are called %s", g.Name)
			}
			names[g.Name] = true
			for _, r := range g.Rules {
				all = append(all, r.Record+r.Alert+r.Expr)
			}
		}
		return all
	}
	if a, b := flat(whole), flat(parts); strings.Join(a, "\n") != strings.Join(b, "\n") {
		t.Error("the parts do not have the rules of the whole in their order")
	}
	for _, g := range parts {
		if len(g.Rules) > 20 {
			t.Errorf("%s has %d rules", g.Name, len(g.Rules))
		}
	}
	if len(parts) <= len(whole) {
		t.Errorf("%d groups are split into %d", len(whole), len(parts))
	}
}
