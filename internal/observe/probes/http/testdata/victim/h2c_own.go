//go:build go1.24

package main

import (
	"log"
	"net"
	"net/http"
)

// serveH2C serves HTTP/2 without TLS, by net/http alone.
func serveH2C(h http.Handler, quiet *log.Logger) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	both := new(http.Protocols)
	both.SetHTTP1(true)
	both.SetUnencryptedHTTP2(true)
	go (&http.Server{Handler: h, ErrorLog: quiet, Protocols: both}).Serve(l)
	return l.Addr().String()
}
