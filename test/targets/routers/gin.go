package main

import (
	"context"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
)

func ginRoutes() http.Handler {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.Use(func(c *gin.Context) {
		c.Request = copied(c.Request)
		c.Next()
	})
	e.GET("/", ginTell)
	e.GET("/users/:id", ginTell)
	e.POST("/users/:id", ginTell)
	e.GET("/files/*path", ginTell)
	e.GET("/slash/:id/", ginTell)
	e.GET("/gone/:id", func(c *gin.Context) { c.Status(http.StatusNotFound) })
	e.GET("/broken/:id", func(*gin.Context) { panic("boom") })
	e.GET("/cloned/:id", func(c *gin.Context) {
		c.Request = c.Request.Clone(context.WithValue(c.Request.Context(), key{}, "cloned"))
		ginTell(c)
	})
	e.GET("/rewritten/:id", func(c *gin.Context) {
		c.Request.URL.Path = "/users/from"
		e.HandleContext(c)
	})
	shop := e.Group("/shop/:item")
	shop.GET("/price", ginTell)
	shop.Group("/parts").GET("/:part", ginTell)
	e.NoRoute(func(c *gin.Context) {
		if strings.HasPrefix(c.Request.URL.Path, "/found/") {
			c.String(http.StatusOK, "")
		}
	})
	return e
}

func ginTell(c *gin.Context) { c.String(http.StatusOK, "%s", c.FullPath()) }
