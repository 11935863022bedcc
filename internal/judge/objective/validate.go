package objective

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/sli"
)

// Problem is something that is wrong with an objective.
type Problem struct {
	// Field is where, such as "target" or "alerts[1].burn"; a reader of a format
	// translates it to a line of its file.
	Field string
	Cause string
	// Hint says what to do about it.
	Hint string
	// Warning marks what is allowed, and odd.
	Warning bool
}

// Error returns field and cause.
func (p *Problem) Error() string { return p.Field + ": " + p.Cause }

// maxName is how many bytes a name has at most: it becomes a label's value and a
// part of rule names.
const maxName = 128

// Validate returns all that is wrong or odd, in the order of the fields.
func (s *SLO) Validate() []Problem {
	var v validation
	v.name("name", s.Name)
	if s.Service == "" {
		v.add("service", "is missing", "name the service that makes the promise")
	}
	v.indicator(&s.Indicator)
	v.target(s)
	v.slice(s.Slice)
	v.alerts(s)
	v.confidence(s)
	v.exclusions(s.Indicator.Signal, s.Exclusions)
	return v.problems
}

type validation struct{ problems []Problem }

func (v *validation) add(field, cause, hint string) {
	v.problems = append(v.problems, Problem{Field: field, Cause: cause, Hint: hint})
}

func (v *validation) warn(field, cause, hint string) {
	v.problems = append(v.problems, Problem{Field: field, Cause: cause, Hint: hint, Warning: true})
}

func (v *validation) name(field, name string) {
	odd := strings.ContainsFunc(name, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.')
	})
	switch {
	case name == "":
		v.add(field, "is missing", "give it a name such as checkout-availability")
	case odd || len(name) > maxName:
		v.add(field, fmt.Sprintf("%.40q is no name", name), "use up to 128 letters, digits, '-', '_' and '.'")
	}
}

func (v *validation) indicator(i *Indicator) {
	signals := []Signal{SignalHTTP, SignalExec, SignalTCP, SignalFunc, SignalQuery}
	switch {
	case i.Signal == "":
		v.add("indicator.signal", "is missing", "one of http, exec, tcp and func")
	case !slices.Contains(signals, i.Signal):
		v.add("indicator.signal", fmt.Sprintf("%.40q is not known", i.Signal), "one of http, exec, tcp and func")
	case i.Signal == SignalQuery:
		v.query(i)
	}
	if i.Threshold < 0 {
		v.add("indicator.threshold", fmt.Sprintf("%v is negative", i.Threshold), "write how long an event may take, such as 300ms")
	}
	if i.Signal != SignalQuery && i.Bad != nil && len(i.Bad) == 0 && i.Threshold == 0 {
		v.add("indicator.bad", "no event is ever bad: nothing is listed, and there is no threshold", "name what is bad, or set a threshold")
	}
	v.vain("indicator.select.", "none is ever chosen", i.Signal, &i.Select)
	for n := range i.Exclude {
		v.vain(fmt.Sprintf("indicator.exclude[%d].", n), "nothing is ever excluded", i.Signal, &i.Exclude[n])
	}
	for n := range i.Bad {
		v.vain("indicator.bad.", "none is ever bad for that", i.Signal, &i.Bad[n])
	}
}

// vain warns of a selector that chooses nothing.
func (v *validation) vain(field, so string, signal Signal, s *Selector) {
	if keys := s.vain(signal); len(keys) > 0 {
		v.warn(field+keys[0], fmt.Sprintf("requests are counted by role, route, method and status, and not by %.80s: %s", strings.Join(keys, " or "), so), "choose by route instead")
	}
}

func (v *validation) query(i *Indicator) {
	q := i.Query
	counters := 0
	for _, e := range []string{q.Good, q.Bad} {
		if e != "" {
			counters++
		}
	}
	switch {
	case q.Ratio != "" && (counters > 0 || q.Total != ""):
		v.add("indicator.query", "has a ratio and counters", "write one or the other")
	case q.Ratio == "" && (counters != 1 || q.Total == ""):
		v.add("indicator.query", "needs a total and either good or bad", "write two expressions of counters")
	}
	if i.Threshold != 0 {
		v.add("indicator.threshold", "does not apply to a query", "leave it out, and say in the query what is bad")
	}
}

func (v *validation) target(s *SLO) {
	if !(s.Target > 0 && s.Target < 1) {
		v.add("target", strconv.FormatFloat(s.Target, 'g', -1, 64)+" is not above 0 and below 1", "write 0.999 for 99.9 %")
	}
	if len(s.Windows) == 0 {
		v.add("windows", "there is none", "write one such as 30d")
	}
	for i, w := range s.Windows {
		field := fmt.Sprintf("windows[%d]", i)
		if err := w.Validate(); err != nil {
			v.add(field, plain(err), "write a length such as 30d")
		} else if slices.Contains(s.Windows[:i], w) {
			v.add(field, w.String()+" is there twice", "remove one")
		}
	}
}

