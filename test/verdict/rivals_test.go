package verdict

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/judge/objective/slofile"
	"github.com/goshawk-io/goshawk/internal/judge/rules"
	"github.com/goshawk-io/goshawk/internal/judge/series"
	"github.com/goshawk-io/goshawk/internal/platform/yamldoc"
)

// example is an objective in the words of Pyrra, made up here.
const example = `
apiVersion: pyrra.dev/v1alpha1
kind: ServiceLevelObjective
metadata: {name: orders}
spec:
  target: "99"
  window: 4w
  indicator:
    ratio:
      errors: {metric: 'orders_total{job="shop",code=~"5.."}'}
      total: {metric: 'orders_total{job="shop"}'}
`

// pair is an objective of another tool, and the rules that the tool makes of it.
type pair struct {
	name  string
	slo   objective.SLO
	rival []series.RuleGroup
}

// TestRivals compares when alerts fire that the rules of Goshawk and those of
// another tool say, for the same objective and the same events. Without
// GOSHAWK_VERDICT_RULES it is the example above, and the textbook's rules. The
// variable names a folder of pairs of files: NAME.slo.yaml is an objective, and
// NAME.rules.yaml has the rules that its tool makes of it, whose alerts have the
// labels "long" and "short".
func TestRivals(t *testing.T) {
	t.Parallel()
	pairs, minutes := readPairs(t, os.Getenv("GOSHAWK_VERDICT_RULES")), 30*60
	if pairs == nil {
		slo := load(t, "example", []byte(example))
		pairs, minutes = []pair{{"example", slo, textbook(&slo)}}, 150
	}
	var guarded, bare differences
	for i, p := range pairs {
		data, err := newData(&p.slo, rand.New(rand.NewPCG(uint64(number(t, "GOSHAWK_VERDICT_SEED", 1)), uint64(i))))
		if err != nil {
			t.Logf("%s: left out: %v", p.name, err)
			continue
		}
		g, b := race(t, &p, data, minutes)
		t.Logf("%s: without the guard: %v; with it: %v", p.name, &b, &g)
		guarded.add(g)
		bare.add(b)
	}
	t.Logf("all, without the guard: %v", &bare)
	t.Logf("all, with it: %v", &guarded)
	// The guard asks for more, and so only ever makes an alert later.
	if guarded.alone > 0 || guarded.earlier > 0 {
		t.Errorf("with the guard %d alerts fire earlier, and %d minutes alone", guarded.earlier, guarded.alone)
	}
	if bare.episodes == 0 || bare.both == 0 {
		t.Errorf("nothing fires: %v", &bare)
	}
}

// load reads an objective.
func load(t *testing.T, name string, file []byte) objective.SLO {
	t.Helper()
	set, problems := slofile.Parse([]yamldoc.Source{{Name: name, Data: file}}, slofile.Options{})
	if set == nil || len(set.SLOs) != 1 {
		t.Fatalf("%s: %v", name, problems)
	}
	return set.SLOs[0]
}

// readPairs reads the pairs of a folder, nil for none.
func readPairs(t *testing.T, folder string) []pair {
	t.Helper()
	if folder == "" {
		return nil
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.slo.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("GOSHAWK_VERDICT_RULES=%q: there is no *.slo.yaml (%v)", folder, err)
	}
	var pairs []pair
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		base := strings.TrimSuffix(file, ".slo.yaml")
		theirs, err := os.ReadFile(base + ".rules.yaml")
		if err != nil {
			t.Fatal(err)
		}
		p := pair{name: filepath.Base(base), slo: load(t, file, text)}
		groups, errs := rulefmt.Parse(theirs, false, model.LegacyValidation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
		if len(errs) > 0 {
			t.Fatalf("%s.rules.yaml: %v", base, errs)
		}
		for _, g := range groups.Groups {
			group := series.RuleGroup{Name: "rival-" + g.Name}
			for _, r := range g.Rules {
				group.Rules = append(group.Rules, series.Rule{Record: r.Record, Alert: r.Alert, Expr: r.Expr, For: time.Duration(r.For), Labels: r.Labels})
			}
			if slices.ContainsFunc(group.Rules, func(r series.Rule) bool { return r.Labels["long"] != "" }) {
				p.rival = append(p.rival, group)
			}
		}
		pairs = append(pairs, p)
	}
	return pairs
}

// textbook writes the rules of the SRE Workbook for an objective: the ratio of two
// rates, in two windows.
func textbook(slo *objective.SLO) []series.RuleGroup {
	group := series.RuleGroup{Name: "rival"}
	q := slo.Indicator.Query
	ratio := func(w time.Duration) string {
		fill := func(expr string) string { return strings.ReplaceAll(expr, "{{.window}}", model.Duration(w).String()) }
		return fmt.Sprintf("(%s) / (%s)", fill(q.Bad), fill(q.Total))
	}
	for _, a := range slo.Alerts {
		limit := fmt.Sprintf("> %v * %v", a.Burn, slo.Objectives()[0].Allowance())
		group.Rules = append(group.Rules, series.Rule{
			Alert: "Rival", For: a.For, Expr: fmt.Sprintf("%s %s and %s %s", ratio(a.Short), limit, ratio(a.Long), limit),
			Labels: map[string]string{"long": model.Duration(a.Long).String(), "short": model.Duration(a.Short).String()},
		})
	}
	return []series.RuleGroup{group}
}

