package notify

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// bench is a table with a clock.
type bench struct {
	t *testing.T
	table
	now   time.Time
	grace bool
}

func newBench(t *testing.T, change func(*policy)) *bench {
	b := &bench{t: t, now: noon}
	b.policy = policy{wants: func(*Alert) bool { return true }, repeat: 4 * time.Hour, batch: 1, waiting: 10}
	if change != nil {
		change(&b.policy)
	}
	b.entries = make(map[string]*entry)
	b.backoff = func(failures int) time.Duration { return backoff(failures, 0) }
	return b
}

// toldBench is one that was told that the alert a fires.
func toldBench(t *testing.T, change func(*policy)) *bench {
	t.Helper()
	b := newBench(t, change)
	b.offer(burning("a"))
	b.tell("a firing", arrived)
	return b
}

func (b *bench) offer(alerts ...Alert) { b.table.offer(prepare(alerts, b.now), b.now, b.grace) }

func (b *bench) after(d time.Duration) *bench {
	b.now = b.now.Add(d)
	return b
}

// next takes what is to be told now, "" for nothing.
func (b *bench) next() ([]task, string) {
	tasks, _ := b.take(b.now)
	var list []string
	for _, t := range tasks {
		list = append(list, fmt.Sprintf("%s %s", t.alert.Labels[labelSLO], t.alert.State))
	}
	return tasks, strings.Join(list, ", ")
}

// tell fails unless want is what is told now, and takes what became of it.
func (b *bench) tell(want string, o outcome) {
	b.t.Helper()
	tasks, got := b.next()
	if got != want {
		b.t.Fatalf("at %s it tells %q, want %q", b.now.Format(time.TimeOnly), got, want)
	}
	b.settle(tasks, o, b.now)
}

// silent fails if anything is told now.
func (b *bench) silent() {
	b.t.Helper()
	if _, got := b.next(); got != "" {
		b.t.Fatalf("at %s it tells %q", b.now.Format(time.TimeOnly), got)
	}
}

var (
	arrived  = outcome{}
	refusal  = outcome{err: errors.New("400"), refused: true}
	failed   = outcome{err: errors.New("500")}
	vanished = outcome{err: errors.New("no answer"), uncertain: true}
)

func TestTable_tellsOnce(t *testing.T) {
	b := toldBench(t, nil)
	for range 10 {
		b.after(time.Minute).offer(burning("a"))
		b.silent()
	}
	b.offer(ended(burning("a"), b.now))
	b.tell("a resolved", arrived)
	b.silent()
	b.offer()
	b.silent()
	if len(b.entries) != 0 || b.sent != 2 || b.dropped+b.failed+b.retried != 0 {
		t.Errorf("%+v", b.table)
	}
}

func TestTable_repeats(t *testing.T) {
	b := toldBench(t, nil)
	b.after(4*time.Hour - 1).silent()
	b.after(1).tell("a firing", arrived)
	b.after(4*time.Hour - 1).silent()
	b.after(1).tell("a firing", failed)
	b.silent()
	b.after(time.Second).tell("a firing", arrived)
}

func TestTable_changes(t *testing.T) {
	changed := func(change func(*Alert)) Alert {
		a := burning("a")
		change(&a)
		return a
	}
	tests := []struct {
		name  string
		alert Alert
		tells bool
	}{
		{"nothing", burning("a"), false},
		{"the value", changed(func(a *Alert) { a.Value = 99 }), false},
		{"the start, which was found anew", changed(func(a *Alert) { a.StartsAt = noon }), false},
		{"the receivers", changed(func(a *Alert) { a.Receivers = []string{"x"} }), false},
		{"a number in an annotation", changed(func(a *Alert) { a.Annotations = map[string]string{"summary": "it burns 2.5e-05 times"} }), false},
		{"an annotation", changed(func(a *Alert) { a.Annotations = map[string]string{"summary": "worse"} }), true},
		{"another annotation", changed(func(a *Alert) { a.Annotations = map[string]string{"summary": "it burns 14.5 times", "b": "c"} }), true},
		{"the URL", changed(func(a *Alert) { a.GeneratorURL = "http://other" }), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := toldBench(t, nil)
			b.after(changedEvery - 1).offer(tt.alert)
			b.silent()
			b.after(1)
			if !tt.tells {
				b.silent()
				return
			}
			b.tell("a firing", arrived)
			b.after(changedEvery).silent()
		})
	}
}

