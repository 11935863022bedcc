package openslo

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/judge/objective/draft"
	"github.com/goshawk-io/goshawk/internal/platform/yamldoc"
	"github.com/goshawk-io/goshawk/sli"
)

// policy is an AlertPolicy that was read; what it refers to is looked up later.
type policy struct {
	meta       metadata
	at         yamldoc.Value
	inline     *condition
	ref        yamldoc.Value
	targets    []target
	breaching  bool
	breachAt   yamldoc.Value
	noData     bool
	noDataAt   yamldoc.Value
	resolved   bool
	resolvedAt yamldoc.Value
	short      time.Duration
	shortAt    yamldoc.Value
	name       string
}

// allReceivers is the target that stands for all of them.
const allReceivers = "all-receivers"

// target is somebody who is told; a reference is to be looked up.
type target struct {
	name string
	at   yamldoc.Value
	ref  bool
}

// condition is an AlertCondition.
type condition struct {
	at       yamldoc.Value
	severity string
	burn     float64
	burnAt   yamldoc.Value
	long     time.Duration
	longAt   yamldoc.Value
	after    time.Duration
	afterAt  yamldoc.Value
	short    time.Duration
	shortAt  yamldoc.Value
}

// alertPlaces is where the parts of an alert are written.
type alertPlaces struct{ alert, burn, long, short, after, told yamldoc.Value }

func readPolicy(o object) *policy {
	p := &policy{meta: o.meta, at: o.meta.at, breaching: true, name: o.meta.name}
	p.meta.read([]note{
		{noteShort, func(v yamldoc.Value) { p.shortAt = v; readNoteLength(v, &p.short) }},
		{noteAlertName, func(v yamldoc.Value) { p.name = textOf(v) }},
	})
	if o.spec.IsZero() {
		return p
	}
	o.spec.Object([]yamldoc.Field{
		{Name: "description", Nothing: true, Read: func(v yamldoc.Value) {
			if text := textOf(v); text != "" {
				p.meta.annotations = draft.Merge(map[string]string{"description": text}, p.meta.annotations)
			}
		}},
		{Name: "alertWhenNoData", Kind: "true or false", Read: func(v yamldoc.Value) { p.noDataAt = v; v.Boolean(&p.noData) }},
		{Name: "alertWhenResolved", Kind: "true or false", Read: func(v yamldoc.Value) {
			p.resolvedAt = v
			v.Boolean(&p.resolved)
		}},
		{Name: "alertWhenBreaching", Kind: "true or false", Read: func(v yamldoc.Value) { p.breachAt = v; v.Boolean(&p.breaching) }},
		{Name: "conditions", Kind: "a list", Required: true, Sample: "[{conditionRef: NAME}]", Read: p.readConditions},
		{Name: "notificationTargets", Nothing: true, Read: func(v yamldoc.Value) {
			v.AnyItems(draft.MaxList, func(v yamldoc.Value) { p.readTarget(v) })
		}},
	})
	if !p.breaching {
		p.breachAt.Fail("write true, or remove the policy", "Goshawk alerts when a condition is met, and nothing else")
	}
	if p.noData {
		p.noDataAt.Warn("look at the verdict insufficient_data", "Goshawk tells nobody when there is no data")
	}
	return p
}

func (p *policy) readConditions(v yamldoc.Value) {
	n := 0
	v.Items(draft.MaxList, func(v yamldoc.Value) {
		if n++; n == 2 {
			v.Named().Fail("write a policy for each", "OpenSLO has one condition for a policy")
		}
		if n > 1 {
			return
		}
		if ref, ok := v.Child("conditionRef"); ok {
			v.Object([]yamldoc.Field{{Name: "conditionRef", Raw: true}})
			p.ref = ref
			return
		}
		p.inline = readCondition(readObject(v, kindCondition, false))
	})
}

