package upgrade

import (
	"errors"
	"os"
	"slices"
	"time"

	"github.com/goshawk-io/goshawk/upgrade/internal/wire"
)

// dismiss has the new process drain, and kills it if it does not end.
func (a *attempt) dismiss(reason string) {
	bad, log, patience := a.next, a.options.Log, a.options.Drain+a.options.Heartbeat
	a.mu.Lock()
	a.dismissed = append(a.dismissed, bad)
	a.mu.Unlock()
	if err := bad.conn.Send(wire.Message{Kind: wire.Rollback, Reason: reason}); err != nil {
		log.Debug("the new process does not hear that it is rolled back", "pid", a.outcome.PID, "error", err)
	}
	if a.outcome.Started == 0 && len(bad.messages) == 0 {
		// It does not hear, and has nothing to drain.
		patience = 0
	}
	go func() {
		defer bad.close()
		timer := time.NewTimer(patience)
		defer timer.Stop()
		select {
		case <-bad.died:
		case <-timer.C:
			log.Warn("the new process that was rolled back does not end: it is killed", "pid", bad.process.Pid)
			if err := bad.process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
				log.Warn("the new process cannot be killed", "pid", bad.process.Pid, "error", err)
			}
			<-bad.died
		}
		a.mu.Lock()
		a.dismissed = slices.DeleteFunc(a.dismissed, func(n *next) bool { return n == bad })
		a.mu.Unlock()
		a.tellOlder()
		a.appointAnother()
		if a.offered && a.is(Running) {
			// It may have told others that it was the one.
			a.announce()
		}
	}()
}

// disinherit tells those that were rolled back and still drain that they are not needed
// any more, whatever becomes of this process.
func (u *Upgrader) disinherit() {
	u.appointing.Lock()
	defer u.appointing.Unlock()
	u.inherits = false
	for _, n := range u.rolledBack() {
		u.appoint(n, true)
	}
}

// inherit tells the youngest of those that it has to see to a successor, should this
// process end without another word.
func (u *Upgrader) inherit() {
	u.appointing.Lock()
	defer u.appointing.Unlock()
	u.inherits = true
	u.appointYoungest()
}

// appointAnother is inherit after the end of one that may have been the youngest, if one
// has to see to a successor at all.
func (u *Upgrader) appointAnother() {
	u.appointing.Lock()
	defer u.appointing.Unlock()
	if u.inherits {
		u.appointYoungest()
	}
}

// appointYoungest is called with appointing held.
func (u *Upgrader) appointYoungest() {
	if all := u.rolledBack(); len(all) > 0 {
		u.appoint(all[len(all)-1], false)
	}
}

func (u *Upgrader) appoint(n *next, final bool) {
	if err := n.conn.Send(wire.Message{Kind: wire.Rollback, Final: final}); err != nil {
		u.options.Log.Debug("a process that was rolled back does not hear", "pid", n.process.Pid, "error", err)
	}
}

// rolledBack returns the new processes that were rolled back and live, the oldest first.
func (u *Upgrader) rolledBack() []*next {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(u.dismissed), func(n *next) bool {
		select {
		case <-n.died:
			return true
		default:
			return false
		}
	})
}
