package load

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// losses is how many requests were lost, by kind.
type losses = map[LossKind]int

// sending returns options that send n requests in 100 ms.
func sending(kind Kind, address string, n, workers int) Options {
	return Options{Kind: kind, Address: address, Rate: float64(10 * n), Duration: 100 * time.Millisecond, Workers: workers}
}

func TestRun_findsEachLoss(t *testing.T) {
	each := func(f fault, ids ...int) map[int]fault {
		plan := map[int]fault{}
		for _, id := range ids {
			plan[id] = f
		}
		return plan
	}
	for _, tt := range []struct {
		name    string
		kind    Kind
		workers int
		plan    map[int]fault
		want    losses
	}{
		{"none", HTTP, 8, nil, losses{}},
		{"closes a reused connection", HTTP, 1, each(closes, 3, 7), losses{EOFReused: 2}},
		{"closes a fresh connection", HTTP, 1, each(closes, 0), losses{EOFFresh: 1}},
		{"closes a connection, and the one that comes in its place", HTTP, 1, each(closes, 3, 4), losses{EOFReused: 1, EOFFresh: 1}},
		{"resets a reused connection", HTTP, 1, each(resets, 3, 7, 9), losses{ResetReused: 3}},
		{"resets a fresh connection", HTTP, 1, each(resets, 0, 1), losses{ResetFresh: 2}},
		{"closes connections of one request", HTTPNew, 4, each(closes, 3, 7, 8), losses{EOFFresh: 3}},
		{"resets connections of one request", HTTPNew, 4, each(resets, 3, 7, 8), losses{ResetFresh: 3}},
		{"answers with another status", HTTP, 4, each(fails, 1, 2), losses{WrongAnswer: 2}},
		{"answers another request", HTTP, 4, each(answersAnother, 1, 2), losses{WrongAnswer: 2}},
		{"does not say who it is", HTTP, 4, each(namesNoProcess, 5), losses{WrongAnswer: 1}},
		{"ends in the header of an answer", HTTP, 4, each(cutsHeader, 5, 6), losses{Cut: 2}},
		{"ends in the body of an answer", HTTP, 4, each(cutsBody, 5, 6), losses{Cut: 2}},
		{"does not answer", HTTP, 4, each(isSilent, 5, 6), losses{Timeout: 2}},
		{"says that an answer is the last", HTTP, 4, each(answersLast, 1, 4, 5), losses{}},
		{"many on many connections", HTTP, 8, map[int]fault{2: fails, 11: cutsBody, 12: cutsHeader, 17: answersAnother, 19: answersLast}, losses{WrongAnswer: 2, Cut: 2}},
		{"TLS, none", TLS, 8, nil, losses{}},
		{"TLS, closes a reused connection", TLS, 1, each(closes, 3, 7), losses{EOFReused: 2}},
		{"TLS, resets a reused connection", TLS, 1, each(resets, 3), losses{ResetReused: 1}},
		{"TLS, closes connections of one request", TLSNew, 4, each(closes, 3, 7), losses{EOFFresh: 2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const n = 20
			secure, authority := secured(t)
			if tt.kind.Protocol() == "http" {
				secure = nil
			}
			o := sending(tt.kind, startFaulty(t, tt.plan, secure, 0).address, n, tt.workers)
			o.Roots = authority.Roots
			if tt.want[Timeout] > 0 {
				o.Timeout = 200 * time.Millisecond
			}
			checkRun(t, o, n, tt.want)
		})
	}
}

// checkRun runs a load of n requests and compares what was lost.
func checkRun(t *testing.T, o Options, n int, want losses) *Result {
	t.Helper()
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Sent != n || len(r.Samples)+len(r.Losses) != n {
		t.Errorf("sent %d, answered %d, lost %d; want %d in all", r.Sent, len(r.Samples), len(r.Losses), n)
	}
	if diff := cmp.Diff(want, r.Lost()); diff != "" {
		t.Errorf("lost (-want +got):\n%s", diff)
		for _, l := range r.Losses {
			t.Logf("%v: %v", l.At, &l)
		}
	}
	return r
}

func TestRun_findsWhatCannotConnect(t *testing.T) {
	_, authority := secured(t)
	for _, kind := range Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			o := sending(kind, unused(t), 10, 4)
			o.Roots = authority.Roots
			checkRun(t, o, 10, losses{Refused: 10})
		})
	}
}

func TestRun_findsAHandshakeThatEnds(t *testing.T) {
	secure, authority := secured(t)
	o := sending(TLS, startFaulty(t, nil, secure, 3).address, 10, 1)
	o.Roots = authority.Roots
	checkRun(t, o, 10, losses{Handshake: 3})
}

func TestRun_findsACertificateOfAnother(t *testing.T) {
	secure, _ := secured(t)
	_, another := secured(t)
	for _, kind := range []Kind{TLS, H2} {
		o := sending(kind, startFaulty(t, nil, secure, 0).address, 4, 1)
		o.Roots = another.Roots
		checkRun(t, o, 4, losses{Handshake: 4})
	}
}

func TestRun_countsProcesses(t *testing.T) {
	f := startFaulty(t, map[int]fault{4: closes}, nil, 0)
	f.pid = func(id int) int { return 100 + id/10 }
	r := checkRun(t, sending(HTTP, f.address, 30, 1), 30, losses{EOFReused: 1})
	if diff := cmp.Diff(map[int]int{100: 9, 101: 10, 102: 10}, r.Processes()); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	if got := r.Losses[0].PID; got != 100 {
		t.Errorf("the lost one was of process %d, want 100", got)
	}
	if text := r.Losses[0].Error(); !strings.Contains(text, "EOF on reused (process 100)") {
		t.Errorf("the loss says %q", text)
	}
}

