package main

import "net/http"

func muxRoutes() http.Handler {
	inner := http.NewServeMux()
	inner.HandleFunc("/inner/{id}/{rest...}", status(http.StatusOK))
	m := http.NewServeMux()
	m.HandleFunc("GET /{$}", status(http.StatusOK))
	m.HandleFunc("GET /users/{id}", status(http.StatusOK))
	m.HandleFunc("POST /users/{id}", status(http.StatusOK))
	m.HandleFunc("example.com/hosted/{id}", status(http.StatusOK))
	m.HandleFunc("GET /gone/{id}", status(http.StatusNotFound))
	m.HandleFunc("GET /broken/{id}", func(http.ResponseWriter, *http.Request) { panic("boom") })
	m.Handle("/inner/", copying(inner))
	m.Handle("/chi/", chiBelow())
	return m
}
