package load

import (
	"context"
	"crypto/x509"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Options say what is sent where. The zero value of each field but Kind and Address is
// a default.
type Options struct {
	Kind Kind
	// Address is host and port of the server.
	Address string
	// Rate is in requests per second; 1000 by default.
	Rate float64
	// Duration is for how long requests are sent; 1 s by default.
	Duration time.Duration
	// Workers bounds the requests that are under way; 64 by default. For HTTP/1.1 it is
	// the number of connections.
	Workers int
	// Streams is how many workers share a connection of HTTP/2 or gRPC; 8 by default.
	Streams int
	// Timeout is when a request that was sent counts as lost; 10 s by default.
	Timeout time.Duration
	// Roots verify the server of the kinds with TLS.
	Roots *x509.CertPool
	// Tickets makes each worker of the kinds with TLS and HTTP/1.1 resume its last session
	// when it connects again.
	Tickets bool
}

func (o Options) withDefaults() Options {
	if o.Rate <= 0 {
		o.Rate = 1000
	}
	if o.Duration <= 0 {
		o.Duration = time.Second
	}
	if o.Workers <= 0 {
		o.Workers = 64
	}
	if o.Streams <= 0 {
		o.Streams = 8
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	return o
}

// client sends requests of one worker.
type client interface {
	// exchange sends request id and returns the process that answered it. It blocks for
	// no longer than the timeout. The error is a *Loss, without its time.
	exchange(id int) (pid int, err error)
	close()
}

// tally counts what clients do beside their requests.
type tally struct{ dials, idle, resent, resumed atomic.Int64 }

// Run sends all requests and waits for their answers. When ctx ends it sends no more,
// waits for those under way, and returns what it has with the error of ctx.
func Run(ctx context.Context, o Options) (*Result, error) {
	o = o.withDefaults()
	counts := new(tally)
	clients, err := o.Kind.clients(o, counts)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", o.Kind, err)
	}
	r := &run{
		requests: int64(math.Round(o.Rate * o.Duration.Seconds())),
		every:    float64(time.Second) / o.Rate,
		began:    time.Now(),
	}
	parts := make([]Result, len(clients))
	var working sync.WaitGroup
	for i, c := range clients {
		working.Go(func() { r.work(ctx, c, &parts[i]) })
	}
	working.Wait()
	for _, c := range clients {
		c.close()
	}
	result := merge(parts)
	result.Began = r.began
	result.Dials = int(counts.dials.Load())
	result.IdleClosed = int(counts.idle.Load())
	result.Resent = int(counts.resent.Load())
	result.Resumed = int(counts.resumed.Load())
	return result, ctx.Err()
}

// run is the schedule that all workers share.
type run struct {
	requests int64
	every    float64 // nanoseconds
	began    time.Time
	next     atomic.Int64
}

// work sends one request after the other.
func (r *run) work(ctx context.Context, c client, part *Result) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		id := r.next.Add(1) - 1
		if id >= r.requests {
			return
		}
		at := time.Duration(float64(id) * r.every)
		timer.Reset(time.Until(r.began.Add(at)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		// A timer that has fired does not hide that ctx has ended.
		if ctx.Err() != nil {
			return
		}
		lag := time.Since(r.began) - at
		pid, err := c.exchange(int(id))
		after := time.Since(r.began)
		part.Sent++
		if err != nil {
			part.Losses = append(part.Losses, lossOf(err, at, after))
			continue
		}
		part.Samples = append(part.Samples, Sample{At: at, Latency: after - at, Lag: lag, PID: pid})
	}
}
