package browser

import (
	"context"
	"math"
	"sync"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/judge/evaluate"
	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/sli"
)

// promised is an objective of a test, and what its counters were at each minute of
// the last 40 days.
type promised struct {
	slo      objective.SLO
	minutes  []sli.Counts // since the begin, at the end of each minute
	begin    time.Time
	counted  time.Time // nobody counted before
	unjudged uint64
	err      error
}

// trouble is a time in which a share of the events is bad.
type trouble struct {
	from, to time.Duration // before now
	share    float64
}

const minutesOfJudge = 40 * 24 * 60

// promise makes an objective with so many events a minute, of which a share is
// bad, and more in times of trouble. It was counted for a time before now.
func promise(now time.Time, slo objective.SLO, perMinute, share float64, since time.Duration, troubles ...trouble) *promised {
	p := &promised{slo: slo, begin: now.Add(-minutesOfJudge * time.Minute), counted: now.Add(-since)}
	var good, bad float64
	for i := range minutesOfJudge {
		end := p.begin.Add(time.Duration(i+1) * time.Minute)
		before := now.Sub(end)
		wave := 1 + 0.5*math.Sin(float64(end.Unix()%86400)/86400*2*math.Pi)
		n, part := perMinute*wave, share*(0.6+0.8*math.Abs(math.Sin(float64(i)*0.37)))
		for _, t := range troubles {
			if before < t.from && before >= t.to {
				part = t.share
			}
		}
		if end.After(p.counted) {
			good += n * (1 - part)
			bad += n * part
		}
		p.minutes = append(p.minutes, sli.Counts{Good: uint64(good), Bad: uint64(bad)})
	}
	return p
}

// at returns the counters at a time.
func (p *promised) at(t time.Time) sli.Counts {
	i := int(t.Sub(p.begin)/time.Minute) - 1
	if i < 0 || len(p.minutes) == 0 {
		return sli.Counts{}
	}
	return p.minutes[min(i, len(p.minutes)-1)]
}

// Over returns the events of a window.
func (p *promised) Over(now time.Time, w sli.Window) (sli.Counts, error) {
	span := w.Span(now)
	return p.between(span.From, span.To), nil
}

func (p *promised) between(from, to time.Time) sli.Counts {
	a, b := p.at(from), p.at(to)
	return sli.Counts{Good: b.Good - a.Good, Bad: b.Bad - a.Bad}
}

// judge is an api.Judge over objectives.
type judge struct {
	clock func() time.Time

	mu   sync.Mutex
	list []*promised
}

// change changes the objectives.
func (j *judge) change(change func(list []*promised) []*promised) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.list = change(j.list)
}

func (j *judge) SLOs(context.Context) ([]v1.SLO, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var list []v1.SLO
	now := j.clock()
	for _, p := range j.list {
		state := evaluate.State{SLO: &p.slo, Unjudged: p.unjudged, Err: p.err}
		if p.err == nil {
			for _, o := range p.slo.Objectives() {
				status, err := o.Evaluate(now, p)
				if err != nil {
					return nil, err
				}
				state.Statuses = append(state.Statuses, status)
			}
			for _, a := range state.Statuses[0].Alerts {
				since := time.Time{}
				if a.Firing {
					since = now.Add(-9 * time.Minute)
				}
				state.Since = append(state.Since, since)
			}
		}
		list = append(list, v1.NewSLO(&state))
	}
	return list, nil
}

func (j *judge) History(_ context.Context, name string, from, to time.Time, step time.Duration) (v1.SLOHistory, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	h := v1.SLOHistory{From: v1.Time(from), To: v1.Time(to), StepNS: int64(step)}
	for _, p := range j.list {
		if p.slo.Name == name {
			p.history(&h, from, to, step)
		}
	}
	return h, nil
}

