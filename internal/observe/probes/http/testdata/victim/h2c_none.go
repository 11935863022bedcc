//go:build !go1.24

package main

import (
	"log"
	"net/http"
)

// serveH2C does nothing: net/http does not speak HTTP/2 without TLS.
func serveH2C(http.Handler, *log.Logger) string { return "" }
