package notify

import (
	"cmp"
	"slices"
	"time"
)

const (
	// maxKnown is how many alerts a destination can have been told of.
	maxKnown = 10_000
	// changedEvery is how long after a delivery one is told that an alert
	// describes itself otherwise.
	changedEvery = 5 * time.Minute
	// refusedEvery is when an alert that was refused for good is told of again:
	// then it is a new notification to somebody who may have been repaired.
	refusedEvery = 15 * time.Minute
	// resolvedWithin is for how long it is tried to tell that an alert ended.
	resolvedWithin = 24 * time.Hour
)

// knowledge is what a destination knows of an alert.
type knowledge uint8

const (
	// unaware: it was told nothing, or the last it was told is that it ended.
	unaware knowledge = iota
	// perhaps: it was told that it fires, and nobody knows whether that arrived.
	perhaps
	// aware: it was told that it fires.
	aware
)

// entry is an alert of a destination.
type entry struct {
	// alert is its latest state, and sum that of what describes it.
	alert Alert
	sum   uint64
	knows knowledge
	// sent and told are when the destination was last told that the alert fires,
	// and the sum of that.
	sent time.Time
	told uint64
	// order is that of waiting, and endsSince since when it is to be told that
	// the alert ended.
	order     uint64
	endsSince time.Time
	// attempts failed since the last success; there is none before notBefore.
	attempts  int
	notBefore time.Time
	// busy: it is being told.
	busy bool
	// restored: it was read from the file, and nobody has said since that it
	// fires.
	restored bool
	// unwanted: the alert is not for the destination any more, which is told
	// only when it ends.
	unwanted bool
}

// policy is how a destination is told.
type policy struct {
	// wants decides whether an alert is for it.
	wants func(*Alert) bool
	// repeat is how long after a delivery it is told again.
	repeat time.Duration
	// omitResolved: it is not told that alerts end.
	omitResolved bool
	// batch is how many alerts it takes at once.
	batch int
	// waiting is how many may wait.
	waiting int
}

// table has the alerts of a destination and decides what it is told, and when.
// It reads no clock. It is not safe for concurrent use.
type table struct {
	policy  policy
	backoff func(attempts int) time.Duration
	entries map[string]*entry
	order   uint64
	// failures in a row; there is no attempt before gate.
	failures int
	gate     time.Time

	sent, failed, retried, dropped uint64
}

// task is an alert to tell of now.
type task struct {
	fingerprint string
	alert       Alert
	sum         uint64
}

// offer takes the full set of active alerts, and those newly resolved. What it
// has and is not among them has ended. Alerts that were restored are given time
// until grace is over. It reports whether what is to be kept changed.
func (t *table) offer(notices []notice, now time.Time, grace bool) bool {
	changed := false
	waiting := t.waiting()
	seen := make(map[string]bool, len(notices))
	for _, n := range notices {
		seen[n.fingerprint] = true
		e := t.entries[n.fingerprint]
		switch wanted := t.policy.wants(&n.alert); {
		case n.alert.State == Resolved:
			changed = e != nil && t.resolve(n.fingerprint, e, n.alert.EndsAt, now) || changed
		case e != nil:
			changed = t.update(n, e, wanted) || changed
		case !wanted:
		case waiting >= t.policy.waiting || len(t.entries) >= maxKnown:
			t.dropped++
		default:
			waiting++
			t.entries[n.fingerprint] = &entry{alert: n.alert, sum: n.alert.sum(), order: t.next()}
		}
	}
	for fingerprint, e := range t.entries {
		if !seen[fingerprint] && !(e.restored && grace) {
			changed = t.resolve(fingerprint, e, now.UTC().Round(0), now) || changed
		}
	}
	return changed
}

// restore takes what the destination was told before a restart.
func (t *table) restore(known []told, now time.Time) {
	for _, k := range known {
		t.entries[fingerprint(k.alert.Labels)] = &entry{
			alert: k.alert, sum: k.alert.sum(), knows: k.knows, sent: k.sent, told: k.sum, order: t.next(), endsSince: now, restored: k.alert.State == Firing,
		}
	}
}

// memory returns what is to be restored: not what the destination knows
// nothing of, which is offered again.
func (t *table) memory() []told {
	var known []told
	for _, e := range t.entries {
		if e.knows != unaware {
			known = append(known, told{alert: e.alert, knows: e.knows, sent: e.sent, sum: e.told})
		}
	}
	return known
}

// next returns the next place in the order of waiting.
func (t *table) next() uint64 {
	t.order++
	return t.order
}

// update takes the latest of an alert that fires, and reports whether what is to
// be kept changed.
func (t *table) update(n notice, e *entry, wanted bool) bool {
	ended := e.alert.State == Resolved
	first := e.alert.StartsAt
	e.unwanted, e.restored = !wanted, false
	if !wanted && e.knows == unaware && !e.busy {
		delete(t.entries, n.fingerprint)
		return false
	}
	e.alert, e.sum = n.alert, n.alert.sum()
	// To a destination that was not told of the end it never ended. A start that
	// the caller forgot and found anew is the same start.
	if known := !ended || e.knows != unaware && !e.busy; known && first.Before(e.alert.StartsAt) {
		e.alert.StartsAt = first
	}
	return ended
}

