package ui

import (
	"errors"
	"net/http"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/api/v1/client"
)

// Failure is a page that says what does not work, and what would.
type Failure struct {
	Heading, Message, Hint string
	// Starting asks the browser to come again.
	Starting bool
}

// errorPage says what failed, in the frame of every page.
func errorPage(err error) *Page {
	f := Failure{Heading: "This page cannot be shown", Message: err.Error()}
	status := http.StatusInternalServerError
	var refused *client.Error
	var parameter *v1.ParameterError
	switch {
	case errors.As(err, &parameter):
		status, f.Heading, f.Hint = http.StatusBadRequest, "The address asks for something that there is not", parameter.Hint
	case errors.As(err, &refused):
		status, f.Message, f.Hint = refused.Status, refused.Error(), refused.Hint
		switch {
		case status == http.StatusNotFound:
			f.Heading = "Nothing is kept by this name"
		case status == http.StatusServiceUnavailable:
			f.Heading, f.Starting = "Goshawk is starting", true
			f.Hint = orWord(f.Hint, "the probes are being attached; this page comes again by itself")
		case status == http.StatusBadRequest:
			f.Heading = "The address asks for something that there is not"
		case status < 400:
			status = http.StatusBadGateway
		}
	default:
		f.Hint = "see what `goshawk up` says, and try again"
	}
	return &Page{View: "error", Title: f.Heading, Status: status, Body: f}
}

func (s *server) notFound(r *http.Request) (*Page, error) {
	f := Failure{Heading: "There is no such page", Message: r.Method + " " + clip(visible(r.URL.Path), 200), Hint: "start at the overview"}
	status := http.StatusNotFound
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		status = http.StatusMethodNotAllowed
	}
	return &Page{View: "error", Title: f.Heading, Status: status, Body: f}, nil
}
