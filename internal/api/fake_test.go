package api

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

func TestMain(m *testing.M) { testutil.NoLeaks(m) }

// noon is when all tests run.
func noon() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }

func execSchema() *model.Schema {
	return &model.Schema{Probe: "exec", Failure: "error.type", Groups: []string{"process.executable.name"}, Fields: []model.Field{
		{Key: "process.executable.name", Kind: model.KindString},
		{Key: "process.parent_pid", Kind: model.KindInt},
		{Key: "error.type", Kind: model.KindString},
	}}
}

// event began sec seconds before noon.
func event(name string, pid int32, sec int, d time.Duration) *model.Event {
	e := new(model.Event)
	e.Reset(execSchema())
	e.PID, e.Service, e.Duration = pid, "shop", d
	e.Time = noon().Add(-time.Duration(sec) * time.Second)
	e.Values[0] = model.StringValue(name)
	return e
}

// host is a Host that says what it is told.
type host struct {
	ready     bool
	processes []v1.Process
	err       error
}

func (h *host) Ready() bool { return h.ready }
func (h *host) Probes() []v1.Probe {
	return []v1.Probe{{Name: "exec", Summary: "commands", Up: true, Events: 3, Groups: []string{"process.executable.name"}}}
}
func (h *host) Processes(context.Context) ([]v1.Process, error) { return h.processes, h.err }
func (h *host) Store() v1.Store {
	return v1.Store{Kind: "memory", Kept: 3, Dropped: map[string]uint64{"queue": 1}}
}

var errCursor = errors.New("is not one of mine")

// events is a Reader over a list. Its cursors count the events before.
type events struct {
	mu      sync.Mutex
	list    []*model.Event
	err     error
	sums    model.Rollups
	query   model.Query
	rollups model.RollupQuery
	wait    bool // for the end of the question
}

func (s *events) add(e *model.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, e)
}

func matches(q model.Query, e *model.Event) bool {
	return (q.Probe == "" || q.Probe == e.Schema.Probe) && (q.Service == "" || q.Service == e.Service) && (q.PID == 0 || q.PID == e.PID) &&
		(q.From.IsZero() || !e.End().Before(q.From)) && (q.To.IsZero() || e.Time.Before(q.To)) && (!q.Failed || e.Failure().IsSet())
}

func (s *events) Events(ctx context.Context, q model.Query) (model.Page, error) {
	if s.wait {
		<-ctx.Done()
		return model.Page{}, ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.query = q
	from := 0
	if q.After != "" {
		n, err := strconv.Atoi(q.After)
		if err != nil {
			return model.Page{}, errCursor
		}
		from = n
	}
	if s.err != nil {
		return model.Page{}, s.err
	}
	var found []model.Record
	for _, e := range s.list {
		if matches(q, e) {
			found = append(found, model.Record{Event: e, Weight: 1})
		}
	}
	slices.SortStableFunc(found, func(a, b model.Record) int {
		if q.Order == model.SlowestFirst {
			return cmp.Compare(b.Event.Duration, a.Event.Duration)
		}
		return b.Event.End().Compare(a.Event.End())
	})
	to := min(from+q.Limit, len(found))
	page := model.Page{Records: found[min(from, to):to]}
	if to < len(found) {
		page.Next = strconv.Itoa(to)
	}
	return page, nil
}

func (s *events) Event(_ context.Context, id model.EventID) (model.Record, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.list {
		if e.ID() == id {
			return model.Record{Event: e, Weight: 2}, true, s.err
		}
	}
	return model.Record{}, false, s.err
}

func (s *events) Rollups(_ context.Context, q model.RollupQuery) (model.Rollups, error) {
	s.rollups = q
	return s.sums, s.err
}

func filter(q model.Query) (func(*model.Event) bool, error) {
	if q.Service == "broken" {
		return nil, errors.New("cannot be asked for")
	}
	return func(e *model.Event) bool { return matches(q, e) }, nil
}

// ask sends a request for target to h.
func ask(t *testing.T, h http.Handler, method, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	if !strings.HasPrefix(target, "http") {
		r.Host = "127.0.0.1:7788"
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}
