package ui

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/sli"
)

// sampleSLO returns an objective of a shop that does not exist: with so many
// events, of which so many were bad, burning at a rate.
func sampleSLO(name, service string, target float64, good, bad uint64, burn float64, now time.Time) v1.SLO {
	o := v1.SLO{
		Name: name, Service: service, Objective: target, Signal: "http", ThresholdNS: 250e6, Burn: map[string]*float64{},
		Select: v1.SLOSelector{Service: []string{service}, Attributes: []v1.SLOAttribute{{Keys: []string{keyRole}, Patterns: []string{roleServer}}, {Keys: []string{keyRoute, keyTemplate}, Patterns: []string{"/checkout"}}}},
		File:   "/etc/goshawk/slo.yaml", Line: 12, Format: "OpenSLO",
	}
	objective := sli.Objective{Name: name, Target: target}
	counts := sli.Counts{Good: good, Bad: bad}
	for i, a := range sli.DefaultAlerts(target, sli.Rolling(sampleWindow)) {
		long := uint64(float64(counts.Total()) * float64(a.Long) / float64(sampleWindow))
		short := uint64(float64(counts.Total()) * float64(a.Short) / float64(sampleWindow))
		of := func(n uint64, rate float64) sli.Counts {
			wrong := min(uint64(float64(n)*(1-target)*rate), n)
			return sli.Counts{Good: n - wrong, Bad: wrong}
		}
		status := objective.Alert(a, of(long, burn), of(short, burn*0.9))
		w := v1.SLOAlert{Severity: a.Severity, Burn: a.Burn, LongNS: int64(a.Long), ShortNS: int64(a.Short), LongEvents: long, ShortEvents: short, Firing: status.Firing, Blind: status.Blind, LeastEvents: &status.MinEvents}
		if long > 0 && short > 0 {
			w.LongBurn, w.ShortBurn = floatOf(status.LongBurn), floatOf(status.ShortBurn)
		}
		if w.Firing {
			since := v1.Time(now.Add(-time.Duration(9+30*i) * time.Minute))
			w.Since = &since
		}
		o.Alerts = append(o.Alerts, w)
		o.Burn[lengthText(w.LongNS)], o.Burn[lengthText(w.ShortNS)] = w.LongBurn, w.ShortBurn
	}
	o.SLOWindow = sampleWindowOf(objective, counts, o.Alerts, "30d", sampleWindow, now)
	return o
}

const sampleWindow = 30 * 24 * time.Hour

func floatOf(f float64) *float64 { return &f }

func sampleWindowOf(objective sli.Objective, c sli.Counts, alerts []v1.SLOAlert, name string, length time.Duration, now time.Time) v1.SLOWindow {
	w := v1.SLOWindow{Window: name, From: v1.Time(now.Add(-length)), To: v1.Time(now), Good: c.Good, Bad: c.Bad, BudgetRemainingRatio: objective.Budget(c).RemainingRatio}
	if share, ok := c.Ratio(); ok {
		w.SLI = &share
	}
	var states []sli.AlertStatus
	for _, a := range alerts {
		states = append(states, sli.AlertStatus{Firing: a.Firing, Blind: a.Blind})
	}
	w.Verdict = objective.Judge(c, states)
	return w
}

// sampleSLOs returns an objective in each state, and a proposal.
func sampleSLOs(now time.Time) []v1.SLO {
	list := []v1.SLO{
		sampleSLO("product-availability", "shop", 0.9995, 14_462_113, 1_204, 0.4, now),
		sampleSLO("checkout-latency", "shop", 0.999, 1_203_311, 640, 60, now),
		sampleSLO("invoice-latency", "shop", 0.99, 48_211, 1_940, 2.2, now),
		sampleSLO("report-latency", "shop", 0.99, 61, 0, 0, now),
		sampleSLO("stock-availability", "warehouse", 0.999, 0, 0, 0, now),
		sampleSLO("stock-latency", "warehouse", 0.95, 882_013, 36_006, 0.8, now),
		sampleSLO("thumbnail-success", "thumbnailer", 0.999, 60_113, 49, 1.4, now),
		sampleSLO("login-latency", "accounts", 0.999, 402_118, 98, 0.2, now),
	}
	list[6].Signal, list[6].ThresholdNS = "exec", 0
	list[6].Select = v1.SLOSelector{Service: []string{"thumbnailer"}, Attributes: []v1.SLOAttribute{{Keys: []string{keyName}, Patterns: []string{"convert"}}}}
	list[7].Error = "the rules of the last minute were not evaluated: the store of series is closed"
	for i, name := range []string{"accounts-availability", "warehouse-latency"} {
		o := sampleSLO(name, []string{"accounts", "warehouse"}[i], 0.995, 32_118, 61, 0.3, now)
		o.Proposal, o.File, o.Line, o.Format = true, "", 0, ""
		list = append(list, o)
	}
	return list
}

