package openslo

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/judge/objective/draft"
	"github.com/goshawk-io/goshawk/internal/platform/yamldoc"
)

// counted is the spec of a source of the type goshawk: which events Goshawk counts,
// and which of them are bad.
type counted struct {
	signal    objective.Signal
	selector  objective.Selector
	exclude   []objective.Selector
	bad       []objective.Selector // nil when nothing is said
	threshold time.Duration
	broken    bool
	at        map[string]yamldoc.Value
}

// friendly is what the files call an attribute.
type friendly struct {
	name string
	keys []string
}

// The names of attributes that mean more than themselves.
const (
	fieldRole   = "role"
	fieldStatus = "status"
	fieldError  = "error"
	keyRole     = "goshawk.role"
	keyStatus   = "http.response.status_code"
	keyError    = "error.type"
	roleServer  = "server"
	roleAny     = "any"
)

// signals are those that a source of the type goshawk can have.
func signals() []objective.Signal {
	return []objective.Signal{objective.SignalHTTP, objective.SignalExec, objective.SignalTCP, objective.SignalFunc}
}

// attributes returns the names of a signal's attributes, in the order in which they
// are written. For a signal that is not known they are those of all.
func attributes(signal objective.Signal) []friendly {
	failure := friendly{fieldError, []string{keyError}}
	function := friendly{"function", []string{"code.function.name"}}
	command := friendly{"command", []string{"process.executable.name"}}
	switch signal {
	case objective.SignalHTTP:
		return []friendly{
			{fieldRole, []string{keyRole}},
			{"route", []string{"http.route", "url.template"}},
			{"path", []string{"url.path"}},
			{"method", []string{"http.request.method"}},
			{fieldStatus, []string{keyStatus}},
			{"server", []string{"server.address"}},
			{"port", []string{"server.port"}},
			failure,
		}
	case objective.SignalExec:
		return []friendly{
			command,
			{"executable", []string{"process.executable.path"}},
			{"parent", []string{"goshawk.parent.executable.name"}},
			function,
			{"outcome", []string{"goshawk.exec.outcome"}},
			{"exitCode", []string{"process.exit.code"}},
			failure,
		}
	case objective.SignalTCP:
		return []friendly{
			{fieldRole, []string{keyRole}},
			{"peer", []string{"network.peer.address"}},
			{"port", []string{"server.port"}},
			command,
			failure,
		}
	case objective.SignalFunc:
		return []friendly{function, failure}
	}
	var all []friendly
	for _, s := range signals() {
		for _, f := range attributes(s) {
			if !slices.ContainsFunc(all, func(o friendly) bool { return o.name == f.name }) {
				all = append(all, f)
			}
		}
	}
	return all
}

// readCounted reads a source of the type goshawk.
func readCounted(v yamldoc.Value) *counted {
	c := &counted{broken: true, at: make(map[string]yamldoc.Value)}
	known := false
	if at, ok := v.Child("signal"); ok && at.IsScalar() {
		c.at["indicator.signal"] = at
		known = c.readSignal(at)
	} else if ok {
		at.Fail("write http, exec, tcp or func", "is %s, not the name of a signal", at.KindOf())
	} else if v.IsObject() {
		v.Missing("signal", "write http, exec, tcp or func")
	}
	fields := []yamldoc.Field{
		{Name: "signal", Raw: true},
		{Name: "threshold", Kind: "a duration such as 300ms", Read: func(v yamldoc.Value) {
			c.at["indicator.threshold"] = v
			readThreshold(v, &c.threshold)
		}},
		{Name: "bad", Kind: "a list such as [5xx, timeout]", Read: func(v yamldoc.Value) {
			c.at["indicator.bad"] = v
			c.bad = []objective.Selector{}
			v.AnyItems(draft.MaxList, func(v yamldoc.Value) { c.bad = append(c.bad, readBad(v, c.signal)) })
			c.bad = canonical(c.bad)
		}},
		{Name: "exclude", Kind: "a list such as [{route: /healthz}]", Read: func(v yamldoc.Value) {
			v.AnyItems(draft.MaxList, func(v yamldoc.Value) {
				c.at[fmt.Sprintf("indicator.exclude[%d]", len(c.exclude))] = v
				c.exclude = append(c.exclude, readSelector(v, c.signal))
			})
		}},
	}
	chosen, choose := selectorFields(c.signal)
	v.Object(append(fields, choose...))
	c.selector = chosen.selector()
	for key, at := range chosen.at {
		c.at["indicator.select."+key] = at
	}
	if _, said := chosen.values[fieldRole]; !said && c.signal == objective.SignalHTTP {
		c.selector.Attributes = slices.Insert(c.selector.Attributes, 0, objective.Attribute{Keys: []string{keyRole}, Patterns: []string{roleServer}})
	}
	c.broken = !known
	return c
}

