package waterfall

import (
	"slices"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
)

// process is one process: its images, one after the other, which ended when it
// did.
type process struct {
	pid int32
	// begin is when it was forked, or its first image started where that is
	// not known; end is when it ended.
	begin, end time.Time
	// images are in the order in which they started.
	images []*model.Event
	// parent is the process that forked it, nil when it is not known.
	parent *process
	// rank is its place in the order of begin; a parent's is lower.
	rank int
}

// processes groups events by process, in the order in which these began, and
// finds their parents.
func processes(records []model.Record) []*process {
	events := make([]*model.Event, 0, len(records))
	for _, r := range records {
		events = append(events, r.Event)
	}
	slices.SortStableFunc(events, func(a, b *model.Event) int {
		if n := a.Time.Compare(b.Time); n != 0 {
			return n
		}
		return strings.Compare(a.ID().String(), b.ID().String())
	})
	var all []*process
	byPID := make(map[int32][]*process)
	for _, e := range events {
		known := byPID[e.PID]
		if n := len(known); n > 0 && known[n-1].ran(e) {
			p := known[n-1]
			p.images = append(p.images, e)
			p.end = latest(p.end, e.End())
			continue
		}
		p := &process{pid: e.PID, begin: forked(e), end: e.End(), images: []*model.Event{e}}
		byPID[e.PID] = append(known, p)
		all = append(all, p)
	}
	slices.SortStableFunc(all, func(a, b *process) int { return a.begin.Compare(b.begin) })
	for i, p := range all {
		p.rank = i
	}
	for _, p := range all {
		p.parent = parentOf(p, byPID)
	}
	return all
}

// ran reports whether the next event of the same pid is of an image of p: a
// process with a reused pid began after p ended.
func (p *process) ran(e *model.Event) bool {
	last := p.images[len(p.images)-1]
	if created := e.Get(keyCreation); created.IsSet() && created == last.Get(keyCreation) {
		return true
	}
	return e.Time.Before(p.end)
}

// clockSlack is how much the times of two processes may be off against each
// other: each is converted from the boot clock when its process ends, and the
// wall clock may have been adjusted in between.
const clockSlack = 10 * time.Millisecond

// parentOf returns the process that had p's parent's pid when p was forked.
func parentOf(p *process, byPID map[int32][]*process) *process {
	pid := p.images[0].Get(keyParentPID)
	if !pid.IsSet() {
		return nil
	}
	candidates := byPID[int32(pid.Int())]
	for _, c := range slices.Backward(candidates) {
		if c.rank < p.rank && !c.begin.After(p.begin) && !c.end.Add(clockSlack).Before(p.begin) {
			return c
		}
	}
	return nil
}

// imageAt returns which image p ran at t, the first where t is before it.
func (p *process) imageAt(t time.Time) int {
	at := 0
	for i, e := range p.images {
		if !e.Time.After(t) {
			at = i
		}
	}
	return at
}

// forked returns when the process of e was forked, as far as that is known.
func forked(e *model.Event) time.Time {
	if v := e.Get(keyCreation); v.IsSet() && v.Time().Before(e.Time) {
		return v.Time()
	}
	return e.Time
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
