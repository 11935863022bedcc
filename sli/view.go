package sli

import (
	"fmt"
	"math/big"
	"slices"
	"time"
)

// View is a [Source] that looks at a [Windows] in another way: without what is
// excepted, or by time slices, or both. As it changes nothing in the Windows, an
// exception made today corrects the past too.
type View struct {
	// Windows has the events.
	Windows *Windows
	// Except are spans that do not count, in any order: maintenance, say. Every
	// slot that one touches is left out.
	Except []Span
	// Slices, unless zero, makes a time slice what is counted.
	Slices TimeSlices
}

// TimeSlices is how time slices are judged: each is good or bad as a whole,
// however many events it had ("time slices" of OpenSLO).
type TimeSlices struct {
	// Length is how long a slice is: a multiple of a tier's slots. Slices begin
	// at multiples of it since 1970, UTC. 0 stands for no slices.
	Length time.Duration
	// Target is the share of its events that must be good in a good slice, from
	// 0 to 1. It is taken as the decimal number that is written.
	Target float64
	// EmptyIsGood counts slices without events as good; else they do not count.
	EmptyIsGood bool
}

// Good reports whether a slice with these events is good. Without events it is
// when empty slices are.
func (t TimeSlices) Good(c Counts) bool {
	if c == (Counts{}) {
		return t.EmptyIsGood
	}
	// Rounding keeps the order of two numbers, unless it makes them equal.
	if ratio, _ := c.Ratio(); ratio != t.Target {
		return ratio > t.Target
	}
	ratio := new(big.Rat).SetFrac(new(big.Int).SetUint64(c.Good), c.total())
	return ratio.Cmp(decimal(t.Target)) >= 0
}

// Validate returns what is wrong with the slices, nil when nothing is.
func (t TimeSlices) Validate() error {
	if t.Length < 0 {
		return fmt.Errorf("sli: time slices of %v: must be above 0", t.Length)
	}
	if !(t.Target >= 0 && t.Target <= 1) {
		return fmt.Errorf("sli: target of time slices %v: must be from 0 to 1", t.Target)
	}
	return nil
}

// Over returns the counts of the window as it is at now, of events or, with
// Slices, of slices: those of the window as it was when the last slice ended.
func (v View) Over(now time.Time, w Window) (Counts, error) {
	c, _, err := v.Count(now, w)
	return c, err
}

// Count is Over, and tells how many slices had no events. Those that
// EmptyIsGood are among the good too.
func (v View) Count(now time.Time, w Window) (c Counts, empty uint64, err error) {
	if err := w.Validate(); err != nil {
		return Counts{}, 0, err
	}
	if err := v.Slices.Validate(); err != nil {
		return Counts{}, 0, err
	}
	length := int64(v.Slices.Length)
	if length == 0 {
		err := v.Windows.read(now, w.Span(now), 0, func(r *ring[Counts], from, to int64) {
			first, last := r.slotsOf(from, to)
			v.each(r, first, last, func(_ int64, sum *Counts) { c = c.Plus(*sum) })
		})
		return c, 0, err
	}
	if n, ok := nanos(now); ok {
		now = time.Unix(0, n-n%length).In(now.Location())
	}
	err = v.Windows.read(now, w.Span(now), length, func(r *ring[Counts], from, to int64) {
		c, empty = v.slices(r, from, to)
	})
	return c, empty, err
}

// slices counts the slices that are in (from, to] as a whole.
func (v View) slices(r *ring[Counts], from, to int64) (c Counts, empty uint64) {
	length := int64(v.Slices.Length)
	perSlice := length / r.width
	for i := slotsBefore(from, length); i < to/length; i++ {
		var sum Counts
		v.each(r, i*perSlice, (i+1)*perSlice-1, func(_ int64, s *Counts) { sum = sum.Plus(*s) })
		if sum == (Counts{}) {
			empty++
			if !v.Slices.EmptyIsGood {
				continue
			}
		}
		if v.Slices.Good(sum) {
			c.Good++
		} else {
			c.Bad++
		}
	}
	return c, empty
}

// each is the ring's, without the slots that an exception touches.
func (v View) each(r *ring[Counts], first, last int64, visit func(index int64, sum *Counts)) {
	r.each(first, last, func(index int64, sum *Counts) {
		slot := Span{time.Unix(0, index*r.width), time.Unix(0, (index+1)*r.width)}
		excepted := func(s Span) bool { return s.From.Before(slot.To) && slot.From.Before(s.To) && s.From.Before(s.To) }
		if !slices.ContainsFunc(v.Except, excepted) {
			visit(index, sum)
		}
	})
}