func (c *counted) readSignal(at yamldoc.Value) bool {
	name := ""
	if !at.Text(&name, draft.MaxName) {
		return false
	}
	hint := "write http, exec, tcp or func"
	var names []string
	for _, s := range signals() {
		names = append(names, string(s))
		if string(s) == name {
			c.signal = s
			return true
		}
	}
	if near := yamldoc.Nearest(name, names); near != "" {
		hint = "did you mean " + near + "?"
	}
	at.Fail(hint, "there is no such signal")
	return false
}

func readThreshold(v yamldoc.Value, to *time.Duration) {
	text := ""
	if !v.Word(&text, draft.MaxName) {
		return
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		if length, ok := draft.Length(text); ok {
			d, err = length, nil
		}
	}
	switch _, bare := yamldoc.ParseDecimal(text); {
	case err != nil && bare, err == nil && bare && text != "0":
		v.Fail("write a duration such as 300ms", "has no unit")
	case err != nil:
		v.Fail("write a duration such as 300ms", "is not a duration")
	case d <= 0:
		v.Fail("write a duration such as 300ms, or remove the line", "leaves no time at all")
	default:
		*to = d
	}
}

// choice is a selector that is being read.
type choice struct {
	signal  objective.Signal
	service []string
	values  map[string][]string
	more    []objective.Attribute
	at      map[string]yamldoc.Value // by the first key of an attribute
}

// selectorFields returns the fields of a selector, which they read into the choice.
func selectorFields(signal objective.Signal) (*choice, []yamldoc.Field) {
	c := &choice{signal: signal, values: make(map[string][]string), at: make(map[string]yamldoc.Value)}
	fields := []yamldoc.Field{{Name: "service", Kind: "a name or several", Read: func(v yamldoc.Value) { c.service = words(v) }}}
	own := attributes(signal)
	for _, f := range own {
		fields = append(fields, yamldoc.Field{Name: f.name, Kind: "a value or several", Read: func(v yamldoc.Value) {
			c.at[f.keys[0]] = v
			c.read(f.name, v)
		}})
	}
	fields = append(fields, yamldoc.Field{Name: "attributes", Kind: "a list such as [{key: url.scheme, values: [https]}]", Read: func(v yamldoc.Value) {
		v.Items(draft.MaxList, func(v yamldoc.Value) { c.readAttribute(v) })
	}})
	for _, f := range attributes("") {
		if !slices.ContainsFunc(own, func(o friendly) bool { return o.name == f.name }) {
			fields = append(fields, yamldoc.Field{Name: f.name, Refuse: fmt.Sprintf("the events of %s have no %s", signal, f.name)})
		}
	}
	return c, fields
}

// read reads the value of a friendly name.
func (c *choice) read(name string, v yamldoc.Value) {
	values := words(v)
	switch name {
	case fieldStatus:
		for i, status := range values {
			if pattern, ok := statusPattern(status); ok {
				values[i] = pattern
			} else {
				v.Fail("write a status such as 404, or 5xx for all from 500 to 599", "%s is no status", yamldoc.Show(status))
			}
		}
	case fieldRole:
		if slices.Equal(values, []string{roleAny}) {
			values = nil
		} else if !slices.Equal(values, []string{roleServer}) && !slices.Equal(values, []string{"client"}) {
			v.Fail("write server, client or any", "there is no such role")
		}
	}
	c.values[name] = values
}

