package slofile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/judge/objective/openslo"
	"github.com/goshawk-io/goshawk/internal/platform/yamldoc"
	"github.com/goshawk-io/goshawk/sli"
)

// again writes objectives as OpenSLO and reads them.
func again(t *testing.T, slos []objective.SLO) []objective.SLO {
	t.Helper()
	var text bytes.Buffer
	if _, err := openslo.Write(&text, slos); err != nil {
		t.Fatal(err)
	}
	set, problems := Parse([]yamldoc.Source{{Name: "again.yaml", Data: text.Bytes()}}, Options{})
	if set == nil {
		t.Fatalf("%v\n%s", problems, text.Bytes())
	}
	for _, p := range problems {
		odd := slices.ContainsFunc([]string{"can ever fire", "can never fire, and is left out", "requests are counted by"}, func(cause string) bool { return strings.Contains(p.Cause, cause) })
		if !p.Warning || !odd {
			t.Errorf("%v\n%s", p, text.Bytes())
		}
	}
	return set.SLOs
}

func TestWrite_isReadAsTheSame(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) != 4 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			slos, _ := load(t, filepath.Base(file))
			if diff := cmp.Diff(slos, again(t, slos), equal()); diff != "" {
				t.Error("(-read +read again)\n", diff)
			}
		})
	}
}

// dice makes objectives at random, such as can be read.
type dice struct{ *rand.Rand }

func pick[T any](d dice, from ...T) T { return from[d.IntN(len(from))] }

func (d dice) maybe() bool { return d.IntN(2) == 0 }

