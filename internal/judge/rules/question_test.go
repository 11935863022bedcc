package rules

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
)

func TestNewQuestion(t *testing.T) {
	const server = "http://prometheus:9090"
	for _, test := range []struct {
		name  string
		query objective.Query
		want  Question
		err   string
	}{
		{"counters", objective.Query{Server: server, Bad: `errors{a="b"}`, Total: "sum(requests)"}, Question{Server: server, Part: `errors{a="b"}`, Total: "requests"}, ""},
		{"sums of several are asked as they are", objective.Query{Server: server, Good: "sum(a) + sum(b)", Total: "sum by (x) (c)"}, Question{Server: server, Part: "sum(a) + sum(b)", Total: "c", Good: true}, ""},
		{
			"rates in a window", objective.Query{Server: server, Bad: "sum(rate(errors[{{.window}}]))", Total: "sum(rate(requests[{{ .window }}]))"},
			Question{Server: server, Part: "sum ( sum(rate(errors[5m])) ) * 300", Total: "sum ( sum(rate(requests[5m])) ) * 300", Window: 5 * time.Minute}, "",
		},
		{"a range of its own gives way", objective.Query{Server: server, Bad: "increase(errors[1h])", Total: "increase(requests[1h])"}, Question{Server: server, Part: "sum ( increase(errors[5m]) )", Total: "sum ( increase(requests[5m]) )", Window: 5 * time.Minute}, ""},
		{"no server", objective.Query{Bad: "errors", Total: "requests"}, Question{}, "it names no server"},
		{"a share of the moment", objective.Query{Server: server, Ratio: "errors / requests"}, Question{Server: server, Part: "avg ( errors / requests )"}, ""},
		{"a share in a window", objective.Query{Server: server, Ratio: "job:errors:ratio_rate{{.window}}"}, Question{Server: server, Part: "avg ( job:errors:ratio_rate5m )"}, ""},
		{"a share with a range of its own", objective.Query{Server: server, Ratio: "rate(errors[1h]) / rate(requests[1h])"}, Question{Server: server, Part: "avg ( rate(errors[5m]) / rate(requests[5m]) )"}, ""},
		{"groups", objective.Query{Server: server, Bad: "errors", Total: "requests", By: []string{"handler", "code"}}, Question{}, "each handler, code has a budget of its own"},
		{
			"a quantity", objective.Query{Server: server, Bad: "avg_over_time(errors[{{.window}}])", Total: "requests"},
			Question{Server: server, Part: "avg ( ( avg_over_time(errors[5m]) ) / ( requests ) )"}, "",
		},
		{
			"a quantity that is good", objective.Query{Server: server, Good: "avg_over_time(up[{{.window}}])", Total: "count_over_time(up[{{.window}}])"},
			Question{Server: server, Part: "avg ( 1 - ( avg_over_time(up[5m]) ) / ( count_over_time(up[5m]) ) )"}, "",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := NewQuestion(&objective.SLO{Indicator: objective.Indicator{Signal: objective.SignalQuery, Query: test.query}})
			if err != nil || test.err != "" {
				if err == nil || err.Error() != test.err {
					t.Errorf("error %v, want %q", err, test.err)
				}
				return
			}
			got.Part, got.Total = tight(got.Part), tight(got.Total)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// tight leaves one blank of several.
func tight(text string) string { return strings.Join(strings.Fields(text), " ") }
