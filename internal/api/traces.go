package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/observe/gotrace"
)

const (
	tracesPath = "/api/v1/traces"
	tracePath  = "/api/v1/traces/{id}"
)

// traceEndPoints are those about execution traces; without a folder nothing answers.
func (s *server) traceEndPoints() []endPoint {
	list := []endPoint{
		{v1.EndPoint{Path: tracesPath, Summary: "The execution traces that were analysed; POST analyses one."}, s.traces},
		{v1.EndPoint{Path: tracePath, Summary: "What one of them says; DELETE forgets it."}, s.trace},
	}
	if s.Traces == nil {
		for i := range list {
			list[i].serve = nil
		}
	}
	return list
}

// traceChanges adds what writes: who reaches the handler was let in by [Guard].
func (s *server) traceChanges(mux *http.ServeMux) {
	if s.Traces == nil {
		return
	}
	mux.HandleFunc("POST "+tracesPath, s.addTrace)
	mux.HandleFunc("DELETE "+tracePath, s.removeTrace)
	for path, methods := range map[string]string{tracesPath: "GET, HEAD, POST", tracePath: "GET, HEAD, DELETE"} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", methods)
			write(w, refuse(http.StatusMethodNotAllowed, "use one of "+methods, "%s %s: is not a method of it", r.Method, r.URL.Path))
		})
	}
}

func (s *server) traces(*http.Request) answer {
	return ok(v1.List[v1.TraceSummary]{Items: s.Traces.summaries()})
}

const traceHint = tracesPath + " lists the traces that are kept"

func (s *server) trace(r *http.Request) answer {
	id := r.PathValue("id")
	kept, err := s.Traces.get(id)
	switch {
	case errors.Is(err, errNoTrace):
		return refuse(http.StatusNotFound, traceHint, "trace %q: %v", id, err)
	case err != nil:
		return failure(r.Context(), "read the trace "+id, err)
	}
	return ok(kept)
}

func (s *server) removeTrace(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	err := s.Traces.remove(id)
	switch {
	case errors.Is(err, errNoTrace):
		write(w, refuse(http.StatusNotFound, traceHint, "trace %q: %v", id, err))
	case err != nil:
		s.Log.Error("a trace cannot be removed", "id", id, "error", err)
		write(w, failure(r.Context(), "remove the trace "+id, err))
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

// addTrace analyses the trace in the body while it comes.
func (s *server) addTrace(w http.ResponseWriter, r *http.Request) {
	select {
	case s.Traces.turn <- struct{}{}:
		defer func() { <-s.Traces.turn }()
	default:
		w.Header().Set("Retry-After", "5")
		write(w, refuse(http.StatusTooManyRequests, "try again when it has ended", "another trace is being analysed"))
		return
	}
	name, err := traceName(r.URL.Query())
	if err != nil {
		write(w, badParameter(err))
		return
	}
	if r.ContentLength > s.Traces.MaxBody {
		write(w, s.tooLarge())
		return
	}
	a := s.analyse(w, r, name)
	if a.status == http.StatusInternalServerError {
		s.Log.Error("a trace was not analysed", "answer", a.body)
	}
	setHeader(w)
	text := compress(w, r, a.text())
	w.WriteHeader(a.status)
	// The client may be gone; there is nobody to tell.
	_, _ = w.Write(text)
}

// maxTraceName bounds the name of a trace in bytes.
const maxTraceName = 255

// traceName returns what a trace is called: only for people, never a path.
func traceName(query url.Values) (string, error) {
	for key := range query {
		if key != "name" {
			return "", &v1.ParameterError{Parameter: key, Value: query.Get(key), Cause: "is not a parameter of " + tracesPath, Hint: "name is the only one"}
		}
	}
	name := query.Get("name")
	if at := strings.LastIndexAny(name, `/\`); at >= 0 {
		name = name[at+1:]
	}
	if len(name) > maxTraceName {
		name = name[:maxTraceName]
	}
	if name == "" {
		name = "trace"
	}
	return strings.ToValidUTF8(name, "\uFFFD"), nil
}

func (s *server) analyse(w http.ResponseWriter, r *http.Request, name string) answer {
	ctx, cancel := context.WithTimeout(r.Context(), s.Traces.Timeout)
	defer cancel()
	body := &upload{from: http.MaxBytesReader(w, r.Body, s.Traces.MaxBody), control: http.NewResponseController(w), stall: s.Traces.Stall}
	// One parser: the agent has other things to do, and the upload is slower mostly.
	report, cause := gotrace.Analyse(ctx, body, gotrace.Options{Workers: 1})
	// What follows writes an answer, which the deadline of a read does not bound.
	_ = body.control.SetReadDeadline(time.Time{})
	var large *http.MaxBytesError
	switch {
	case errors.As(body.failed(), &large):
		return s.tooLarge()
	case errors.Is(body.failed(), os.ErrDeadlineExceeded):
		return refuse(http.StatusRequestTimeout, "send it again", "%s: no byte has come for %v", name, s.Traces.Stall)
	case body.failed() != nil:
		return refuse(http.StatusBadRequest, "send it again", "%s: the upload has ended early: %v", name, body.failed())
	case ctx.Err() != nil:
		return refuse(http.StatusServiceUnavailable, "analyse it with goshawk trace report", "%s: its analysis takes longer than %v", name, s.Traces.Timeout)
	case report == nil || report.Events == 0:
		return unreadableTrace(name, cause)
	}
	kept, err := s.Traces.add(v1.NewTrace(name, report, gotrace.Find(report), cause))
	if err != nil {
		return failure(r.Context(), name, err)
	}
	return ok(kept)
}

func (s *server) tooLarge() answer {
	return refuse(http.StatusRequestEntityTooLarge, "compress it with gzip, trace for less time, or use goshawk trace report", "the trace has more than %d bytes", s.Traces.MaxBody)
}

// unreadableTrace says why there is nothing to keep.
func unreadableTrace(name string, cause error) answer {
	hint := "a trace is what runtime/trace, a flight recorder or /debug/pprof/trace write"
	switch {
	case errors.Is(cause, gotrace.ErrOldFormat):
		hint = "trace the program built with Go 1.22 or newer, or use the go tool trace of its version"
	case errors.Is(cause, gotrace.ErrEmpty), errors.Is(cause, gotrace.ErrCut):
		hint = "was the program still tracing? a trace is whole after trace.Stop"
	case cause == nil:
		cause = errors.New("has no events")
	}
	return refuse(http.StatusBadRequest, hint, "%s: %v", name, cause)
}

// upload reads a body, and keeps what it failed with apart from what is wrong with
// the trace in it. Each read has a deadline of its own.
type upload struct {
	from    io.Reader
	control *http.ResponseController
	stall   time.Duration
	err     error
}

// Read blocks until there are bytes, or none came for too long.
func (u *upload) Read(p []byte) (int, error) {
	// Not every connection has deadlines; one without is bounded by the timeout.
	_ = u.control.SetReadDeadline(time.Now().Add(u.stall))
	n, err := u.from.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		u.err = fmt.Errorf("read the body: %w", err)
	}
	return n, err
}

// failed returns what the body failed with, nil when it was read or the trace ended
// the reading. It must not be called while something reads.
func (u *upload) failed() error { return u.err }
