package pipeline

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
)

func schema() *model.Schema {
	return &model.Schema{Probe: "made-up", Fields: []model.Field{{Key: "text", Kind: model.KindString}}}
}

// source emits n events that share one buffer, as a probe does.
func source(n int) Source {
	return func(_ context.Context, emit func(*model.Event)) error {
		var e model.Event
		s := schema()
		buffer := []byte("0")
		for i := range n {
			e.Reset(s)
			buffer[0] = byte('0' + i%10)
			e.PID = int32(i)
			e.Values[0] = model.StringValue(string(buffer))
			emit(&e)
		}
		return nil
	}
}

func TestRun_givesEveryEventToEverySink(t *testing.T) {
	p := New(Options{})
	p.AddSource("a", source(100))
	p.AddSource("b", source(50))
	var mu sync.Mutex
	direct, queued, odd, idle := 0, 0, 0, 0
	p.AddDirect(func(*model.Event) { mu.Lock(); direct++; mu.Unlock() })
	p.AddQueued(Queued{Name: "all", Length: 200, Consume: func(e *model.Event) {
		if want := string(byte('0' + e.PID%10)); e.Values[0].Str() != want {
			t.Errorf("event %d has text %q, want %q: it was not copied", e.PID, e.Values[0].Str(), want)
		}
		queued++
	}, Idle: func() { idle++ }})
	p.AddQueued(Queued{Name: "odd", Length: 200, Accept: func(e *model.Event) bool { return e.PID%2 == 1 }, Consume: func(*model.Event) { odd++ }})
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if idle == 0 {
		t.Error("the sink never heard that its queue was empty")
	}
	if direct != 150 || queued != 150 || odd != 75 {
		t.Errorf("direct %d, queued %d, odd %d; want 150, 150, 75", direct, queued, odd)
	}
}

func TestRun_countsWhatDoesNotFitAQueue(t *testing.T) {
	p := New(Options{})
	p.AddSource("a", source(100))
	held := make(chan struct{})
	seen := 0
	p.AddQueued(Queued{Name: "slow", Length: 10, Consume: func(*model.Event) { <-held; seen++ }})
	p.AddSource("end", func(context.Context, func(*model.Event)) error { return nil })
	done := make(chan error)
	go func() { done <- p.Run(t.Context()) }()
	for p.Stats()[0].In+p.Stats()[0].Dropped < 100 {
		time.Sleep(time.Millisecond)
	}
	close(held)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	s := p.Stats()[0]
	if s.In+s.Dropped != 100 || uint64(seen) != s.In || s.Dropped < 85 {
		t.Errorf("in %d, dropped %d, seen %d; want a sum of 100, and seen what came in", s.In, s.Dropped, seen)
	}
}

func TestRun_boundsAQueueByItsBytes(t *testing.T) {
	p := New(Options{})
	p.AddSource("a", source(100))
	held := make(chan struct{})
	var e model.Event
	e.Reset(schema())
	p.AddQueued(Queued{Name: "slow", Bytes: 10 * e.Bytes(), Consume: func(*model.Event) { <-held }})
	done := make(chan error)
	go func() { done <- p.Run(t.Context()) }()
	for p.Stats()[0].In+p.Stats()[0].Dropped < 100 {
		time.Sleep(time.Millisecond)
	}
	close(held)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if s := p.Stats()[0]; s.In < 8 || s.In > 11 {
		t.Errorf("%d events fitted into the bytes of 10", s.In)
	}
	if n := p.queued[0].bytes.Load(); n != 0 {
		t.Errorf("%d bytes are counted in an empty queue", n)
	}
}

func TestRun_saysWhichSourceFailed_andGoesOnWithTheOthers(t *testing.T) {
	p := New(Options{})
	broken := errors.New("broken")
	p.AddSource("bad", func(context.Context, func(*model.Event)) error { return broken })
	p.AddSource("good", source(3))
	n := 0
	p.AddDirect(func(*model.Event) { n++ })
	err := p.Run(t.Context())
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "bad: ") {
		t.Errorf("error %v, want one of the source bad", err)
	}
	if n != 3 {
		t.Errorf("%d events of the good source, want 3", n)
	}
}

func TestRun_doesNotWaitForASinkForever(t *testing.T) {
	p := New(Options{Drain: time.Millisecond})
	p.AddSource("a", source(5))
	held := make(chan struct{})
	defer close(held)
	p.AddQueued(Queued{Name: "stuck", Length: 10, Consume: func(*model.Event) { <-held }})
	if err := p.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "sink stuck: 4 events left") {
		t.Errorf("error %v, want the sink and the number of events left", err)
	}
}

// TestRun_keepsRoomForTallies floods a sink that takes nothing with events, and
// then counts which of the tallies behind them get through.
func TestRun_keepsRoomForTallies(t *testing.T) {
	for _, tt := range []struct {
		name    string
		sink    Queued
		tallies int
		want    int
	}{
		{"beyond its length", Queued{Length: 40}, 10, 10},
		{"beyond its bytes", Queued{Bytes: 40 * newEvent(model.PhaseEnd).Bytes()}, 8, 8},
		{"but no more than a quarter", Queued{Length: 40}, 100, 11},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := New(Options{})
			held := make(chan struct{})
			var seen []*model.Event
			tt.sink.Consume = func(e *model.Event) { <-held; seen = append(seen, e) }
			p.AddQueued(tt.sink)
			p.AddSource("a", func(_ context.Context, emit func(*model.Event)) error {
				defer close(held)
				for range 100 {
					emit(newEvent(model.PhaseEnd))
				}
				e := newEvent(model.PhaseTally)
				for i := range tt.tallies {
					e.Tally = &model.Tally{Count: uint64(i)}
					emit(e)
				}
				return nil
			})
			if err := p.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			tallies, next := 0, uint64(0)
			for _, e := range seen {
				if e.Phase == model.PhaseTally {
					// The sink may take its first event late, so that there is room for one
					// more then.
					if e.Tally.Count < next {
						t.Errorf("tally %d counts %d: it was not copied", tallies, e.Tally.Count)
					}
					tallies, next = tallies+1, e.Tally.Count+1
				}
			}
			// The sink holds one event that is in the queue no more.
			if ends := len(seen) - tallies; tallies < tt.want || tallies > tt.want+1 || ends > 42 {
				t.Errorf("%d tallies and %d events came through, want %d and 41", tallies, ends, tt.want)
			}
		})
	}
}

func newEvent(phase model.Phase) *model.Event {
	e := new(model.Event)
	e.Reset(schema())
	e.Phase = phase
	return e
}
