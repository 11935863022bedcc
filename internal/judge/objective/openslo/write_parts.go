package openslo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/judge/objective/draft"
	"github.com/goshawk-io/goshawk/sli"
)

// The parts of documents as they are written.
type (
	outPolicy struct {
		Kind     string      `yaml:"kind"`
		Metadata outMetadata `yaml:"metadata"`
		Spec     struct {
			WhenBreaching bool           `yaml:"alertWhenBreaching"`
			WhenResolved  bool           `yaml:"alertWhenResolved"`
			WhenNoData    bool           `yaml:"alertWhenNoData"`
			Conditions    []outCondition `yaml:"conditions"`
			Targets       []outTarget    `yaml:"notificationTargets"`
		} `yaml:"spec"`
	}
	outCondition struct {
		Kind     string      `yaml:"kind"`
		Metadata outMetadata `yaml:"metadata"`
		Spec     struct {
			Severity  string  `yaml:"severity"`
			Condition outRate `yaml:"condition"`
		} `yaml:"spec"`
	}
	outRate struct {
		Kind      string  `yaml:"kind"`
		Op        string  `yaml:"op"`
		Threshold float64 `yaml:"threshold"`
		Lookback  string  `yaml:"lookbackWindow"`
		After     string  `yaml:"alertAfter,omitempty"`
	}
	outTarget struct {
		Kind     string      `yaml:"kind"`
		Metadata outMetadata `yaml:"metadata"`
		Spec     struct {
			Target string `yaml:"target"`
		} `yaml:"spec"`
	}
	outCounted struct {
		Signal string `yaml:"signal"`
		// An inlined object with an inlined map in it would lose the map.
		Service    any            `yaml:"service,omitempty"`
		Fields     map[string]any `yaml:",inline"`
		Attributes []outAttribute `yaml:"attributes,omitempty"`
		Threshold  string         `yaml:"threshold,omitempty"`
		Bad        *[]any         `yaml:"bad,omitempty"`
		Exclude    []outSelector  `yaml:"exclude,omitempty"`
	}
	outSelector struct {
		Service    any            `yaml:"service,omitempty"`
		Fields     map[string]any `yaml:",inline"`
		Attributes []outAttribute `yaml:"attributes,omitempty"`
	}
	outAttribute struct {
		Key    any `yaml:"key"`
		Values any `yaml:"values"`
	}
	outExclusion struct {
		From   string       `yaml:"from"`
		To     string       `yaml:"to"`
		Reason string       `yaml:"reason,omitempty"`
		Select *outSelector `yaml:"select,omitempty"`
	}
)

// alerts writes the alerts, nil for the default ones.
func (p *printer) alerts() *[]outPolicy {
	s := p.slo
	if s.Alerts == nil {
		p.lose("alerts", "the default alerts: others alert nobody")
		return nil
	}
	policies := []outPolicy{}
	var taken []string
	for i, a := range s.Alerts {
		field := fmt.Sprintf("alerts[%d]", i)
		name := fmt.Sprintf("%s-%s-%s", s.Name, slugOf(a.Severity), draft.Spell(a.Long))
		if isName(a.Name) && !slices.Contains(taken, a.Name) {
			name = a.Name
		}
		for n := 2; slices.Contains(taken, name); n++ {
			name = fmt.Sprintf("%s-%s-%s-%d", s.Name, slugOf(a.Severity), draft.Spell(a.Long), n)
		}
		taken = append(taken, name)
		out := outPolicy{Kind: kindPolicy, Metadata: outMetadata{Name: name, Labels: a.Labels}}
		ours := map[string]string{prefix + noteShort: p.shorthand(field+".short", a.Short)}
		if name != a.Name {
			ours[prefix+noteAlertName] = a.Name
		}
		out.Metadata.Annotations = draft.Merge(a.Annotations, ours)
		out.Spec.WhenBreaching, out.Spec.WhenResolved = true, true
		c := outCondition{Kind: kindCondition, Metadata: outMetadata{Name: name}}
		c.Spec.Severity = a.Severity
		c.Spec.Condition = outRate{Kind: "burnrate", Op: "gt", Threshold: a.Burn, Lookback: p.shorthand(field+".long", a.Long)}
		if a.For > 0 {
			c.Spec.Condition.After = p.shorthand(field+".for", a.For)
		}
		out.Spec.Conditions = []outCondition{c}
		out.Spec.Targets = targets(a.Receivers)
		policies = append(policies, out)
		p.lose(field, "that the budget must burn over %s as well: a policy has one look-back, of %s here", draft.Spell(a.Short), draft.Spell(a.Long))
	}
	return &policies
}

