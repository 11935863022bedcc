package verdict

import (
	"context"
	"fmt"
	"sort"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/evaluate"
	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/judge/rules"
	"github.com/goshawk-io/goshawk/internal/judge/series"
	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/sli"
)

// court has an agent's own judge live through the history of the agent.
type court struct {
	t     *testing.T
	agent *agent
	dir   string
	slos  []objective.SLO

	engine *series.Engine
	judge  *evaluate.Judge
	now    moment
	number int   // of now
	next   []int // by service, the first quantum that is to come
	truth  []*sli.Windows
	kept   []kept
	// evaluated is when rules were evaluated last.
	evaluated int

	judged, ruled *figures
}

// kept is a reading that the store must have taken, by its moment.
type kept struct{ number, label int }

// trust is what a store makes of the clock: a step forwards is believed at once when
// it is small, and else when it has stood.
type trust struct {
	clock, wall int
	stepped     bool
	since       int
}

func (t *trust) limit(m *moment) int {
	expected := t.clock + m.wall - t.wall
	believed := m.clock-expected <= aheadAtOnce
	switch {
	case believed:
		t.stepped = false
	case !t.stepped:
		t.stepped, t.since = true, m.wall
	case m.wall-t.since >= aheadAtOnce:
		t.stepped, believed = false, true
	}
	if believed {
		t.clock, t.wall, expected = m.clock, m.wall, m.clock
	}
	return expected + aheadAtOnce
}

// hear has the embedded engine judge the history of an agent. The rules are
// evaluated so many times.
func hear(t *testing.T, a *agent, evaluations int, judged, ruled *figures) {
	c := &court{t: t, agent: a, dir: t.TempDir(), next: make([]int, len(a.services)), judged: judged, ruled: ruled, evaluated: -memory * 2}
	for _, s := range a.services {
		slo := promise(s.profile, s.name)
		slo.Indicator = objective.Indicator{Signal: objective.SignalHTTP, Select: objective.Selector{Service: []string{s.name}}}
		c.slos = append(c.slos, slo)
		c.truth = append(c.truth, &sli.Windows{Tiers: []sli.Tier{{Slot: grainSlot, Span: 2 * period}}})
	}
	every := max(len(a.moments)/(evaluations+1), 1)
	for i, m := range a.moments {
		c.consume(m)
		c.now, c.number = m, i
		if m.start {
			c.restart()
		} else {
			c.judge.Step(t.Context())
		}
		if m.kept {
			c.kept = append(c.kept, kept{i, m.clock})
		}
		if m.start {
			continue
		}
		c.compare()
		if i%every == every/2 && m.kept && m.clock > c.evaluated {
			c.compareRules()
		}
		if t.Failed() {
			break
		}
	}
	if c.engine != nil {
		if err := c.engine.Close(); err != nil {
			t.Error(err)
		}
	}
}