func TestTable_keepsTheStart(t *testing.T) {
	b := toldBench(t, nil)
	again := burning("a")
	again.StartsAt = noon.Add(time.Hour)
	b.after(2 * time.Hour).offer(again)
	b.after(2 * time.Hour)
	tasks, _ := b.next()
	if got := tasks[0].alert.StartsAt; got != noon.Add(-time.Minute) {
		t.Errorf("it fires since %v", got)
	}
	b.settle(tasks, arrived, b.now)
	// Once it has ended, the start is another.
	b.offer()
	b.tell("a resolved", arrived)
	b.offer(again)
	if tasks, _ = b.next(); tasks[0].alert.StartsAt != again.StartsAt {
		t.Errorf("it fires since %v", tasks[0].alert.StartsAt)
	}
}

func TestTable_resolves(t *testing.T) {
	t.Run("what is not there any more", func(t *testing.T) {
		b := toldBench(t, nil)
		b.after(time.Minute).offer()
		tasks, got := b.next()
		if got != "a resolved" || tasks[0].alert.EndsAt != b.now || tasks[0].alert.Annotations["summary"] != "it burns 14.5 times" {
			t.Errorf("got %q, %+v", got, tasks)
		}
	})
	t.Run("until it was heard", func(t *testing.T) {
		b := toldBench(t, nil)
		b.offer()
		for i := range 3 {
			b.tell("a resolved", failed)
			b.silent()
			b.after(time.Second << i).offer()
		}
		b.tell("a resolved", arrived)
		b.after(time.Hour).silent()
	})
	t.Run("not for ever", func(t *testing.T) {
		b := toldBench(t, nil)
		b.offer(ended(burning("a"), noon))
		b.tell("a resolved", failed)
		b.after(resolvedWithin + 1).silent()
		if b.dropped != 1 || len(b.entries) != 0 {
			t.Errorf("dropped %d, left %d", b.dropped, len(b.entries))
		}
	})
	t.Run("also what ended long ago", func(t *testing.T) {
		b := toldBench(t, nil)
		b.after(48 * time.Hour).offer(ended(burning("a"), noon))
		b.tell("a resolved", arrived)
	})
	t.Run("not who was not told", func(t *testing.T) {
		b := newBench(t, nil)
		b.offer(burning("a"))
		b.tell("a firing", failed)
		b.after(time.Hour).offer(ended(burning("a"), b.now))
		b.silent()
		if b.dropped != 1 || len(b.entries) != 0 {
			t.Errorf("dropped %d, left %d", b.dropped, len(b.entries))
		}
	})
	t.Run("not who refused", func(t *testing.T) {
		b := newBench(t, nil)
		b.offer(burning("a"))
		b.tell("a firing", refusal)
		b.after(time.Hour).offer()
		b.silent()
		if b.failed != 1 {
			t.Errorf("failed %d", b.failed)
		}
	})
	t.Run("who was perhaps told", func(t *testing.T) {
		b := newBench(t, nil)
		b.offer(burning("a"))
		b.tell("a firing", vanished)
		b.after(time.Hour).offer()
		b.tell("a resolved", arrived)
	})
	t.Run("not what nobody spoke of", func(t *testing.T) {
		b := newBench(t, nil)
		b.offer(ended(burning("a"), noon))
		b.silent()
		if b.dropped != 0 {
			t.Errorf("dropped %d", b.dropped)
		}
	})
	t.Run("not twice, though it was refused", func(t *testing.T) {
		b := toldBench(t, nil)
		b.offer()
		b.tell("a resolved", refusal)
		b.after(time.Hour).offer()
		b.silent()
	})
	t.Run("not who does not want it", func(t *testing.T) {
		b := toldBench(t, func(p *policy) { p.omitResolved = true })
		b.offer()
		b.silent()
		if len(b.entries) != 0 || b.dropped != 0 {
			t.Errorf("dropped %d, left %d", b.dropped, len(b.entries))
		}
		b.offer(burning("a"))
		b.tell("a firing", arrived)
	})
}

