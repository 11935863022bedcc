package sli_test

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/sli"
)

// FuzzWindows adds what the input says, at any time: every three bytes are a
// clock's move (in steps of very different sizes), an event's age, and counts.
// Whatever the clock does, no more is counted than was accepted, and a window
// counts no more than a longer one.
func FuzzWindows(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{1, 0, 1, 1, 0, 1, 1, 200, 3})
	f.Add([]byte{0x7f, 0, 1, 0xff, 0, 1, 0x7f, 0, 1, 1, 1, 1})
	f.Add([]byte{0x3f, 0x80, 0xff, 0xbf, 0x7f, 0xff, 0x3e, 0, 7})
	f.Fuzz(func(t *testing.T, ops []byte) {
		w := &sli.Windows{Tiers: smallTiers()}
		// The move's low bits are an exponent: from a nanosecond to a century.
		move := func(b byte) time.Duration {
			d := time.Duration(1) << (b & 0x3f)
			if b&0x80 != 0 {
				return -d
			}
			return d
		}
		now := epoch()
		var accepted sli.Counts
		for ops = ops[:min(len(ops), 300)]; len(ops) >= 3; ops = ops[3:] {
			now = now.Add(move(ops[0]))
			at := now.Add(move(ops[1]))
			if ops[1] == 0 {
				at = now
			}
			c := sli.Counts{Good: uint64(ops[2] & 15), Bad: uint64(ops[2] >> 4)}
			if ops[2] == 255 {
				c.Bad = math.MaxUint64
			}
			switch r := w.Add(now, at, c); r {
			case sli.Accepted:
				accepted = accepted.Plus(c)
			case sli.Late, sli.Ahead, sli.BadTime:
			default:
				t.Fatalf("Add = %v", r)
			}
			var last sli.Counts
			for i, d := range []time.Duration{time.Second, 5 * time.Second, 10 * time.Second, 20 * time.Second} {
				got, err := w.Over(now, sli.Rolling(d))
				if err != nil {
					continue // now is out of range
				}
				if got.Good < last.Good || got.Bad < last.Bad || got.Good > accepted.Good || got.Bad > accepted.Bad {
					t.Fatalf("window %d has %v, a shorter one %v, accepted %v", i, got, last, accepted)
				}
				last = got
			}
			judgeSoundly(t, sli.Objective{Target: 0.99, Window: sli.Rolling(time.Minute)}, now, w)
		}
	})
}

// judgeSoundly checks what holds of any status.
func judgeSoundly(t *testing.T, o sli.Objective, now time.Time, source sli.Source) {
	t.Helper()
	s, err := o.Evaluate(now, source)
	if err != nil {
		return
	}
	for _, v := range []float64{s.SLI, s.Budget.Allowed, s.Budget.Remaining, s.Budget.RemainingRatio} {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			t.Fatalf("not a number in %+v", s)
		}
	}
	if s.SLI < 0 || s.SLI > 1 || s.Budget.RemainingRatio > 1 {
		t.Fatalf("out of range: %+v", s)
	}
	if (s.Verdict == sli.Exhausted && !s.Budget.Spent) || (s.Verdict == sli.OK && s.Budget.Spent) {
		t.Fatalf("%v contradicts %+v", s.Verdict, s.Budget)
	}
}

