package ui

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/change/upgrades"
)

// UpgradeView is the page of one upgrade.
type UpgradeView struct {
	Name string
	// Back leads to the list of upgrades.
	Back, Service, ServiceHref string
	Began                      when
	Outcome                    Outcome
	Figures                    []Figure
	// Reason says why it was rolled back, or nothing was started; Cut why connections
	// were cut at the end of the drain.
	Reason, Cut string
	// Tree is the waterfall; Note says what is not in it.
	Tree   Waterfall
	Note   string
	Around Around
	Facts  []Prop
	Lacks  []string
	// Marks are for the charts: the upgrade itself.
	Marks []ShadingData
}

// Around is what the service did from a little before an upgrade until a little after.
type Around struct {
	Begin, End when
	// Served says in words what became of the requests, with a class and an icon.
	Served         Outcome
	Rate, Commands Chart
	// Requests, Failed and All lead to what is counted; Failed is empty when nothing
	// failed.
	Requests, Failed, All string
	Lacks                 []string
}

func (v UpgradeView) keep() any {
	if w, ok := v.Tree.Data.(v1.Waterfall); ok {
		v.Tree.Data = unlinked(w)
	}
	v.Around.Rate.Src, v.Around.Commands.Src = "", ""
	return v
}

// newUpgrade makes the page of an upgrade; drain is the event about the drain of the old
// process, nil when there is none.
func newUpgrade(r, drain *v1.Record, now time.Time) UpgradeView {
	u := upgradeOf(r)
	view := UpgradeView{
		Name: "Upgrade to " + u.name(), Back: "/upgrades", Service: visible(r.Service), Began: newDay(r.Time, now), Outcome: u.end(),
		Figures: upgradeFigures(&u, drain), Reason: clip(visible(u.reason), 4000), Facts: upgradeProps(r, &u, drain),
		Marks: []ShadingData{upgradeShade(&u)},
	}
	if r.Service != "" {
		view.Name = "Upgrade of " + clip(view.Service, 80) + " to " + u.name()
		view.Back, view.ServiceHref = link("/upgrades", "service", r.Service), serviceHref(r.Service)
	}
	if drain != nil {
		view.Cut = clip(visible(text(drain.Attributes, upgrades.KeyReason)), 4000)
	}
	w := upgradeWaterfall(&u, drain)
	view.Tree = newWaterfall("upgrade", view.Name+", its parts", "", w, "")
	view.Tree.Data = w
	switch {
	case u.nextPID == 0:
		view.Tree.State = State{Kind: "empty", Title: "There are no parts", Text: "Nothing was started."}
	case drain == nil && u.outcome == upgradeCommitted:
		view.Note = "How the old process drained is not known: it may not have ended yet, or nobody saw it."
	}
	return view
}

func upgradeFigures(u *upgradeFacts, drain *v1.Record) []Figure {
	var list []Figure
	add := func(ns int64, label string) {
		if ns > 0 {
			list = append(list, figure(duration(ns), label))
		}
	}
	add(u.ready, "until the new process was ready")
	add(u.passive, "until the old one accepted none")
	for _, part := range u.parts() {
		if part.Kind == upgrades.KindProbation {
			add(part.NS, "in probation")
		}
	}
	switch u.outcome {
	case upgradeCommitted:
		add(u.took, "until the new one had taken over")
	case upgradeRolledBack:
		add(u.took, "until it was rolled back")
		add(u.resume, "until the old one accepted again, after the failure was noticed")
	default:
		add(u.took, "until it was given up")
	}
	if drain != nil && drain.DurationNS != nil {
		list = append(list, figure(duration(sensible(*drain.DurationNS)), "in which the old one drained"))
	}
	return list
}

func upgradeProps(r *v1.Record, u *upgradeFacts, drain *v1.Record) []Prop {
	list := []Prop{{Name: "Generation", Value: strconv.FormatInt(u.generation, 10), Sub: "the first one is 1"}, {Name: "Old process", Value: strconv.FormatInt(u.pid, 10)}}
	if u.nextPID > 0 {
		list = append(list, Prop{Name: "New process", Value: strconv.FormatInt(u.nextPID, 10), Sub: "as the old one numbers it"})
	}
	if open, ok := number(r.Attributes, upgrades.KeyOpen); ok && open >= 0 {
		list = append(list, Prop{Name: "Connections", Value: count(uint64(open)), Sub: "of the old process, open at the end of the upgrade"})
	}
	if drain != nil {
		list = append(list, Prop{Name: "Drained at", Value: ended(&drain.Event).UTC().Format("2006-01-02 15:04:05.000 UTC")})
		if open, ok := number(drain.Attributes, upgrades.KeyOpen); ok && open > 0 {
			list = append(list, Prop{Name: "Left open", Value: plural(uint64(open), "connection", "connections"), Sub: "at the end of the drain"})
		}
	}
	for _, p := range []Prop{{Name: "Container", Value: visible(r.ContainerID)}, {Name: "Pod", Value: visible(r.PodUID)}, {Name: "Trace", Value: visible(r.TraceID)}, {Name: "Event", Value: visible(r.ID), Href: eventHref(r.Probe, r.ID)}} {
		if p.Value != "" {
			list = append(list, p)
		}
	}
	return list
}

// The kinds of bars of an upgrade.
const (
	kindProcess = "process"
	kindPhase   = "phase"
)

