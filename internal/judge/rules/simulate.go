package rules

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/sli"
)

// WriteTests writes a file for `promtool test rules` that proves the rules of
// [Groups], of the same objectives and options, which are in ruleFile: for each
// objective that Goshawk counts itself, readings of its counters, and what package
// sli says of them: when each alert begins and ends to fire, and the counts then.
// Objectives that it can not write a test for are the warnings. It fails when
// Groups does, or w.
func WriteTests(w io.Writer, ruleFile string, slos []objective.SLO, o Options) ([]Warning, error) {
	groups, _, err := Groups(slos, o)
	if err != nil {
		return nil, err
	}
	o = o.defaults()
	var tests []simulation
	var warnings []Warning
	var interval time.Duration
	for i := range slos {
		slo := &slos[i]
		s := newSheet(slo, o)
		switch {
		case slo.Indicator.Signal == objective.SignalQuery:
			warnings = append(warnings, Warning{slo.Name, "no test is written: a query is of series that cannot be made up"})
		case interval != 0 && s.interval != interval:
			warnings = append(warnings, Warning{slo.Name, fmt.Sprintf("no test is written: it is evaluated every %s, others every %s, and a file of tests has one interval: write its rules to a file of their own", text(s.interval), text(interval))})
		default:
			interval = s.interval
			tests = append(tests, s.simulations()...)
		}
	}
	if interval == 0 {
		interval = defaultInterval
	}
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "# Written by `goshawk slo rules`: promtool test rules proves the rules with it.\n"+
		"rule_files:\n  - %s\nevaluation_interval: %s\ngroup_eval_order:\n", scalar(ruleFile), text(interval))
	for _, g := range groups {
		fmt.Fprintf(out, "  - %s\n", scalar(g.Name))
	}
	if len(tests) == 0 {
		fmt.Fprintln(out, "tests: []")
		return warnings, out.Flush()
	}
	fmt.Fprintln(out, "tests:")
	for _, t := range tests {
		t.write(out)
	}
	return warnings, out.Flush()
}

// phase is a time in which the same happens at each step.
type phase struct {
	length time.Duration
	each   sli.Counts
	// restart makes the counters start again at its begin.
	restart bool
}

// simulation is a test: readings of the counters of an objective.
type simulation struct {
	*sheet
	name   string
	phases []phase
}

// simulations returns what the rules of an objective are tested with.
func (s *sheet) simulations() []simulation {
	// As many events that the least share that matters is a whole number of them.
	allowance := s.objective().Allowance()
	const busy = 100_000
	bad := func(share float64) sli.Counts {
		n := min(uint64(share*busy+0.5), busy)
		return sli.Counts{Good: busy - n, Bad: n}
	}
	quiet := phase{10 * time.Minute, bad(0), false}
	after := phase{45 * time.Minute, bad(0), false}
	tests := []simulation{
		{s, "nothing goes wrong", []phase{{time.Hour, bad(allowance / 2), false}}},
		{s, "everything fails", []phase{quiet, {30 * time.Minute, bad(1), false}, after}},
		{s, "the budget burns 20 times too fast", []phase{quiet, {30 * time.Minute, bad(20 * allowance), false}, after}},
		{s, "the budget burns twice as fast as it may", []phase{quiet, {time.Hour, bad(2 * allowance), false}}},
		{s, "one of few fails", []phase{
			{10 * time.Minute, sli.Counts{}, false}, {s.interval, sli.Counts{Good: 2, Bad: 1}, false}, {20 * time.Minute, sli.Counts{}, false},
		}},
	}
	if !s.options.ResetFree {
		tests = append(tests, simulation{s, "everything fails and the counters start again", []phase{
			quiet, {10 * time.Minute, bad(1), false}, {10 * time.Minute, bad(1), true}, {20 * time.Minute, bad(0), true},
		}})
	}
	return tests
}

// readings returns what the counters say at each step, the first of which is where
// counting starts.
func (t *simulation) readings() []sli.Counts {
	all := []sli.Counts{{}}
	var now sli.Counts
	for _, p := range t.phases {
		if p.restart {
			now = sli.Counts{}
		}
		for range p.length / t.interval {
			now = now.Plus(p.each)
			all = append(all, now)
		}
	}
	return all
}

// state is what package sli says at one step.
type state struct {
	at     time.Duration
	alerts []sli.AlertStatus
	// fires are the alerts that have been firing for as long as they must.
	fires []bool
}

