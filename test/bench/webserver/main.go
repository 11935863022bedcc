package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// name makes executables of one source differ: -ldflags '-X main.name=n'.
var name = "webserver"

// usage is what the server answers to a line.
type usage struct {
	// Served counts calls of the server's handler, also those that panic or
	// whose client has gone.
	Served int64 `json:"served"`
	// CPUNS is the CPU time of the process in nanoseconds.
	CPUNS int64 `json:"cpu_ns"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, name+":", err)
		os.Exit(1)
	}
}

func run() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	served := new(atomic.Int64)
	routes := handlers()
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			served.Add(1)
			routes.ServeHTTP(w, r)
		}),
		ErrorLog: log.New(io.Discard, "", 0), // panics are wanted
	}
	go server.Serve(listener)
	fmt.Println(listener.Addr())
	out := json.NewEncoder(os.Stdout)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var used syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
			return err
		}
		if err := out.Encode(usage{served.Load(), used.Utime.Nano() + used.Stime.Nano()}); err != nil {
			return err
		}
	}
	return nil
}

func handlers() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /hello/{name}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"hello":"world"}`)
	})
	mux.HandleFunc("GET /pipelined/{id}", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "ok\n")
	})
	// The client of this one goes while it is served.
	mux.HandleFunc("GET /aborted/{id}", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-time.After(time.Second):
		}
		io.WriteString(w, "nobody reads this\n")
	})
	mux.HandleFunc("GET /panics/{id}", func(http.ResponseWriter, *http.Request) {
		panic("as the client wants it")
	})
	mux.HandleFunc("GET /taken/{id}", func(w http.ResponseWriter, _ *http.Request) {
		connection, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		connection.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n"))
		connection.Close()
	})
	return mux
}
