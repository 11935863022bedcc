package evaluate

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/sli"
)

// Options configures [NewCounting]. The zero value works.
type Options struct {
	// Resume returns what an objective of that name has counted before; nil is
	// nothing. It is asked once for each name.
	Resume func(name string) sli.Counts
}

// Reading is what an objective has counted since it is known.
type Reading struct {
	Name string
	// Counts never go back. For an objective of slices they are slices.
	Counts sli.Counts
	// Unjudged is how many events were neither: their time was not known exactly.
	// It starts at 0 with each process.
	Unjudged uint64
}

// Counting counts the good and the bad events of objectives. It may be used by
// several goroutines.
type Counting struct {
	options Options

	mu       sync.Mutex
	counters map[string]*counter // by the objective's name
	order    []*counter
	probes   map[string]*audience // by the signal
}

// audience are the objectives that an event of a signal may be for.
type audience struct {
	byService map[string][]*counter
	// others select services by patterns.
	others []*counter
}

// counter counts for one objective.
type counter struct {
	slo      *objective.SLO
	counts   sli.Counts
	unjudged uint64
	// ahead is how many bad events of tallies were read before the events
	// themselves were: the programs count while they are read.
	ahead uint64
	slice slice
}

// NewCounting returns one without objectives.
func NewCounting(o Options) *Counting {
	return &Counting{options: o, counters: make(map[string]*counter), probes: make(map[string]*audience)}
}

// Set makes all from now on be counted for these objectives. An objective whose
// name is known goes on with its counts, whatever else is new; one that is not
// among them is forgotten.
func (c *Counting) Set(slos []objective.SLO) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.counters
	c.counters, c.order, c.probes = make(map[string]*counter), nil, make(map[string]*audience)
	for i := range slos {
		slo := &slos[i]
		n := &counter{slo: slo, slice: slice{width: slo.Slice.Width, target: slo.Slice.Target}}
		switch before, known := old[slo.Name]; {
		case known:
			n.counts, n.unjudged = before.counts, before.unjudged
			if before.slo.Indicator.Threshold == slo.Indicator.Threshold {
				n.ahead = before.ahead
			}
			if before.slo.Slice == slo.Slice {
				n.slice = before.slice
			}
		case c.options.Resume != nil:
			n.counts = c.options.Resume(slo.Name)
		}
		c.counters[slo.Name] = n
		c.order = append(c.order, n)
		c.listen(n)
	}
}

// listen puts a counter where the events of its signal come by.
func (c *Counting) listen(n *counter) {
	probe := string(n.slo.Indicator.Signal)
	a := c.probes[probe]
	if a == nil {
		a = &audience{byService: make(map[string][]*counter)}
		c.probes[probe] = a
	}
	services := n.slo.Indicator.Select.Service
	if len(services) == 0 || slices.ContainsFunc(services, func(p string) bool { return strings.ContainsAny(p, "*?") }) {
		a.others = append(a.others, n)
		return
	}
	for i, s := range services {
		if !slices.Contains(services[:i], s) {
			a.byService[s] = append(a.byService[s], n)
		}
	}
}

// Limits returns the thresholds of the objectives of a signal, which the programs
// in the kernel must count by, in ascending order.
func (c *Counting) Limits(signal objective.Signal) []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	var limits []time.Duration
	for _, n := range c.order {
		if i := &n.slo.Indicator; i.Signal == signal && i.Threshold > 0 {
			limits = append(limits, i.Threshold)
		}
	}
	slices.Sort(limits)
	return slices.Compact(limits)
}

// Consume counts an event or a tally, which it borrows.
func (c *Counting) Consume(e *model.Event) {
	if !e.Counts() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.probes[e.Schema.Probe]
	if a == nil {
		return
	}
	value := lookup(e)
	for _, n := range a.byService[e.Service] {
		n.consume(e, value)
	}
	for _, n := range a.others {
		n.consume(e, value)
	}
}