func (p *policy) readTarget(v yamldoc.Value) {
	if ref, ok := v.Child("targetRef"); ok {
		v.Object([]yamldoc.Field{{Name: "targetRef", Raw: true}})
		if name := ""; ref.Text(&name, draft.MaxName) {
			p.targets = append(p.targets, target{name, ref, true})
		}
		return
	}
	o := readObject(v, kindTarget, false)
	readTarget(o)
	if o.meta.name == "" {
		v.Missing("metadata.name", "write the name of a receiver, or a targetRef")
		return
	}
	p.targets = append(p.targets, target{name: o.meta.name, at: v})
}

func readTarget(o object) {
	o.meta.read(nil)
	if o.spec.IsZero() {
		return
	}
	o.spec.Object([]yamldoc.Field{description(new(string)), text("target", new(string), true, "email")})
}

func readCondition(o object) *condition {
	c := &condition{at: o.whole}
	o.meta.read([]note{{noteShort, func(v yamldoc.Value) { c.shortAt = v; readNoteLength(v, &c.short) }}})
	if o.spec.IsZero() {
		return c
	}
	o.spec.Object([]yamldoc.Field{
		description(new(string)),
		text("severity", &c.severity, true, "page"),
		{Name: "condition", Required: true, Sample: "{kind: burnrate, op: gt, threshold: 14.4, lookbackWindow: 1h}", Fields: []yamldoc.Field{
			{Name: "kind", Kind: "burnrate", Read: func(v yamldoc.Value) {
				kind := ""
				if v.Text(&kind, draft.MaxName) && kind != "burnrate" {
					v.Fail("write burnrate", "there is no such kind of condition")
				}
			}},
			{Name: "op", Kind: "gt or gte", Required: true, Sample: "gt", Read: func(v yamldoc.Value) {
				if op := readOp(v); op == "lt" || op == "lte" {
					v.Warn("write gt", "an alert is for a budget that burns too fast: it is taken as gt")
				}
			}},
			{Name: "threshold", Kind: "a number", Required: true, Sample: "14.4", Read: func(v yamldoc.Value) {
				c.burnAt = v
				c.burn, _ = v.Decimal("write a burn rate such as 14.4")
			}},
			{Name: "lookbackWindow", Kind: "a length such as 1h", Required: true, Sample: "1h", Read: func(v yamldoc.Value) { c.longAt = v; readLength(v, &c.long) }},
			{Name: "alertAfter", Kind: "a length such as 5m", Read: func(v yamldoc.Value) { c.afterAt = v; readAfter(v, &c.after) }},
		}},
	})
	return c
}

// readLength reads a length of time.
func readLength(v yamldoc.Value, to *time.Duration) {
	word := ""
	if !v.Word(&word, draft.MaxName) {
		return
	}
	window := sli.Window{}
	if readRolling(v, word, &window); !window.IsZero() {
		*to = window.Length()
	}
}

// readAfter is readLength for what may be 0.
func readAfter(v yamldoc.Value, to *time.Duration) {
	word := ""
	if v.Word(&word, draft.MaxName) && word != "0m" && word != "0s" && word != "0" {
		readLength(v, to)
	}
}

// readNoteLength reads a length of time in an annotation.
func readNoteLength(v yamldoc.Value, to *time.Duration) {
	window := sli.Window{}
	if readRolling(v, textOf(v), &window); !window.IsZero() {
		*to = window.Length()
	}
}

// readPolicies reads the alertPolicies of an SLO, and makes alerts of them.
func (r *Reader) readPolicies(p *promise, v yamldoc.Value) {
	p.alerts, p.alertsAt = []objective.Alert{}, v
	v.AnyItems(draft.MaxList, func(v yamldoc.Value) {
		found, at := r.findPolicy(v)
		if found == nil {
			return
		}
		if a, places, ok := r.alertOf(found, at); ok {
			index := len(p.alerts)
			p.alerts = append(p.alerts, a)
			p.alertAt = append(p.alertAt, places)
			if found.noData {
				p.extra = append(p.extra, kept{fmt.Sprintf("alertPolicies[%d].alertWhenNoData", index), found.noDataAt})
			}
			if !found.resolved && !found.resolvedAt.IsZero() {
				p.extra = append(p.extra, kept{fmt.Sprintf("alertPolicies[%d].alertWhenResolved", index), found.resolvedAt})
			}
		}
	})
}