func TestTable_firesAgain(t *testing.T) {
	t.Run("before the end was told", func(t *testing.T) {
		b := toldBench(t, nil)
		b.offer()
		b.tell("a resolved", failed)
		b.after(time.Minute).offer(burning("a"))
		b.silent() // to the receiver it fires all the time
		b.after(4*time.Hour).tell("a firing", arrived)
	})
	t.Run("when perhaps the end was told", func(t *testing.T) {
		b := toldBench(t, nil)
		b.offer()
		tasks, _ := b.next()
		b.offer(burning("a"))
		b.settle(tasks, vanished, b.now)
		b.after(time.Minute).tell("a firing", arrived)
	})
	t.Run("while the end is told", func(t *testing.T) {
		b := toldBench(t, nil)
		b.offer()
		tasks, _ := b.next()
		again := burning("a")
		again.StartsAt = noon.Add(time.Hour)
		b.after(2 * time.Hour).offer(again)
		b.silent() // it is busy
		b.settle(tasks, arrived, b.now)
		if tasks, got := b.next(); got != "a firing" || tasks[0].alert.StartsAt != again.StartsAt {
			t.Errorf("it tells %q, %+v", got, tasks)
		}
	})
	t.Run("after it was refused", func(t *testing.T) {
		b := newBench(t, nil)
		b.offer(burning("a"))
		b.tell("a firing", refusal)
		b.offer()
		b.offer(burning("a"))
		b.tell("a firing", arrived)
	})
}

func TestTable_endsWhileItIsTold(t *testing.T) {
	tests := []struct {
		name    string
		o       outcome
		omit    bool
		want    string
		dropped uint64
	}{
		{"and it arrived", arrived, false, "a resolved", 0},
		{"and nobody knows", vanished, false, "a resolved", 0},
		{"and it failed", failed, false, "", 1},
		{"and it was refused", refusal, false, "", 0},
		{"and nobody wants to know", arrived, true, "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, func(p *policy) { p.omitResolved = tt.omit })
			b.offer(burning("a"))
			tasks, _ := b.next()
			b.offer()
			b.silent()
			b.settle(tasks, tt.o, b.now)
			b.after(time.Hour)
			if _, got := b.next(); got != tt.want || b.dropped != tt.dropped {
				t.Errorf("it tells %q and dropped %d, want %q and %d", got, b.dropped, tt.want, tt.dropped)
			}
		})
	}
}

func TestTable_backsOff(t *testing.T) {
	b := newBench(t, nil)
	b.offer(burning("a"))
	for _, pause := range []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300} {
		b.tell("a firing", failed)
		b.after(pause*time.Second - 1).silent()
		if _, wait := b.take(b.now); wait != 1 {
			t.Errorf("it waits for %v, not 1ns", wait)
		}
		b.after(1)
	}
	b.tell("a firing", arrived)
	if b.retried != 11 || b.sent != 1 || b.failures != 0 {
		t.Errorf("%+v", b.table)
	}
	// The receiver is spared as long, whatever else waits.
	b.after(time.Hour).offer(burning("a"), burning("b"), burning("c"))
	b.tell("b firing", failed)
	b.silent()
	b.after(time.Second).tell("c firing", failed)
	b.after(2*time.Second - 1).silent()
	b.after(1).tell("b firing", arrived)
	b.tell("c firing", arrived)
}

// TestTable_goesOnWithOthers has an alert that fails whenever it is told of: it
// must not keep the others from arriving.
func TestTable_goesOnWithOthers(t *testing.T) {
	b := newBench(t, nil)
	b.offer(burning("poison"), burning("b"), burning("c"))
	b.tell("poison firing", failed)
	b.after(time.Second).tell("b firing", arrived)
	b.tell("c firing", arrived)
	b.tell("poison firing", failed)
	b.offer(burning("poison"), burning("b"), burning("c"), burning("d"))
	b.after(time.Second).tell("d firing", arrived)
	b.after(time.Second).tell("poison firing", failed)
}