// restart begins a life of the agent on what the one before has kept.
func (c *court) restart() {
	c.t.Helper()
	if c.engine != nil {
		if err := c.engine.Close(); err != nil {
			c.t.Fatal(err)
		}
	}
	wall := func() time.Time { return epoch().Add(ms(c.now.clock)) }
	var err error
	c.engine, err = series.Open(c.t.Context(), series.Options{
		Dir: c.dir, Manual: true, MinFree: -1, MaxAhead: ms(aheadAtOnce),
		Now: wall, Elapsed: func() time.Duration { return ms(c.now.wall + 2*memory) },
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.judge = evaluate.NewJudge(evaluate.JudgeOptions{Engine: c.engine, Now: wall})
	if err := c.judge.Set(c.slos); err != nil {
		c.t.Fatal(err)
	}
}

// consume hands the judge what happened until a moment. What happened until an agent
// ended unheard is handed to it as well, and goes with it.
func (c *court) consume(m moment) {
	for i, s := range c.agent.services {
		var sum sli.Counts
		for ; c.next[i] < len(s.quanta) && (s.quanta[c.next[i]].at <= m.wall); c.next[i]++ {
			q := s.quanta[c.next[i]]
			at := epoch().Add(ms(q.clock))
			c.truth[i].Add(at, at, q.Counts)
			sum = sum.Plus(q.Counts)
		}
		if c.judge == nil {
			continue
		}
		for status, n := range map[int64]uint64{200: sum.Good, 500: sum.Bad} {
			if n > 0 {
				c.judge.Counting().Consume(tally(s.name, status, n))
			}
		}
	}
}

// tally is how the http probe tells of requests.
func tally(service string, status int64, n uint64) *model.Event {
	e := &model.Event{}
	e.Reset(&model.Schema{Probe: "http", Tallied: true, Fields: []model.Field{
		{Key: "http.response.status_code", Kind: model.KindInt}, {Key: "error.type", Kind: model.KindString},
	}})
	e.Service, e.Phase, e.Tally = service, model.PhaseTally, &model.Tally{Count: n}
	e.Values[0] = model.IntValue(status)
	if status >= 500 {
		e.Values[1] = model.StringValue(fmt.Sprint(status))
	}
	return e
}

// before returns the number of the last reading that is kept until a time, or of the
// first of all, and its place.
func (c *court) before(t int) (number, place int) {
	i := sort.Search(len(c.kept), func(i int) bool { return c.kept[i].label > t }) - 1
	return c.kept[max(i, 0)].number, i
}

// span returns between which readings the judge counts a window: from one that is
// kept until now.
func (c *court) span(length int) (from, to int) {
	from, _ = c.before(c.now.clock - length)
	return from, c.number
}

// ruleSpan is span for the rules, which know what is kept alone, and look for the
// reading before the window no further back than they remember.
func (c *court) ruleSpan(length int) (from, to int) {
	begin := c.now.clock - length
	from, i := c.before(begin)
	if i >= 0 && c.kept[i].label <= begin-memory && i+1 < len(c.kept) {
		from = c.kept[i+1].number
	}
	to, _ = c.before(c.now.clock)
	return from, to
}

// counts returns what must be counted of each window, between two readings.
func (c *court) counts(s *service, span func(length int) (from, to int)) []sli.Counts {
	var all []sli.Counts
	for _, w := range windows() {
		from, to := span(w)
		a, b := s.readings[from].all, s.readings[to].all
		all = append(all, sli.Counts{Good: b.Good - a.Good, Bad: b.Bad - a.Bad})
	}
	return all
}

// doubt returns how many events of each window are counted at another time than the
// one at which they happened, as the agent's clock has it.
func (c *court) doubt(s *service, span func(length int) (from, to int)) []uint64 {
	var all []uint64
	for _, w := range windows() {
		from, to := span(w)
		var sum uint64
		for _, q := range s.quanta {
			if q.at > c.now.wall {
				break
			}
			inside := q.clock > c.now.clock-w && q.clock <= c.now.clock
			forgotten := q.forgotten > 0 && q.forgotten <= c.number
			if counted := q.reading > from && q.reading <= to && !forgotten; counted != inside {
				sum += q.Total()
			}
		}
		all = append(all, sum)
	}
	return all
}

// compare compares what the judge says of each service.
func (c *court) compare() {
	states := c.judge.States()
	for i, s := range c.agent.services {
		state := states[i]
		if state.Err != nil {
			c.t.Fatalf("%s: %v", s.name, state.Err)
		}
		said := happened(state.Statuses[0])
		if c.setBack() {
			// An alert that began to fire at a time that is to come again does not fire
			// until then; the counts are compared.
			again := of(c.slos[i].Objectives()[0], c.counts(s, c.span))
			said.firing, said.verdict = again.firing, again.verdict
		}
		c.check(i, "the agent's judge", said, c.span, c.judged)
	}
}

// setBack reports whether the agent's clock is where it was before.
func (c *court) setBack() bool {
	for _, m := range c.agent.moments[:c.number] {
		if m.clock >= c.now.clock {
			return true
		}
	}
	return false
}

// check compares what is said of a service with what must be, and with what
// happened.
func (c *court) check(i int, who string, said claim, span func(length int) (from, to int), f *figures) {
	s, o := c.agent.services[i], c.slos[i].Objectives()[0]
	if err := said.exactly(of(o, c.counts(s, span))); err != nil {
		c.t.Errorf("%s (%v) at %d, moment %d: %s: %v", s.name, s.agent.kind, c.now.clock, c.number, who, err)
		return
	}
	f.exact++
	status, err := o.Evaluate(epoch().Add(ms(c.now.clock)), c.truth[i])
	if err != nil {
		c.t.Fatal(err)
	}
	if err := said.within(happened(status), c.doubt(s, span), f); err != nil {
		c.t.Errorf("%s (%v) at %d, moment %d: %s and what happened: %v", s.name, s.agent.kind, c.now.clock, c.number, who, err)
	}
}

// compareRules evaluates the rules and compares what they say of each service.
func (c *court) compareRules() {
	ctx, now := c.t.Context(), epoch().Add(ms(c.now.clock))
	c.evaluated = c.now.clock
	if err := c.engine.Evaluate(ctx, now); err != nil {
		c.t.Fatal(err)
	}
	if stats := c.engine.Stats().Rules; stats.Failing > 0 {
		c.t.Fatal(stats.LastError)
	}
	firing := make(map[string]bool)
	for _, a := range c.engine.Alerts() {
		firing[a.Labels.Get("sloth_id")+a.Labels.Get("long_window")] = a.State == series.Firing
	}
	values := make(map[string]float64)
	for _, w := range windows() {
		name := rules.Text(ms(w))
		c.ask(ctx, "slo:sli_error:ratio_rate"+name, now, "", values)
		c.ask(ctx, "slo:sli_events:count"+name, now, "result", values)
	}
	c.ask(ctx, "slo:period_error_budget_remaining:ratio", now, "", values)
	for i, s := range c.agent.services {
		o := c.slos[i].Objectives()[0]
		said := claim{}
		for _, w := range windows() {
			name := rules.Text(ms(w))
			var n counted
			n.Good, n.Bad = uint64(values["slo:sli_events:count"+name+s.name+"good"]), uint64(values["slo:sli_events:count"+name+s.name+"bad"])
			n.share, n.known = values["slo:sli_error:ratio_rate"+name+s.name], false
			_, n.known = values["slo:sli_error:ratio_rate"+name+s.name]
			said.windows = append(said.windows, n)
		}
		for _, a := range o.Alerts {
			said.firing = append(said.firing, firing[s.name+rules.Text(a.Long)])
		}
		left, known := values["slo:period_error_budget_remaining:ratio"+s.name]
		said.verdict = verdictOf(o, said, left, known)
		c.check(i, "the embedded rules", said, c.ruleSpan, c.ruled)
	}
}

// ask stores the values that were recorded of a metric just now, under its name, the
// objective's and those of a label. What an earlier life recorded is seen for a while
// where nothing is recorded any more: the engine has forgotten to mark its end.
func (c *court) ask(ctx context.Context, metric string, at time.Time, label string, values map[string]float64) {
	vector, err := c.engine.Query(ctx, "last_over_time("+metric+"[1ms])", at)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, v := range vector {
		values[metric+v.Labels.Get("sloth_id")+v.Labels.Get(label)] = v.Value
	}
}
