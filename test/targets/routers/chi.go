package main

import (
	"fmt"
	"net/http"

	"github.com/go-chi/chi/v5"
)

func chiRoutes() http.Handler {
	r := chi.NewRouter()
	r.Use(copying)
	r.Get("/", chiTell)
	r.Get("/users/{id}", chiTell)
	r.Post("/users/{id}", chiTell)
	r.Get("/numbers/{n:[0-9]+}", chiTell)
	r.Get("/files/*", chiTell)
	r.Get("/gone/{id}", status(http.StatusNotFound))
	r.Get("/broken/{id}", func(http.ResponseWriter, *http.Request) { panic("boom") })
	r.With(copying).Get("/with/{id}", chiTell)
	r.Route("/shop", func(r chi.Router) {
		r.Use(copying)
		r.Get("/", chiTell)
		r.Get("/{item}/price", chiTell)
		r.Route("/{item}/parts", func(r chi.Router) { r.Get("/{part}", chiTell) })
	})
	admin := chi.NewRouter()
	admin.Get("/users/{id}", chiTell)
	admin.NotFound(status(http.StatusNotFound))
	r.Mount("/admin", admin)
	r.Mount("/deep", chiDeep(2))
	matched := chi.NewRouter()
	matched.Use(func(next http.Handler) http.Handler { return chiMatching(matched, next) })
	matched.Get("/it/{id}", chiTell)
	r.Mount("/matched", matched)
	return r
}

// chiDeep is a router that knows an end, and another router below.
func chiDeep(level int) http.Handler {
	r := chi.NewRouter()
	r.Get("/end", chiTell)
	if level < 7 {
		r.Mount(fmt.Sprintf("/{level%d}", level), chiDeep(level+1))
	}
	return r
}

// chiMatching asks for a route before and after the router does.
func chiMatching(routes chi.Routes, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		routes.Match(chi.NewRouteContext(), "GET", "/it/before")
		next.ServeHTTP(w, r)
		routes.Match(chi.NewRouteContext(), "GET", "/nothing/after")
	})
}

func chiTell(w http.ResponseWriter, r *http.Request) {
	fmt.Fprint(w, chi.RouteContext(r.Context()).RoutePattern())
}

// chiBelow is a router below http.ServeMux.
func chiBelow() http.Handler {
	r := chi.NewRouter()
	r.Get("/chi/{id}", chiTell)
	return r
}
