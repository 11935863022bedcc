package gotrace

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// What is kept of a trace of any length has bounds: what is beyond them goes to
// one entry for the rest, and is counted.
const (
	maxFunctions = 2000
	maxBlocks    = 4000
	maxStacks    = 10000
	maxNames     = 1000
	maxOpen      = 100_000
	maxWaits     = 8 // of each class
)

const (
	// notSeen is the entry function of goroutines of which no stack was seen, and the
	// reason of those that were blocked when the trace began.
	notSeen = "(not seen)"
	// others takes what a table has no room for.
	others = "(others)"
)

// functionTally sums up what the goroutines of one entry function did.
type functionTally struct {
	name                       string
	goroutines, created, ended uint64
	latency                    [classes]histogram
	running, waiting, syscall  int64
	assist                     int64
}

func (f *functionTally) report() Function {
	out := Function{Name: f.name, Goroutines: f.goroutines, Created: f.created, Ended: f.ended,
		Running: f.running, Waiting: f.waiting, InSyscall: f.syscall, Assist: f.assist}
	var all histogram
	for c := range f.latency {
		out.Latency[c] = f.latency[c].stats()
		all.merge(&f.latency[c])
	}
	out.Waits, out.Distribution = all.stats(), all.distribution()
	return out
}

// merge adds the values of another histogram.
func (h *histogram) merge(o *histogram) {
	h.count += o.count
	h.total += o.total
	h.max = max(h.max, o.max)
	if len(o.buckets) > len(h.buckets) {
		h.buckets = append(h.buckets, make([]uint64, len(o.buckets)-len(h.buckets))...)
	}
	for i, n := range o.buckets {
		h.buckets[i] += n
	}
}

// blockKey is where, and why, goroutines were blocked.
type blockKey struct {
	reason string
	stack  int32
}

// blockTally sums up what was blocked in one place.
type blockTally struct {
	blockKey
	histogram
	open      uint64
	openTotal int64
}

// rangeTally sums up ranges of one name.
type rangeTally struct {
	histogram
	open, cut uint64
}

// names maps a bounded number of names to tallies.
type names[T any] struct {
	entries map[string]*T
	limit   int
	leftOut uint64
}

// get returns the tally of a name, or that of the others.
func (n *names[T]) get(name string) *T {
	if t, ok := n.entries[name]; ok {
		return t
	}
	if n.entries == nil {
		n.entries = map[string]*T{}
	}
	if len(n.entries) >= n.limit {
		n.leftOut++
		name = others
		if t, ok := n.entries[name]; ok {
			return t
		}
	}
	t := new(T)
	n.entries[name] = t
	return t
}

// ranges returns the tallies of ranges, the longest in all first.
func ranges(n *names[rangeTally]) []Range {
	var out []Range
	for name, t := range n.entries {
		out = append(out, Range{Name: name, Stats: t.stats(), Open: t.open, Cut: t.cut})
	}
	slices.SortFunc(out, func(a, b Range) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(a.Name, b.Name))
	})
	return out
}

// stackTable keeps each different stack of a trace once. Index 0 is no stack.
type stackTable struct {
	byText  map[string]int32
	stacks  [][]Frame
	leftOut uint64
}

func (s *stackTable) add(frames []Frame) int32 {
	if s.byText == nil {
		s.byText, s.stacks = map[string]int32{}, make([][]Frame, 1)
	}
	if len(frames) == 0 {
		return 0
	}
	var text strings.Builder
	for _, f := range frames {
		text.WriteString(f.Func)
		text.WriteByte(0)
		text.WriteString(strconv.Itoa(f.Line))
		text.WriteByte(0)
	}
	if i, ok := s.byText[text.String()]; ok {
		return i
	}
	if len(s.stacks) >= maxStacks {
		s.leftOut++
		return 0
	}
	i := int32(len(s.stacks))
	s.stacks = append(s.stacks, frames)
	s.byText[text.String()] = i
	return i
}

// at returns the frames of a stack.
func (s *stackTable) at(i int32) []Frame {
	if i <= 0 || int(i) >= len(s.stacks) {
		return nil
	}
	return s.stacks[i]
}

// longest keeps the longest waits of a class.
type longest []Wait

// admits tells whether a wait of this length would be kept.
func (l longest) admits(ns int64) bool {
	return len(l) < maxWaits || ns > l[len(l)-1].Duration
}

func (l *longest) add(w Wait) {
	at, _ := slices.BinarySearchFunc(*l, w, func(a, b Wait) int { return cmp.Compare(b.Duration, a.Duration) })
	for at < len(*l) && (*l)[at].Duration == w.Duration {
		at++
	}
	*l = slices.Insert(*l, at, w)
	if len(*l) > maxWaits {
		*l = (*l)[:maxWaits]
	}
}

// counts returns counters by name, the largest first.
func counts(n *names[uint64]) []Count {
	var out []Count
	for _, name := range slices.Sorted(maps.Keys(n.entries)) {
		out = append(out, Count{Name: name, Count: *n.entries[name]})
	}
	slices.SortStableFunc(out, func(a, b Count) int { return cmp.Compare(b.Count, a.Count) })
	return out
}
