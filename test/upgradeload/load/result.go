package load

import (
	"cmp"
	"slices"
	"time"
)

// Sample is a request with its answer.
type Sample struct {
	// At is when it was meant to be sent, from the beginning of the run.
	At time.Duration
	// Latency is from At to the end of the answer.
	Latency time.Duration
	// Lag is how much later than At it was sent: what of Latency is the client's own
	// doing, or its waiting for a worker.
	Lag time.Duration
	// PID is the process that answered.
	PID int
}

// Result is what became of all requests. Samples and Losses are in the order of At.
type Result struct {
	Began time.Time
	// Sent is how many requests were begun: it is that of Samples and Losses together.
	Sent    int
	Samples []Sample
	Losses  []Loss
	// Resent is how many streams of HTTP/2 and gRPC were sent again after the server
	// had refused them.
	Resent int
	// Dials is how many connections were opened or tried.
	Dials int
	// Resumed is how many of these resumed a session of TLS.
	Resumed int
	// IdleClosed is how many connections of HTTP/1.1 the server closed between requests.
	IdleClosed int
}

func merge(parts []Result) *Result {
	all := new(Result)
	for _, p := range parts {
		all.Sent += p.Sent
		all.Samples = append(all.Samples, p.Samples...)
		all.Losses = append(all.Losses, p.Losses...)
	}
	slices.SortFunc(all.Samples, func(a, b Sample) int { return cmp.Compare(a.At, b.At) })
	slices.SortFunc(all.Losses, func(a, b Loss) int { return cmp.Compare(a.At, b.At) })
	return all
}

// Processes returns how many answers each process gave.
func (r *Result) Processes() map[int]int {
	answers := map[int]int{}
	for _, s := range r.Samples {
		answers[s.PID]++
	}
	return answers
}

// Lost returns how many requests were lost, by kind.
func (r *Result) Lost() map[LossKind]int {
	lost := map[LossKind]int{}
	for _, l := range r.Losses {
		lost[l.Kind]++
	}
	return lost
}

// Window is a part of a run, from its beginning; To is not in it.
type Window struct{ From, To time.Duration }

// Split returns the latencies of the requests that were meant to be sent in one of the
// windows, and of the others.
func (r *Result) Split(windows []Window) (in, out Latencies) {
	for _, s := range r.Samples {
		if slices.ContainsFunc(windows, func(w Window) bool { return w.From <= s.At && s.At < w.To }) {
			in = append(in, s.Latency)
		} else {
			out = append(out, s.Latency)
		}
	}
	return in.sorted(), out.sorted()
}

// Lags returns how late requests were sent.
func (r *Result) Lags() Latencies {
	lags := make(Latencies, 0, len(r.Samples))
	for _, s := range r.Samples {
		lags = append(lags, s.Lag)
	}
	return lags.sorted()
}

// Latencies are in ascending order.
type Latencies []time.Duration

func (l Latencies) sorted() Latencies {
	slices.Sort(l)
	return l
}

// Quantile returns the smallest latency that at least the share q of all do not exceed;
// q is from 0 to 1. It is 0 of nothing.
func (l Latencies) Quantile(q float64) time.Duration {
	if len(l) == 0 {
		return 0
	}
	// The nearest rank, in whole numbers: 0.99 * 100 is more than 99 in floating point.
	rank := (int64(q*1e6)*int64(len(l)) + 1e6 - 1) / 1e6
	return l[min(max(rank, 1), int64(len(l)))-1]
}