// targets writes who is told, of whom there must be one.
func targets(receivers []string) []outTarget {
	if len(receivers) == 0 {
		receivers = []string{allReceivers}
	}
	var list []outTarget
	for _, name := range receivers {
		t := outTarget{Kind: kindTarget, Metadata: outMetadata{Name: name}}
		t.Spec.Target = typeGoshawk
		list = append(list, t)
	}
	return list
}

// isName reports whether a name is one of OpenSLO's, whatever others demand.
func isName(name string) bool {
	return name != "" && len(name) <= 63 && name[0] != '-' && name[len(name)-1] != '-' &&
		strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// annotations writes what OpenSLO has no field for.
func (p *printer) annotations() error {
	s := p.slo
	if s.MinEvents > 0 {
		p.note(noteMinEvents, strconv.FormatUint(s.MinEvents, 10))
		p.lose("minEvents", "that a verdict needs %d events", s.MinEvents)
	}
	if s.MinBad > 0 {
		p.note(noteMinBad, strconv.FormatUint(s.MinBad, 10))
		p.lose("minBad", "that an alert needs %d bad events", s.MinBad)
	}
	if s.Confidence > 0 {
		p.note(noteConfidence, strconv.FormatFloat(s.Confidence, 'g', -1, 64))
		p.lose("confidence", "that an alert must be sure to %g", s.Confidence)
	}
	if s.Proposal {
		p.note(noteProposal, "true")
		p.lose("proposal", "that nobody has accepted it yet")
	}
	if err := p.exclusions(); err != nil {
		return err
	}
	return p.extra()
}

func (p *printer) exclusions() error {
	if len(p.slo.Exclusions) == 0 {
		return nil
	}
	var list []outExclusion
	for i, e := range p.slo.Exclusions {
		out := outExclusion{From: e.From.UTC().Format(time.RFC3339Nano), To: e.To.UTC().Format(time.RFC3339Nano), Reason: e.Reason}
		if len(e.Select.Service) > 0 || len(e.Select.Attributes) > 0 {
			selector := printSelector(&e.Select, "")
			out.Select = &selector
		}
		list = append(list, out)
		p.lose(fmt.Sprintf("exclusions[%d]", i), "that the time from %s to %s does not count", out.From, out.To)
	}
	text, err := yaml.Dump(list, yaml.WithIndent(2), yaml.WithLineWidth(-1))
	if err != nil {
		return fmt.Errorf("exclusions: %w", err)
	}
	p.note(noteExclusions, string(text))
	return nil
}

func (p *printer) extra() error {
	if len(p.slo.Extra) == 0 {
		return nil
	}
	raw := make(map[string]json.RawMessage)
	for path, value := range p.slo.Extra {
		raw[path] = json.RawMessage(value)
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(raw); err != nil {
		return fmt.Errorf("extra: %w", err)
	}
	p.note(noteExtra, strings.TrimSuffix(text.String(), "\n"))
	for _, path := range slices.Sorted(maps.Keys(p.slo.Extra)) {
		p.lose("extra", "%s of the %s file", path, p.slo.Origin.Format)
	}
	return nil
}

// counted writes which events Goshawk counts.
func (p *printer) counted() outCounted {
	i := &p.slo.Indicator
	selector := i.Select
	if slices.Equal(selector.Service, []string{p.slo.Service}) {
		selector.Service = nil
	} else if len(selector.Service) == 0 {
		selector.Service = []string{"*"}
	}
	chosen := printSelector(&selector, i.Signal)
	out := outCounted{Signal: string(i.Signal), Service: chosen.Service, Fields: chosen.Fields, Attributes: chosen.Attributes}
	if _, said := out.Fields[fieldRole]; !said && i.Signal == objective.SignalHTTP {
		out.Fields[fieldRole] = roleAny
	}
	if i.Threshold > 0 {
		out.Threshold = i.Threshold.String()
	}
	for _, e := range i.Exclude {
		out.Exclude = append(out.Exclude, printSelector(&e, i.Signal))
	}
	if i.Bad == nil {
		return out
	}
	bad := []any{}
	for _, b := range i.Bad {
		bad = append(bad, printBad(&b, i.Signal)...)
	}
	out.Bad = &bad
	return out
}

// printBad writes a selector of bad events, as words where these are read as the
// same.
func printBad(s *objective.Selector, signal objective.Signal) []any {
	patterns, status := isSingle(*s, keyStatus)
	if !status {
		patterns, _ = isSingle(*s, keyError)
	}
	var words []any
	for _, pattern := range patterns {
		word := pattern
		key := keyError
		if status {
			word, key = strings.ReplaceAll(pattern, "?", "x"), keyStatus
		}
		if again := wordSelector(word, signal); !isWord(word) || !sameSelector(again, single(key, pattern)) {
			return []any{printSelector(s, signal)}
		}
		words = append(words, word)
	}
	if words == nil {
		return []any{printSelector(s, signal)}
	}
	return words
}

// isWord reports whether a text is read as a word again.
func isWord(text string) bool {
	return text != "" && len(text) <= draft.MaxName && strings.TrimSpace(text) == text && !strings.ContainsFunc(text, func(c rune) bool { return c < ' ' })
}

// printSelector writes a selector, by friendly names where there are any.
func printSelector(s *objective.Selector, signal objective.Signal) outSelector {
	out := outSelector{Service: oneOrMore(s.Service), Fields: make(map[string]any)}
	names := attributes(signal)
	for _, a := range s.Attributes {
		i := slices.IndexFunc(names, func(f friendly) bool { return slices.Equal(f.keys, a.Keys) })
		if i >= 0 {
			name := names[i].name
			if _, used := out.Fields[name]; !used && isFriendly(name, a.Patterns) {
				out.Fields[name] = oneOrMore(friendlyValues(name, a.Patterns))
				continue
			}
		}
		out.Attributes = append(out.Attributes, outAttribute{oneOrMore(a.Keys), oneOrMore(a.Patterns)})
	}
	return out
}

// isFriendly reports whether patterns can be written as the values of a friendly
// name.
func isFriendly(name string, patterns []string) bool {
	if name == fieldRole {
		return slices.Equal(patterns, []string{roleServer}) || slices.Equal(patterns, []string{"client"})
	}
	return len(patterns) > 0 && !slices.ContainsFunc(patterns, func(pattern string) bool {
		if name == fieldStatus {
			again, ok := statusPattern(strings.ReplaceAll(pattern, "?", "x"))
			return !ok || again != pattern
		}
		return !isWord(pattern)
	})
}

func friendlyValues(name string, patterns []string) []string {
	if name != fieldStatus {
		return patterns
	}
	values := slices.Clone(patterns)
	for i, pattern := range values {
		values[i] = strings.ReplaceAll(pattern, "?", "x")
	}
	return values
}

// oneOrMore returns a list of one as its item, and nothing for an empty one.
func oneOrMore(list []string) any {
	switch len(list) {
	case 0:
		return nil
	case 1:
		return list[0]
	}
	return list
}

// shorthand writes a length of time as OpenSLO does.
func (p *printer) shorthand(field string, d time.Duration) string {
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}} {
		if n := d / unit.length; n > 0 && n <= 36500 && d%unit.length == 0 {
			return fmt.Sprintf("%d%s", n, unit.name)
		}
	}
	p.lose(field, "%s: OpenSLO has no unit below the minute, others may refuse it", draft.Spell(d))
	return draft.Spell(d)
}

// calendarOf returns what a calendar window was made of, which it tells by its
// text and its periods.
func calendarOf(w sli.Window) (start time.Time, months, days int, ok bool) {
	text, found := strings.CutPrefix(w.String(), "calendar ")
	if !found {
		return time.Time{}, 0, 0, false
	}
	length, date, _ := strings.Cut(text, " from ")
	_, days, months, ok = draft.Shorthand(length)
	zone := w.Period(time.Unix(0, 0)).From.Location()
	first, err := time.ParseInLocation(time.DateOnly, date, zone)
	if !ok || err != nil {
		return time.Time{}, 0, 0, false
	}
	// The first period goes from some time of that day to the next day or later.
	start = w.Period(first.AddDate(0, 0, 1)).From
	return start, months, days, start.Format(time.DateOnly) == date && w == sli.Calendar(start, months, days)
}
