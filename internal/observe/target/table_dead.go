package target

import "time"

// deadList is a list of dead entries, the oldest first.
type deadList struct {
	first, last *entry
	size        int
}

func (l *deadList) push(e *entry) {
	e.prev, e.next = l.last, nil
	if l.last == nil {
		l.first = e
	} else {
		l.last.next = e
	}
	l.last = e
	l.size++
}

func (l *deadList) unlink(e *entry) {
	if e.prev == nil {
		l.first = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		l.last = e.prev
	} else {
		e.next.prev = e.prev
	}
	e.prev, e.next = nil, nil
	l.size--
}

// collect forgets the dead whose time is over. Each call costs as much as it
// forgets.
func (t *Table) collect(now time.Time) {
	for e := t.dying.first; e != nil && now.Sub(e.exited) >= t.grace; e = t.dying.first {
		if e.children == 0 {
			t.forget(e)
			continue
		}
		t.dying.unlink(e)
		e.state = held
		t.held.push(e)
	}
	for t.dying.size+t.held.size > t.maxDead {
		oldest := t.held.first
		if oldest == nil {
			oldest = t.dying.first
		}
		t.forget(oldest)
	}
}

// forget removes a dead entry, and with it the ancestors that were kept for
// it alone.
func (t *Table) forget(e *entry) {
	for e != nil {
		if e.state == held {
			t.held.unlink(e)
		} else {
			t.dying.unlink(e)
		}
		delete(t.byID, e.id)
		if t.byPID[e.id.PID] == e {
			delete(t.byPID, e.id.PID)
		}
		parent := t.byID[e.parent]
		if parent == nil || parent.children == 0 {
			return
		}
		parent.children--
		if parent.children > 0 || parent.state != held {
			return
		}
		e = parent
	}
}
