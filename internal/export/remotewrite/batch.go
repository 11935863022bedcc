package remotewrite

import (
	"cmp"
	"slices"

	"github.com/goshawk-io/goshawk/internal/judge/series"
)

// slice is what was read at once.
type slice struct {
	stored []series.Stored
	// until is the time until which nothing waits when the slice is acknowledged.
	until int64
	// last marks the one with all there is.
	last bool
}

// sample is one of a series of a slice.
type sample struct {
	series int // index of it
	series.Number
}

// batch is what a request has: samples in the order of time.
type batch struct {
	stored  []series.Stored
	samples []sample
}

// perSample is about how many bytes a sample takes in a request.
const perSample = 24

// batches divides a slice by the order of time, so that what is behind a batch is
// newer.
func (s *slice) batches(maxSamples, maxBytes int, external series.Labels) []batch {
	var all []sample
	for i := range s.stored {
		for _, n := range s.stored[i].Numbers {
			all = append(all, sample{i, n})
		}
	}
	slices.SortStableFunc(all, func(a, b sample) int { return cmp.Compare(a.At, b.At) })
	var list []batch
	begin, bytes, named := 0, 0, make(map[int]bool)
	for i, next := range all {
		more := perSample
		if !named[next.series] {
			more += sizeOf(&s.stored[next.series].Name) + sizeOf(&series.Name{Labels: external})
		}
		if i > begin && (i-begin == maxSamples || bytes+more > maxBytes) {
			list = append(list, batch{s.stored, all[begin:i]})
			begin, bytes = i, 0
			clear(named)
			more = perSample + sizeOf(&s.stored[next.series].Name) + sizeOf(&series.Name{Labels: external})
		}
		named[next.series] = true
		bytes += more
	}
	if begin < len(all) {
		list = append(list, batch{s.stored, all[begin:]})
	}
	return list
}

// sizeOf estimates the bytes of a name in a request.
func sizeOf(name *series.Name) int {
	const perLabel = 8
	size := 2*perLabel + len(nameLabel) + len(name.Metric)
	for _, l := range name.Labels {
		size += perLabel + len(l.Name) + len(l.Value)
	}
	return size
}

// byTime returns a batch for each time.
func (b batch) byTime() []batch {
	var list []batch
	begin := 0
	for i := range b.samples {
		if i > begin && b.samples[i].At != b.samples[begin].At {
			list = append(list, batch{b.stored, b.samples[begin:i]})
			begin = i
		}
	}
	return append(list, batch{b.stored, b.samples[begin:]})
}

// halves returns the older half and the newer half.
func (b batch) halves() []batch {
	n := len(b.samples) / 2
	return []batch{{b.stored, b.samples[:n]}, {b.stored, b.samples[n:]}}
}

// groups returns the samples of each series, in the order of their first ones.
func (b batch) groups() []series.Stored {
	var list []series.Stored
	at := make(map[int]int)
	for _, s := range b.samples {
		i, ok := at[s.series]
		if !ok {
			i = len(list)
			at[s.series] = i
			list = append(list, series.Stored{Name: b.stored[s.series].Name, ID: b.stored[s.series].ID})
		}
		list[i].Numbers = append(list[i].Numbers, s.Number)
	}
	return list
}
