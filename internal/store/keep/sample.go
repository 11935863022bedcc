package keep

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
)

// The defaults of [Options]: a host with a command now and then keeps all of
// them, and 50 events/s are 13 million in 72 hours.
const (
	DefaultEventsPerSecond = 50
	DefaultBurst           = 60_000
)

// sliceEvents bounds the events that one slice chooses from.
const sliceEvents = 4096

// Options sets the budget of a [Sample]. The zero value works.
type Options struct {
	// EventsPerSecond is how many events may be kept in the long run; 0 means
	// [DefaultEventsPerSecond], a negative number keeps all.
	EventsPerSecond float64
	// Burst is how many may be kept at once after a quiet time; 0 means
	// [DefaultBurst].
	Burst int
	// Rand chooses; nil takes a source of its own with a random seed.
	Rand rand.Source
}

// Kept is an event to keep.
type Kept struct {
	model.Record
	// Group is the event's group.
	Group *Group
	// Slow says that it took longer than 99 of 100 of its group.
	Slow bool
}

// Sample chooses the events to keep, slice by slice of time. The events of a
// slice that failed, have findings or are slow are all kept and pay from the
// budget what is in it; the others share the rest of it, but no less than half
// of what came in since the last slice, and one event.
type Sample struct {
	options Options
	rand    *rand.Rand
	tokens  float64
	last    time.Time

	always []Kept
	strata map[*Group]*stratum
	order  []*stratum
	chosen int // in all reservoirs
	seen   int // in all strata
}

// stratum is the reservoir of one group in one slice: a uniform sample of what
// was seen of it.
type stratum struct {
	group  *Group
	seen   int
	limit  int
	events []*model.Event
}

// NewSample returns a sample with a full budget at now.
func NewSample(o Options, now time.Time) *Sample {
	if o.EventsPerSecond == 0 {
		o.EventsPerSecond = DefaultEventsPerSecond
	}
	if o.Burst <= 0 {
		o.Burst = DefaultBurst
	}
	if o.Rand == nil {
		o.Rand = rand.NewPCG(rand.Uint64(), rand.Uint64())
	}
	return &Sample{options: o, rand: rand.New(o.Rand), tokens: float64(o.Burst), last: now, strata: make(map[*Group]*stratum)}
}

// Add takes e, of group g, into the slice. It returns the event that the slice
// forgets in its place: nil, one that came before, or e itself.
func (s *Sample) Add(e *model.Event, g *Group) (out *model.Event) {
	slow := e.Duration >= 0 && g.slow.add(e.Duration, e.StandsFor())
	if s.options.EventsPerSecond < 0 || slow || len(e.Findings) > 0 || e.Failure().IsSet() {
		s.always = append(s.always, Kept{Record: model.Record{Event: e, Weight: float64(e.StandsFor())}, Group: g, Slow: slow})
		return nil
	}
	st := s.strata[g]
	if st == nil {
		st = &stratum{group: g, limit: sliceEvents}
		s.strata[g] = st
		s.order = append(s.order, st)
	}
	s.seen++
	st.seen++
	if len(st.events) < st.limit && s.chosen < sliceEvents {
		st.events = append(st.events, e)
		s.chosen++
		return nil
	}
	// The slice is full: from now on, this group's reservoir grows no more.
	st.limit = len(st.events)
	if st.limit == 0 {
		return s.makeRoom(st, e)
	}
	at := s.rand.IntN(st.seen)
	if at >= st.limit {
		return e
	}
	out, st.events[at] = st.events[at], e
	return out
}

// makeRoom takes an event out of the largest reservoir for the first one of a
// new group. What is left there is a uniform sample as before.
func (s *Sample) makeRoom(st *stratum, e *model.Event) (out *model.Event) {
	largest := slices.MaxFunc(s.order, func(a, b *stratum) int { return cmp.Compare(len(a.events), len(b.events)) })
	if len(largest.events) < 2 {
		// So many groups that each has one: they would be pooled anyway. The
		// newcomer goes into the first one's place, by its share of both.
		return s.mergeInto(s.order[s.rand.IntN(len(s.order)-1)], st, e)
	}
	at := s.rand.IntN(len(largest.events))
	out = largest.events[at]
	last := len(largest.events) - 1
	largest.events[at] = largest.events[last]
	largest.events[last] = nil
	largest.events = largest.events[:last]
	largest.limit = last
	st.events, st.limit = append(st.events, e), 1
	return out
}

