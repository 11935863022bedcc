package series

import (
	"testing"
	"time"
)

func TestClock_limit(t *testing.T) {
	const ahead = 10 * time.Minute
	type move struct {
		pass, step time.Duration
		want       time.Duration // the limit less ahead, after begin
	}
	for _, c := range []struct {
		name  string
		moves []move
	}{
		{"it goes with the clock", []move{{pass: 0}, {pass: time.Second, want: time.Second}, {pass: time.Hour, want: time.Hour + time.Second}}},
		{"a small step forward is believed", []move{{step: ahead, want: ahead}, {pass: time.Second, want: ahead + time.Second}}},
		{"a big step forward is not", []move{{step: time.Hour}, {pass: time.Minute, want: time.Minute}, {pass: 8 * time.Minute, want: 9 * time.Minute}}},
		{"until it has stood for as long", []move{{step: time.Hour}, {pass: ahead, want: time.Hour + ahead}, {pass: time.Second, want: time.Hour + ahead + time.Second}}},
		{"a step that is taken back is forgotten", []move{
			{step: time.Hour}, {pass: 9 * time.Minute, want: 9 * time.Minute}, {step: -time.Hour, want: 9 * time.Minute},
			{pass: 9 * time.Minute, want: 18 * time.Minute}, {step: time.Hour, want: 18 * time.Minute}, {pass: 9 * time.Minute, want: 27 * time.Minute},
		}},
		{"a step back is believed", []move{{step: -time.Hour, want: -time.Hour}, {pass: time.Minute, want: -59 * time.Minute}}},
		{"many small steps are", []move{{step: ahead, want: ahead}, {step: ahead, want: 2 * ahead}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWatch()
			clock := newClock(w.now, w.since, ahead)
			for i, m := range c.moves {
				w.pass(m.pass)
				w.step(m.step)
				if got := clock.limit().Sub(begin()) - ahead; got != m.want {
					t.Fatalf("move %d: %v, want %v", i+1, got, m.want)
				}
			}
		})
	}
}
