package rules

import (
	"testing"

	"github.com/goshawk-io/goshawk/internal/judge/series"
)

// checkQuery is how the command line checks a query.
func checkQuery(expr string) error { return series.CheckExpression(FillWindow(expr)) }

func TestCheckQuery(t *testing.T) {
	for _, tt := range []struct{ name, expr, want string }{
		{"counters", `sum(http_requests_total{code=~"5.."})`, ""},
		{"a window", `sum(rate(x[{{.window}}])) / sum(rate(y[{{ .window }}]))`, ""},
		{"a window as a time", `x offset {{.window}}`, ""},
		{"a number", `0.5`, ""},
		{"an experiment", `mad_over_time(x[{{.window}}])`, ""},
		{"what is not closed", `sum(rate(x[5m])`, "1:16: unclosed left parenthesis"},
		{"what is wrong behind a window", `rate(x[{{.window}}]) + )`, "1:25: unexpected right parenthesis ')'"},
		{"what is wrong in the second line", "rate(x[{{\n.window}}])\n+ )", "3:4: unexpected right parenthesis ')'"},
		{"a function that there is not", `rte(x[5m])`, `1:1: unknown function with name "rte"`},
		{"no range", `rate(x)`, "1:6: expected type range vector in call to function \"rate\", got instant vector"},
		{"a range", `x[{{.window}}]`, "1:1: it has a value for each time of a range, and not one of an instant"},
		{"a text", `"x"`, "1:1: it is a string, and not a number"},
		{"nothing", "", "1:1: no expression found in input"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if err := checkQuery(tt.expr); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("%s: %s, want %s", tt.expr, got, tt.want)
			}
		})
	}
}

func FuzzCheckQuery(f *testing.F) {
	f.Add(`sum(rate(x[{{.window}}]))`)
	f.Add("{{\n.window }}{{.window}}")
	f.Fuzz(func(t *testing.T, expr string) {
		// It answers, whatever it is.
		_ = checkQuery(expr)
	})
}