// judge lets package sli judge the readings at each step.
func (t *simulation) judge(readings []sli.Counts) []state {
	start := time.Unix(0, 0).UTC().AddDate(1, 0, 0)
	o := t.objective()
	longest := t.interval
	for _, a := range o.Alerts {
		longest = max(longest, a.Long)
	}
	longest += t.interval - longest%t.interval
	windows := sli.Windows{Tiers: []sli.Tier{{Slot: t.interval, Span: longest}}}
	var counter sli.Cumulative
	since := make([]time.Duration, len(o.Alerts))
	states := make([]state, len(readings))
	for i, r := range readings {
		at := time.Duration(i) * t.interval
		now := start.Add(at)
		growth, _ := counter.Read(r)
		windows.Add(now, now, growth)
		states[i].at = at
		for n, a := range t.alerts() {
			long, _ := windows.Over(now, sli.Rolling(a.Long))
			short, _ := windows.Over(now, sli.Rolling(a.Short))
			status := o.Alert(a.Alert, long, short)
			if !status.Firing {
				since[n] = at + t.interval
			}
			states[i].alerts = append(states[i].alerts, status)
			states[i].fires = append(states[i].fires, status.Firing && at-since[n] >= a.For)
		}
	}
	return states
}

func (t *simulation) write(out *bufio.Writer) {
	readings := t.readings()
	fmt.Fprintf(out, "\n  # %s: %s.\n  - interval: %s\n    input_series:\n", t.slo.Name, t.name, text(t.interval))
	for _, result := range []string{"good", "bad"} {
		fmt.Fprintf(out, "      - series: %s\n        values: %s\n",
			scalar(selector(counterName, "slo", t.slo.Name, "service", t.slo.Service, resultLabel, result)),
			scalar(runs(readings, result == "good")))
	}
	fmt.Fprintln(out, "    promql_expr_test:")
	states := t.judge(readings)
	for i, s := range states {
		last := i == len(states)-1
		if last || i > 0 && t.changes(s, states[i+1]) || t.changes(states[max(i-1, 0)], s) {
			t.writeState(out, s)
		}
	}
}

// changes reports whether an alert begins or ends to fire between two states.
func (t *simulation) changes(a, b state) bool {
	return !slices.Equal(a.fires, b.fires)
}

// writeState expects what package sli says of a step.
func (t *simulation) writeState(out *bufio.Writer, s state) {
	fmt.Fprintf(out, "      - expr: %s\n        eval_time: %s\n        exp_samples:",
		scalar(`count by (alertname, long_window, short_window) (ALERTS{alertstate="firing",sloth_id=`+strconv.Quote(t.slo.Name)+`})`), text(s.at))
	firing := 0
	for i, a := range t.alerts() {
		if !s.fires[i] || t.slo.Proposal || t.tooShort(a.Short) {
			continue
		}
		name := a.Name
		if name == "" {
			name = alertName
		}
		if firing++; firing == 1 {
			fmt.Fprintln(out)
		}
		fmt.Fprintf(out, "          - labels: %s\n            value: 1\n",
			scalar(selector("", "alertname", name, longLabel, text(a.Long), shortLabel, text(a.Short))))
	}
	if firing == 0 {
		fmt.Fprintln(out, " []")
	}
	seen := make(map[string]bool)
	for _, a := range s.alerts {
		for _, w := range []struct {
			length time.Duration
			counts sli.Counts
		}{{a.Alert.Long, a.Long}, {a.Alert.Short, a.Short}} {
			if name := text(w.length); !seen[name] && !t.tooShort(w.length) && s.at > 0 {
				seen[name] = true
				t.writeRatio(out, s.at, name, w.counts)
			}
		}
	}
}

// writeRatio expects the share of bad events in a window.
func (t *simulation) writeRatio(out *bufio.Writer, at time.Duration, window string, c sli.Counts) {
	fmt.Fprintf(out, "      - expr: %s\n        eval_time: %s\n        exp_samples:",
		scalar("sum("+t.own(ratioName+window)+")"), text(at))
	if ratio, ok := c.BadRatio(); ok {
		fmt.Fprintf(out, "\n          - labels: \"{}\"\n            value: %s\n", number(ratio))
		return
	}
	fmt.Fprintln(out, " []")
}

// runs writes readings in promtool's notation, in which "5+3x2" is 5 8 11.
func runs(readings []sli.Counts, good bool) string {
	value := func(i int) int64 {
		if good {
			return int64(readings[i].Good)
		}
		return int64(readings[i].Bad)
	}
	var parts []string
	for i := 0; i < len(readings); {
		end := i + 1
		if end < len(readings) {
			for step := value(end) - value(i); end+1 < len(readings) && value(end+1)-value(end) == step; {
				end++
			}
		}
		if n := end - i; end < len(readings) && n > 1 {
			parts = append(parts, fmt.Sprintf("%d%+dx%d", value(i), value(end)-value(end-1), n))
			i = end + 1
			continue
		}
		parts = append(parts, strconv.FormatInt(value(i), 10))
		i++
	}
	return strings.Join(parts, " ")
}