// resolve takes that an alert ended at a time, and reports whether what is to be
// kept changed.
func (t *table) resolve(fingerprint string, e *entry, at, now time.Time) bool {
	if e.alert.State == Resolved {
		return false
	}
	if !e.busy && (e.knows == unaware || t.policy.omitResolved) {
		if e.knows == unaware {
			t.dropped++
		}
		delete(t.entries, fingerprint)
		return e.knows != unaware
	}
	e.alert.State, e.alert.EndsAt = Resolved, at
	if at.Before(e.alert.StartsAt) {
		e.alert.EndsAt = e.alert.StartsAt
	}
	e.restored, e.attempts, e.notBefore, e.order, e.endsSince = false, 0, time.Time{}, t.next(), now
	return true
}

// waiting returns how many alerts have news that the destination does not know.
func (t *table) waiting() int {
	n := 0
	for _, e := range t.entries {
		if e.alert.State == Resolved || e.knows != aware {
			n++
		}
	}
	return n
}

// firing returns how many alerts the destination knows to fire.
func (t *table) firing() int {
	n := 0
	for _, e := range t.entries {
		if e.knows == aware {
			n++
		}
	}
	return n
}

// due returns when to tell of e, false for not as it is.
func (t *table) due(e *entry) (time.Time, bool) {
	switch {
	case e.busy:
		return time.Time{}, false
	case e.alert.State == Resolved:
		return e.notBefore, true
	case e.restored, e.unwanted:
		return time.Time{}, false
	case e.knows != aware:
		return e.notBefore, true
	}
	at := e.sent.Add(t.policy.repeat)
	if changed := e.sent.Add(changedEvery); changed.Before(at) && e.sum != e.told {
		at = changed
	}
	if at.Before(e.notBefore) {
		at = e.notBefore
	}
	return at, true
}

// take returns what to tell now, which must be settled; or how long to wait
// for that, negative when nothing waits.
func (t *table) take(now time.Time) (tasks []task, wait time.Duration) {
	wait = -1
	var ready []string
	for fingerprint, e := range t.entries {
		if e.alert.State == Resolved && !e.busy && now.Sub(e.endsSince) > resolvedWithin {
			t.dropped++
			delete(t.entries, fingerprint)
			continue
		}
		at, ok := t.due(e)
		if !ok {
			continue
		}
		if at.Before(t.gate) {
			at = t.gate
		}
		if left := at.Sub(now); left > 0 {
			if wait < 0 || left < wait {
				wait = left
			}
			continue
		}
		ready = append(ready, fingerprint)
	}
	if len(ready) == 0 {
		return nil, wait
	}
	slices.SortFunc(ready, func(a, b string) int { return cmp.Compare(t.entries[a].order, t.entries[b].order) })
	for _, fingerprint := range ready[:min(len(ready), t.policy.batch)] {
		e := t.entries[fingerprint]
		e.busy = true
		tasks = append(tasks, task{fingerprint, e.alert, e.sum})
	}
	return tasks, 0
}

// settle takes what became of tasks.
func (t *table) settle(tasks []task, o outcome, now time.Time) {
	pause := time.Duration(0)
	if o.err == nil || o.refused {
		t.failures = 0 // it answers
	} else {
		t.failures++
		pause = max(t.backoff(t.failures), min(o.retryAfter, maxRetryAfter))
	}
	t.gate = now.Add(pause)
	for _, done := range tasks {
		e := t.entries[done.fingerprint]
		if e == nil {
			continue
		}
		e.busy = false
		switch {
		case o.err == nil:
			t.sent++
			t.delivered(e, done, now)
		case o.refused:
			t.failed++
			t.refused(e, done, now)
		default:
			t.retried++
			e.attempts++
			e.notBefore = now.Add(t.backoff(e.attempts))
			e.order = t.next() // perhaps it is this one alone that fails
			// Also one whose end was perhaps told, and that fires again, is known
			// perhaps.
			if o.uncertain && (done.alert.State == Firing && e.knows == unaware || done.alert.State == Resolved && e.alert.State == Firing) {
				e.knows = perhaps
			}
		}
		t.settleEnded(done.fingerprint, e)
	}
}

// delivered takes that the destination was told.
func (t *table) delivered(e *entry, done task, now time.Time) {
	e.attempts, e.notBefore = 0, time.Time{}
	if done.alert.State == Firing {
		e.knows, e.sent, e.told = aware, now, done.sum
		return
	}
	e.knows, e.sent = unaware, time.Time{}
}

// refused takes that the destination does not want to be told.
func (t *table) refused(e *entry, done task, now time.Time) {
	e.attempts = 0
	switch {
	case e.alert.State == Firing && done.alert.State == Firing:
		e.notBefore = now.Add(min(refusedEvery, t.policy.repeat))
	case done.alert.State == Resolved:
		// It is not told twice that the alert ended.
		e.knows = unaware
	}
}

// settleEnded forgets an alert that has ended and of whose end the destination
// need not be told, or was.
func (t *table) settleEnded(fingerprint string, e *entry) {
	if e.alert.State != Resolved || e.knows != unaware && !t.policy.omitResolved {
		return
	}
	if e.knows == unaware && e.attempts > 0 {
		t.dropped++ // it ended before it could be told of
	}
	delete(t.entries, fingerprint)
}
