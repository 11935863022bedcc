package main

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"
)

func echoRoutes() http.Handler {
	e := echo.New()
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			c.SetRequest(copied(c.Request()))
			return next(c)
		}
	})
	e.GET("/", echoTell)
	e.GET("/users/:id", echoTell)
	e.POST("/users/:id", echoTell)
	e.GET("/files/*", echoTell)
	e.GET("/gone/:id", func(c echo.Context) error { return c.NoContent(http.StatusNotFound) })
	e.GET("/broken/:id", func(echo.Context) error { panic("boom") })
	e.GET("/cloned/:id", func(c echo.Context) error {
		c.SetRequest(c.Request().Clone(context.WithValue(c.Request().Context(), key{}, "cloned")))
		return echoTell(c)
	})
	shop := e.Group("/shop/:item")
	shop.GET("/price", echoTell)
	shop.Group("/parts").GET("/:part", echoTell)
	return e
}

func echoTell(c echo.Context) error { return c.String(http.StatusOK, c.Path()) }
