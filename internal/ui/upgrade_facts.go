package ui

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/change/upgrades"
)

// The kinds of parts in which an upgrade is drawn, besides those of its events: the old
// process alone accepts, and the new one does.
const (
	partOld = "old_accepts"
	partNew = "new_accepts"
)

// upgradeFacts is what the event of an upgrade says. The times count from its begin and
// are 0 for what was not reached.
type upgradeFacts struct {
	outcome, reason                 string
	generation                      int64
	pid, nextPID                    int64
	began                           time.Time
	took                            int64
	started, ready, passive, resume int64
}

func upgradeOf(r *v1.Record) upgradeFacts {
	a := r.Attributes
	positive := func(key string) int64 {
		n, _ := number(a, key)
		return sensible(n)
	}
	u := upgradeFacts{
		outcome: text(a, upgrades.KeyOutcome), reason: text(a, upgrades.KeyReason), generation: positive(upgrades.KeyGeneration),
		pid: int64(r.PID), nextPID: positive(upgrades.KeyNextPID), began: time.Time(r.Time),
		started: positive(upgrades.KeyStarted), ready: positive(upgrades.KeyReady), passive: positive(upgrades.KeyPassive), resume: positive(upgrades.KeyResumed),
	}
	if r.DurationNS != nil {
		u.took = sensible(*r.DurationNS)
	}
	if u.passive == 0 {
		// The old process never ceased to accept, so that it had nothing to resume.
		u.resume = 0
	}
	return u
}

// sensible bounds a number that a process has told, so that the sum of two is one: to a
// hundred years, as nanoseconds.
func sensible(n int64) int64 {
	return min(max(n, 0), int64(100*365*24*time.Hour))
}

// ended is when the new process had taken over, or the old one served again.
func (u *upgradeFacts) ended() time.Time { return u.began.Add(time.Duration(u.took)) }

// parts are what the upgrade went through, in the order of time; the last one is that in
// which it ended. There are none when nothing was started.
func (u *upgradeFacts) parts() []v1.Part {
	if u.nextPID == 0 {
		return nil
	}
	var list []v1.Part
	for _, p := range upgrades.Parts(time.Duration(u.started), time.Duration(u.ready), time.Duration(u.passive), time.Duration(u.took)) {
		list = append(list, v1.Part{Kind: p.Kind, NS: int64(p.To - p.From)})
	}
	return list
}

// last is the kind of the part in which it ended, empty when nothing was started.
func (u *upgradeFacts) last() string {
	parts := u.parts()
	if len(parts) == 0 {
		return ""
	}
	return parts[len(parts)-1].Kind
}

// partWords are the parts in words.
func partWords(kind string) string {
	switch kind {
	case upgrades.KindHandOver:
		return "hand-over"
	case partOld:
		return "the old process accepts"
	case partNew:
		return "the new process accepts"
	}
	return kind
}

// name is what a person calls it.
func (u *upgradeFacts) name() string {
	return "generation " + strconv.FormatInt(u.generation, 10)
}

// The ends of an upgrade, as its event has them.
const (
	upgradeCommitted  = "committed"
	upgradeRolledBack = "rolled_back"
	upgradeNotStarted = "running"
)

// end says how it ended. A version that was never alone with the connections has done no
// harm; one that was, and had to go, is worth a look.
func (u *upgradeFacts) end() Outcome {
	switch {
	case u.outcome == upgradeCommitted:
		return Outcome{"ok", "ok", "committed", "The new process has taken over."}
	case u.outcome == upgradeRolledBack && u.passive > 0:
		return Outcome{"bad", "back", "rolled back", "The new process did not pass its probation: the old one accepts again."}
	case u.outcome == upgradeRolledBack:
		return Outcome{"warn", "back", "rolled back", "It came no further than “" + orWord(partWords(u.last()), "start") + "”: the old process never ceased to accept."}
	case u.outcome == upgradeNotStarted:
		return Outcome{"bad", "stop", "not started", "Nothing could be started: the old process serves as before."}
	}
	return Outcome{"neutral", "unknown", orWord(visible(strings.ReplaceAll(u.outcome, "_", " ")), "unknown"), "It is not known how it ended."}
}

// leastPart is the least width of a part in a bar of 1000: what is too short for its share
// is still seen.
const leastPart = 16.0

// bar draws the parts, to scale but for those that would not be seen.
func (u *upgradeFacts) bar() *BarView {
	parts := u.parts()
	v := new(BarView)
	widths := make([]float64, len(parts))
	sum := 0.0
	var words []string
	for i, p := range parts {
		widths[i] = max(float64(p.NS)/float64(max(u.took, 1))*1000, leastPart)
		sum += widths[i]
		words = append(words, partWords(p.Kind)+" "+duration(p.NS))
	}
	x := 0.0
	for i, p := range parts {
		w := rounded(widths[i] / sum * 1000)
		v.Rects = append(v.Rects, Rect{X: rounded(x), W: w, H: 10, Class: "f-" + p.Kind})
		x += w
	}
	if u.outcome != upgradeCommitted && len(parts) > 0 {
		v.Rects = append(v.Rects, Rect{X: 1000 - leastPart, W: leastPart, H: 10, Class: "mark"})
	}
	v.Label = strings.Join(words, ", ")
	return v
}

// upgradeLegend names the parts that are drawn.
func upgradeLegend(kinds ...string) []Key {
	var list []Key
	for _, kind := range kinds {
		list = append(list, Key{"f-" + kind, partWords(kind)})
	}
	return list
}

// passedOr renders a time that may not have been reached.
func passedOr(ns int64) Cell {
	if ns == 0 {
		return numCell("")
	}
	return numCell(duration(ns))
}

func upgradeHref(r *v1.Record) string {
	if r.TraceID == "" {
		return ""
	}
	return link("/upgrades/"+url.PathEscape(r.TraceID), "event", r.ID)
}

// mark says in a few words what became of it, for a mark of a chart.
func (u *upgradeFacts) mark() string {
	return fmt.Sprintf("upgrade %d %s", u.generation, u.end().Text)
}