// TestRun_isOpenLoop has a server stall once. The requests that were due meanwhile are
// sent afterwards, all of them, and their latencies count from when they were due.
func TestRun_isOpenLoop(t *testing.T) {
	f := startFaulty(t, map[int]fault{0: answersSlowly}, nil, 0)
	r := checkRun(t, sending(HTTP, f.address, 50, 1), 50, losses{})
	for _, s := range r.Samples {
		if s.At+s.Latency < slowness {
			t.Fatalf("the request of %v was answered after %v, before the one at 0 was", s.At, s.Latency)
		}
		if s.At > 0 && s.At+s.Lag < slowness {
			t.Fatalf("the request of %v was sent after %v, while the worker waited", s.At, s.Lag)
		}
		if s.Lag > s.Latency {
			t.Fatalf("the request of %v was sent after %v and answered after %v", s.At, s.Lag, s.Latency)
		}
	}
}

func TestRun_opensConnectionsAsItsKindSays(t *testing.T) {
	secure, authority := secured(t)
	for _, tt := range []struct {
		name    string
		kind    Kind
		workers int
		plan    map[int]fault
		want    int
	}{
		{"keep-alive", HTTP, 1, nil, 1},
		{"keep-alive, TLS", TLS, 1, nil, 1},
		{"a connection for each request", HTTPNew, 4, nil, 20},
		{"a connection for each request, TLS", TLSNew, 4, nil, 20},
		{"two answers are the last of their connections", HTTP, 1, map[int]fault{3: answersLast, 9: answersLast}, 3},
		{"a loss ends a connection", HTTP, 1, map[int]fault{3: fails}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := sending(tt.kind, "", 20, tt.workers)
			if tt.kind.Protocol() == "tls" {
				o.Address, o.Roots = startFaulty(t, tt.plan, secure, 0).address, authority.Roots
			} else {
				o.Address = startFaulty(t, tt.plan, nil, 0).address
			}
			r, err := Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if r.Dials != tt.want {
				t.Errorf("opened %d connections, want %d", r.Dials, tt.want)
			}
		})
	}
}

func TestRun_resumesSessions(t *testing.T) {
	secure, authority := secured(t)
	// Workers take what comes: one of them alone opens so many connections for certain.
	for _, tt := range []struct {
		name    string
		kind    Kind
		tickets bool
		plan    map[int]fault
		want    int
	}{
		{"with tickets", TLSNew, true, nil, 19},
		{"without", TLSNew, false, nil, 0},
		{"when the server has ended a connection", TLS, true, map[int]fault{3: answersLast, 7: answersLast}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := sending(tt.kind, startFaulty(t, tt.plan, secure, 0).address, 20, 1)
			o.Roots, o.Tickets = authority.Roots, tt.tickets
			if r := checkRun(t, o, 20, losses{}); r.Resumed != tt.want || r.IdleClosed != 0 {
				t.Errorf("resumed %d sessions, want %d; %d connections ended between requests, want 0", r.Resumed, tt.want, r.IdleClosed)
			}
		})
	}
}

// TestHTTP1_noticesTheEndOfAnIdleConnection waits until the end has arrived, so that it
// is between requests for certain.
func TestHTTP1_noticesTheEndOfAnIdleConnection(t *testing.T) {
	secure, authority := secured(t)
	for _, kind := range []Kind{HTTP, TLS} {
		t.Run(string(kind), func(t *testing.T) {
			config := secure
			if kind == HTTP {
				config = nil
			}
			f := startFaulty(t, map[int]fault{1: answersLast}, config, 0)
			counts := new(tally)
			clients, err := kind.clients(Options{Address: f.address, Workers: 1, Roots: authority.Roots}.withDefaults(), counts)
			if err != nil {
				t.Fatal(err)
			}
			c := clients[0].(*http1)
			defer c.close()
			if _, err := c.exchange(0); err != nil {
				t.Fatal(err)
			}
			if c.ended() {
				t.Fatal("the connection counts as ended before it is")
			}
			// The client is not told that the answer to 1 is the last.
			if _, err := c.send(1, time.Now().Add(10*time.Second)); err != nil {
				t.Fatal(err)
			}
			for end := time.Now().Add(10 * time.Second); !c.ended(); time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("the end is not noticed")
				}
			}
			if _, err := c.exchange(2); err != nil {
				t.Errorf("the next request: %v", err)
			}
			if idle, dials := counts.idle.Load(), counts.dials.Load(); idle != 1 || dials != 2 {
				t.Errorf("%d ended between requests and %d were opened, want 1 and 2", idle, dials)
			}
		})
	}
}

func TestRun_endsWithItsContext(t *testing.T) {
	f := startFaulty(t, nil, nil, 0)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	o := sending(HTTP, f.address, 20, 4)
	o.Duration = time.Hour
	r, err := Run(ctx, o)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
	if r == nil || len(r.Losses) > 0 {
		t.Errorf("got %+v, want a result without losses", r)
	}
}

func TestRun_refusesAKindThatItDoesNotKnow(t *testing.T) {
	if _, err := Run(t.Context(), Options{Kind: "gopher", Address: "127.0.0.1:1"}); err == nil || !strings.Contains(err.Error(), "load gopher: is none of [http ") {
		t.Errorf("error %v", err)
	}
	if _, err := ParseKind("gopher"); err == nil {
		t.Error("ParseKind takes gopher")
	}
	for _, k := range Kinds() {
		if got, err := ParseKind(string(k)); got != k || err != nil {
			t.Errorf("ParseKind(%q) = %q, %v", k, got, err)
		}
	}
}
