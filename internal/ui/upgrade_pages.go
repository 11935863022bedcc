package ui

import (
	"context"
	"encoding/hex"
	"net/http"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/api/v1/client"
	"github.com/goshawk-io/goshawk/internal/change/upgrades"
)

// Upgrades is the page of the upgrades that were seen.
type Upgrades struct {
	// Service is that whose upgrades they are, empty for all; ServiceHref leads to
	// it.
	Service, ServiceHref string
	Table                Table
	Legend               []Key
	Next                 string
	Lacks                []string
}

// upgradePages adds the pages about upgrades.
func (s *server) upgradePages(mux *http.ServeMux) {
	mux.Handle("GET /upgrades", s.page(s.upgrades))
	mux.Handle("GET /upgrades/{trace}", s.page(s.upgrade))
}

// upgrades makes the page of the upgrades of one service, or of all.
func (s *server) upgrades(r *http.Request) (*Page, error) {
	asked := r.URL.Query()
	service := asked.Get("service")
	list, err := s.api.Events(r.Context(), upgradeQuery(service, upgrades.KindUpgrade, asked.Get("after")))
	if err != nil {
		return nil, err
	}
	v := Upgrades{Service: visible(service), Table: upgradeTable("upgrades-table", list.Items, service != "", s.now()), Legend: upgradeKeys(), Lacks: list.Incomplete}
	if service != "" {
		v.ServiceHref = serviceHref(service)
	}
	if list.Next != "" {
		v.Next = link("/upgrades", "service", service, "after", list.Next)
	}
	return &Page{View: "upgrades", Nav: upgrades.Probe, Title: "Upgrades", Body: v}, nil
}

// upgradeQuery selects the events that are about whole upgrades, or one of their parts.
func upgradeQuery(service, kind, after string) v1.EventQuery {
	return v1.EventQuery{Probe: upgrades.Probe, Service: service, Where: []v1.Match{{Key: upgrades.KeyKind, Value: kind}}, After: after, Limit: v1.DefaultLimit}
}

// upgrade makes the page of one upgrade.
func (s *server) upgrade(r *http.Request) (*Page, error) {
	ctx, trace, now := r.Context(), r.PathValue("trace"), s.now()
	if id, err := hex.DecodeString(trace); err != nil || len(id) != 16 {
		return nil, &v1.ParameterError{Parameter: "trace", Value: clip(trace, 100), Cause: "is not a trace id", Hint: "follow a link of the page of upgrades"}
	}
	record, err := s.findUpgrade(ctx, trace, r.URL.Query().Get("event"))
	if err != nil {
		return nil, err
	}
	drain, lacks, err := s.findDrain(ctx, &record)
	if err != nil {
		return nil, err
	}
	view := newUpgrade(&record, drain, now)
	view.Lacks = append(view.Lacks, lacks...)
	if view.Around, err = s.around(ctx, &record, now); err != nil {
		return nil, err
	}
	return &Page{View: "upgrade", Nav: upgrades.Probe, Title: view.Name, Body: view}, nil
}

// findUpgrade returns the event about a whole upgrade: the one with this id when it is
// that, else the one of the trace.
func (s *server) findUpgrade(ctx context.Context, trace, id string) (v1.Record, error) {
	if id != "" {
		record, err := s.api.Event(ctx, id)
		if err == nil && record.Probe == upgrades.Probe && record.TraceID == trace && text(record.Attributes, upgrades.KeyKind) == upgrades.KindUpgrade {
			return record, nil
		}
		if ctx.Err() != nil {
			return v1.Record{}, err
		}
	}
	record, _, err := s.findOfTrace(ctx, upgradeQuery("", upgrades.KindUpgrade, ""), trace)
	if err == nil && record == nil {
		err = &client.Error{Status: http.StatusNotFound, Message: "there is no upgrade with the trace " + trace, Hint: "it may be too old, or not be over yet"}
	}
	if err != nil {
		return v1.Record{}, err
	}
	return *record, nil
}

// findDrain returns the event about the drain of the old process, nil when there is none.
func (s *server) findDrain(ctx context.Context, of *v1.Record) (*v1.Record, []string, error) {
	q := upgradeQuery("", upgrades.KindDrain, "")
	q.PID, q.From = of.PID, v1.Moment{At: time.Time(of.Time)}
	return s.findOfTrace(ctx, q, of.TraceID)
}

// findOfTrace returns the latest event that q selects which is of a trace, nil when it is
// not among the first pages, and what was left out of these.
func (s *server) findOfTrace(ctx context.Context, q v1.EventQuery, trace string) (*v1.Record, []string, error) {
	var lacks []string
	q.Limit = v1.MaxLimit
	for range maxFindPages {
		list, err := s.api.Events(ctx, q)
		if err != nil {
			return nil, nil, err
		}
		for i := range list.Items {
			if list.Items[i].TraceID == trace {
				return &list.Items[i], lacks, nil
			}
		}
		lacks = append(lacks, list.Incomplete...)
		if q.After = list.Next; q.After == "" {
			break
		}
	}
	return nil, lacks, nil
}