// text is any text, with all that YAML and JSON treat in a way of their own.
func (d dice) text() string {
	var b strings.Builder
	for range d.IntN(12) {
		b.WriteString(pick(d, "a", "B", " ", "  ", "\n", "\t", ":", ": ", "#", " #", "-", "- ", "'", `"`, `\`, "{{.window}}", "[", "}", "&", "*", "!", "%", "@", "|", ">", "?", ",", "é", "\u2028", "\u0085", "🦅", "<", "\x01", "\r", "~", "null", "0x1", "1e3", "yes", "2026-01-01", "<<", "=", "."))
	}
	return b.String()
}

// word is a text without spaces around it or control characters, and not empty.
func (d dice) word() string {
	for {
		w := strings.TrimSpace(strings.Map(func(c rune) rune {
			if c < ' ' {
				return -1
			}
			return c
		}, d.text()))
		if w != "" {
			return w
		}
	}
}

func (d dice) texts() map[string]string {
	var m map[string]string
	for range d.IntN(3) {
		if m == nil {
			m = map[string]string{}
		}
		m[pick(d, "team", "a.b/c-d", "1", "yes", "é: x", "~")] = d.text()
	}
	return m
}

func (d dice) name() string {
	return fmt.Sprintf("%s-%d", pick(d, "checkout", "A.b_c", "0", "on", "1e3"), d.IntN(1e9))
}

func (d dice) words(n int) []string {
	var list []string
	for range 1 + d.IntN(n) {
		list = append(list, d.word())
	}
	return list
}

// keys are those with a friendly name, of one signal or another, and others.
func (d dice) attribute() objective.Attribute {
	a := objective.Attribute{Keys: pick(d,
		[]string{"http.route", "url.template"}, []string{"http.request.method"}, []string{"http.response.status_code"}, []string{"error.type"},
		[]string{"process.executable.name"}, []string{"network.peer.address"}, []string{"server.port"}, []string{"url.scheme"}, []string{"http.route"}, []string{"x.y", "z"},
		[]string{"code.function.name"}, []string{"url.path"}, []string{"goshawk.role"})}
	for range 1 + d.IntN(3) {
		a.Patterns = append(a.Patterns, pick(d, d.text(), d.word(), "5??", "404", "4x4", "*", "server", "client", "", "5xx", "timeout"))
	}
	return a
}

func (d dice) selector() objective.Selector {
	s := objective.Selector{}
	for range 1 + d.IntN(3) {
		s.Attributes = append(s.Attributes, d.attribute())
	}
	if d.maybe() {
		s.Service = d.words(2)
	}
	return s
}

func (d dice) indicator(service string) objective.Indicator {
	i := objective.Indicator{Name: d.name(), Signal: pick(d, objective.SignalHTTP, objective.SignalExec, objective.SignalTCP, objective.SignalFunc, objective.SignalQuery)}
	if i.Signal == objective.SignalQuery {
		query := func() string { return d.word() + d.text() }
		switch q := &i.Query; d.IntN(3) {
		case 0:
			q.Good, q.Total = query(), query()
		case 1:
			q.Bad, q.Total = query(), query()
		default:
			q.Ratio = query()
		}
		if d.maybe() {
			i.Query.Server, i.Query.By = "http://x:9090", []string{"a", "b"}
		}
		return i
	}
	i.Select = d.selector()
	if i.Select.Service == nil {
		i.Select.Service = []string{service}
	}
	if d.maybe() {
		i.Threshold = time.Duration(d.Int64N(int64(pick(d, time.Microsecond, time.Second, 100*time.Hour)))) + 1
	}
	for range d.IntN(3) {
		i.Exclude = append(i.Exclude, d.selector())
	}
	if d.maybe() || i.Threshold == 0 {
		i.Bad = []objective.Selector{d.selector()}
		for range d.IntN(4) {
			i.Bad = append(i.Bad, d.selector())
		}
	}
	return i
}

func (d dice) slo() objective.SLO {
	s := objective.SLO{
		Name: d.name(), Title: d.text(), Description: d.text(), Service: d.word(), Labels: d.texts(), Annotations: d.texts(),
		Target: pick(d, 0.5, 0.9, 0.95, 0.99, 0.999, 0.9995, 1-math.Pow(2, -40), d.Float64()*0.999+0.0001),
		MinBad: pick(d, 0, 1, 7, uint64(math.MaxUint64)), MinEvents: pick(d, 0, 1, uint64(1000)), Confidence: pick(d, 0, 0.5, 0.95, 0.99999999), Proposal: d.maybe(),
		Windows: []sli.Window{pick(d, sli.Rolling(30*day), sli.Rolling(28*day), sli.Rolling(90*time.Minute*60), sli.Calendar(time.Date(2025, 2, 28, 23, 59, 59, 0, time.UTC), pick(d, 1, 3, 12), 0))},
	}
	s.Indicator = d.indicator(s.Service)
	if d.maybe() {
		s.Windows = append(s.Windows, sli.Rolling(time.Duration(1+d.IntN(1e6))*time.Second+400*day), sli.Calendar(time.Date(2026, 1, d.IntN(28)+1, d.IntN(24), 0, 0, 0, time.UTC), 0, 7))
	}
	if d.maybe() {
		s.Slice = objective.Slice{Width: time.Duration(1+d.IntN(3600)) * time.Second, Target: pick(d, 0.5, 0.9, 1)}
	}
	if d.maybe() {
		s.Alerts = []objective.Alert{}
	}
	for range d.IntN(4) {
		short := time.Duration(1+d.IntN(3000))*time.Second + s.Slice.Width
		s.Alerts = append(s.Alerts, objective.Alert{
			Alert: sli.Alert{Severity: pick(d, "page", "ticket", d.word()), Burn: 1 + d.Float64()*0.4/(1-s.Target)*0.5, Long: short + time.Duration(1+d.IntN(3600))*time.Second, Short: short},
			Name:  pick(d, "", "same", "Same", d.text()), For: pick(d, 0, time.Minute, 90*time.Second),
			Labels: d.texts(), Annotations: d.texts(), Receivers: pick(d, nil, d.words(3)),
		})
	}
	for range d.IntN(3) {
		from := time.Unix(d.Int64N(2e9), d.Int64N(1e9)).UTC()
		e := objective.Exclusion{Reason: pick(d, "move", d.word()+d.text()), From: from, To: from.Add(time.Duration(1 + d.Int64N(1e15)))}
		if d.maybe() {
			e.Select = d.selector()
		}
		s.Exclusions = append(s.Exclusions, e)
	}
	for range d.IntN(3) {
		value, _ := json.Marshal(map[string]any{d.text(): []any{d.text(), 1.5, nil, true}})
		if s.Extra == nil {
			s.Extra = map[string]string{}
		}
		s.Extra[d.text()+"x"] = string(value)
	}
	return s
}

// TestWrite_isReadAsTheSameWhateverItIs: what was read once is the same when it is
// written and read again, and what is read first says the same as what was written.
func TestWrite_isReadAsTheSameWhateverItIs(t *testing.T) {
	for seed := range uint64(300) {
		d := dice{rand.New(rand.NewPCG(seed, 7))}
		made := []objective.SLO{d.slo(), d.slo()}
		made[1].Name += "-2"
		if problems := append(made[0].Validate(), made[1].Validate()...); objective.Errors(problems) != nil {
			continue
		}
		once := again(t, made)
		twice := again(t, once)
		if diff := cmp.Diff(once, twice, equal()); diff != "" {
			t.Errorf("seed %d (-once +twice)\n%s", seed, diff)
		}
		// Selectors have an order of their own once they are read.
		plain := func(list []objective.SLO) []objective.SLO {
			list = slices.Clone(list)
			for i := range list {
				list[i].Indicator.Select, list[i].Indicator.Exclude, list[i].Indicator.Bad = objective.Selector{}, nil, nil
				list[i].Exclusions = slices.Clone(list[i].Exclusions)
				for j := range list[i].Exclusions {
					list[i].Exclusions[j].Select = objective.Selector{}
				}
			}
			return list
		}
		if diff := cmp.Diff(plain(made), plain(once), equal()); diff != "" {
			t.Errorf("seed %d (-made +read)\n%s", seed, diff)
		}
		for i := range made {
			agree(t, d, &made[i].Indicator, &once[i].Indicator)
		}
		if t.Failed() {
			break
		}
	}
}

// agree compares two indicators by what they say of events.
func agree(t *testing.T, d dice, a, b *objective.Indicator) {
	t.Helper()
	for range 30 {
		values := map[string]string{}
		for _, s := range slices.Concat([]objective.Selector{a.Select}, a.Exclude, a.Bad) {
			for _, attribute := range s.Attributes {
				if d.IntN(4) > 0 {
					values[pick(d, attribute.Keys...)] = strings.NewReplacer("?", "0", "*", "any").Replace(pick(d, attribute.Patterns...))
				}
			}
		}
		service := pick(d, append(slices.Clone(a.Select.Service), "other")...)
		lookup := func(key string) string { return values[key] }
		if a.Selects(service, lookup) != b.Selects(service, lookup) || a.IsBad(service, lookup) != b.IsBad(service, lookup) {
			t.Fatalf("of %s %v: counts %v, bad %v, and read again %v, %v\n%+v\n%+v", service, values,
				a.Selects(service, lookup), a.IsBad(service, lookup), b.Selects(service, lookup), b.IsBad(service, lookup), a, b)
		}
	}
}

func TestWrite_saysWhatIsLost(t *testing.T) {
	slos, _ := load(t, "openslo.yaml")
	pyrra, _ := load(t, "pyrra.yaml")
	var text bytes.Buffer
	losses, err := openslo.Write(&text, append(slos[:1], pyrra[0]))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range losses {
		got = append(got, l.SLO+" "+l.Field+": "+l.Cause)
	}
	want := []string{
		"checkout-fast indicator: which events count: a metricSource of the type goshawk is Goshawk's own",
		"checkout-fast windows[1]: a window besides the first",
		"checkout-fast windows[2]: a window besides the first",
		"checkout-fast alerts[0]: that the budget must burn over 5m as well: a policy has one look-back, of 1h here",
		"checkout-fast minEvents: that a verdict needs 100 events",
		"checkout-fast minBad: that an alert needs 3 bad events",
		"checkout-fast confidence: that an alert must be sure to 0.9",
		"checkout-fast exclusions[0]: that the time from 2026-03-01T22:00:00Z to 2026-03-01T23:30:00Z does not count",
		"gateway-errors indicator.query.by: that each value of handler, method has a budget of its own",
		"gateway-errors indicator.query: what {{.window}} in a query stands for",
		"gateway-errors alerts[0]: that the budget must burn over 5m as well: a policy has one look-back, of 1h here",
		"gateway-errors alerts[1]: that the budget must burn over 30m as well: a policy has one look-back, of 6h here",
		"gateway-errors alerts[2]: that the budget must burn over 2h as well: a policy has one look-back, of 1d here",
		"gateway-errors alerts[3]: that the budget must burn over 6h as well: a policy has one look-back, of 4d here",
		"gateway-errors extra: metadata.labels of the Pyrra file",
		"gateway-errors extra: metadata.namespace of the Pyrra file",
		"gateway-errors extra: spec.alerting.absent of the Pyrra file",
		"gateway-errors extra: spec.alerting.absentName of the Pyrra file",
		"gateway-errors extra: spec.alerting.severities.absent of the Pyrra file",
		"gateway-errors extra: spec.indicator of the Pyrra file",
		"gateway-errors extra: spec.partial_response_strategy of the Pyrra file",
		"gateway-errors extra: spec.ruleOutput of the Pyrra file",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
	if _, err := openslo.Write(&text, []objective.SLO{{Name: "half"}}); err == nil {
		t.Error("an objective that is not valid was written")
	}
}

// TestLoad_losesNothing finds each text of a file of another tool in what was read
// of it.
func TestLoad_losesNothing(t *testing.T) {
	for _, file := range []string{"sloth.yaml", "sloth-resource.yaml", "pyrra.yaml"} {
		slos, _ := load(t, file)
		var kept strings.Builder
		for _, s := range slos {
			// What a window, a share or a name of a word was written as is not the
			// same text.
			fmt.Fprintf(&kept, "%v %v %v %v %+v %v\n", s.Windows, s.Target*100, s.Indicator.Threshold, s.Labels, s.Alerts, s.Annotations)
			fmt.Fprintln(&kept, s.Name, s.Description, s.Service, s.Indicator.Query, s.Extra)
		}
		data, err := os.ReadFile("testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.NewReplacer(`\"`, `"`, `\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(kept.String())
		loader, err := yaml.NewLoader(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		known := []string{"prometheus/v1", "sloth.slok.dev/v1", "PrometheusServiceLevel", "pyrra.dev/v1alpha1", "ServiceLevelObjective", "4w", "2w", "200ms", "null"}
		for {
			var node yaml.Node
			if loader.Load(&node) != nil {
				break
			}
			scalars(&node, func(n *yaml.Node) {
				if !strings.Contains(text, n.Value) && !slices.Contains(known, n.Value) {
					t.Errorf("%s:%d: %q is lost", file, n.Line, n.Value)
				}
			})
		}
	}
}

// scalars calls each for the values of a document, and for the keys that users
// choose; those of fields are known.
func scalars(n *yaml.Node, each func(*yaml.Node)) {
	switch n.Kind {
	case yaml.ScalarNode:
		each(n)
	case yaml.MappingNode:
		for i := 1; i < len(n.Content); i += 2 {
			scalars(n.Content[i], each)
		}
	default:
		for _, child := range n.Content {
			scalars(child, each)
		}
	}
}

// TestWrite_isLegal holds what is written against what other readers of OpenSLO
// demand besides what ours does.
func TestWrite_isLegal(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.yaml")
	set, problems := Load(files, Options{})
	if set == nil {
		t.Fatal(problems)
	}
	var text bytes.Buffer
	if _, err := openslo.Write(&text, set.SLOs); err != nil {
		t.Fatal(err)
	}
	loader, err := yaml.NewLoader(&text)
	if err != nil {
		t.Fatal(err)
	}
	type metadata struct{ Name string }
	type named struct {
		Kind     string
		Metadata metadata
	}
	written := 0
	for ; ; written++ {
		var d struct {
			Metadata metadata
			Spec     struct {
				Indicator struct {
					Metadata metadata
					Spec     struct {
						ThresholdMetric any `yaml:"thresholdMetric"`
						RatioMetric     any `yaml:"ratioMetric"`
					}
				}
				TimeWindow    []any `yaml:"timeWindow"`
				Objectives    []struct{ Op, Value any }
				AlertPolicies []struct {
					named `yaml:",inline"`
					Spec  struct {
						Conditions          []named
						NotificationTargets []named `yaml:"notificationTargets"`
					}
				} `yaml:"alertPolicies"`
			}
		}
		if err := loader.Load(&d); err != nil {
			break
		}
		label := func(what, name string) {
			if name == "" || len(name) > 63 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || name[0] == '-' || name[len(name)-1] == '-' {
				t.Errorf("%s: the name %q of %s is no DNS label", d.Metadata.Name, name, what)
			}
		}
		label("the SLO", d.Metadata.Name)
		label("the indicator", d.Spec.Indicator.Metadata.Name)
		threshold := d.Spec.Indicator.Spec.ThresholdMetric != nil
		if ratio := d.Spec.Indicator.Spec.RatioMetric != nil; threshold == ratio || len(d.Spec.TimeWindow) != 1 || len(d.Spec.Objectives) != 1 {
			t.Errorf("%s: threshold %v, ratio %v, %d windows, %d objectives", d.Metadata.Name, threshold, ratio, len(d.Spec.TimeWindow), len(d.Spec.Objectives))
		}
		if o := d.Spec.Objectives[0]; (o.Op != nil) != threshold || (o.Value != nil) != threshold {
			t.Errorf("%s: op and value are for a threshold: %+v", d.Metadata.Name, o)
		}
		for _, p := range d.Spec.AlertPolicies {
			label("a policy", p.Metadata.Name)
			if p.Kind != "AlertPolicy" || len(p.Spec.Conditions) != 1 || len(p.Spec.NotificationTargets) == 0 {
				t.Errorf("%s: %+v", d.Metadata.Name, p)
				continue
			}
			label("a condition", p.Spec.Conditions[0].Metadata.Name)
			label("a target", p.Spec.NotificationTargets[0].Metadata.Name)
		}
	}
	if written != len(set.SLOs) {
		t.Errorf("%d documents of %d objectives", written, len(set.SLOs))
	}
}
