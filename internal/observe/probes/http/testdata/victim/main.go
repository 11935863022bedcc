// Command victim serves HTTP in all the ways that there are. It prints where it
// listens, as one JSON object, and answers each line of its standard input with
// one; it ends with its standard input.
//
// With an argument it is something else: see modes.go.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
)

// Addresses are where the victim listens.
type Addresses struct {
	Plain string // HTTP/1
	TLS   string // HTTP/1 and HTTP/2
	H2C   string // HTTP/1 and HTTP/2 without TLS; empty in some builds
}

// Counts are what the handlers counted: each request once, when it is over.
type Counts struct {
	Begun, Ended, Panicked, Commands int64
}

var begun, ended, panicked, commands atomic.Int64

func main() {
	if len(os.Args) > 1 {
		other(os.Args[1], os.Args[2:])
		return
	}
	a := serve(counted(routes()))
	print(a)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		answer(lines.Text())
	}
}

// serve starts the servers.
func serve(h http.Handler) Addresses {
	quiet := log.New(io.Discard, "", 0)
	plain := &http.Server{Handler: h, ErrorLog: quiet}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	go plain.Serve(l)
	secure := httptest.NewUnstartedServer(h)
	secure.EnableHTTP2 = true
	secure.Config.ErrorLog = quiet
	secure.StartTLS()
	return Addresses{Plain: l.Addr().String(), TLS: secure.Listener.Addr().String(), H2C: serveH2C(h, quiet)}
}

// counted counts requests, whatever way they end.
func counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun.Add(1)
		finished := false
		defer func() {
			if !finished {
				panicked.Add(1)
			}
			ended.Add(1)
		}()
		h.ServeHTTP(w, r)
		finished = true
	})
}

// answer does what a line of the standard input asks for.
func answer(line string) {
	verb, rest := line, ""
	if i := strings.IndexByte(line, ' '); i >= 0 {
		verb, rest = line[:i], line[i+1:]
	}
	switch verb {
	case "count":
		print(Counts{begun.Load(), ended.Load(), panicked.Load(), commands.Load()})
	case "get":
		// A request that nobody's request caused.
		status, err := get(rest)
		print(map[string]any{"Status": status, "Error": text(err)})
	case "exec":
		reexec()
	case "work":
		jobs <- rest
		print(<-results)
	default:
		print("?")
	}
}

func print(v any) {
	out, err := json.Marshal(v)
	check(err)
	fmt.Println(string(out))
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
