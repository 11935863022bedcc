package upgrade

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

func TestNewPace(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, c := range []struct {
		name               string
		replaced           bool
		left, spread, idle time.Duration
	}{
		{"the service ends", false, 0, 0, HTTPIdleLast},
		{"the service ends soon", false, time.Second, 0, time.Second / 2},
		{"another process serves", true, 0, HTTPSpread, HTTPIdle},
		{"another process serves, and there is time", true, time.Minute, HTTPSpread, HTTPIdle},
		{"another process serves, and there is little time", true, 2 * time.Second, time.Second / 2, time.Second},
		{"there is no time", true, -time.Second, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			if c.left != 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithDeadline(ctx, now.Add(c.left))
				defer cancel()
			}
			if c.replaced {
				ctx = withReplaced(ctx)
			}
			if p := newPace(ctx, now); p.spread != c.spread || p.idle != c.idle || !p.began.Equal(now) {
				t.Errorf("%+v", p)
			}
		})
	}
}

// TestPace_tellsOneAfterTheOther has a thousand connections: in each part of the time as many
// of them are told.
func TestPace_tellsOneAfterTheOther(t *testing.T) {
	t.Parallel()
	began := time.Now()
	p := newPace(withReplaced(context.Background()), began)
	const all, parts = 1000, 20
	for _, first := range []uint64{0, 1<<32 - 500, 1<<63 - 1} {
		told := 0
		for part := range parts + 1 {
			now := began.Add(HTTPSpread * time.Duration(part) / parts)
			n := 0
			for i := range uint64(all) {
				if p.tells(shareOf(first+i), now) {
					n++
				}
			}
			if d := n - told; part > 0 && (d < all/parts*9/10 || d > all/parts*11/10) {
				t.Errorf("from %d on, part %d: %d are told", first, part, d)
			}
			if told = n; p.toldAll(now) != (n == all) {
				t.Errorf("from %d on, part %d: %d are told in all", first, part, n)
			}
		}
	}
	if now := new(pace); !now.tells(0.999, now.began) {
		t.Error("it is not told at once")
	}
}

// TestPace_patience has no two of a few connections be idle for equally long.
func TestPace_patience(t *testing.T) {
	t.Parallel()
	p := newPace(withReplaced(context.Background()), time.Now())
	var all []time.Duration
	for n := range uint64(10) {
		all = append(all, p.patienceWith(shareOf(n)))
	}
	slices.Sort(all)
	if all[0] < HTTPIdle || all[9] > HTTPIdle*6/5 {
		t.Errorf("%v", all)
	}
	for i, d := range all[1:] {
		if d-all[i] < HTTPIdle/100 {
			t.Errorf("%v and %v", all[i], d)
		}
	}
}

// TestHTTP_drainTellsOneAfterTheOther has connections of HTTP/1 that are used on: they are told
// that they end when their moment has come, if another process serves, and else at once.
func TestHTTP_drainTellsOneAfterTheOther(t *testing.T) {
	t.Parallel()
	for _, replaced := range []bool{true, false} {
		t.Run(fmt.Sprintf("replaced %v", replaced), func(t *testing.T) {
			t.Parallel()
			d, clock := newClocked(t, &http.Server{})
			conns := make([]*rawConn, 8)
			for i := range conns {
				conns[i] = d.dial()
				roundTrip(t, conns[i])
			}
			began := clock.Load()
			ctx := context.Background()
			if replaced {
				ctx = withReplaced(ctx)
			}
			done := make(chan error, 1)
			go func() { done <- d.server.Drain(ctx) }()
			d.closed()
			told := make([]bool, len(conns))
			const steps = 16
			for step := range steps + 1 {
				at := HTTPSpread * time.Duration(step) / steps
				clock.Store(began + int64(at))
				for i, c := range conns {
					if told[i] {
						continue
					}
					if err := c.send(get("/b")); err != nil {
						t.Fatal(err)
					}
					told[i] = !replaced || at >= time.Duration(shareOf(uint64(i))*float64(HTTPSpread))
					c.want(t, "/b", told[i])
				}
			}
			if slices.Contains(told, false) {
				t.Errorf("told: %v", told)
			}
			d.must(done)
		})
	}
}

// TestHTTP_drainOfHTTP2TellsOneAfterTheOther has a connection of HTTP/2 on which no request
// comes: it is told at the end of the time for that.
func TestHTTP_drainOfHTTP2TellsOneAfterTheOther(t *testing.T) {
	t.Parallel()
	h2c := new(http.Protocols)
	h2c.SetUnencryptedHTTP2(true)
	d, clock := newClocked(t, &http.Server{Protocols: h2c})
	c := d.dial()
	c.beginHTTP2(t)
	h := d.server.(*httpServer)
	pace := newPace(withReplaced(t.Context()), time.Unix(0, clock.Load()))
	for range 3 {
		if !h.end(pace) {
			t.Error("it is told too early")
		}
	}
	done := make(chan error, 1)
	go func() { done <- d.server.Drain(withReplaced(context.Background())) }()
	d.closed()
	clock.Add(int64(HTTPSpread))
	c.toldToGo(t)
	d.must(done)
}

// newClocked is newServed with a clock that stands still but for the test.
func newClocked(t *testing.T, s *http.Server) (*served, *atomic.Int64) {
	t.Helper()
	clock := new(atomic.Int64)
	clock.Store(1e18)
	d := newServed(t, s, nil)
	d.patiently()
	d.server.(*httpServer).now = func() time.Time { return time.Unix(0, clock.Load()) }
	return d, clock
}
