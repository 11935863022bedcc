package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/model"
)

// Host is what is there now. Its methods are called from many goroutines.
type Host interface {
	// Ready reports whether the agent observes.
	Ready() bool
	// Probes returns the state of all probes.
	Probes() []v1.Probe
	// Processes returns the Go processes of the host.
	Processes(ctx context.Context) ([]v1.Process, error)
	// Store returns the state of the store of events.
	Store() v1.Store
}

// Reader answers from the events that were kept. It is safe for concurrent
// use.
type Reader interface {
	// Events returns a page of the events that q selects.
	Events(ctx context.Context, q model.Query) (model.Page, error)
	// Event returns the event with this id, and whether it is kept.
	Event(ctx context.Context, id model.EventID) (model.Record, bool, error)
	// Rollups sums up events.
	Rollups(ctx context.Context, q model.RollupQuery) (model.Rollups, error)
}

// Options configures the handler. Host and Events must be set.
type Options struct {
	// Host is asked for what is there now.
	Host Host
	// Events is asked for what was kept.
	Events Reader
	// Feed gives live events; nil serves none.
	Feed *Feed
	// Judge is asked how objectives stand; nil serves none.
	Judge Judge
	// Traces analyses and keeps execution traces; nil serves none.
	Traces *Traces
	// Config returns the state of the configuration; nil serves none.
	Config func() v1.Config
	// Metrics serves /metrics; nil serves none.
	Metrics http.Handler
	// UI serves all that is neither API nor health nor metrics; nil lists the
	// end points at / and knows nothing else.
	UI http.Handler
	// Now is the clock; nil means [time.Now].
	Now func() time.Time
	// Log receives the errors that are the server's own; nil discards them.
	Log *slog.Logger
	// Timeout bounds the time for one answer; 0 means 30 s.
	Timeout time.Duration
}

// New returns the handler of all end points. It authorises nobody: whoever
// reaches it may ask; put [Guard] before it.
func New(o Options) http.Handler {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	s := &server{Options: o}
	mux := http.NewServeMux()
	for _, e := range s.endPoints() {
		if e.serve != nil {
			mux.Handle("GET "+e.Path, s.bounded(e.serve))
		}
	}
	if o.Feed != nil {
		mux.HandleFunc("GET "+streamPath, s.stream)
	}
	if o.Metrics != nil {
		mux.Handle("GET /metrics", o.Metrics)
	}
	s.traceChanges(mux)
	mux.HandleFunc("GET /api/v1/{$}", s.index)
	mux.HandleFunc("/api/", s.noEndPoint)
	if o.UI != nil {
		mux.Handle("/", o.UI)
		return mux
	}
	mux.HandleFunc("GET /{$}", s.index)
	mux.HandleFunc("/", s.noEndPoint)
	return mux
}

type server struct {
	Options
}

// answer is what an end point says: the status and a body for JSON, or text
// that is JSON already.
type answer struct {
	status int
	body   any
	json   []byte
}

// endPoint is a path and what answers there; serve is nil where the answer is
// not one document.
type endPoint struct {
	v1.EndPoint
	serve func(r *http.Request) answer
}

const streamPath = "/api/v1/events/stream"

// endPoints is the list that routes, the index and the reference follow.
func (s *server) endPoints() []endPoint {
	list := []endPoint{
		{v1.EndPoint{Path: "/api/v1/services", Summary: "The Go services of the host."}, s.services},
		{v1.EndPoint{Path: "/api/v1/services/{name}", Summary: "One service."}, s.service},
		{v1.EndPoint{Path: "/api/v1/processes", Summary: "The Go processes of the host."}, s.processes},
		{v1.EndPoint{Path: "/api/v1/processes/{pid}", Summary: "One process."}, s.process},
		{v1.EndPoint{Path: "/api/v1/probes", Summary: "The probes, their health and the fields of their events."}, s.probes},
		{v1.EndPoint{Path: "/api/v1/events", Summary: "The events that were kept.", Parameters: v1.EventParameters()}, s.events},
		{v1.EndPoint{Path: "/api/v1/events/{id}", Summary: "One event."}, s.event},
		{v1.EndPoint{Path: streamPath, Summary: "Live events, as server-sent events.", Parameters: v1.FeedParameters()}, nil},
		{v1.EndPoint{Path: "/api/v1/rollups", Summary: "Numbers of all events over time.", Parameters: v1.RollupParameters()}, s.rollups},
		{v1.EndPoint{Path: "/api/v1/waterfall", Summary: "Commands, or what a request caused, as a tree on one time axis.", Parameters: v1.WaterfallParameters()}, s.waterfall},
		{v1.EndPoint{Path: "/api/v1/store", Summary: "The state of the store of events."}, s.store},
	}
	list = append(list, s.sloEndPoints()...)
	list = append(list, s.traceEndPoints()...)
	return append(list, []endPoint{
		{v1.EndPoint{Path: "/metrics", Summary: "Metrics for Prometheus."}, nil},
		{v1.EndPoint{Path: "/healthz", Summary: "Whether the agent runs."}, s.healthz},
		{v1.EndPoint{Path: "/readyz", Summary: "Whether the agent observes."}, s.readyz},
		{v1.EndPoint{Path: configPath, Summary: "Whether what the configuration files say is in force."}, configuration(s.Config)},
	}...)
}

// bounded returns the handler that writes serve's answer, within the timeout.
func (s *server) bounded(serve func(*http.Request) answer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), s.Timeout)
		defer cancel()
		a := serve(r.WithContext(ctx))
		if a.status == http.StatusInternalServerError && r.Context().Err() == nil {
			s.Log.Error("an answer failed", "path", r.URL.Path, "answer", a.body)
		}
		setHeader(w)
		text := compress(w, r, a.text())
		w.WriteHeader(a.status)
		// The client may be gone; there is nobody to tell.
		_, _ = w.Write(text)
	})
}

// index lists the end points.
func (s *server) index(w http.ResponseWriter, _ *http.Request) {
	list := v1.List[v1.EndPoint]{}
	for _, e := range s.endPoints() {
		list.Items = append(list.Items, e.EndPoint)
	}
	write(w, ok(list))
}

func (s *server) noEndPoint(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		write(w, refuse(http.StatusMethodNotAllowed, "GET is the only method", "%s %s: nothing can be changed here", r.Method, r.URL.Path))
		return
	}
	write(w, refuse(http.StatusNotFound, "GET /api/v1/ lists what there is", "no such page: %s", r.URL.Path))
}

func (s *server) healthz(*http.Request) answer { return ok(v1.Status{Status: "ok"}) }

func (s *server) readyz(*http.Request) answer {
	if !s.Host.Ready() {
		return answer{status: http.StatusServiceUnavailable, body: v1.Status{Status: "starting"}}
	}
	return ok(v1.Status{Status: "ready"})
}

func ok(body any) answer { return answer{status: http.StatusOK, body: body} }

func refuse(status int, hint, format string, args ...any) answer {
	return answer{status: status, body: v1.Error{Error: fmt.Sprintf(format, args...), Hint: hint}}
}

// write writes a refusal, or another short answer.
func write(w http.ResponseWriter, a answer) {
	setHeader(w)
	w.WriteHeader(a.status)
	// The client may be gone; there is nobody to tell.
	_, _ = w.Write(a.text())
}

func setHeader(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
}

// text returns the answer as JSON.
func (a answer) text() []byte {
	if a.json != nil {
		return a.json
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(a.body); err != nil {
		// The types of v1 can all be encoded.
		panic(fmt.Errorf("encode %T: %w", a.body, err))
	}
	return b.Bytes()
}