func (p *promised) history(h *v1.SLOHistory, from, to time.Time, step time.Duration) {
	o := p.slo.Objectives()[0]
	firing := make([]*time.Time, 100)
	for at := from; at.Before(to); {
		end := at.Add(step)
		if end.After(to) {
			end = to
		}
		point := v1.SLOPoint{Time: v1.Time(end), Burn: map[string]*float64{}}
		if end.After(p.counted) {
			c := p.between(at, end)
			point.Good, point.Bad = &c.Good, &c.Bad
			status, err := o.Evaluate(end, p)
			if err != nil {
				return
			}
			point.BudgetRemainingRatio = &status.Budget.RemainingRatio
			for i, a := range status.Alerts {
				for w, c := range map[time.Duration]sli.Counts{a.Alert.Long: a.Long, a.Alert.Short: a.Short} {
					if burn, ok := o.BurnRate(c); ok {
						point.Burn[sli.Rolling(w).String()] = &burn
					}
				}
				switch {
				case a.Firing && firing[i] == nil:
					firing[i] = &end
				case !a.Firing && firing[i] != nil:
					ended := v1.Time(end)
					h.Alerts = append(h.Alerts, v1.SLOFiring{Severity: a.Alert.Severity, Burn: a.Alert.Burn, LongNS: int64(a.Alert.Long), From: v1.Time(*firing[i]), To: &ended})
					firing[i] = nil
				}
			}
		}
		h.Points = append(h.Points, point)
		at = end
	}
	for i, a := range o.Alerts {
		if firing[i] != nil {
			h.Alerts = append(h.Alerts, v1.SLOFiring{Severity: a.Severity, Burn: a.Burn, LongNS: int64(a.Long), From: v1.Time(*firing[i])})
		}
	}
}

// httpObjective is an objective about the requests of a route.
func httpObjective(name, service, route string, target float64, threshold time.Duration) objective.SLO {
	month := sli.Rolling(30 * 24 * time.Hour)
	o := objective.SLO{
		Name: name, Service: service, Target: target, Windows: []sli.Window{month},
		Indicator: objective.Indicator{Signal: objective.SignalHTTP, Threshold: threshold, Select: objective.Selector{
			Service: []string{service}, Attributes: []objective.Attribute{{Keys: []string{"goshawk.role"}, Patterns: []string{"server"}}},
		}},
		Origin: objective.Origin{Format: "OpenSLO", File: "/etc/goshawk/slo.yaml", Line: 4},
	}
	if route != "" {
		o.Indicator.Select.Attributes = append(o.Indicator.Select.Attributes, objective.Attribute{Keys: []string{"http.route", "url.template"}, Patterns: []string{route}})
	}
	o.Alerts = alertsOf(target, month)
	return o
}

func alertsOf(target float64, w sli.Window) []objective.Alert {
	var list []objective.Alert
	for _, a := range sli.DefaultAlerts(target, w) {
		list = append(list, objective.Alert{Alert: a})
	}
	return list
}

// judged is a judge of objectives in each state.
func judged(clock func() time.Time) *judge {
	now := clock()
	const day = 24 * time.Hour
	checkout := httpObjective("checkout-latency", "shop", "/checkout", 0.999, 250*time.Millisecond)
	checkout.Title, checkout.Description = "Checkout is fast", "Who pays does not wait: 99.9 % of the checkouts take a quarter of a second at most."
	checkout.Windows = append(checkout.Windows, sli.Rolling(7*day))
	checkout.Labels = map[string]string{"team": "payments", "tier": "1"}
	report := httpObjective("report-latency", "shop", "/report", 0.99, 2*time.Second)
	report.Indicator.Select.Attributes[1] = objective.Attribute{Keys: []string{"http.route"}, Patterns: []string{"/report*", "/healthz"}}
	proposal := httpObjective("shop-availability", "shop", "", 0.995, 0)
	proposal.Proposal, proposal.Origin = true, objective.Origin{}
	thumbnails := httpObjective("thumbnail-success", "thumbnailer", "", 0.999, 0)
	thumbnails.Indicator = objective.Indicator{Signal: objective.SignalExec, Select: objective.Selector{Service: []string{"thumbnailer"}, Attributes: []objective.Attribute{{Keys: []string{"process.executable.name"}, Patterns: []string{"convert"}}}}}
	month := httpObjective("product-availability", "shop", "/product/{id}", 0.9995, 0)
	month.Windows = []sli.Window{sli.Calendar(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), 1, 0)}
	all := &judge{clock: clock, list: []*promised{
		promise(now, checkout, 630, 0.0003, 26*day, trouble{12*day + 3*time.Hour, 12*day + 150*time.Minute, 0.04}, trouble{70 * time.Minute, 0, 0.023}),
		promise(now, month, 580, 0.0001, 40*day, trouble{6 * day, 6*day - 20*time.Minute, 0.01}),
		promise(now, httpObjective("cart-latency", "shop", "/cart", 0.99, 100*time.Millisecond), 80, 0.005, 40*day, trouble{16 * day, 16*day - 9*time.Hour, 0.6}),
		promise(now, report, 0.3, 0, 3*time.Hour),
		promise(now, thumbnails, 12, 0.0006, 3*day),
		promise(now, httpObjective("stock-availability", "warehouse", "", 0.999, 0), 0, 0, 40*day),
		promise(now, proposal, 700, 0.0004, 5*day),
	}}
	all.list[0].unjudged = 12
	return all
}
