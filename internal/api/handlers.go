package api

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/model"
)

func (s *server) services(r *http.Request) answer {
	processes, failed := s.sorted(r)
	if failed != nil {
		return *failed
	}
	return ok(v1.List[v1.Service]{Items: v1.NewServices(processes)})
}

func (s *server) service(r *http.Request) answer {
	name := r.PathValue("name")
	processes, failed := s.sorted(r)
	if failed != nil {
		return *failed
	}
	for _, service := range v1.NewServices(processes) {
		if service.Name == name {
			return ok(service)
		}
	}
	return refuse(http.StatusNotFound, "/api/v1/services lists those that run now", "service %q: does not run", name)
}

func (s *server) processes(r *http.Request) answer {
	processes, failed := s.sorted(r)
	if failed != nil {
		return *failed
	}
	return ok(v1.List[v1.Process]{Items: processes})
}

func (s *server) process(r *http.Request) answer {
	const hint = "/api/v1/processes lists the Go processes that run now"
	pid, err := strconv.ParseInt(r.PathValue("pid"), 10, 32)
	if err != nil || pid < 1 {
		return refuse(http.StatusBadRequest, hint, "process %q: is not a process id", r.PathValue("pid"))
	}
	processes, failed := s.sorted(r)
	if failed != nil {
		return *failed
	}
	for _, p := range processes {
		if p.PID == int32(pid) {
			return ok(p)
		}
	}
	return refuse(http.StatusNotFound, hint, "process %d: is not a Go process that runs", pid)
}

// sorted returns the processes in an order that does not change, or the answer
// that says why not.
func (s *server) sorted(r *http.Request) ([]v1.Process, *answer) {
	processes, err := s.Host.Processes(r.Context())
	if err != nil {
		a := failure(r.Context(), "list processes", err)
		return nil, &a
	}
	list := append([]v1.Process{}, processes...)
	slices.SortFunc(list, func(a, b v1.Process) int {
		return cmp.Or(strings.Compare(a.Service, b.Service), cmp.Compare(a.PID, b.PID))
	})
	return list, nil
}

func (s *server) probes(*http.Request) answer {
	return ok(v1.List[v1.Probe]{Items: append([]v1.Probe{}, s.Host.Probes()...)})
}

func (s *server) store(*http.Request) answer { return ok(s.Host.Store()) }

func (s *server) events(r *http.Request) answer {
	parsed, err := v1.ParseEventQuery(r.URL.Query())
	if err != nil {
		return badParameter(err)
	}
	now := s.Now()
	if parsed.After != "" {
		if now, parsed.After, err = splitNext(parsed.After); err != nil {
			return badParameter(err)
		}
	}
	q := parsed.Model(now)
	page, err := s.Events.Events(r.Context(), q)
	switch {
	case err != nil && q.After != "" && s.answers(r.Context(), q):
		return badParameter(&v1.ParameterError{Parameter: "after", Value: r.URL.Query().Get("after"), Cause: err.Error(), Hint: nextHint})
	case err != nil:
		return failure(r.Context(), "read events", err)
	}
	if page.Next != "" {
		page.Next = joinNext(now, page.Next)
	}
	return answer{status: http.StatusOK, json: appendPage(nil, page)}
}

// answers reports whether q has an answer but for where its page begins.
func (s *server) answers(ctx context.Context, q model.Query) bool {
	q.After, q.Limit = "", 1
	_, err := s.Events.Events(ctx, q)
	return err == nil
}

const nextHint = "take after from the next of an answer to the same query, or leave it out"

// joinNext returns the after of the next page. It carries the now of the first
// page, so that all pages of "the last hour" are about the same one.
func joinNext(now time.Time, next string) string {
	return strconv.FormatInt(now.UnixNano(), 36) + "." + next
}

func splitNext(after string) (now time.Time, rest string, err error) {
	text, rest, ok := strings.Cut(after, ".")
	ns, wrong := strconv.ParseInt(text, 36, 64)
	if !ok || wrong != nil || ns < 0 || rest == "" {
		return now, "", &v1.ParameterError{Parameter: "after", Value: after, Cause: "is not the next of an answer", Hint: nextHint}
	}
	return time.Unix(0, ns), rest, nil
}

func (s *server) event(r *http.Request) answer {
	const hint = "/api/v1/events gives the ids of the events that are kept"
	id, err := model.ParseEventID(r.PathValue("id"))
	if err != nil {
		return refuse(http.StatusBadRequest, hint, "%v", err)
	}
	record, found, err := s.Events.Event(r.Context(), id)
	switch {
	case err != nil:
		return failure(r.Context(), "read the event "+id.String(), err)
	case !found:
		return refuse(http.StatusNotFound, hint, "event %s: is not kept", id)
	}
	return answer{status: http.StatusOK, json: append(v1.AppendRecord(nil, record), '\n')}
}

// appendPage appends the JSON of a v1.List[v1.Record].
func appendPage(dst []byte, page model.Page) []byte {
	dst = append(dst, `{"items":[`...)
	for i, record := range page.Records {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = v1.AppendRecord(dst, record)
	}
	return append(v1.AppendListEnd(append(dst, ']'), page.Next, page.Incomplete), '}', '\n')
}

// all collects the newest of the records that q selects, up to limit. more
// says that there are others.
func (s *server) all(ctx context.Context, q model.Query, limit int) (page model.Page, more bool, err error) {
	q.Order, q.After = model.NewestFirst, ""
	for len(page.Records) < limit {
		q.Limit = min(v1.MaxLimit, limit-len(page.Records))
		next, err := s.Events.Events(ctx, q)
		if err != nil {
			return page, false, err
		}
		page.Records = append(page.Records, next.Records...)
		for _, what := range next.Incomplete {
			if !slices.Contains(page.Incomplete, what) {
				page.Incomplete = append(page.Incomplete, what)
			}
		}
		if q.After = next.Next; q.After == "" {
			return page, false, nil
		}
	}
	return page, true, nil
}

func badParameter(err error) answer {
	var p *v1.ParameterError
	if errors.As(err, &p) {
		return refuse(http.StatusBadRequest, p.Hint, "%v", p)
	}
	return refuse(http.StatusBadRequest, "", "%v", err)
}

// failure says that what could not be done is not the client's fault.
func failure(ctx context.Context, what string, err error) answer {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return refuse(http.StatusServiceUnavailable, "ask for less time, or for one service", "%s: takes too long", what)
	}
	return refuse(http.StatusInternalServerError, "", "%s: %v", what, err)
}
