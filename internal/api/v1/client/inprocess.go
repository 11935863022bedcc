package client

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
)

// InProcess returns a transport that calls h on the caller's goroutine. An
// answer is complete before it is returned, so a stream never is. What h
// panics with reaches the caller.
func InProcess(h http.Handler) http.RoundTripper { return inProcess{h} }

type inProcess struct {
	handler http.Handler
}

// RoundTrip answers r with what the handler writes.
func (t inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	// A handler expects what a server hands it, and may change it.
	incoming := r.Clone(r.Context())
	incoming.RequestURI = r.URL.RequestURI()
	incoming.Host = r.URL.Host
	if incoming.Body == nil {
		incoming.Body = http.NoBody
	}
	defer incoming.Body.Close()
	w := &answer{header: make(http.Header)}
	t.handler.ServeHTTP(w, incoming)
	w.WriteHeader(http.StatusOK)
	return &http.Response{
		Status:     strconv.Itoa(w.status) + " " + http.StatusText(w.status),
		StatusCode: w.status,
		Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        w.sent,
		Body:          io.NopCloser(&w.body),
		ContentLength: int64(w.body.Len()),
		Request:       r,
	}, nil
}

// answer keeps what a handler writes.
type answer struct {
	header, sent http.Header
	status       int
	body         bytes.Buffer
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status, a.sent = status, a.header.Clone()
	}
}

func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(b)
}