// Add counts events that somebody else has sorted, of which nothing is known but
// when they were.
func (c *Counting) Add(name string, at time.Time, events sli.Counts) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.counters[name]
	if n == nil {
		return
	}
	for _, x := range n.slo.Exclusions {
		if at.After(x.From) && !at.After(x.To) && x.Select.IsZero() {
			return
		}
	}
	n.add(events)
}

// lookup returns the values of an event as text.
func lookup(e *model.Event) objective.Lookup {
	return func(key string) string {
		i := e.Schema.Index(key)
		if i < 0 || !e.Values[i].IsSet() {
			return ""
		}
		switch v := e.Values[i]; e.Schema.Fields[i].Kind {
		case model.KindString:
			return v.Str()
		case model.KindBool:
			return strconv.FormatBool(v.Bool())
		default:
			return strconv.FormatInt(v.Int(), 10)
		}
	}
}

func (n *counter) consume(e *model.Event, value objective.Lookup) {
	indicator := &n.slo.Indicator
	// Of a connection only the connect is an event that can be good.
	if indicator.Signal == objective.SignalTCP && value("goshawk.tcp.outcome") == "" {
		return
	}
	if !indicator.Selects(e.Service, value) || n.excluded(e, value) {
		return
	}
	bad, limit := indicator.IsBad(e.Service, value), indicator.Threshold
	switch {
	case e.Tally != nil:
		n.add(n.judgeTally(e.Tally, bad, limit))
	case bad:
		n.add(sli.Counts{Bad: 1})
	case limit > 0 && e.Duration < 0:
		n.unjudged++
	case limit > 0 && e.Duration > limit:
		n.add(sli.Counts{Bad: 1})
	default:
		n.add(sli.Counts{Good: 1})
	}
}

// excluded reports whether an event is in a time that does not count for it. What
// was counted before an exclusion was known, [Evaluate] takes off.
func (n *counter) excluded(e *model.Event, value objective.Lookup) bool {
	end := e.Time
	if e.Duration > 0 {
		end = end.Add(e.Duration)
	}
	for _, x := range n.slo.Exclusions {
		if end.After(x.From) && !end.After(x.To) && x.Select.Matches(e.Service, value) {
			return true
		}
	}
	return false
}

// judgeTally sorts what a tally counts.
func (n *counter) judgeTally(t *model.Tally, isBad bool, limit time.Duration) sli.Counts {
	all := t.Count
	i := slices.IndexFunc(t.Over, func(o model.Over) bool { return o.Limit == limit })
	switch {
	case limit > 0 && i < 0:
		// Also what is bad anyhow: if it alone were counted, all were bad.
		n.unjudged += all
		return sli.Counts{}
	case isBad:
		return sli.Counts{Bad: all}
	case limit == 0:
		return sli.Counts{Good: all}
	}
	bad := t.Over[i].Count + n.ahead
	n.ahead = bad - min(bad, all)
	bad = min(bad, all)
	return sli.Counts{Good: all - bad, Bad: bad}
}

func (n *counter) add(c sli.Counts) {
	if n.slice.width > 0 {
		n.slice.counts = n.slice.counts.Plus(c)
		return
	}
	n.counts = n.counts.Plus(c)
}

// Tick tells the time, for objectives of slices: it must be called at least once
// in each slice, and some times a minute.
func (c *Counting) Tick(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.order {
		if n.slice.width > 0 {
			n.counts = n.counts.Plus(n.slice.tick(now))
		}
	}
}

// Read returns what the objectives have counted, in their order.
func (c *Counting) Read() []Reading {
	c.mu.Lock()
	defer c.mu.Unlock()
	readings := make([]Reading, len(c.order))
	for i, n := range c.order {
		readings[i] = Reading{Name: n.slo.Name, Counts: n.counts, Unjudged: n.unjudged}
	}
	return readings
}
