package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
)

// handler is what the servers do: a switch on the path's first part, so that
// it is the same for all releases of Go. routes puts the mux before it.
func handler(w http.ResponseWriter, r *http.Request) {
	part := strings.SplitN(strings.TrimPrefix(r.URL.Path, "/"), "/", 2)
	number, _ := strconv.Atoi(part[len(part)-1])
	switch part[0] {
	case "status":
		w.WriteHeader(number)
	case "sleep":
		time.Sleep(time.Duration(number) * time.Millisecond)
		io.WriteString(w, "slept")
	case "body":
		n, _ := io.Copy(io.Discard, r.Body)
		w.Header().Set("Read", strconv.FormatInt(n, 10))
		w.Write(make([]byte, number))
	case "unread":
		w.Write([]byte("did not look"))
	case "silent":
	case "panic":
		blowUp()
	case "nil":
		dereference(nil)
	case "late":
		io.WriteString(w, strings.Repeat("x", 100000))
		blowUp()
	case "abort":
		panic(http.ErrAbortHandler)
	case "goexit":
		runtime.Goexit()
	case "again":
		defer func() { panic(recover()) }()
		blowUp()
	case "harmless":
		func() {
			defer func() { recover() }()
			blowUp()
		}()
		io.WriteString(w, "all is well")
	case "hijack":
		hijack(w, r)
	case "early":
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusCreated)
	case "stream":
		stream(w, r)
	case "call":
		call(w, r.URL.RawQuery)
	case "four":
		levels(4, func() { call(w, r.URL.RawQuery) })
	case "after":
		after(w, r)
	case "pool":
		pooled(w, r)
	case "run":
		levels(4, func() { run(w, r.URL.RawQuery) })
	case "method":
		r.Method = r.URL.Query().Get("m")
		r.URL.Path = r.URL.Query().Get("p")
		io.WriteString(w, "changed")
	default:
		fmt.Fprintf(w, "hello from %s", r.URL.Path)
	}
}

//go:noinline
func blowUp() { panic("boom") }

// dereference has a frame: of a function without one, the caller is not on the
// stack that the kernel walks.
//
//go:noinline
func dereference(p *int) int { return grow(0) + *p }

// hijack takes the connection over and echoes lines until it is closed.
func hijack(w http.ResponseWriter, r *http.Request) {
	h, ok := w.(http.Hijacker)
	if !ok {
		http.Error(w, "no", http.StatusNotImplemented)
		return
	}
	conn, rw, err := h.Hijack()
	check(err)
	defer conn.Close()
	io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n")
	for lines := bufio.NewScanner(rw); lines.Scan(); {
		fmt.Fprintln(conn, lines.Text())
	}
}

// stream writes until the client is gone.
func stream(w http.ResponseWriter, r *http.Request) {
	for i := 0; r.Context().Err() == nil && i < 1000; i++ {
		if _, err := w.Write(make([]byte, 4096)); err != nil {
			return
		}
		w.(http.Flusher).Flush()
		time.Sleep(time.Millisecond)
	}
}

// levels calls f on a goroutine n levels below and waits for it.
func levels(n int, f func()) {
	if n == 0 {
		f()
		return
	}
	var wait sync.WaitGroup
	wait.Add(1)
	go func() {
		defer wait.Done()
		levels(n-1, f)
	}()
	wait.Wait()
}

var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}}

// get requests a URL and returns the status.
func get(url string) (int, error) {
	resp, err := client.Get(url)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, nil
}

func call(w http.ResponseWriter, url string) {
	status, err := get(url)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	fmt.Fprintf(w, "answered %d", status)
}

// after requests a URL when the response is long over.
func after(w http.ResponseWriter, r *http.Request) {
	levels(1, func() {
		go func() {
			<-r.Context().Done() // the handler has returned
			time.Sleep(200 * time.Millisecond)
			get(r.URL.RawQuery)
		}()
	})
	io.WriteString(w, "later")
}

// A pool of workers that is there before all requests.
var jobs, results = make(chan string), make(chan string)

func init() {
	for range [2]struct{}{} {
		go func() {
			for job := range jobs {
				status, err := get(job)
				results <- fmt.Sprint(status, text(err))
			}
		}()
	}
}

// A pool of workers that the first request starts.
var (
	startPool sync.Once
	lateJobs  = make(chan func())
)

// pooled has a worker request a URL: one of those that are there before all
// requests, or of those that the first request of /pool/late starts.
func pooled(w http.ResponseWriter, r *http.Request) {
	if !strings.HasSuffix(r.URL.Path, "/late") {
		jobs <- r.URL.RawQuery
		io.WriteString(w, <-results)
		return
	}
	startPool.Do(func() {
		go func() {
			for f := range lateJobs {
				f()
			}
		}()
	})
	done := make(chan struct{})
	lateJobs <- func() { call(w, r.URL.RawQuery); close(done) }
	<-done
}

// recovered is a middleware that answers 500 for a panic.
func recovered(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if recover() != nil {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}()
		h.ServeHTTP(w, r)
	})
}
