package verdict

import (
	"slices"
	"sort"

	"github.com/goshawk-io/goshawk/sli"
)

// sent is a reading that was sent to a server.
type sent struct {
	*reading
	// number is that of the reading; label is the time that it was sent with.
	number, label int
	// refused is whether the server has a later one.
	refused bool
}

// sends returns what is sent of a service, in the order in which it arrives.
func (s *service) sends() []sent {
	var all []sent
	for i := range s.readings {
		if r := &s.readings[i]; r.delivered {
			all = append(all, sent{reading: r, number: i, label: r.clock})
		}
	}
	slices.SortStableFunc(all, func(a, b sent) int { return a.arrives - b.arrives })
	newest := all[0].label - 1
	out := all[:0]
	for _, e := range all {
		e.refused = e.label <= newest
		if e.label == newest {
			continue // the same again may be taken or refused
		}
		newest = max(newest, e.label)
		out = append(out, e)
	}
	return out
}

// samples are those of a counter, in the order of their times.
type samples struct {
	labels []int
	of     []sent
}

func (c *samples) add(e sent) {
	c.labels, c.of = append(c.labels, e.label), append(c.of, e)
}

// last returns the last sample in [from, to].
func (c *samples) last(from, to int) (sent, bool) {
	i := sort.SearchInts(c.labels, to+1) - 1
	if i < 0 || c.labels[i] < from {
		return sent{}, false
	}
	return c.of[i], true
}

// around returns what rules see of a counter at an instant: its value now, and
// before the evaluation before.
func (c *samples) around(instant int) (now, before sent, ok bool) {
	t := instant * second
	now, ok = c.last(t-lookback+1, t)
	if !ok {
		return now, before, false
	}
	before, ok = c.last(t-second-memory, t-second)
	return now, before, ok
}

// growth is what rules count at an evaluation; they count nothing without a sample
// now and one before.
type growth struct {
	good, bad int64
	counted   bool
}

// place is when an event is counted: at an instant from first to last, or never
// when it may be lost. What is lost for sure has first above last.
type place struct {
	first, last int
	mayBeLost   bool
}

// account is what the rules of a server must count of a service by what
// docs/slo-rules.md says of them.
type account struct {
	steps []growth
	// places are those of the quanta.
	places []place
	// off is how many events were counted wrongly at an instant besides, because the
	// restart of a counter was not to be seen.
	off []uint64
}

// newAccount makes the account of a service. Where it is late, arrived says when
// each reading was there for sure. At the instants of missed nothing was evaluated.
func newAccount(s *service, arrived map[int]int, missed []bool) *account {
	a := &account{steps: make([]growth, instants), off: make([]uint64, instants)}
	var all, bad samples
	for _, e := range s.sends() {
		if e.refused {
			continue
		}
		all.add(e)
		if !s.shy || e.raw.Bad > 0 {
			bad.add(e)
		}
	}
	for k := range instants {
		if s.own {
			a.steps[k] = ownGrowth(&all, k)
		} else {
			a.steps[k] = queryGrowth(&all, &bad, k)
		}
	}
	a.locate(s, &all, arrived, missed)
	return a
}

// ownGrowth is of the pair of counters, which start again together.
func ownGrowth(all *samples, k int) growth {
	now, before, ok := all.around(k)
	if !ok {
		return growth{}
	}
	var c sli.Cumulative
	c.Read(before.raw)
	grown, _ := c.Read(now.raw)
	return growth{int64(grown.Good), int64(grown.Bad), true}
}

// queryGrowth is of two counters that are looked at alone, the one of errors being
// 0 where it is not.
func queryGrowth(all, bad *samples, k int) growth {
	grown := func(now, before uint64) int64 {
		if now < before {
			return int64(now)
		}
		return int64(now - before)
	}
	now, before, ok := all.around(k)
	if !ok {
		return growth{}
	}
	total, errors := grown(now.raw.Total(), before.raw.Total()), int64(0)
	if now, before, ok := bad.around(k); ok {
		errors = grown(now.raw.Bad, before.raw.Bad)
	}
	return growth{total - errors, errors, true}
}