// upgradeWaterfall draws what each of the two processes did, and below it the parts.
func upgradeWaterfall(u *upgradeFacts, drain *v1.Record) v1.Waterfall {
	parts := u.parts()
	w := v1.Waterfall{From: v1.Time(u.began), To: v1.Time(u.ended()), Bars: []v1.Bar{}}
	if len(parts) == 0 {
		return w
	}
	drained := int64(0)
	if drain != nil && drain.DurationNS != nil {
		drained = sensible(*drain.DurationNS)
		w.To = v1.Time(u.ended().Add(time.Duration(drained)))
	}
	old := v1.Bar{Kind: kindProcess, Parent: -1, Label: "old process " + strconv.FormatInt(u.pid, 10), DurationNS: u.took + drained}
	next := v1.Bar{Kind: kindProcess, Parent: -1, Label: "new process " + strconv.FormatInt(u.nextPID, 10), DurationNS: u.took, Parts: slices.Clone(parts)}
	alone := int64(0) // as long as the new process does not accept
	for _, p := range parts {
		if p.Kind == upgrades.KindSpawn || p.Kind == upgrades.KindWarm {
			alone += p.NS
			continue
		}
		old.Parts = append(old.Parts, p)
	}
	old.Parts = slices.Insert(old.Parts, 0, v1.Part{Kind: partOld, NS: alone})
	if u.outcome == upgradeCommitted {
		next.Outcome = "committed"
		next.DurationNS += drained
		next.Parts = append(next.Parts, v1.Part{Kind: partNew, NS: drained})
	} else {
		next.Outcome, next.Failed = u.end().Text, true
	}
	if drain != nil {
		old.Parts = append(old.Parts, v1.Part{Kind: upgrades.KindDrain, NS: drained})
	}
	w.Bars = append(w.Bars, old)
	if drain != nil {
		bar := v1.Bar{Kind: kindPhase, Parent: 0, Depth: 1, Label: "drain", StartNS: u.took, DurationNS: drained, SelfNS: drained, Parts: []v1.Part{{Kind: upgrades.KindDrain, NS: drained}}, Outcome: "drained", Href: eventHref(drain.Probe, drain.ID)}
		if text(drain.Attributes, upgrades.KeyFailure) != "" {
			bar.Outcome, bar.Failed = "connections cut", true
		}
		w.Bars = append(w.Bars, bar)
	}
	of, at := len(w.Bars), int64(0)
	w.Bars = append(w.Bars, next)
	for _, p := range parts {
		w.Bars = append(w.Bars, v1.Bar{Kind: kindPhase, Parent: of, Depth: 1, Label: partWords(p.Kind), StartNS: at, DurationNS: p.NS, SelfNS: p.NS, Parts: []v1.Part{p}})
		at += p.NS
	}
	return w
}

// aroundUpgrade is how much of the time before and after an upgrade is shown.
const aroundUpgrade = 30 * time.Second

// around returns what the service did around an upgrade.
func (s *server) around(ctx context.Context, r *v1.Record, now time.Time) (Around, error) {
	u := upgradeOf(r)
	from, to := u.began.Add(-aroundUpgrade), u.ended().Add(aroundUpgrade)
	if to.After(now) {
		to = now
	}
	w := newWindow(from, to)
	v := Around{Begin: newDay(v1.Time(w.from), now), End: newDay(v1.Time(w.to), now)}
	q := v1.RollupQuery{Probe: probeHTTP, Service: r.Service, From: v1.Moment{At: w.from}, To: v1.Moment{At: w.to}, Step: w.step, Where: servedOnly()}
	requests, err := s.api.Rollups(ctx, q)
	if err != nil {
		return v, err
	}
	commands := q
	commands.Probe, commands.Where = probeExec, nil
	ran, err := s.api.Rollups(ctx, commands)
	if err != nil {
		return v, err
	}
	name, marks := orWord(visible(r.Service), "the service"), []ShadingData{upgradeShade(&u)}
	v.Rate = newRateChart("around-requests", "Requests of "+name+" around the upgrade", encode("/api/v1/rollups", q.Values()), requests.Items, w, now)
	v.Commands = newRateChart("around-commands", "Commands of "+name+" around the upgrade", encode("/api/v1/rollups", commands.Values()), ran.Items, w, now)
	v.Rate.Data, v.Commands.Data = requests, ran
	v.Rate.mark(upgradeMarksID, marks, w)
	v.Commands.mark(upgradeMarksID, marks, w)
	v.Lacks = slices.Concat(requests.Incomplete, ran.Incomplete)
	pairs := []string{"service", r.Service, "from", q.From.String(), "to", q.To.String()}
	v.All = link("/commands", pairs...)
	pairs = append(pairs, "probe", probeHTTP, "where", keyRole+"="+roleServer)
	v.Requests = link("/events", pairs...)
	var failed uint64
	v.Served, failed = servedAround(requests.Items, w)
	if failed > 0 {
		v.Failed = link("/events", append(pairs, "failed", "true")...)
	}
	return v, nil
}

// servedAround says what became of requests, and how many failed.
func servedAround(items []v1.Rollup, w window) (Outcome, uint64) {
	var all, failed uint64
	for _, p := range points(items, w) {
		all += p.count
		failed += p.failed
	}
	requests := plural(all, "request", "requests")
	switch {
	case all == 0:
		return Outcome{"neutral", "unknown", "No request was seen", "Goshawk saw no request of the service in this time."}, 0
	case failed > 0:
		return Outcome{"bad", "fail", fmt.Sprintf("%s of %s failed", count(failed), requests), "Look at them: what failed before the upgrade may have failed without it."}, failed
	}
	return Outcome{"ok", "ok", "None of " + requests + " failed", "Each was answered, by the old process or the new one."}, 0
}
