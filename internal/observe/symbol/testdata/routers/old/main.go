// Command old is a program that has the structs of modules whose fields are
// looked up, in old versions. It is never run.
package main

import (
	"context"
	"net/http"
	"os"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/gorilla/mux"
	"github.com/labstack/echo/v4"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"golang.org/x/net/http2"
)

func main() {
	c := chi.NewRouter()
	c.Get("/", func(http.ResponseWriter, *http.Request) {})
	g := gin.New()
	g.GET("/", func(*gin.Context) {})
	m := mux.NewRouter()
	m.Handle("/", c)
	e := echo.New()
	e.GET("/", func(echo.Context) error { return nil })
	_, span := sdk.NewTracerProvider().Tracer("").Start(context.Background(), "")
	span.End()
	http.Handle("/chi", c)
	http.Handle("/gin", g)
	http.Handle("/mux", m)
	http.Handle("/echo", e)
	s := &http.Server{Addr: os.Args[1]}
	if http2.ConfigureServer(s, nil) != nil || s.ListenAndServe() != nil {
		os.Exit(1)
	}
}
