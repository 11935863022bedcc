// Command new is a program that has the structs of modules whose fields are
// looked up, in new versions. It is never run.
package main

import (
	"context"
	"net/http"
	"os"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/gorilla/mux"
	echo4 "github.com/labstack/echo/v4"
	"github.com/labstack/echo/v5"
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
	e.GET("/", func(*echo.Context) error { return nil })
	e4 := echo4.New()
	e4.GET("/", func(echo4.Context) error { return nil })
	_, span := sdk.NewTracerProvider().Tracer("").Start(context.Background(), "")
	span.End()
	http.Handle("/chi", c)
	http.Handle("/gin", g)
	http.Handle("/mux", m)
	http.Handle("/echo", e)
	http.Handle("/echo4", e4)
	s := &http.Server{Addr: os.Args[1]}
	if http2.ConfigureServer(s, nil) != nil || s.ListenAndServe() != nil {
		os.Exit(1)
	}
}
