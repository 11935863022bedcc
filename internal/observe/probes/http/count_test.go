package http

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/observe/probe"
)

// requestCount is how many requests TestEveryRequestIsCounted makes.
var requestCount = flag.Int64("requests", 200_000, "how many requests TestEveryRequestIsCounted makes")

// TestEveryRequestIsCounted makes requests of all kinds at once: what the probe
// counts is what the handlers counted, and what the clients saw completed.
func TestEveryRequestIsCounted(t *testing.T) {
	l := startLive(t, probe.Options{})
	l.quiet = true
	v := startVictim(t, victimBuild{}.path(t))
	l.attach(t, v.PID)
	g := &generator{t: t, v: v, left: *requestCount, seen: map[completion]uint64{}}
	began := time.Now()
	g.run()
	counts := v.counts(t)
	t.Logf("%d handlers ran, %d of them panicked, in %s", counts.Begun, counts.Panicked, time.Since(began))
	if counts.Begun < *requestCount {
		t.Fatalf("only %d of %d requests got there", counts.Begun, *requestCount)
	}
	served := func(k kind) bool { return int(k.pid) == v.PID && k.role == roleServer }
	for deadline := time.Now().Add(10 * time.Second); l.sum(served) < uint64(counts.Begun) && time.Now().Before(deadline); {
		time.Sleep(100 * time.Millisecond)
	}
	l.stop()
	if got := l.sum(served); got != uint64(counts.Begun) {
		t.Errorf("the probe counted %d requests, the handlers %d", got, counts.Begun)
	}
	broken := l.sum(func(k kind) bool { return served(k) && (k.outcome == "panic" || k.outcome == "aborted") })
	if broken != uint64(counts.Panicked) {
		t.Errorf("the probe counted %d requests that did not return, the handlers %d", broken, counts.Panicked)
	}
	for a, want := range g.seen {
		got := l.sum(func(k kind) bool {
			return served(k) && k.method == a.method && k.status == int64(a.status) && k.route == a.route && k.outcome == "done"
		})
		if got != want {
			t.Errorf("%s %s %d: the probe counted %d, the clients %d", a.method, a.route, a.status, got, want)
		}
	}
	if h := l.probe.Health(); h.Lost != 0 || h.LostRecords != 0 {
		t.Errorf("health = %+v", h)
	}
	var n uint64
	for k, d := range l.took {
		if d.Count() != l.tallies[k] {
			t.Errorf("%+v: %d durations of %d requests", k, d.Count(), l.tallies[k])
		}
		n += d.Count()
	}
	t.Logf("%d requests in %d series, %d kinds of answers compared", n, len(l.took), len(g.seen))
}

