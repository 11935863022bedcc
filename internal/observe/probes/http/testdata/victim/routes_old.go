//go:build !go1.22

package main

import "net/http"

// routes returns the routes of a mux that tells nobody of them.
func routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", handler)
	mux.Handle("/recovered/", recovered(http.StripPrefix("/recovered", http.HandlerFunc(handler))))
	mux.Handle("/slow/", slow())
	return mux
}
