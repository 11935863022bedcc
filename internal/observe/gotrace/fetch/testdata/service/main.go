// Service is what tests record: it serves net/http/pprof, or another page, and may
// keep goroutines busy.
package main

import (
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
)

func main() {
	page := flag.Bool("page", false, "serve a page instead of pprof")
	busy := flag.Int("busy", 0, "keep `N` goroutines busy")
	listen := flag.String("listen", "127.0.0.1:0", "listen on `ADDRESS`")
	flag.Parse()
	mux := http.NewServeMux()
	if *page {
		mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "welcome") })
	} else {
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go http.Serve(l, mux)
	for range *busy {
		go func() {
			for n := 0; ; n++ {
			}
		}()
	}
	fmt.Println("listening", l.Addr())
	io.Copy(io.Discard, os.Stdin)
}
