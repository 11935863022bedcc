package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

// EventQuery selects events, the newest first.
type EventQuery struct {
	Probe, Service string
	PID            int32
	Findings       bool
	Limit          int
}

// Backend answers what the handlers are asked. Its methods are called from
// many goroutines.
type Backend interface {
	// Ready reports whether the agent observes.
	Ready() bool
	// Probes returns the state of all probes.
	Probes() []v1.Probe
	// Services returns the Go services of the host.
	Services(ctx context.Context) ([]v1.Service, error)
	// Events returns the newest events that match.
	Events(q EventQuery) []v1.Event
}

// The bounds of the events in one answer.
const (
	defaultLimit = 100
	maxLimit     = 1000
)

// New returns the handler of all end points. metrics serves /metrics.
func New(backend Backend, metrics http.Handler) http.Handler {
	s := &server{backend}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.HandleFunc("GET /api/v1/probes", s.probes)
	mux.HandleFunc("GET /api/v1/services", s.services)
	mux.HandleFunc("GET /api/v1/events", s.events)
	mux.HandleFunc("GET /{$}", s.index)
	mux.HandleFunc("/", s.notFound)
	return localHosts(mux)
}

type server struct {
	backend Backend
}

func (s *server) healthz(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, v1.Status{Status: "ok"})
}

func (s *server) readyz(w http.ResponseWriter, _ *http.Request) {
	if !s.backend.Ready() {
		write(w, http.StatusServiceUnavailable, v1.Status{Status: "starting"})
		return
	}
	write(w, http.StatusOK, v1.Status{Status: "ready"})
}

func (s *server) probes(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, v1.List[v1.Probe]{Items: s.backend.Probes()})
}

func (s *server) services(w http.ResponseWriter, r *http.Request) {
	services, err := s.backend.Services(r.Context())
	if err != nil {
		write(w, http.StatusInternalServerError, v1.Error{Error: "list services: " + err.Error()})
		return
	}
	write(w, http.StatusOK, v1.List[v1.Service]{Items: services})
}

func (s *server) events(w http.ResponseWriter, r *http.Request) {
	q, err := eventQuery(r)
	if err != nil {
		write(w, http.StatusBadRequest, v1.Error{Error: err.Error(), Hint: "parameters are probe, service, pid, findings (true) and limit (1 to 1000)"})
		return
	}
	write(w, http.StatusOK, v1.List[v1.Event]{Items: s.backend.Events(q)})
}

// index lists the end points for who comes by with a browser.
func (s *server) index(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, v1.List[string]{Items: endPoints()})
}

func endPoints() []string {
	return []string{"/metrics", "/healthz", "/readyz", "/api/v1/probes", "/api/v1/services", "/api/v1/events"}
}

func (s *server) notFound(w http.ResponseWriter, r *http.Request) {
	write(w, http.StatusNotFound, v1.Error{
		Error: fmt.Sprintf("no such page: %s %s", r.Method, r.URL.Path),
		Hint:  "there are " + strings.Join(endPoints(), ", "),
	})
}

// eventQuery reads the parameters of a request for events.
func eventQuery(r *http.Request) (EventQuery, error) {
	values := r.URL.Query()
	q := EventQuery{Limit: defaultLimit}
	for name, list := range values {
		value := list[0]
		var err error
		switch name {
		case "probe":
			q.Probe = value
		case "service":
			q.Service = value
		case "pid":
			var pid int64
			pid, err = strconv.ParseInt(value, 10, 32)
			q.PID = int32(pid)
		case "findings":
			q.Findings, err = strconv.ParseBool(value)
		case "limit":
			q.Limit, err = strconv.Atoi(value)
			if err == nil && (q.Limit < 1 || q.Limit > maxLimit) {
				err = fmt.Errorf("not between 1 and %d", maxLimit)
			}
		default:
			err = fmt.Errorf("no such parameter")
		}
		if err != nil {
			return q, fmt.Errorf("parameter %s=%q: %w", name, value, err)
		}
	}
	return q, nil
}

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	// The client may be gone; there is nobody to tell.
	_ = encoder.Encode(body)
}

// localHosts refuses requests whose Host is neither an address nor localhost.
func localHosts(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if ip := net.ParseIP(trimBrackets(host)); ip == nil && host != "localhost" && host != "" {
			write(w, http.StatusMisdirectedRequest, v1.Error{
				Error: fmt.Sprintf("host %q: not served here", host),
				Hint:  "use the address, such as 127.0.0.1, or localhost",
			})
			return
		}
		next.ServeHTTP(w, r)
	})
}

func trimBrackets(host string) string {
	if n := len(host); n > 1 && host[0] == '[' && host[n-1] == ']' {
		return host[1 : n-1]
	}
	return host
}