func (v *validation) slice(s Slice) {
	switch {
	case s.Width == 0 && s.Target == 0:
	case s.Width < time.Second || s.Width > 24*time.Hour:
		v.add("slice.width", fmt.Sprintf("%v is not from 1s to 24h", s.Width), "write a length such as 1m")
	case !(s.Target > 0 && s.Target <= 1):
		v.add("slice.target", strconv.FormatFloat(s.Target, 'g', -1, 64)+" is not above 0 and up to 1", "write 0.99 for slices with 99 % good events")
	}
}

// alerts asks package sli, which knows what can never fire.
func (v *validation) alerts(s *SLO) {
	type identity struct {
		name string
		sli.Alert
	}
	seen := make(map[identity]bool)
	for i, a := range s.Alerts {
		field := fmt.Sprintf("alerts[%d]", i)
		if seen[identity{a.Name, a.Alert}] {
			v.add(field, "is there twice: same name, severity, burn rate and windows", "remove one")
		}
		seen[identity{a.Name, a.Alert}] = true
		if a.For < 0 {
			v.add(field+".for", fmt.Sprintf("%v is negative", a.For), "write how long it must be so, such as 2m")
		}
		if err := a.Validate(); err != nil {
			v.add(field, plain(err), "write a burn rate above 0, and a short window that is shorter than the long one")
			continue
		}
		v.reachable(field, s, a.Alert)
	}
	if s.Alerts == nil && len(s.Windows) > 0 && s.Target > 0 && s.Target < 1 && s.Windows[0].Validate() == nil {
		v.defaults(s)
	}
}

// defaults finds default alerts that are left out as they can never fire.
func (v *validation) defaults(s *SLO) {
	list := sli.DefaultAlerts(s.Target, s.Windows[0])
	if len(list) == 0 {
		v.warn("alerts", "none of the default alerts can ever fire at this target and window", "write alerts, or a higher target")
		return
	}
	// Those that only the window decides about.
	for _, a := range sli.DefaultAlerts(math.Nextafter(1, 0), s.Windows[0]) {
		if !slices.Contains(list, a) {
			v.warn("target", fmt.Sprintf("the default alert at %g times the allowed rate can never fire, and is left out", a.Burn), "write alerts, or a higher target")
		}
	}
}

// CanFire reports whether a share of bad events below 1 is above the alert's
// threshold, by the exact decimals that package sli compares with.
func CanFire(target float64, a sli.Alert) bool {
	// Far from 1 the rounding of the two decimals decides nothing.
	switch rough := a.Burn * (1 - target); {
	case a.Validate() != nil || rough > 1.001:
		return false
	case rough < 0.999:
		return true
	}
	return sli.Objective{Target: target}.Alert(a, sli.Counts{}, sli.Counts{}).MinEvents < math.MaxUint64
}

// reachable finds alerts that can never fire, or cannot be about the window.
func (v *validation) reachable(field string, s *SLO, a sli.Alert) {
	if len(s.Windows) == 0 || !(s.Target > 0 && s.Target < 1) {
		return
	}
	allowance := sli.Objective{Target: s.Target}.Allowance()
	if !CanFire(s.Target, a) {
		v.add(field+".burn", fmt.Sprintf("%g times %g is not below 1: it cannot fire even when all events are bad", a.Burn, allowance),
			fmt.Sprintf("a burn rate below %.4g can", 1/allowance))
	}
	if length := s.Windows[0].Length(); a.Long > length/3 {
		v.add(field+".long", fmt.Sprintf("%v is more than a third of the window of %v", a.Long, length), "look back less far, or make the window longer")
	}
	if a.Short < s.Slice.Width {
		v.warn(field+".short", fmt.Sprintf("%v is less than a slice of %v: it sees one slice or none", a.Short, s.Slice.Width), "look back over some slices, or make them shorter")
	}
}

func (v *validation) confidence(s *SLO) {
	if s.Confidence != 0 && !(s.Confidence >= 0.5 && s.Confidence < 1) {
		v.add("confidence", strconv.FormatFloat(s.Confidence, 'g', -1, 64)+" is not from 0.5 to below 1", "write 0.95, or leave it out")
	}
}

func (v *validation) exclusions(signal Signal, list []Exclusion) {
	for i, e := range list {
		field := fmt.Sprintf("exclusions[%d]", i)
		if e.From.IsZero() || !e.From.Before(e.To) {
			v.add(field, fmt.Sprintf("from %s to %s is no time", stamp(e.From), stamp(e.To)), "write two instants, the earlier first")
		}
		if e.Reason == "" {
			v.warn(field+".reason", "is missing", "say why these events do not count")
		}
		v.vain(field+".select.", "the time counts all the same", signal, &list[i].Select)
	}
}

// plain returns an error of package sli without its name.
func plain(err error) string { return strings.TrimPrefix(err.Error(), "sli: ") }

func stamp(t time.Time) string {
	if t.IsZero() {
		return "nothing"
	}
	return t.Format(time.RFC3339)
}

// Errors returns the problems that are no warnings as one error, nil when there
// are none.
func Errors(problems []Problem) error {
	var errs []error
	for i := range problems {
		if !problems[i].Warning {
			errs = append(errs, &problems[i])
		}
	}
	return errors.Join(errs...)
}
