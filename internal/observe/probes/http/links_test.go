package http

import (
	"fmt"
	"sync"
	"testing"

	"github.com/goshawk-io/goshawk/internal/model"
)

// calls returns the calls of a path below /called, by the path.
func (l *live) calls(t *testing.T, v *victim, n int) map[string]*model.Event {
	t.Helper()
	of := func(e *model.Event) bool {
		path := text(e, fieldPath)
		return int(e.PID) == v.PID && e.Values[fieldRole].Str() == roleClient && len(path) > 8 && path[:8] == "/called/"
	}
	found := map[string]*model.Event{}
	for _, e := range l.wait(t, "the calls", n, of) {
		found[text(e, fieldPath)[8:]] = e
	}
	return found
}

// served returns the requests below a path, by the rest of it.
func (l *live) served(t *testing.T, v *victim, path string, n int) map[string]*model.Event {
	t.Helper()
	of := func(e *model.Event) bool {
		got := text(e, fieldPath)
		return int(e.PID) == v.PID && e.Values[fieldRole].Str() == roleServer && len(got) > len(path) && got[:len(path)] == path
	}
	found := map[string]*model.Event{}
	for _, e := range l.wait(t, path, n, of) {
		found[text(e, fieldPath)[len(path):]] = e
	}
	return found
}

// each makes n requests of path, with the URL of a call of their own, some at
// once.
func (v *victim) each(t *testing.T, path string, n, atOnce int) {
	t.Helper()
	c := newClient(t, false)
	turn := make(chan struct{}, atOnce)
	var wait sync.WaitGroup
	for i := range n {
		turn <- struct{}{}
		wait.Go(func() {
			do(t, c, "GET", fmt.Sprintf("http://%s%s%d?http://%s/called/%d", v.Plain, path, i, v.Plain, i), nil)
			<-turn
		})
	}
	wait.Wait()
}

// linkedTo reports whether what a request caused is in its trace, below it.
func linkedTo(request, caused *model.Event) bool {
	return caused.TraceID == request.TraceID && caused.ParentSpanID == request.SpanID
}

// TestCallsAreLinked has each of many requests at once make a call from four
// goroutines down: each call belongs to its own request.
func TestCallsAreLinked(t *testing.T) {
	l := startLive(t, everything())
	v := startVictim(t, victimBuild{}.path(t))
	l.attach(t, v.PID)
	const n = 5000
	v.each(t, "/four/", n, 100)
	made, served := l.calls(t, v, n), l.served(t, v, "/four/", n)
	if len(made) != n || len(served) != n {
		t.Fatalf("%d calls and %d requests, want %d", len(made), len(served), n)
	}
	wrong, spans := 0, map[model.SpanID]bool{}
	for id, call := range made {
		spans[call.SpanID] = true
		if !linkedTo(served[id], call) {
			wrong++
		}
	}
	if wrong > 0 || len(spans) != n {
		t.Errorf("%d of %d calls are not linked to their request; %d spans", wrong, n, len(spans))
	}
	// The called requests, of the same process, are in the trace of nobody:
	// the client sends no traceparent.
	for id, r := range l.served(t, v, "/called/", n) {
		if r.ParentSpanID != (model.SpanID{}) {
			t.Fatalf("request %s, which nobody's header is with, has a parent", id)
		}
	}
}

// TestSampledRequestsAreLinked is TestCallsAreLinked with the usual sampling: a
// call that is told of has a parent that is told of, or none.
func TestSampledRequestsAreLinked(t *testing.T) {
	options := everything()
	options.Settings.PerSecond, options.Settings.FailedPerSecond = 0, 0
	l := startLive(t, options)
	v := startVictim(t, victimBuild{}.path(t))
	l.attach(t, v.PID)
	const n = 10000
	v.each(t, "/four/", n, 50)
	v.counts(t)
	l.stop()
	spans := map[model.SpanID]string{}
	for id, r := range l.served(t, v, "/four/", 1) {
		spans[r.SpanID] = id
	}
	linked := 0
	made := l.calls(t, v, 1)
	for id, call := range made {
		if call.ParentSpanID == (model.SpanID{}) {
			continue
		}
		linked++
		if got, ok := spans[call.ParentSpanID]; !ok || got != id {
			t.Errorf("call %s is linked to request %q, told: %t", id, got, ok)
		}
	}
	t.Logf("of %d requests %d calls are told of, %d linked to one of %d requests", n, len(made), linked, len(spans))
	if linked == 0 {
		t.Error("none is linked")
	}
	if got := l.sum(func(k kind) bool { return k.role == roleClient }); got != n {
		t.Errorf("%d calls are counted, want %d", got, n)
	}
}

// TestWorkOfOthers has goroutines work for a request that it did not start.
func TestWorkOfOthers(t *testing.T) {
	l := startLive(t, everything())
	v := startVictim(t, victimBuild{}.path(t))
	l.attach(t, v.PID)
	const n = 20
	t.Run("a pool from the start", func(t *testing.T) {
		v.each(t, "/pool/early", n, 1)
		for id, call := range l.calls(t, v, n) {
			if call.ParentSpanID != (model.SpanID{}) {
				t.Errorf("call %s is linked to %x", id, call.ParentSpanID)
			}
		}
	})
	t.Run("a pool that a request starts", func(t *testing.T) {
		v2 := startVictim(t, victimBuild{}.path(t))
		l.attach(t, v2.PID)
		for i := range n {
			do(t, newClient(t, false), "GET", fmt.Sprintf("http://%s/pool/%d/late?http://%s/called/%d", v2.Plain, i, v2.Plain, i), nil)
		}
		// A documented limit: the worker keeps the request that started it. It
		// is linked to no other.
		first := l.served(t, v2, "/pool/", n)["0/late"]
		for id, call := range l.calls(t, v2, n) {
			if call.ParentSpanID != (model.SpanID{}) && !linkedTo(first, call) {
				t.Errorf("call %s is linked to %x", id, call.ParentSpanID)
			}
		}
	})
	t.Run("a goroutine that goes on after the response", func(t *testing.T) {
		v2 := startVictim(t, victimBuild{}.path(t))
		l.attach(t, v2.PID)
		v2.each(t, "/after/", n, 10)
		made, served := l.calls(t, v2, n), l.served(t, v2, "/after/", n)
		later := 0
		for id, call := range made {
			if !linkedTo(served[id], call) {
				t.Errorf("call %s is in trace %x below %x, want its request's: %x, %x", id, call.TraceID, call.ParentSpanID, served[id].TraceID, served[id].SpanID)
			}
			if call.Time.After(served[id].Time.Add(served[id].Duration)) {
				later++
			}
		}
		if later == 0 {
			t.Error("no call began after its request")
		}
	})
}
