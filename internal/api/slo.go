package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/model"
)

// Judge says how objectives stand. Its methods are called from many goroutines.
type Judge interface {
	// SLOs returns all objectives as they stand now, proposals too. It is asked for
	// every page and should not have to compute them anew.
	SLOs(ctx context.Context) ([]v1.SLO, error)
	// History returns how the objective of this name stood: a point for the end of
	// each step of the time after from and until to. Steps begin at from; the last
	// one ends at to and may be shorter. For a name that is not known, as one is
	// when an objective was removed since it was listed, there are no points.
	History(ctx context.Context, name string, from, to time.Time, step time.Duration) (v1.SLOHistory, error)
}

const (
	sloListPath    = "/api/v1/slos"
	sloPath        = "/api/v1/slos/{name}"
	sloHistoryPath = "/api/v1/slos/{name}/history"
)

// sloEndPoints are those about objectives; without a judge nothing answers.
func (s *server) sloEndPoints() []endPoint {
	list := []endPoint{
		{v1.EndPoint{Path: sloListPath, Summary: "The objectives, and how they stand.", Parameters: v1.SLOListParameters()}, s.slos},
		{v1.EndPoint{Path: sloPath, Summary: "One objective."}, s.slo},
		{v1.EndPoint{Path: sloHistoryPath, Summary: "How an objective stood over time.", Parameters: v1.SLOHistoryParameters()}, s.sloHistory},
	}
	if s.Judge == nil {
		for i := range list {
			list[i].serve = nil
		}
	}
	return list
}

func (s *server) slos(r *http.Request) answer {
	q, err := v1.ParseSLOListQuery(r.URL.Query())
	if err != nil {
		return badParameter(err)
	}
	all, err := s.Judge.SLOs(r.Context())
	if err != nil {
		return failure(r.Context(), "judge objectives", err)
	}
	list := v1.List[v1.SLO]{Items: make([]v1.SLO, 0, len(all))}
	for i := range all {
		if q.Service == "" || all[i].Service == q.Service {
			list.Items = append(list.Items, all[i])
		}
	}
	return ok(list)
}

func (s *server) slo(r *http.Request) answer {
	found, failed := s.findSLO(r)
	if failed != nil {
		return *failed
	}
	return ok(found)
}

// findSLO returns the objective that a path names, or the answer that says why
// not.
func (s *server) findSLO(r *http.Request) (v1.SLO, *answer) {
	name := r.PathValue("name")
	all, err := s.Judge.SLOs(r.Context())
	if err != nil {
		a := failure(r.Context(), "judge the objective "+strconv.Quote(name), err)
		return v1.SLO{}, &a
	}
	i := slices.IndexFunc(all, func(o v1.SLO) bool { return o.Name == name })
	if i < 0 {
		a := refuse(http.StatusNotFound, sloListPath+" lists the objectives", "objective %q: there is none of this name", name)
		return v1.SLO{}, &a
	}
	return all[i], nil
}

// maxHistory bounds the points of one answer, each of which has the burn rates
// of several windows.
const maxHistory = 2000

func (s *server) sloHistory(r *http.Request) answer {
	q, err := v1.ParseSLOHistoryQuery(r.URL.Query())
	if err != nil {
		return badParameter(err)
	}
	slo, failed := s.findSLO(r)
	if failed != nil {
		return *failed
	}
	span, err := newHistorySpan(&q, &slo, s.Now())
	if err != nil {
		return badParameter(err)
	}
	history, err := s.Judge.History(r.Context(), slo.Name, span.from, span.to, span.step)
	if err != nil {
		return failure(r.Context(), "read the history of the objective "+strconv.Quote(slo.Name), err)
	}
	if history.Points == nil {
		history.Points = []v1.SLOPoint{}
	}
	if history.Alerts == nil {
		history.Alerts = []v1.SLOFiring{}
	}
	return ok(history)
}

// historySpan is the time of a history: to is after from.
type historySpan struct {
	from, to time.Time
	step     time.Duration
}

// newHistorySpan returns what q asks for. What it leaves open is the window of
// the objective; a time in the future is now. The steps begin at multiples of
// their length, so that all but the last are the same a moment later.
func newHistorySpan(q *v1.SLOHistoryQuery, slo *v1.SLO, now time.Time) (historySpan, error) {
	length := time.Time(slo.To).Sub(time.Time(slo.From))
	if length <= 0 {
		length = usualWindow
	}
	h := historySpan{from: q.From.Resolve(now), to: q.To.Resolve(now), step: q.Step}
	if h.to.IsZero() || h.to.After(now) {
		h.to = now
	}
	if h.from.IsZero() {
		h.from = h.to.Add(-length)
	}
	if !h.from.Before(h.to) {
		return h, &v1.ParameterError{Parameter: "from", Value: q.From.String(), Cause: "is not before the end of the history", Hint: "write a time in the past that is before to"}
	}
	if h.step == 0 {
		h.step = historyStep(h.to.Sub(h.from))
	}
	if h.to.Sub(h.from)/h.step >= maxHistory {
		return h, &v1.ParameterError{
			Parameter: "step", Value: q.Values().Get("step"), Cause: "makes more than " + strconv.Itoa(maxHistory) + " points",
			Hint: "ask for longer steps or less time, or leave step out",
		}
	}
	h.from = h.from.Truncate(h.step)
	return h, nil
}

// usualWindow stands for the window of an objective that says none.
const usualWindow = 30 * 24 * time.Hour

// historyPoints is about how many points a history has: 30 days of 2 hours.
const historyPoints = 400

// historyStep returns the shortest round step that cuts span into no more than
// historyPoints.
func historyStep(span time.Duration) time.Duration {
	const day = 24 * time.Hour
	for _, step := range []time.Duration{
		model.RollupStep, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour, day,
	} {
		if span <= historyPoints*step {
			return step
		}
	}
	return (span/(historyPoints*day) + 1) * day
}