func TestTable_honoursRetryAfter(t *testing.T) {
	tests := []struct{ asks, want time.Duration }{
		{0, time.Second}, {time.Millisecond, time.Second}, {time.Minute, time.Minute}, {maxRetryAfter, maxRetryAfter}, {1000 * time.Hour, maxRetryAfter}, {-time.Hour, time.Second},
	}
	for _, tt := range tests {
		b := newBench(t, nil)
		b.offer(burning("a"), burning("b"))
		b.tell("a firing", outcome{err: errors.New("429"), retryAfter: tt.asks})
		b.after(tt.want - 1).silent()
		if _, got := b.after(1).next(); got == "" {
			t.Errorf("asked for %v, it is silent after %v", tt.asks, tt.want)
		}
	}
}

func TestTable_refused(t *testing.T) {
	b := newBench(t, nil)
	b.offer(burning("a"), burning("b"))
	b.tell("a firing", refusal)
	b.tell("b firing", arrived) // at once: the receiver answers
	b.after(refusedEvery - 1).silent()
	b.after(1).tell("a firing", arrived)
	if b.failed != 1 || b.retried != 0 {
		t.Errorf("failed %d, retried %d", b.failed, b.retried)
	}
}

func TestTable_isBounded(t *testing.T) {
	b := newBench(t, func(p *policy) { p.waiting = 2 })
	all := []Alert{burning("a"), burning("b"), burning("c")}
	b.offer(all...)
	if b.dropped != 1 || b.waiting() != 2 {
		t.Errorf("dropped %d, waiting %d", b.dropped, b.waiting())
	}
	b.offer(all...) // only the latest state of those that wait does
	if b.dropped != 2 || b.waiting() != 2 {
		t.Errorf("dropped %d, waiting %d", b.dropped, b.waiting())
	}
	b.tell("a firing", arrived)
	b.offer(all...)
	b.tell("b firing", arrived)
	b.tell("c firing", arrived)
	// What has to be resolved has its place.
	b.offer(burning("d"), burning("e"))
	if b.waiting() != 5 || b.firing() != 3 || b.dropped != 2 {
		t.Errorf("waiting %d, firing %d, dropped %d", b.waiting(), b.firing(), b.dropped)
	}
	b.offer(burning("d"), burning("e"), burning("f"))
	if b.dropped != 3 {
		t.Errorf("dropped %d", b.dropped)
	}
}

func TestTable_knowsOnlySoMany(t *testing.T) {
	b := newBench(t, func(p *policy) { p.waiting, p.batch = 2*maxKnown, 2*maxKnown })
	var all []Alert
	for i := range maxKnown + 5 {
		all = append(all, burning(fmt.Sprint(i)))
	}
	b.offer(all...)
	tasks, _ := b.take(b.now)
	b.settle(tasks, arrived, b.now)
	b.offer(all...)
	if len(b.entries) != maxKnown || b.dropped != 10 {
		t.Errorf("it knows %d, dropped %d", len(b.entries), b.dropped)
	}
}

func TestTable_isNotWantedAnyMore(t *testing.T) {
	b := newBench(t, nil)
	b.offer(burning("a"), burning("b"))
	b.tell("a firing", arrived)
	b.policy.wants = func(*Alert) bool { return false }
	b.offer(burning("a"), burning("b"))
	b.after(5 * time.Hour).silent()
	if len(b.entries) != 1 {
		t.Errorf("it has %d alerts", len(b.entries))
	}
	b.offer()
	b.tell("a resolved", arrived)
}

func TestTable_batches(t *testing.T) {
	b := newBench(t, func(p *policy) { p.batch, p.repeat = 2, time.Minute })
	b.offer(burning("a"), burning("b"), burning("c"))
	b.tell("a firing, b firing", arrived)
	b.tell("c firing", arrived)
	b.after(time.Minute).offer(burning("a"), burning("c"))
	b.tell("a firing, c firing", arrived)
	b.tell("b resolved", arrived)
}

func TestBackoff(t *testing.T) {
	for failures, want := range map[int]time.Duration{-1: time.Second, 0: time.Second, 1: time.Second, 2: 2 * time.Second, 9: 256 * time.Second, 10: maxBackoff, 1 << 30: maxBackoff} {
		if got := backoff(failures, 0); got != want {
			t.Errorf("%d: %v, want %v", failures, got, want)
		}
		if got := backoff(failures, 1); got != want/2 {
			t.Errorf("%d: with all the jitter %v, want %v", failures, got, want/2)
		}
	}
}