// readAttribute reads an attribute by its key, or by several of which one must fit.
func (c *choice) readAttribute(v yamldoc.Value) {
	a := objective.Attribute{}
	v.Object([]yamldoc.Field{
		{Name: "key", Kind: "a name or several", Required: true, Sample: "url.scheme", Read: func(v yamldoc.Value) { a.Keys = words(v) }},
		{Name: "values", Kind: "a value or several", Required: true, Sample: "[https]", Read: func(v yamldoc.Value) { a.Patterns = texts(v) }},
	})
	if len(a.Keys) > 0 {
		c.at[a.Keys[0]] = v
	}
	c.more = append(c.more, a)
}

// selector returns what was read: the friendly names first, in their order.
func (c *choice) selector() objective.Selector {
	s := objective.Selector{Service: c.service}
	names := attributes(c.signal)
	for _, f := range names {
		if patterns := c.values[f.name]; len(patterns) > 0 {
			s.Attributes = append(s.Attributes, objective.Attribute{Keys: f.keys, Patterns: patterns})
		}
	}
	s.Attributes = append(s.Attributes, c.more...)
	rank := func(a objective.Attribute) int {
		if i := slices.IndexFunc(names, func(f friendly) bool { return slices.Equal(f.keys, a.Keys) }); i >= 0 {
			return i
		}
		return len(names)
	}
	slices.SortStableFunc(s.Attributes, func(a, b objective.Attribute) int { return rank(a) - rank(b) })
	return s
}

// readSelector reads a selector that stands alone.
func readSelector(v yamldoc.Value, signal objective.Signal) objective.Selector {
	c, fields := selectorFields(signal)
	v.Object(fields)
	s := c.selector()
	if v.IsObject() && len(s.Service) == 0 && len(s.Attributes) == 0 {
		v.Fail("write what it is to choose", "chooses everything")
	}
	return s
}

// readBad reads what is bad: a word, or a selector.
func readBad(v yamldoc.Value, signal objective.Signal) objective.Selector {
	if v.IsObject() {
		return readSelector(v, signal)
	}
	word := ""
	if !v.Word(&word, draft.MaxName) {
		return objective.Selector{}
	}
	return wordSelector(word, signal)
}

// wordSelector returns what a word of bad stands for: a status of http, or a type of
// error.
func wordSelector(word string, signal objective.Signal) objective.Selector {
	if status, ok := statusPattern(word); ok && signal == objective.SignalHTTP {
		return single(keyStatus, status)
	}
	return single(keyError, word)
}

func single(key string, patterns ...string) objective.Selector {
	return objective.Selector{Attributes: []objective.Attribute{{Keys: []string{key}, Patterns: patterns}}}
}

// isSingle returns the patterns of a selector by one key alone.
func isSingle(s objective.Selector, key string) ([]string, bool) {
	if len(s.Service) > 0 || len(s.Attributes) != 1 || !slices.Equal(s.Attributes[0].Keys, []string{key}) {
		return nil, false
	}
	return s.Attributes[0].Patterns, true
}

// canonical returns selectors that choose the same: those by status alone as one,
// then those by the type of error as one, then the others.
func canonical(all []objective.Selector) []objective.Selector {
	sorted := []objective.Selector{}
	var rest []objective.Selector
	merged := map[string][]string{}
	for _, s := range all {
		if patterns, ok := isSingle(s, keyStatus); ok {
			merged[keyStatus] = append(merged[keyStatus], patterns...)
		} else if patterns, ok := isSingle(s, keyError); ok {
			merged[keyError] = append(merged[keyError], patterns...)
		} else {
			rest = append(rest, s)
		}
	}
	for _, key := range []string{keyStatus, keyError} {
		if len(merged[key]) > 0 {
			sorted = append(sorted, single(key, merged[key]...))
		}
	}
	return append(sorted, rest...)
}

// statusPattern returns the pattern of a status: 5?? for 5xx.
func statusPattern(word string) (string, bool) {
	pattern := strings.NewReplacer("x", "?", "X", "?").Replace(word)
	if pattern == "*" {
		return pattern, true
	}
	if len(pattern) != 3 || pattern[0] < '1' || pattern[0] > '5' {
		return "", false
	}
	for _, c := range pattern[1:] {
		if c != '?' && (c < '0' || c > '9') {
			return "", false
		}
	}
	return pattern, true
}

// words reads a value or a list of values, none of which is empty.
func words(v yamldoc.Value) []string {
	return read(v, func(v yamldoc.Value, to *string) bool { return v.Word(to, draft.MaxProse) })
}