// FuzzJudge puts any numbers into an objective. It never panics, never says what
// is not a number, and agrees with itself: more bad events never make a verdict
// better.
func FuzzJudge(f *testing.F) {
	f.Add(0.999, 14.4, 0.95, uint64(5), uint64(0), uint64(1000), uint64(5))
	f.Add(0.5, 1.0, 0.5, uint64(0), uint64(0), uint64(0), uint64(0))
	f.Add(math.NaN(), math.Inf(1), -1.0, uint64(1), uint64(1), uint64(math.MaxUint64), uint64(math.MaxUint64))
	f.Add(1e-300, 1e300, 0.9999999, uint64(math.MaxUint64), uint64(1), uint64(1), uint64(1))
	f.Add(329.0, 0.4, 102.5, uint64(102), uint64(38), uint64(197), uint64(13))
	f.Add(1-1e-16, 1e-300, 0.0, uint64(0), uint64(0), uint64(1), uint64(1))
	f.Fuzz(func(t *testing.T, target, burn, confidence float64, minBad, minEvents, good, bad uint64) {
		o := sli.Objective{Target: target, Confidence: confidence, MinBad: minBad, MinEvents: minEvents,
			Alerts: []sli.Alert{{Burn: burn, Long: time.Hour, Short: time.Minute}}}
		valid := o.Validate() == nil
		c := sli.Counts{Good: good, Bad: bad}
		judge := func(c sli.Counts) (sli.Verdict, sli.AlertStatus) {
			s := o.Alert(o.Alerts[0], c, c)
			for _, v := range []float64{s.LongBurn, s.ShortBurn, o.Budget(c).RemainingRatio} {
				if valid && (math.IsNaN(v) || math.IsInf(v, 0)) {
					t.Fatalf("%+v of %v: %+v", o, c, s)
				}
			}
			return o.Judge(c, []sli.AlertStatus{s}), s
		}
		if !valid {
			judge(c) // whatever it says
			return
		}
		verdict, s := judge(c)
		if s.Firing && s.Blind || s.Firing && s.LongBurn < burn*(1-1e-12) {
			t.Fatalf("%+v of %v: %+v", o, c, s)
		}
		if verdict == sli.Burning != (s.Firing && verdict != sli.Exhausted) {
			t.Fatalf("%v with %+v", verdict, s)
		}
		if good > 0 && bad < math.MaxUint64 {
			worse, _ := judge(sli.Counts{Good: good - 1, Bad: bad + 1})
			if verdict == sli.Exhausted && worse != sli.Exhausted || verdict == sli.Burning && worse < sli.Burning {
				t.Fatalf("%v is %v, with one more bad event %v", c, verdict, worse)
			}
		}
	})
}

// FuzzBounds checks what holds of any interval.
func FuzzBounds(f *testing.F) {
	f.Add(uint64(1), uint64(10), 0.95)
	f.Add(uint64(0), uint64(math.MaxUint64), 0.999)
	f.Add(uint64(1e9+1), uint64(3e9), 0.5)
	f.Add(uint64(5), uint64(5), 0.0)
	f.Fuzz(func(t *testing.T, count, total uint64, confidence float64) {
		if total == 0 || count > total || !(confidence >= 0 && confidence < 1) {
			for name, bound := range bounds() {
				if low, high := bound(count, total, confidence); low != 0 || high != 1 {
					t.Fatalf("%s: %v to %v, want 0 to 1", name, low, high)
				}
			}
			return
		}
		if confidence < 0.01 || confidence > 1-1e-9 {
			confidence = 0.95 // where rounding outweighs the width
		}
		checkBounds(t, count, total, confidence)
	})
}

// FuzzDistribution compares with the sorted durations.
func FuzzDistribution(f *testing.F) {
	f.Add([]byte("any eight bytes are a duration, any at all"), 0.99)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, 0.0)
	f.Fuzz(func(t *testing.T, data []byte, q float64) {
		var d sli.Distribution
		var n, notAbove, below uint64
		var all []time.Duration
		for ; len(data) >= 8; data = data[8:] {
			v := time.Duration(binary.LittleEndian.Uint64(data))
			if r := d.Add(v); (r == sli.Negative) != (v < 0) {
				t.Fatalf("%v is %v", v, r)
			}
			if v >= 0 {
				all = append(all, v)
			}
		}
		n = uint64(len(all))
		low, high, ok := d.Bounds(q)
		if ok != (n > 0 && q >= 0 && q <= 1) || d.Count() != n {
			t.Fatalf("%d of %d, quantile %v: %v", d.Count(), n, q, ok)
		}
		if !ok {
			return
		}
		for _, v := range all {
			if v <= high {
				notAbove++
			}
			if v < low {
				below++
			}
		}
		// At least the share q is not above high, less than it is below low.
		if float64(notAbove) < q*float64(n)*(1-1e-12) || below > 0 && float64(below) >= q*float64(n)*(1+1e-12) {
			t.Fatalf("quantile %v in %v to %v: %d of %d not above, %d below", q, low, high, notAbove, n, below)
		}
	})
}

// FuzzCalendar checks that a period has the time it was asked for.
func FuzzCalendar(f *testing.F) {
	f.Add(int64(1_767_225_600), int64(1_800_000_000), 1, 0)
	f.Add(int64(1), int64(9_000_000_000), 0, 1)
	f.Add(int64(9_000_000_000), int64(1), 1200, 0)
	f.Fuzz(func(t *testing.T, start, at int64, months, days int) {
		w := sli.Calendar(time.Unix(start, 0).UTC(), months, days)
		now := time.Unix(at%9_000_000_000, 0)
		p := w.Period(now)
		if w.Validate() != nil {
			if p.Length() != 0 {
				t.Fatalf("%v has a period", w)
			}
			return
		}
		if !p.Contains(now) {
			t.Fatalf("%v at %v: %v to %v", w, now, p.From, p.To)
		}
	})
}
