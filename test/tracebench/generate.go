package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime/trace"
	"sync"
	"sync/atomic"
)

const (
	// clients, pairs and helpers make of a busy server what a trace of one has:
	// requests, new goroutines, contention and channels, some 190,000 events in each
	// MiB.
	clients = 16
	pairs   = 4
	helpers = 8
	fields  = 50
)

// full counts what is written and calls once when it is enough.
type full struct {
	to      io.Writer
	left    atomic.Int64
	reached func()
}

func (f *full) Write(p []byte) (int, error) {
	n, err := f.to.Write(p)
	if f.left.Add(-int64(n)) <= 0 {
		f.reached()
	}
	return n, err
}

// generate traces this process under load until the trace has mib MiB. It is a
// little larger: what the runtime has buffered comes at the end.
func generate(ctx context.Context, file string, mib int) (err error) {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(answer)}
	go server.Serve(l) // Its error is that Close was called.
	defer server.Close()

	loaded, enough := context.WithCancel(ctx)
	defer enough()
	w := &full{to: out, reached: enough}
	w.left.Store(int64(mib) << 20)
	if err := trace.Start(w); err != nil {
		return err
	}
	var all sync.WaitGroup
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	defer transport.CloseIdleConnections()
	for range clients {
		all.Go(func() { get(loaded, &http.Client{Transport: transport}, "http://"+l.Addr().String()) })
	}
	numbers := make(chan int)
	for range pairs {
		all.Go(func() { pass(loaded, numbers) })
		all.Go(func() { take(loaded, numbers) })
	}
	all.Wait()
	trace.Stop()
	return ctx.Err()
}

// answer serves a request with a task, a region, new goroutines and a mutex that
// they contend for.
func answer(w http.ResponseWriter, r *http.Request) {
	ctx, task := trace.NewTask(r.Context(), "request")
	defer task.End()
	trace.WithRegion(ctx, "encode", func() {
		values := make(map[string]int, fields)
		for i := range fields {
			values[fmt.Sprint("field", i)] = i
		}
		json.NewEncoder(w).Encode(values) // A client that left is of no interest.
	})
	var all sync.WaitGroup
	var mutex sync.Mutex
	for range helpers {
		all.Go(func() {
			mutex.Lock()
			defer mutex.Unlock()
			scratch := make([]byte, 64<<10)
			for i := range scratch {
				scratch[i] = byte(i)
			}
		})
	}
	all.Wait()
}

func get(ctx context.Context, client *http.Client, url string) {
	for ctx.Err() == nil {
		response, err := client.Get(url)
		if err != nil {
			continue
		}
		io.Copy(io.Discard, response.Body) // The next request tells whether the connection is good.
		response.Body.Close()
	}
}

func pass(ctx context.Context, to chan<- int) {
	for ctx.Err() == nil {
		select {
		case to <- 1:
		case <-ctx.Done():
		}
	}
}

func take(ctx context.Context, from <-chan int) {
	for ctx.Err() == nil {
		select {
		case <-from:
		case <-ctx.Done():
		}
	}
}