// locate finds where each event is counted.
func (a *account) locate(s *service, all *samples, arrived map[int]int, missed []bool) {
	a.places = make([]place, len(s.quanta))
	good, bad := make([]int64, instants), make([]int64, instants)
	for i, q := range s.quanta {
		p := placeOf(&q, s, all, arrived, missed)
		a.places[i] = p
		if p.first <= p.last && p.first < instants {
			good[p.first], bad[p.first] = good[p.first]+int64(q.Good), bad[p.first]+int64(q.Bad)
		}
	}
	if s.agent.kind == late {
		return // its steps depend on when what was sent arrived
	}
	for k, g := range a.steps {
		// An event of the wrong kind is one too many and one too few.
		a.off[k] = magnitude(good[k]+bad[k]-g.good-g.bad) + 2*magnitude(bad[k]-g.bad)
	}
}

// placeOf finds where an event is counted: at the first evaluation at which a
// sample that has it is there, unless that is the first one of its counter, or one
// of the next process is there as well.
func placeOf(q *quantum, s *service, all *samples, arrived map[int]int, missed []bool) place {
	lost := place{1, 0, true}
	i := slices.IndexFunc(all.of, func(e sent) bool { return q.reading >= 0 && e.number >= q.reading })
	if i < 0 || all.of[i].process != s.readings[q.reading].process {
		return lost
	}
	k := instantFrom(all.of[i].label)
	if k < 0 || k >= instants {
		return place{k, k, false}
	}
	now, _, ok := all.around(k)
	if !ok || now.process != all.of[i].process {
		return lost
	}
	p := place{k, k, false}
	if there, isLate := arrived[all.of[i].number]; isLate && there >= k*second {
		p = place{k, max(k, instantFrom(there+1)), true}
	}
	for p.last < instants && missed[p.last] {
		p.last, p.mayBeLost = p.last+1, true
	}
	return p
}

// instantFrom returns the first instant that is not before a time.
func instantFrom(t int) int {
	k := t / second
	if k*second < t {
		k++
	}
	return k
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return uint64(-n)
	}
	return uint64(n)
}

// counts returns what rules count in the window of a length that ends at an
// instant.
func (a *account) counts(k, length int) sli.Counts {
	var good, bad int64
	for i := max(k-length/second+1, 0); i <= k; i++ {
		good, bad = good+a.steps[i].good, bad+a.steps[i].bad
	}
	return sli.Counts{Good: uint64(max(good, 0)), Bad: uint64(max(bad, 0))}
}

// unseen changes what rules count in a window to what they said, if it lacks but some
// of the last steps, of good or of bad events or both, and returns how many.
func (a *account) unseen(k, length, most int, said sli.Counts, counts *sli.Counts) int {
	unseen := 0
	b := account{steps: slices.Clone(a.steps)}
	want := *counts
	for n := 1; n <= most; n++ {
		b.steps[k-n+1] = growth{}
		lacks := b.counts(k, length)
		if said.Good != counts.Good && said.Good == lacks.Good {
			want.Good, unseen = lacks.Good, n
		}
		if said.Bad != counts.Bad && said.Bad == lacks.Bad {
			want.Bad, unseen = lacks.Bad, n
		}
	}
	*counts = want
	return unseen
}

// at returns how many events may be counted at an instant.
func (a *account) at(s *service, k int) uint64 {
	var sum uint64
	for i, q := range s.quanta {
		if p := a.places[i]; p.first <= k && k <= p.last {
			sum += q.Total()
		}
	}
	return sum
}

// doubt returns how many events may be in the window of what happened and not in
// that of the rules, or the other way round.
func (a *account) doubt(s *service, k, length int) uint64 {
	from := k - length/second
	var sum uint64
	for i, q := range s.quanta {
		p := a.places[i]
		in := q.at > from*second && q.at <= k*second
		may := p.last >= p.first && p.last > from && p.first <= k
		need := may && !p.mayBeLost && p.first > from && p.last <= k
		if in && !need || !in && may {
			sum += q.Total()
		}
	}
	for i := max(from+1, 0); i <= k; i++ {
		sum += a.off[i]
	}
	return sum
}

// truths returns what package sli says of what happened, at each instant.
func truths(s *service) ([]sli.Status, error) {
	windows := sli.Windows{Tiers: []sli.Tier{{Slot: grainSlot, Span: 2 * period}}}
	slo := promise(s.profile, s.name)
	o := slo.Objectives()[0]
	all := make([]sli.Status, instants)
	next := 0
	for k := range all {
		now := epoch().Add(ms(k * second))
		for ; next < len(s.quanta) && s.quanta[next].at <= k*second; next++ {
			q := s.quanta[next]
			windows.Add(now, epoch().Add(ms(q.at)), q.Counts)
		}
		var err error
		if all[k], err = o.Evaluate(now, &windows); err != nil {
			return nil, err
		}
	}
	return all, nil
}