// texts is words for texts that may be anything.
func texts(v yamldoc.Value) []string {
	return read(v, func(v yamldoc.Value, to *string) bool {
		if v.IsScalar() {
			if text := ""; v.KindOf() != "a text" && v.Word(&text, draft.MaxProse) {
				*to = text
				return true
			}
		}
		return v.Prose(to, draft.MaxProse)
	})
}

func read(v yamldoc.Value, one func(yamldoc.Value, *string) bool) []string {
	var list []string
	text := ""
	if !v.IsList() {
		if one(v, &text) {
			list = append(list, text)
		}
		return list
	}
	v.Items(draft.MaxList, func(v yamldoc.Value) {
		if one(v, &text) {
			list = append(list, text)
		}
	})
	return list
}

// indicateCounted fills in the indicator of events that Goshawk counts.
func (i *indicator) indicateCounted(d *draft.Draft, g *goal) bool {
	main := i.threshold
	switch {
	case main != nil:
	case i.raw != nil:
		main = i.raw
	default:
		main = i.total
	}
	c := *main.goshawk
	if (i.good != nil && !c.join(i.good, false)) || (i.bad != nil && !c.join(i.bad, true)) {
		return false
	}
	if !c.compare(i, g) {
		return false
	}
	n := &d.SLO.Indicator
	n.Signal, n.Select, n.Exclude, n.Bad, n.Threshold = c.signal, c.selector, c.exclude, c.bad, c.threshold
	if len(n.Select.Service) == 0 && d.SLO.Service != "" {
		n.Select.Service = []string{d.SLO.Service}
	}
	d.AtAll(c.at)
	return true
}

// compare takes the limit of a comparison in seconds.
func (c *counted) compare(i *indicator, g *goal) bool {
	if i.threshold == nil {
		g.ignored("the indicator is a ratio")
		return true
	}
	if g.opAt.IsZero() && g.valueAt.IsZero() {
		return true
	}
	if !g.compares() {
		return false
	}
	limit, ok := g.limit()
	switch {
	case !ok:
		return false
	case c.threshold != 0 && c.threshold != limit:
		g.valueAt.Fail("remove one of the two", "is not the threshold of %v that the indicator has", c.threshold)
		return false
	}
	c.threshold = limit
	return true
}

// join takes what a source besides the total says: what is good of the same events
// by a threshold and a list of what is bad, or which events are bad.
func (c *counted) join(s *source, bad bool) bool {
	o := s.goshawk
	switch {
	case o.signal != c.signal:
		s.at.Named().Fail("write signal: "+string(c.signal), "is of another signal than the total")
	case bad && (o.threshold != 0 || o.bad != nil || len(o.exclude) > 0):
		s.at.Named().Fail("say in total which events count and how long they may take", "can only say which events are bad")
	case bad:
		only := trimmed(o.selector, c.selector)
		if len(only.Service) == 0 && len(only.Attributes) == 0 {
			s.at.Named().Fail("say what the bad events have that the others have not, such as status: 5xx", "chooses all events that the total does")
			return false
		}
		c.bad = canonical([]objective.Selector{only})
		return true
	case !sameSelector(o.selector, c.selector):
		s.at.Named().Fail("write the same events, with a threshold or a list of what is bad", "chooses other events than the total")
	default:
		if o.threshold != 0 {
			c.threshold = o.threshold
		}
		if o.bad != nil {
			c.bad = o.bad
		}
		return true
	}
	return false
}

// trimmed returns the selector of bad events without what all of them have.
func trimmed(bad, total objective.Selector) objective.Selector {
	if slices.Equal(bad.Service, total.Service) {
		bad.Service = nil
	}
	bad.Attributes = slices.DeleteFunc(slices.Clone(bad.Attributes), func(a objective.Attribute) bool {
		return slices.ContainsFunc(total.Attributes, func(b objective.Attribute) bool { return sameAttribute(a, b) })
	})
	return bad
}

func sameAttribute(a, b objective.Attribute) bool {
	return slices.Equal(a.Keys, b.Keys) && slices.Equal(a.Patterns, b.Patterns)
}

func sameSelector(a, b objective.Selector) bool {
	return slices.Equal(a.Service, b.Service) && slices.EqualFunc(a.Attributes, b.Attributes, sameAttribute)
}
