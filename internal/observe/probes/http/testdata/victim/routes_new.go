//go:build go1.22

package main

import (
	"context"
	"net/http"
)

type key struct{}

// routes returns the routes of a mux, some below middleware that hands on a
// copy of the request, as many do.
func routes() http.Handler {
	inner := http.NewServeMux()
	inner.HandleFunc("GET /things/{thing}", handler)
	mux := http.NewServeMux()
	mux.HandleFunc("/", handler)
	mux.HandleFunc("GET /items/{id}", handler)
	mux.HandleFunc("POST /items/{id}", handler)
	mux.HandleFunc("GET localhost/hosted/{id}", handler)
	mux.HandleFunc("/files/{path...}", handler)
	mux.Handle("/recovered/", recovered(http.StripPrefix("/recovered", http.HandlerFunc(handler))))
	mux.Handle("/slow/", slow())
	mux.Handle("/strip/", http.StripPrefix("/strip", inner))
	outer := http.NewServeMux()
	outer.Handle("/", mux)
	copied := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mux.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, "value")))
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("Way") {
		case "copied":
			copied.ServeHTTP(w, r)
		case "bare":
			handler(w, r)
		case "nested":
			outer.ServeHTTP(w, r)
		default:
			mux.ServeHTTP(w, r)
		}
	})
}
