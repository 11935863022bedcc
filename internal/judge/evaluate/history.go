package evaluate

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/judge/rules"
	"github.com/goshawk-io/goshawk/internal/judge/series"
	"github.com/goshawk-io/goshawk/sli"
)

// History is how an objective stood over time.
type History struct {
	// Points are one for each step, in order.
	Points []Point
	// Firings are when its alerts fired, in order.
	Firings []Firing
}

// Point is a step, at its end. What is excluded counts in it.
type Point struct {
	At time.Time
	// Known is whether the events were counted at its end, Step are those of the
	// step.
	Known bool
	Step  sli.Counts
	// Window are the events of the objective's first window, Lookbacks those of the
	// windows that its alerts look back.
	Window    sli.Counts
	Lookbacks map[time.Duration]sli.Counts
}

// Firing is a time at which an alert fired; To is zero when it still did at the
// end.
type Firing struct {
	Alert    sli.Alert
	From, To time.Time
}

// History returns how an objective stood at the end of each step after from and
// until to; the last step may be shorter. It reads one reading of each step.
func (j *Judge) History(ctx context.Context, slo *objective.SLO, from, to time.Time, step time.Duration) (History, error) {
	reader := &historyReader{ctx: ctx, judge: j, slo: slo, times: ends(from, to, step), step: step}
	promise := slo.Objectives()[0]
	alerts := promise.Alerts
	now, window := reader.readings(0), reader.begins(promise.Window)
	previous := reading{Counts: reader.last(from)}
	lookbacks := make(map[time.Duration][]reading)
	for _, a := range alerts {
		for _, d := range []time.Duration{a.Long, a.Short} {
			if lookbacks[d] == nil {
				lookbacks[d] = reader.readings(d)
			}
		}
	}
	history := History{Firings: reader.firings(alerts)}
	if reader.err != nil {
		return History{}, fmt.Errorf("history of %s: %w", slo.Name, reader.err)
	}
	for i, r := range now {
		p := Point{At: reader.times[i], Known: r.known, Lookbacks: make(map[time.Duration]sli.Counts)}
		if r.known {
			p.Step, p.Window = grown(previous, r), grown(window[i], r)
			for d, list := range lookbacks {
				p.Lookbacks[d] = grown(list[i], r)
			}
		}
		previous = r
		history.Points = append(history.Points, p)
	}
	return history, nil
}

// ends returns the ends of the steps after from and until to.
func ends(from, to time.Time, step time.Duration) []time.Time {
	var times []time.Time
	for t := from.Add(step); t.Before(to); t = t.Add(step) {
		times = append(times, t)
	}
	return append(times, to)
}

// grown returns by how much counters grew between two readings.
func grown(a, b reading) sli.Counts {
	return sli.Counts{Good: b.Good - min(a.Good, b.Good), Bad: b.Bad - min(a.Bad, b.Bad)}
}

// reading is one of a step; known is false when nobody counted then.
type reading struct {
	sli.Counts
	known bool
}

// historyReader reads until something fails.
type historyReader struct {
	ctx   context.Context
	judge *Judge
	slo   *objective.SLO
	times []time.Time
	step  time.Duration
	err   error
}

// selector selects the objective's counters.
func (r *historyReader) selector() string { return fmt.Sprintf("%s{slo=%q}", eventsMetric, r.slo.Name) }

// readings returns the readings at all times, so long before. Where there is none
// it has the one before, and before all the first.
func (r *historyReader) readings(ago time.Duration) []reading {
	list := make([]reading, len(r.times))
	if r.err != nil {
		return list
	}
	first, n := r.times[0].Add(-ago), len(list)-1
	r.fill(list, r.matrix(r.selector(), first, ago), first)
	if r.err == nil && n > 0 {
		// The last step may be shorter.
		r.fill(list[n:], r.matrix(r.selector(), r.times[n].Add(-ago), ago), r.times[n].Add(-ago))
	}
	last := r.last(first)
	for i := range list {
		if !list[i].known {
			list[i].Counts = last
		}
		last = list[i].Counts
	}
	return list
}

// matrix evaluates an expression at each step from first until the last time, so
// long before.
func (r *historyReader) matrix(expr string, first time.Time, ago time.Duration) series.Matrix {
	if r.err != nil {
		return nil
	}
	matrix, err := r.judge.options.Engine.Range(r.ctx, expr, first, r.times[len(r.times)-1].Add(-ago), r.step)
	r.err = err
	return matrix
}

// fill puts the points of a matrix that begins at first into a list of steps.
func (r *historyReader) fill(list []reading, matrix series.Matrix, first time.Time) {
	for _, row := range matrix {
		for _, p := range row.Points {
			i := int(p.At.Sub(first) / r.step)
			if i < 0 || i >= len(list) {
				continue
			}
			list[i].known = true
			switch row.Labels.Get("result") {
			case resultGood:
				list[i].Good = uint64(p.Value)
			case resultBad:
				list[i].Bad = uint64(p.Value)
			}
		}
	}
}

// last returns the last reading until a time, or the first of all.
func (r *historyReader) last(at time.Time) sli.Counts {
	if r.err != nil {
		return sli.Counts{}
	}
	counts, err := r.judge.kept.lastOrFirst(r.ctx, r.slo.Name, at, r.judge.options.Now())
	r.err = err
	return counts
}

// begins returns the readings at the begin of the window of each time.
func (r *historyReader) begins(w sli.Window) []reading {
	if !w.IsCalendar() {
		return r.readings(w.Length())
	}
	list := make([]reading, len(r.times))
	known := make(map[time.Time]sli.Counts)
	for i, t := range r.times {
		begin := w.Span(t).From
		if _, ok := known[begin]; !ok {
			known[begin] = r.last(begin)
		}
		list[i].Counts = known[begin]
	}
	return list
}

// firings returns when the alerts fired, to the step.
func (r *historyReader) firings(alerts []sli.Alert) []Firing {
	matrix := r.matrix(fmt.Sprintf(`ALERTS{alertstate="firing",sloth_id=%q}`, r.slo.Name), r.times[0], 0)
	var all []Firing
	for _, row := range matrix {
		i := slices.IndexFunc(alerts, func(a sli.Alert) bool {
			return rules.Text(a.Long) == row.Labels.Get("long_window") && rules.Text(a.Short) == row.Labels.Get("short_window")
		})
		if i >= 0 {
			all = append(all, r.runs(alerts[i], row.Points)...)
		}
	}
	slices.SortFunc(all, func(a, b Firing) int {
		return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.Alert.Long, b.Alert.Long))
	})
	return all
}

// runs joins points that follow each other.
func (r *historyReader) runs(alert sli.Alert, points []series.Point) []Firing {
	var all []Firing
	for i, p := range points {
		if n := len(all); n > 0 && p.At.Sub(points[i-1].At) <= r.step {
			all[n-1].To = p.At.Add(r.step)
			continue
		}
		all = append(all, Firing{Alert: alert, From: p.At, To: p.At.Add(r.step)})
	}
	if n := len(all); n > 0 && all[n-1].To.After(r.times[len(r.times)-1]) {
		all[n-1].To = time.Time{}
	}
	return all
}
