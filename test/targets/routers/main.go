// Command routers serves the same kinds of routes by five routers, each at an
// address of its own: chi, gin, echo, gorilla/mux and http.ServeMux.
//
// It prints where they listen as one JSON object. A handler answers with the
// route that its router itself says, where it says one. The header Way chooses
// what stands before the router, see ways. Each line of the standard input lets
// go of one request that is held, and is answered with an empty line; the program
// ends with its standard input.
//
// go.mod has the newest releases of the routers, old.mod the oldest that are
// tried.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"runtime"
)

func main() {
	// With one processor a router's pool hands the next request what the last
	// one put back.
	runtime.GOMAXPROCS(1)
	quiet := log.New(io.Discard, "", 0)
	addresses := map[string]string{}
	for name, router := range map[string]http.Handler{
		"chi": chiRoutes(), "gin": ginRoutes(), "echo": echoRoutes(), "gorilla": gorillaRoutes(), "mux": muxRoutes(),
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			panic(err)
		}
		addresses[name] = l.Addr().String()
		go (&http.Server{Handler: ways(router), ErrorLog: quiet}).Serve(l)
	}
	text, err := json.Marshal(addresses)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(text))
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		release <- struct{}{}
		fmt.Println()
	}
}

var release = make(chan struct{})

// key is of a value that middleware puts into a context.
type key struct{}

// copied returns the request with another context, as most middleware makes it.
func copied(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), key{}, "copied"))
}

// ways is middleware that does what the header Way says: "copied" and "cloned"
// give the router a copy of the request, "held" keeps the request open when the
// router is done with it and the response is sent.
func ways(router http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("Way") {
		case "copied":
			r = copied(r)
		case "cloned":
			r = r.Clone(context.WithValue(r.Context(), key{}, "cloned"))
		}
		router.ServeHTTP(w, r)
		if r.Header.Get("Way") == "held" {
			w.(http.Flusher).Flush()
			<-release
		}
	})
}

// copying is middleware inside of a router.
func copying(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(w, copied(r)) })
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}