func (s *Sample) mergeInto(other, st *stratum, e *model.Event) (out *model.Event) {
	s.order = s.order[:len(s.order)-1]
	s.strata[st.group] = other
	other.seen++
	if s.rand.IntN(other.seen) > 0 {
		return e
	}
	out, other.events[0] = other.events[0], e
	other.group = st.group
	return out
}

// Len returns how many events the slice holds.
func (s *Sample) Len() int { return len(s.always) + s.chosen }

// Keeps returns how many events Take would keep of the slice, more or less.
func (s *Sample) Keeps() int {
	return len(s.always) + min(s.chosen, max(int(s.tokens)-len(s.always), 1))
}

// Seen returns how many events were added to the slice.
func (s *Sample) Seen() int { return len(s.always) + s.seen }

// Take ends the slice at now and returns what is kept of it.
func (s *Sample) Take(now time.Time) []Kept {
	gain := max(now.Sub(s.last).Seconds(), 0) * max(s.options.EventsPerSecond, 0)
	s.tokens = min(s.tokens+gain, float64(s.options.Burst))
	s.last = now
	kept := s.always
	s.tokens = max(s.tokens-float64(len(kept)), 0)
	if s.chosen > 0 {
		slots := int(max(s.tokens, min(gain, float64(s.options.Burst))/2, 1))
		rest := s.choose(kept, min(slots, s.chosen))
		s.tokens = max(s.tokens-float64(len(rest)-len(kept)), 0)
		kept = rest
	}
	s.always = nil
	clear(s.strata)
	clear(s.order)
	s.order, s.chosen, s.seen = s.order[:0], 0, 0
	return kept
}

// choose appends what is kept of the reservoirs when slots events may be.
func (s *Sample) choose(kept []Kept, slots int) []Kept {
	// Largest first; groups of the same size in the order of their first event,
	// so that a seed decides everything.
	slices.SortStableFunc(s.order, func(a, b *stratum) int { return cmp.Compare(b.seen, a.seen) })
	alone := s.order
	if len(alone) > slots {
		n := slots / 2
		kept = s.pool(kept, s.order[n:], slots-n)
		alone, slots = s.order[:n], n
	}
	// Water-filling, from the smallest: who needs less than an equal share of
	// what is left leaves the difference to the others.
	for i := len(alone) - 1; i >= 0; i-- {
		st := alone[i]
		share := min(slots/(i+1), len(st.events))
		slots -= share
		kept = st.take(kept, share, s.rand)
	}
	return kept
}

// take appends n of the reservoir, weighted with what they stand for. Those of
// a reservoir are equally likely, so each stands for as many as came, and for
// what it stood for before.
func (st *stratum) take(kept []Kept, n int, r *rand.Rand) []Kept {
	weight := float64(st.seen) / float64(n)
	for i := range n {
		at := i
		if n < len(st.events) {
			at += r.IntN(len(st.events) - i)
			st.events[i], st.events[at] = st.events[at], st.events[i]
		}
		kept = append(kept, Kept{Record: model.Record{Event: st.events[i], Weight: weight * float64(st.events[i].StandsFor())}, Group: st.group})
	}
	return kept
}

// pool appends n events of several strata as if they were one.
func (s *Sample) pool(kept []Kept, strata []*stratum, n int) []Kept {
	total, drawn := 0, make([]int, len(strata))
	for _, st := range strata {
		total += st.seen
	}
	from := len(kept)
	for left := total; left > 0 && len(kept)-from < n; {
		at := s.rand.IntN(left)
		i := 0
		for ; at >= strata[i].seen-drawn[i]; i++ {
			at -= strata[i].seen - drawn[i]
		}
		st := strata[i]
		left--
		if drawn[i]++; drawn[i] > len(st.events) {
			continue // it was in no reservoir any more
		}
		k := drawn[i] - 1
		other := k + s.rand.IntN(len(st.events)-k)
		st.events[k], st.events[other] = st.events[other], st.events[k]
		kept = append(kept, Kept{Record: model.Record{Event: st.events[k]}, Group: st.group})
	}
	for i := from; i < len(kept); i++ {
		kept[i].Weight = float64(total) / float64(len(kept)-from) * float64(kept[i].Event.StandsFor())
	}
	return kept
}
