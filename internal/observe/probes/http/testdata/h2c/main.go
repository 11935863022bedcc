// Command h2c serves HTTP/2 without TLS by golang.org/x/net, and HTTP/1 on the
// same port. It prints where it listens and ends with its standard input.
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"runtime"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/h2c"
)

func main() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /items/{id}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) })
	mux.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { blowUp() })
	mux.HandleFunc("/goexit", func(http.ResponseWriter, *http.Request) { runtime.Goexit() })
	mux.HandleFunc("/status/418", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	quiet := log.New(io.Discard, "", 0)
	go (&http.Server{Handler: h2c.NewHandler(mux, &http2.Server{}), ErrorLog: quiet}).Serve(l)
	fmt.Printf("{\"Plain\":%q}\n", l.Addr())
	io.Copy(io.Discard, os.Stdin)
}

//go:noinline
func blowUp() { panic("boom") }