// sampleHistory returns how an objective stood in the time before now, the same
// each time: it burned for a while in the middle, and does at the end when it
// burns now. Nobody counted in its first tenth.
func sampleHistory(o *v1.SLO, span, step time.Duration, now time.Time) v1.SLOHistory {
	h := v1.SLOHistory{From: v1.Time(now.Add(-span).Truncate(step)), To: v1.Time(now), StepNS: int64(step), Points: []v1.SLOPoint{}, Alerts: []v1.SLOFiring{}}
	r := rand.New(rand.NewPCG(3, 1))
	n := int(now.Sub(time.Time(h.From))/step) + 1
	total := float64(o.Good + o.Bad)
	if total == 0 {
		total = 1
	}
	weights, sum := make([]float64, n), 0.0
	for i := range weights {
		switch at := float64(i) / float64(n); {
		case at > 0.44 && at < 0.47:
			weights[i] = 30
		case at > 0.985:
			weights[i] = 14
		default:
			weights[i] = 0.3 + 0.4*r.Float64()
		}
		if i > n/10 {
			sum += weights[i]
		}
	}
	spent := 0.0
	for i := range n {
		at := time.Time(h.From).Add(time.Duration(i+1) * step)
		if at.After(now) {
			at = now
		}
		p := v1.SLOPoint{Time: v1.Time(at), Burn: map[string]*float64{}}
		if i > n/10 && o.Good+o.Bad > 0 {
			good := uint64(total / float64(n) * (0.8 + 0.3*math.Sin(float64(i)/2)))
			bad := uint64(math.Round(float64(o.Bad) * weights[i] / sum))
			spent += float64(bad)
			p.Good, p.Bad = &good, &bad
			p.BudgetRemainingRatio = floatOf(1 - 0.3*float64(n-i)/float64(n) - spent/((1-o.Objective)*total))
			for _, a := range o.Alerts {
				rate := float64(bad) / max(float64(good), 1) / (1 - o.Objective)
				p.Burn[lengthText(a.LongNS)], p.Burn[lengthText(a.ShortNS)] = floatOf(rate*0.8), floatOf(rate*(0.7+0.6*r.Float64()))
			}
		}
		h.Points = append(h.Points, p)
	}
	for _, a := range o.Alerts {
		began := v1.Time(now.Add(-span * 54 / 100))
		ended := v1.Time(now.Add(-span * 53 / 100))
		h.Alerts = append(h.Alerts, v1.SLOFiring{Severity: a.Severity, Burn: a.Burn, LongNS: a.LongNS, From: began, To: &ended})
	}
	for _, a := range o.Alerts {
		if a.Firing && a.Since != nil {
			h.Alerts = append(h.Alerts, v1.SLOFiring{Severity: a.Severity, Burn: a.Burn, LongNS: a.LongNS, From: *a.Since})
		}
	}
	return h
}

// galleryObjectives are tables of objectives in all states.
func galleryObjectives(now time.Time) []Exhibit[Table] {
	exhibit := func(name, id string, list []v1.SLO) Exhibit[Table] {
		var all []*v1.SLO
		for i := range list {
			all = append(all, &list[i])
		}
		t := sloTable("objectives-"+id, "Objectives: "+name, all, "", nil, now)
		for i := range t.Rows {
			for k := range t.Rows[i].Cells {
				if c := &t.Rows[i].Cells[k]; c.ID != "" {
					c.ID += "-" + id
				}
			}
		}
		return Exhibit[Table]{name, t}
	}
	huge := sampleSLO(hugeName(), hugeName(), 0.99999, 18_000_000_000_000, 360_000_000_000, 4000, now)
	huge.Alerts[0].Severity = hugeName()
	huge.Window = "calendar 1M from 2026-01-01"
	one := sampleSLO("nothing-but-bad", "shop", 0.999, 0, 7, 1000, now)
	return []Exhibit[Table]{exhibit("objectives, each state", "usual", sampleSLOs(now)), exhibit("objectives, extremes", "huge", []v1.SLO{huge, one})}
}

// galleryLines are charts of an objective's history.
func galleryLines(now time.Time) []Exhibit[Lines] {
	var list []Exhibit[Lines]
	add := func(name, id string, l Lines) {
		l.ID = "gallery-" + id
		list = append(list, Exhibit[Lines]{name, l})
	}
	burning := sampleSLO("checkout-latency", "shop", 0.999, 1_203_311, 640, 60, now)
	h := sampleHistory(&burning, sampleWindow, 2*time.Hour, now)
	add("error budget", "budget", newBudgetChart(&burning, &h, true, now))
	spent := sampleSLO("invoice-latency", "shop", 0.99, 48_211, 1_940, 2.2, now)
	past := sampleHistory(&spent, sampleWindow, 2*time.Hour, now)
	add("error budget, overspent", "spent", newBudgetChart(&spent, &past, true, now))
	for i, b := range newBurnCharts(&burning, &h, now)[:2] {
		add("burn rate", fmt.Sprintf("burn-%d", i), b.Chart)
	}
	add("good and bad", "events", newEventsChart(&burning, &h, now))
	none := sampleSLO("stock-availability", "warehouse", 0.999, 0, 0, 0, now)
	nothing := sampleHistory(&none, sampleWindow, 2*time.Hour, now)
	add("error budget, nothing counted", "nothing", newBudgetChart(&none, &nothing, true, now))
	return list
}