// TestManyConnections has each of many connections make its first request at
// once: nothing is lost for want of memory.
func TestManyConnections(t *testing.T) {
	l := startLive(t, probe.Options{})
	v := startVictim(t, victimBuild{}.path(t))
	l.attach(t, v.PID)
	const n = 3000
	var open, closed sync.WaitGroup
	begin := make(chan struct{})
	var completed atomic.Int64
	for range n {
		conn, err := net.Dial("tcp", v.Plain)
		if err != nil {
			t.Fatal(err)
		}
		open.Add(1)
		closed.Go(func() {
			defer conn.Close()
			open.Done()
			<-begin
			io.WriteString(conn, "GET /items/1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
			if answer, err := io.ReadAll(conn); err == nil && bytes.HasPrefix(answer, []byte("HTTP/1.1 200")) {
				completed.Add(1)
			}
		})
	}
	open.Wait()
	close(begin)
	closed.Wait()
	counts := v.counts(t)
	l.stop()
	if got := l.sum(func(kind) bool { return true }); got != uint64(counts.Begun) || completed.Load() != n {
		t.Errorf("the probe counted %d requests, the handlers %d; %d of %d completed; health = %+v",
			got, counts.Begun, completed.Load(), n, l.probe.Health())
	}
}

// completion is what a client saw of a request whose route nothing else has.
type completion struct {
	method, route string
	status        int
}

// generator makes requests until none are left.
type generator struct {
	t    *testing.T
	v    *victim
	left int64

	mu   sync.Mutex
	seen map[completion]uint64 // of requests that completed
}

func (g *generator) run() {
	two, one := newClient(g.t, true), newClient(g.t, false)
	var wait sync.WaitGroup
	for range runtime.NumCPU() {
		wait.Go(g.pipeline)
		wait.Go(func() { g.exchange(one, "http://"+g.v.Plain, 5) })
		wait.Go(func() { g.exchange(two, "https://"+g.v.TLS, 5) })
		wait.Go(g.leave)
		wait.Go(func() { g.breakDown(one, "http://"+g.v.Plain) })
		wait.Go(func() { g.breakDown(two, "https://"+g.v.TLS) })
	}
	wait.Wait()
}

// take takes n of the requests that are left, fewer at the end.
func (g *generator) take(n int64) int {
	return int(max(0, min(n, atomic.AddInt64(&g.left, -n)+n)))
}

// pipeline sends many requests at once by one connection.
func (g *generator) pipeline() {
	for n := 1; n > 0; {
		conn, err := net.Dial("tcp", g.v.Plain)
		if err != nil {
			g.t.Error(err)
			return
		}
		in := bufio.NewReader(conn)
		for range 20 {
			if n = g.take(50); n == 0 {
				break
			}
			if !g.sendAll(conn, in, n) {
				g.t.Error("a connection with pipelining broke")
				n = 0
				break
			}
		}
		conn.Close()
	}
}

// sendAll sends n requests and reads the responses.
func (g *generator) sendAll(conn net.Conn, in *bufio.Reader, n int) bool {
	const each = "GET /files/%d HTTP/1.1\r\nHost: a\r\n\r\n"
	var all bytes.Buffer
	for i := range n {
		fmt.Fprintf(&all, each, i)
	}
	if _, err := conn.Write(all.Bytes()); err != nil {
		return false
	}
	for range n {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return false
		}
		io.Copy(io.Discard, resp.Body)
		g.saw(completion{"GET", "/files/{path...}", resp.StatusCode})
	}
	return true
}

func (g *generator) saw(a completion) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seen[a]++
}

// exchange makes requests by a client that keeps connections.
func (g *generator) exchange(c *http.Client, base string, workers int) {
	var wait sync.WaitGroup
	for range workers {
		wait.Go(func() {
			for n := g.take(1); n > 0; n = g.take(1) {
				method := []string{"GET", "POST"}[rand.N(2)]
				status, text := do(g.t, c, method, fmt.Sprintf("%s/items/%d", base, rand.N(1000)), nil)
				if status == 0 {
					g.t.Errorf("a request failed: %s", text)
				}
				g.saw(completion{method, "/items/{id}", status})
			}
		})
	}
	wait.Wait()
}

// leave makes requests and goes away at some time in each.
func (g *generator) leave() {
	for n := g.take(1); n > 0; n = g.take(1) {
		time.Sleep(time.Millisecond)
		conn, err := net.Dial("tcp", g.v.Plain)
		if err != nil {
			g.t.Error(err)
			return
		}
		request := "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n"
		if rand.N(2) == 0 {
			request = "POST /body/100000 HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf"
		}
		io.WriteString(conn, request)
		io.CopyN(io.Discard, conn, int64(rand.N(2)*5000*int(request[0]/'P'^1)))
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	}
}

// breakDown makes requests that end in an odd way.
func (g *generator) breakDown(c *http.Client, base string) {
	paths := []string{"/panic", "/late", "/abort", "/goexit", "/nil", "/again", "/harmless", "/recovered/panic", "/hijack", "/status/500", "/slow/panic"}
	for n := g.take(1); n > 0; n = g.take(1) {
		time.Sleep(time.Millisecond)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		path := paths[rand.N(len(paths))]
		r, err := http.NewRequestWithContext(ctx, "GET", base+path, strings.NewReader(""))
		if err != nil {
			g.t.Error(err)
		}
		// A request that fails on a connection that is kept is sent again
		// unless it has this.
		r.Header.Set("Connection", "close")
		if resp, err := c.Do(r); err == nil {
			if resp.StatusCode != http.StatusSwitchingProtocols {
				io.Copy(io.Discard, resp.Body)
			}
			resp.Body.Close()
		}
		cancel()
	}
}
