package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

// load is what the flags say.
type load struct {
	address     string
	kind        string
	count       int // requests, of all connections together
	connections int
	rate        float64 // per second, of all connections together
}

// report is what became of a load.
type report struct {
	Kind string `json:"kind"`
	// Sent counts requests of which every byte was written, and Completed
	// those that ended as their kind is to end.
	Sent      int `json:"sent"`
	Completed int `json:"completed"`
	// Partial counts requests that were given up before their end was written.
	Partial   int   `json:"partial"`
	ElapsedNS int64 `json:"elapsed_ns"`
	CPUNS     int64 `json:"cpu_ns"`
	// P50NS and P99NS are of the time from sending to the end of the reply, of
	// the kinds keepalive and rate.
	P50NS int64 `json:"p50_ns,omitempty"`
	P99NS int64 `json:"p99_ns,omitempty"`

	latencies []int64
}

// add takes up the report of a connection.
func (r *report) add(o report) {
	r.Sent += o.Sent
	r.Completed += o.Completed
	r.Partial += o.Partial
	r.latencies = append(r.latencies, o.latencies...)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "webload:", err)
		os.Exit(1)
	}
}

func run() error {
	var l load
	flag.StringVar(&l.address, "address", "", "host:port of the server")
	flag.StringVar(&l.kind, "kind", "keepalive", "keepalive, pipelined, aborted, panics, taken or rate")
	flag.IntVar(&l.count, "count", 10_000, "requests, of all connections together")
	flag.IntVar(&l.connections, "connections", 16, "connections at the same time")
	flag.Float64Var(&l.rate, "rate", 1000, "requests a second of the kind rate")
	flag.Parse()
	if _, ok := kinds()[l.kind]; !ok {
		return fmt.Errorf("kind %q is not known", l.kind)
	}
	r, err := l.put()
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// put puts the load on the server and blocks until all of it has ended.
func (l *load) put() (report, error) {
	total := report{Kind: l.kind}
	parts := make([]report, l.connections)
	errs := make([]error, l.connections)
	begin := time.Now()
	var all sync.WaitGroup
	for i := range l.connections {
		share := l.count / l.connections
		if i < l.count%l.connections {
			share++
		}
		all.Go(func() {
			parts[i], errs[i] = kinds()[l.kind](l, begin, i, share)
			if errs[i] != nil {
				errs[i] = fmt.Errorf("%s, connection %d, after %d requests: %w", l.kind, i, parts[i].Sent, errs[i])
			}
		})
	}
	all.Wait()
	total.ElapsedNS = time.Since(begin).Nanoseconds()
	for _, part := range parts {
		total.add(part)
	}
	total.P50NS, total.P99NS = quantile(total.latencies, 0.5), quantile(total.latencies, 0.99)
	var used syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	total.CPUNS = used.Utime.Nano() + used.Stime.Nano()
	return total, errors.Join(append(errs, err)...)
}

// quantile sorts values and returns the one below which the share q of them
// is, 0 of nothing.
func quantile(values []int64, q float64) int64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[int(q*float64(len(values)-1))]
}
