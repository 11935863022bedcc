package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/api/waterfall"
	"github.com/goshawk-io/goshawk/internal/model"
)

// maxBars bounds a waterfall, and maxScan the records that are read to find
// those below one command.
const (
	maxBars = 10_000
	maxScan = 20_000
)

// The probes below whose events there can be others.
const (
	commandProbe = "exec"
	requestProbe = "http"
)

// goesOn is how long before a command the request may have ended that it ran for:
// a handler can leave work behind.
const goesOn = 10 * time.Second

func (s *server) waterfall(r *http.Request) answer {
	parsed, root, err := v1.ParseWaterfallQuery(r.URL.Query())
	if err != nil {
		return badParameter(err)
	}
	if parsed.Probe != "" && parsed.Probe != commandProbe {
		return badParameter(&v1.ParameterError{Parameter: "probe", Value: parsed.Probe, Cause: "has no waterfall", Hint: "write exec, or leave it out"})
	}
	parsed.Probe = commandProbe
	if root != "" {
		return s.below(r.Context(), root)
	}
	now := s.Now()
	q := parsed.Model(now)
	page, more, err := s.all(r.Context(), q, maxBars)
	if err != nil {
		return failure(r.Context(), "read commands", err)
	}
	span := waterfall.Span{From: q.From, To: q.To}
	if len(page.Records) == 0 {
		// An empty axis is the time that was asked for.
		if span.To.IsZero() {
			span.To = now
		}
		if span.From.IsZero() {
			span.From = span.To
		}
	}
	w := waterfall.Build(page.Records, span, maxBars)
	if more {
		w.Incomplete = append(w.Incomplete, fmt.Sprintf("More than %d commands match: those that ended last are shown.", len(page.Records)))
	}
	w.Incomplete = append(w.Incomplete, page.Incomplete...)
	return ok(w)
}

// below answers with the tree of the event named root.
func (s *server) below(ctx context.Context, root string) answer {
	const hint = "/api/v1/events?probe=exec gives the ids of the commands that are kept, probe=http those of requests"
	id, err := model.ParseEventID(root)
	if err != nil || id.Probe != commandProbe && id.Probe != requestProbe {
		return badParameter(&v1.ParameterError{Parameter: "root", Value: root, Cause: "is not the id of a command or a request", Hint: hint})
	}
	found, kept, err := s.Events.Event(ctx, id)
	switch {
	case err != nil:
		return failure(ctx, "read the event "+root, err)
	case !kept:
		return refuse(http.StatusNotFound, hint, "event %s: is not kept", root)
	}
	w, incomplete, err := s.descend(ctx, found)
	if err != nil {
		return failure(ctx, "read what is below "+root, err)
	}
	if w.Above, err = s.above(ctx, found.Event); err != nil {
		return failure(ctx, "read what is above "+root, err)
	}
	w.Incomplete = append(w.Incomplete, incomplete...)
	return ok(w)
}

// above returns what caused e: it went on when e began, or had just ended.
func (s *server) above(ctx context.Context, e *model.Event) ([]v1.Bar, error) {
	if e.TraceID == (model.TraceID{}) || e.ParentSpanID == (model.SpanID{}) {
		return nil, nil
	}
	q := model.Query{From: e.Time.Add(-goesOn), To: e.Time.Add(time.Nanosecond)}
	if e.Schema.Probe == commandProbe {
		q.Service = e.Service
	}
	page, _, err := s.all(ctx, q, maxScan)
	return waterfall.Above(page.Records, e), err
}

// maxRounds bounds how often a tree is read again because something in it
// went on longer than its root.
const maxRounds = 3

// descend reads what began while root ran, and, where some of it went on, what
// began until that ended.
func (s *server) descend(ctx context.Context, root model.Record) (w *v1.Waterfall, incomplete []string, err error) {
	until, arrange, probe, what := root.Event.End(), waterfall.Below, commandProbe, "commands"
	if root.Event.Schema.Probe == requestProbe {
		arrange, probe, what = waterfall.Trace, "", "events"
	}
	for round := 1; ; round++ {
		// What began at the very end is included.
		q := model.Query{Probe: probe, From: root.Event.Time, To: until.Add(time.Nanosecond)}
		page, more, err := s.all(ctx, q, maxScan)
		if err != nil {
			return nil, nil, err
		}
		records := withRoot(page.Records, root)
		w, end := arrange(records, root.Event.ID(), maxBars)
		if !more && end.After(until) && round < maxRounds {
			until = end
			continue
		}
		if more {
			page.Incomplete = append(page.Incomplete, fmt.Sprintf("More than %d %s were seen meanwhile: of those, only what ended last was searched.", maxScan, what))
		} else if end.After(until) {
			page.Incomplete = append(page.Incomplete, "Some of it went on for long: what was caused after "+until.UTC().Format(time.RFC3339)+" is not shown.")
		}
		return w, page.Incomplete, nil
	}
}

// withRoot returns records with root among them.
func withRoot(records []model.Record, root model.Record) []model.Record {
	id := root.Event.ID()
	for _, r := range records {
		if r.Event.ID() == id {
			return records
		}
	}
	return append(records, root)
}