// differences are how two sets of rules differ, in minutes and in episodes: times
// in which an alert of the rival fires.
type differences struct {
	// Of the minutes, of each alert: both fire, neither, or one of them alone.
	both, neither, alone, rivalAlone int
	// Of the episodes: those that begin in the same minute, earlier or later with
	// Goshawk's, and those in which Goshawk's does not fire.
	episodes, same, earlier, later, never int
	// delays are by how many minutes those later are.
	delays []int
}

func (d *differences) add(o differences) {
	d.both, d.neither, d.alone, d.rivalAlone = d.both+o.both, d.neither+o.neither, d.alone+o.alone, d.rivalAlone+o.rivalAlone
	d.episodes, d.same, d.earlier, d.later, d.never = d.episodes+o.episodes, d.same+o.same, d.earlier+o.earlier, d.later+o.later, d.never+o.never
	d.delays = append(d.delays, o.delays...)
}

func (d *differences) String() string {
	text := fmt.Sprintf("%d minutes the same (%d fire), %d Goshawk alone, %d the rival alone; %d episodes: %d begin together, %d earlier, %d later, %d never",
		d.both+d.neither, d.both, d.alone, d.rivalAlone, d.episodes, d.same, d.earlier, d.later, d.never)
	if n := len(d.delays); n > 0 {
		slices.Sort(d.delays)
		text += fmt.Sprintf(" (by %d minutes in the middle, %d at most)", d.delays[n/2], d.delays[n-1])
	}
	return text
}

// compare takes the minutes in which an alert fires of both.
func (d *differences) compare(ours, theirs []bool) {
	for i := range theirs {
		switch {
		case ours[i] && theirs[i]:
			d.both++
		case ours[i]:
			d.alone++
		case theirs[i]:
			d.rivalAlone++
		default:
			d.neither++
		}
		if !theirs[i] || i > 0 && theirs[i-1] {
			continue
		}
		d.episodes++
		first := i
		for first < len(theirs) && theirs[first] && !ours[first] {
			first++
		}
		switch {
		case first == len(theirs) || !theirs[first]:
			d.never++
		case first > i:
			d.later++
			d.delays = append(d.delays, first-i)
		case i > 0 && ours[i-1]:
			d.earlier++
		default:
			d.same++
		}
	}
}

// race evaluates both sets of rules on the same data, each minute.
func race(t *testing.T, p *pair, data *data, minutes int) (guarded, bare differences) {
	t.Helper()
	plain := p.slo
	plain.Name, plain.Confidence, plain.MinBad = p.slo.Name+"-bare", 0.5, 1
	now, start := epoch(), epoch()
	engine, err := series.Open(t.Context(), series.Options{
		Dir: t.TempDir(), Manual: true, MinFree: -1, Now: func() time.Time { return now }, Elapsed: func() time.Duration { return now.Sub(start) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	if err := engine.SetRules(append(ourRules(t, []objective.SLO{p.slo, plain}), p.rival...)); err != nil {
		t.Fatal(err)
	}
	fired := make(map[string][]bool)
	for m := range minutes {
		for range 2 {
			now = now.Add(30 * time.Second)
			if samples := data.next(); len(samples) > 0 {
				if _, err := engine.Append(t.Context(), now, samples); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := engine.Evaluate(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		for _, a := range engine.Alerts() {
			if a.State != series.Firing {
				continue
			}
			k := "rival " + a.Labels.Get("long")
			if id := a.Labels.Get("sloth_id"); id != "" {
				k = id + " " + a.Labels.Get("long_window")
			}
			if fired[k] == nil {
				fired[k] = make([]bool, minutes)
			}
			fired[k][m] = true
		}
	}
	if stats := engine.Stats(); stats.Rules.Failing > 0 {
		t.Fatalf("%s: %s", p.name, stats.Rules.LastError)
	}
	silent := make([]bool, minutes)
	get := func(k string) []bool {
		if fired[k] == nil {
			return silent
		}
		return fired[k]
	}
	for _, a := range p.slo.Alerts {
		long := rules.Text(a.Long)
		guarded.compare(get(p.slo.Name+" "+long), get("rival "+long))
		bare.compare(get(plain.Name+" "+long), get("rival "+long))
	}
	return guarded, bare
}

// ourRules are those of the alerts.
func ourRules(t *testing.T, slos []objective.SLO) []series.RuleGroup {
	t.Helper()
	groups, _, err := rules.Groups(slos, rules.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var all []series.RuleGroup
	for _, g := range groups {
		if !slices.ContainsFunc(g.Rules, func(r rules.Rule) bool { return r.Alert != "" }) {
			continue
		}
		out := series.RuleGroup{Name: g.Name}
		for _, r := range g.Rules {
			out.Rules = append(out.Rules, series.Rule{Record: r.Record, Alert: r.Alert, Expr: r.Expr, For: r.For, Labels: r.Labels})
		}
		all = append(all, out)
	}
	return all
}