// findPolicy returns the policy that is written or referred to.
func (r *Reader) findPolicy(v yamldoc.Value) (*policy, yamldoc.Value) {
	ref, ok := v.Child("alertPolicyRef")
	if !ok {
		return readPolicy(readObject(v, kindPolicy, false)), v.Named()
	}
	v.Object([]yamldoc.Field{{Name: "alertPolicyRef", Raw: true}})
	name := ""
	if !ref.Text(&name, draft.MaxName) {
		return nil, v
	}
	found := r.policies[name]
	if found == nil {
		r.dangling(ref, kindPolicy, name)
	}
	return found, ref
}

// alertOf returns the alert of a policy that is named at at.
func (r *Reader) alertOf(p *policy, at yamldoc.Value) (objective.Alert, alertPlaces, bool) {
	c := p.inline
	if !p.ref.IsZero() {
		name := ""
		if !p.ref.Text(&name, draft.MaxName) {
			return objective.Alert{}, alertPlaces{}, false
		}
		if c = r.triggers[name]; c == nil {
			r.dangling(p.ref, kindCondition, name)
		}
	}
	if c == nil || c.severity == "" || c.long == 0 || c.burnAt.IsZero() {
		return objective.Alert{}, alertPlaces{}, false
	}
	a := objective.Alert{
		Alert: sli.Alert{Severity: c.severity, Burn: c.burn, Long: c.long, Short: c.long / 12},
		Name:  p.name, For: c.after, Labels: p.meta.labels, Annotations: p.meta.annotations,
	}
	places := alertPlaces{alert: at, burn: c.burnAt, long: c.longAt, short: c.longAt, after: c.afterAt}
	switch {
	case p.short != 0:
		a.Short, places.short = p.short, p.shortAt
	case c.short != 0:
		a.Short, places.short = c.short, c.shortAt
	}
	everybody := slices.ContainsFunc(p.targets, func(t target) bool { return t.name == allReceivers })
	for _, t := range p.targets {
		if everybody {
			break
		}
		a.Receivers = append(a.Receivers, t.name)
		if places.told.IsZero() {
			places.told = t.at
		}
		if _, known := r.places[kindTarget][t.name]; t.ref && !known {
			t.at.Warn(r.missing(kindTarget, t.name), "there is no %s of that name: a receiver of that name must be configured", kindTarget)
		}
	}
	return a, places, true
}

// alert puts the alerts into an objective.
func (r *Reader) alert(d *draft.Draft, p *promise) {
	s := &d.SLO
	s.Alerts = p.alerts
	d.At("alerts", p.alertsAt)
	for i, at := range p.alertAt {
		field := fmt.Sprintf("alerts[%d]", i)
		d.At(field, at.alert)
		d.At(field+".burn", at.burn)
		d.At(field+".long", at.long)
		d.At(field+".short", at.short)
		d.At(field+".for", at.after)
		d.At(field+".receivers", at.told)
	}
	switch {
	case p.notes.receivers == nil:
		return
	case s.Alerts != nil:
		p.notes.receiversAt.Fail("write them as notificationTargets of the policies", "there are alertPolicies, which say who is told")
		return
	}
	s.Alerts = []objective.Alert{}
	if !(s.Target > 0 && s.Target < 1) || math.IsNaN(s.Target) {
		return
	}
	d.At("alerts", p.notes.receiversAt)
	for _, a := range sli.DefaultAlerts(s.Target, s.Windows[0]) {
		s.Alerts = append(s.Alerts, objective.Alert{Alert: a, Receivers: p.notes.receivers})
	}
}
