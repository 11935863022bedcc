package main

import (
	"fmt"
	"net/http"

	"github.com/gorilla/mux"
)

func gorillaRoutes() http.Handler {
	r := mux.NewRouter()
	r.Use(copying)
	r.HandleFunc("/", gorillaTell)
	r.HandleFunc("/users/{id}", gorillaTell).Methods("GET")
	r.HandleFunc("/users/{id}", gorillaTell).Methods("POST")
	r.HandleFunc("/numbers/{n:[0-9]+}", gorillaTell)
	r.HandleFunc("/asked", gorillaTell).Queries("q", "{q}")
	r.HandleFunc("/hosted/{id}", gorillaTell).Host("{sub}.example.com")
	r.HandleFunc("/gone/{id}", status(http.StatusNotFound))
	r.HandleFunc("/broken/{id}", func(http.ResponseWriter, *http.Request) { panic("boom") })
	r.PathPrefix("/files/").HandlerFunc(gorillaTell)
	shop := r.PathPrefix("/shop/{item}").Subrouter()
	shop.Use(copying)
	shop.HandleFunc("/price", gorillaTell)
	shop.PathPrefix("/parts").Subrouter().HandleFunc("/{part}", gorillaTell)
	own := r.PathPrefix("/own404").Subrouter()
	own.NotFoundHandler = status(http.StatusNotFound)
	own.HandleFunc("/{id}", gorillaTell).Methods("POST")
	inner := mux.NewRouter()
	inner.HandleFunc("/inner/{id}", gorillaTell)
	r.PathPrefix("/inner/").Handler(inner)
	return r
}

func gorillaTell(w http.ResponseWriter, r *http.Request) {
	template, err := mux.CurrentRoute(r).GetPathTemplate()
	if err != nil {
		template = err.Error()
	}
	fmt.Fprint(w, template)
}
