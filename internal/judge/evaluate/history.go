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
	history := History{Firings: reader.firings()}
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

// counters are the objective's.
func (r *historyReader) counters() string {
	return latest(fmt.Sprintf("%s{slo=%q}", eventsMetric, r.slo.Name))
}

// readings returns the readings at all times, so long before. Where there is none
// it has the one before, and before all the first.
func (r *historyReader) readings(ago time.Duration) []reading {
	list := make([]reading, len(r.times))
	if r.err != nil {
		return list
	}
	first, n := r.times[0].Add(-ago), len(list)-1
	r.fill(list, r.matrix(r.counters(), first, ago), first)
	if r.err == nil && n > 0 {
		// The last step may be shorter.
		r.fill(list[n:], r.matrix(r.counters(), r.times[n].Add(-ago), ago), r.times[n].Add(-ago))
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

// The times at which alerts fired are read in steps of their own: as long as rules
// take, unless that made more than finePoints of them.
const (
	fineStep   = 30 * time.Second
	finePoints = 9000
)

// firings returns when the alerts fired. Since when each did is what the engine says
// of the alert itself; its end is known to the step.
func (r *historyReader) firings() []Firing {
	end := r.times[len(r.times)-1]
	span := end.Sub(r.times[0].Add(-r.step))
	step := max(fineStep, (span/finePoints).Truncate(time.Second)+time.Second)
	steps := max(span/step, 1)
	within := func(metric, matchers string) string {
		return fmt.Sprintf("last_over_time(%s{sloth_id=%q%s}[%s])", metric, r.slo.Name, matchers, rules.Text(step))
	}
	expr := within(activeMetric, "") + " and ignoring(alertstate) " + within(alertMetric, `,alertstate="firing"`)
	matrix, err := r.judge.options.Engine.Range(r.ctx, expr, end.Add(-(steps-1)*step), end, step)
	if err != nil {
		r.err = err
		return nil
	}
	still, err := r.judge.options.Engine.Query(r.ctx, firingAlerts(r.slo.Name), end)
	if err != nil {
		r.err = err
		return nil
	}
	var all []Firing
	for _, alert := range r.slo.EveryAlert() {
		id := rules.IDOf(r.slo, &alert)
		ends := make(map[int64]time.Time) // by since when it was active
		for _, row := range matrix {
			if rules.IDOfLabels(row.Labels.Get) == id {
				addEnds(ends, row.Points)
			}
		}
		for _, s := range still {
			if rules.IDOfLabels(s.Labels.Get) == id {
				ends[int64(s.Value)] = time.Time{}
			}
		}
		for began, end := range ends {
			all = append(all, Firing{Alert: alert.Alert, From: time.Unix(began, 0).UTC().Add(alert.For), To: end})
		}
	}
	slices.SortFunc(all, func(a, b Firing) int {
		return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.Alert.Long, b.Alert.Long))
	})
	return all
}

// addEnds takes the points of an alert, whose values are since when it was active:
// those with the same one are of one time, whoever was away in between.
func addEnds(ends map[int64]time.Time, points []series.Point) {
	for _, p := range points {
		if began := int64(p.Value); p.At.After(ends[began]) {
			ends[began] = p.At
		}
	}
}
