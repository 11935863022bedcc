package sli

import "sync/atomic"

// pending takes the events of the slot of time that most events fall into, the
// one of the last event, without a lock: a lock costs twice as much as the one
// atomic instruction here. It is open for one slot, and is closed, by whoever
// has the lock of the Windows, before anything else happens to the rings.
//
// The zero value is closed.
type pending struct {
	// word is all that changes together: see tally. low and high are the slot,
	// (low, high]; they change only while word says closed, and with every
	// change word gets another generation. Whoever has read them and then
	// swaps the word that he read before has read what belongs together.
	word      atomic.Uint64
	low, high atomic.Int64
}

// tally is a generation and two counts, of 24, 20 and 20 bits. An odd generation
// is open. It would take a goroutine that sleeps between two instructions for
// exactly a multiple of 8 million changes of the slot to mistake one generation
// for another.
type tally uint64

const (
	countBits = 20
	countMask = 1<<countBits - 1
	oneOpen   = tally(1) << (2 * countBits)
)

func (s tally) open() bool { return s&oneOpen != 0 }

func (p *pending) load() tally { return tally(p.word.Load()) }

// add counts c at time t on top of what was loaded, if t is in the slot, the sum
// fits, and nobody changed it meanwhile. It reports whether it did.
func (p *pending) add(s tally, t int64, c Counts) bool {
	if t <= p.low.Load() || t > p.high.Load() {
		return false
	}
	if c.Good > countMask-uint64(s>>countBits)&countMask || c.Bad > countMask-uint64(s)&countMask {
		return false
	}
	return p.word.CompareAndSwap(uint64(s), uint64(s)+c.Good<<countBits+c.Bad)
}

// close closes and returns what was counted. The caller has the lock.
func (p *pending) close() Counts {
	s := p.load()
	if !s.open() {
		return Counts{}
	}
	// Nobody but adders change it now, and they do not change the generation.
	closed := s&^(oneOpen-1) + oneOpen
	s = tally(p.word.Swap(uint64(closed)))
	return Counts{Good: uint64(s>>countBits) & countMask, Bad: uint64(s) & countMask}
}

// openFor opens for the slot (low, high]. It is closed, and the caller has the
// lock.
func (p *pending) openFor(low, high int64) {
	p.low.Store(low)
	p.high.Store(high)
	p.word.Add(uint64(oneOpen))
}
