package main

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// scenes are what requests do, by name.
var scenes = map[string]func(*scene, context.Context){
	"nested": nested, "traced": nested, "unsampled": nested,
	"deep": deep, "crossed": crossed,
	"goroutines": goroutines, "ended-elsewhere": endedElsewhere, "begun-elsewhere": begunElsewhere,
	"early": early, "early-traced": early, "outlives": outlives, "early-outlives": earlyOutlives,
	"before": before, "before-traced": before, "roots": roots,
	"hole": hole, "hole-first": holeFirst, "hole-elsewhere": holeElsewhere, "recorded": recorded,
	"client": client, "panics": panics, "leak": leak, "none": none,
	"timeout": nested, "timeout-traced": nested,
}

func nested(s *scene, ctx context.Context) {
	s.in(ctx, "server", func(ctx context.Context) {
		s.run("outer")
		s.in(ctx, "inner", func(context.Context) {
			s.run("inner")
			elsewhere(func() { s.run("elsewhere") })
		})
		s.run("between")
		s.in(ctx, "second", func(context.Context) { s.run("second") })
		s.run("after")
	})
	s.run("end")
}

func deep(s *scene, ctx context.Context) {
	s.in(ctx, "server", func(ctx context.Context) {
		s.in(ctx, "a", func(ctx context.Context) {
			s.in(ctx, "b", func(ctx context.Context) {
				s.in(ctx, "c", func(context.Context) { s.run("c") })
				s.run("b")
			})
			s.run("a")
		})
		s.run("server")
	})
}

// crossed ends a span before the one that is in it.
func crossed(s *scene, ctx context.Context) {
	s.in(ctx, "server", func(ctx context.Context) {
		ctx, a := s.span(ctx, "a")
		_, b := s.span(ctx, "b")
		a.End()
		s.run("b")
		b.End()
		s.run("after")
	})
}

func goroutines(s *scene, ctx context.Context) {
	s.in(ctx, "server", func(ctx context.Context) {
		elsewhere(func() {
			s.run("first")
			s.in(ctx, "inner", func(ctx context.Context) {
				s.run("inner")
				elsewhere(func() {
					s.run("below")
					s.in(ctx, "innermost", func(context.Context) { s.run("innermost") })
					s.run("after-innermost")
				})
			})
			s.run("after")
		})
		s.run("server")
	})
}

func endedElsewhere(s *scene, ctx context.Context) {
	s.in(ctx, "server", func(ctx context.Context) {
		_, inner := s.span(ctx, "inner")
		elsewhere(func() {
			s.run("inner")
			inner.End()
			s.run("after-elsewhere")
		})
		s.run("after")
	})
}

func begunElsewhere(s *scene, ctx context.Context) {
	s.in(ctx, "server", func(ctx context.Context) {
		var inner trace.Span
		elsewhere(func() {
			_, inner = s.span(ctx, "inner")
			s.run("inner")
		})
		s.run("between")
		inner.End()
		s.run("after")
	})
}

// early starts a goroutine before the first span.
func early(s *scene, ctx context.Context) {
	begun := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		<-begun
		s.run("early")
	}()
	s.in(ctx, "server", func(context.Context) {
		close(begun)
		<-done
		s.run("server")
	})
}

func outlives(s *scene, ctx context.Context) {
	s.in(ctx, "server", func(ctx context.Context) {
		go func() {
			time.Sleep(300 * time.Millisecond)
			s.run("late")
		}()
	})
}

// earlyOutlives starts a goroutine before the first span that goes on when the
// request is over.
func earlyOutlives(s *scene, ctx context.Context) {
	go func() {
		time.Sleep(300 * time.Millisecond)
		s.run("late")
	}()
	s.in(ctx, "server", func(context.Context) {})
}

func before(s *scene, ctx context.Context) {
	s.run("before")
	s.in(ctx, "server", func(context.Context) { s.run("server") })
}

func roots(s *scene, ctx context.Context) {
	s.in(ctx, "server", func(ctx context.Context) {
		s.in(context.Background(), "other", func(context.Context) { s.run("other") })
		s.run("server")
	})
}

func hole(s *scene, ctx context.Context) {
	s.in(ctx, "server", func(ctx context.Context) {
		s.in(ctx, "hole", func(ctx context.Context) {
			s.run("hole")
			s.in(ctx, "below", func(context.Context) { s.run("below") })
			s.run("after")
		})
		s.run("server")
	})
}

func holeFirst(s *scene, ctx context.Context) {
	s.in(ctx, "hole", func(ctx context.Context) {
		s.in(ctx, "below", func(ctx context.Context) {
			s.run("below")
			s.in(ctx, "inner", func(context.Context) { s.run("inner") })
			s.run("after")
		})
		s.run("hole")
	})
}

func holeElsewhere(s *scene, ctx context.Context) {
	s.in(ctx, "server", func(ctx context.Context) {
		elsewhere(func() {
			s.in(ctx, "hole", func(ctx context.Context) {
				s.in(ctx, "below", func(context.Context) { s.run("below") })
				s.run("after")
			})
		})
	})
}

func recorded(s *scene, ctx context.Context) {
	s.in(ctx, "recorded", func(ctx context.Context) {
		s.run("recorded")
		elsewhere(func() { s.run("elsewhere") })
	})
}

func client(s *scene, ctx context.Context) {
	s.in(ctx, "server", func(ctx context.Context) {
		s.in(ctx, "inner", func(context.Context) { s.call("/called-in-a-span") })
		elsewhere(func() { s.call("/called-elsewhere") })
	})
}

// panics leaves its spans by a panic.
func panics(s *scene, ctx context.Context) {
	func() {
		defer func() { recover() }()
		s.in(ctx, "server", func(ctx context.Context) {
			s.in(ctx, "inner", func(context.Context) {
				s.run("inner")
				panic("boom")
			})
		})
	}()
	s.run("after")
}

// leak begins a span that never ends.
func leak(s *scene, ctx context.Context) {
	s.span(ctx, "server")
	s.run("leak")
}

func none(s *scene, _ context.Context) {
	s.run("none")
	elsewhere(func() { s.run("elsewhere") })
}
