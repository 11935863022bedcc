package main

import (
	"net/http"
	"time"
)

// slow answers 503 for what takes longer than it allows.
func slow() http.Handler {
	return http.StripPrefix("/slow", http.TimeoutHandler(http.HandlerFunc(handler), 50*time.Millisecond, "too slow"))
}
