package ui

import (
	"net/http"
	"slices"
	"strings"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

// Overview is the first page: the services, what to look at, and how the
// observer itself is.
type Overview struct {
	Figures  []Figure
	Services Table
	Findings []FindingView
	Probes   []ProbeView
	Store    StoreView
	// Objectives say how many there are of each verdict.
	Objectives []ObjectiveView
	Lacks      []string
}

// Figure is a number that is read first.
type Figure struct{ Value, Unit, Label, Class string }

// ProbeView is the state of a probe.
type ProbeView struct {
	Name, Summary string
	// Class is ok, warn or bad, State the word for it.
	Class, State       string
	Events, Lost, Cost string
	// LostClass is "bad" when something was lost.
	LostClass string
	Off       []v1.ProbePart
	Href      string
}

// StoreView is the state of the store.
type StoreView struct {
	Class, State string
	Since        when
	Age          string
	// NoSince says why there is no Since.
	NoSince      string
	Size, Limits string
	Kept         string
	Errors       []string
}

func (s *server) overview(r *http.Request) (*Page, error) {
	ctx := r.Context()
	services, err := s.api.Services(ctx)
	if err != nil {
		return nil, err
	}
	probes, err := s.api.Probes(ctx)
	if err != nil {
		return nil, err
	}
	now := s.now()
	hour := window{from: now.Truncate(time.Minute).Add(-59 * time.Minute), to: now.Truncate(time.Minute).Add(time.Minute), step: time.Minute}
	history, err := s.api.Rollups(ctx, v1.RollupQuery{Probe: probeExec, From: v1.Moment{At: hour.from}, Step: hour.step})
	if err != nil {
		return nil, err
	}
	minute := now.Truncate(10 * time.Second)
	recent, err := s.api.Rollups(ctx, v1.RollupQuery{Probe: probeExec, From: v1.Moment{At: minute.Add(-time.Minute)}, To: v1.Moment{At: minute}})
	if err != nil {
		return nil, err
	}
	seen := sums{commands: history.Items, commandsNow: recent.Items}
	asked := v1.RollupQuery{Probe: probeHTTP, From: v1.Moment{At: hour.from}, Step: hour.step, Where: servedOnly()}
	if probed(probes.Items, probeHTTP) {
		requests, err := s.api.Rollups(ctx, asked)
		if err != nil {
			return nil, err
		}
		asked.From, asked.To, asked.Step = v1.Moment{At: minute.Add(-time.Minute)}, v1.Moment{At: minute}, 0
		requestsNow, err := s.api.Rollups(ctx, asked)
		if err != nil {
			return nil, err
		}
		seen.requests, seen.requestsNow = requests.Items, requestsNow.Items
	}
	noted, err := s.api.Events(ctx, v1.EventQuery{Findings: true, From: v1.Moment{Ago: time.Hour}, Limit: 500})
	if err != nil {
		return nil, err
	}
	store, err := s.api.Store(ctx)
	if err != nil {
		return nil, err
	}
	o := newOverview(services.Items, seen, hour, now)
	o.Findings = groupFindings(noted, func(rule string) string { return link("/commands", "rule", rule) })
	for _, p := range probes.Items {
		o.Probes = append(o.Probes, newProbe(p, now))
	}
	o.Store = newStore(store, now)
	objectives, judged, _, err := s.objectives(r, "")
	if err != nil {
		return nil, err
	}
	if judged {
		o.Objectives = verdictCounts(objectives)
	}
	o.Lacks = slices.Concat(services.Incomplete, history.Incomplete, noted.Incomplete)
	return &Page{View: "overview", Nav: "overview", Title: "Overview", Body: o}, nil
}

// newProbe says how a probe is.
func newProbe(p v1.Probe, now time.Time) ProbeView {
	v := ProbeView{
		Name: p.Name, Summary: p.Summary, Class: "ok", State: "up",
		Events: count(p.Events), Lost: count(p.Lost), Cost: "not measured", Off: p.Off,
		Href: link("/events", "probe", p.Name),
	}
	if p.Name == probeExec {
		v.Href = "/commands"
	}
	switch {
	case !p.Up:
		v.Class, v.State = "bad", "off"
	case len(p.Off) > 0:
		v.Class, v.State = "warn", "partly up"
	}
	if p.Lost > 0 {
		v.LostClass = "bad"
	}
	if p.CostNS != nil {
		v.Cost = duration(*p.CostNS) + " of CPU"
		if p.Since != nil && now.After(time.Time(*p.Since)) {
			v.Cost = percent(float64(*p.CostNS)/float64(now.Sub(time.Time(*p.Since)))) + " of a core"
		}
		// The events of a sample are not all that it saw.
		if p.Events > 0 && !p.Sampled {
			v.Cost += ", " + duration(*p.CostNS/int64(p.Events)) + " per event"
		}
	}
	return v
}

func newStore(st v1.Store, now time.Time) StoreView {
	v := StoreView{Class: "ok", State: "kept on disk", NoSince: "nothing is kept yet", Size: size(st.SizeBytes), Kept: count(st.Kept), Errors: st.Errors}
	if st.Kind == "memory" {
		v.Class, v.State, v.NoSince, v.Size = "warn", "in memory: a restart forgets it", "the start of goshawk up", ""
	}
	if len(st.Errors) > 0 {
		v.Class, v.State = "bad", "not well"
	}
	if st.Oldest != nil {
		v.Since, v.Age = newDay(*st.Oldest, now), age(time.Time(*st.Oldest), now)
	}
	var limits []string
	if st.LimitBytes > 0 {
		limits = append(limits, size(st.LimitBytes))
	}
	if st.LimitAgeNS > 0 {
		limits = append(limits, duration(st.LimitAgeNS))
	}
	v.Limits = strings.Join(limits, " or ")
	var dropped uint64
	for _, n := range st.Dropped {
		dropped += n
	}
	if st.LeftOut > 0 {
		v.Kept += ", and " + count(st.LeftOut) + " that others stand for"
	}
	if dropped > 0 {
		v.Class, v.State = "bad", "drops events"
		v.Errors = append(v.Errors, plural(dropped, "event was dropped", "events were dropped"))
	}
	return v
}
