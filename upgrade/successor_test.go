package upgrade_test

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/upgrade"
)

// rejected is a server whose new version was rolled back, and still has a request that it
// has to finish.
type rejected struct {
	*rig
	first, next int
	held        *held
}

// newRejected has the program replaced before the upgrade, so that the versions can be
// told apart by their files.
func newRejected(t *testing.T, p plan) *rejected {
	t.Helper()
	program := programOf(t)
	p.Drain = patience
	r := &rejected{rig: startRig(t, p, exec.Command(program))}
	r.first = r.serving()
	copyProgram(r.t, program)
	r.harm("block gate")
	r.signal(unix.SIGUSR2)
	r.next = r.awaitCandidate(0)
	r.held = r.hold(r.next)
	if err := unix.Kill(r.first, unix.SIGUSR1); err != nil {
		r.t.Fatal(err)
	}
	if o := r.outcome(0); o.Outcome != upgrade.RolledBack || o.Reason != "aborted by SIGUSR1" {
		r.t.Fatalf("%+v", o)
	}
	r.harm("")
	r.await("it drains", func(e upgrade.Event) bool { return e.PID == r.next && e.State == upgrade.Draining })
	return r
}

// awaitCandidate waits until the old version of the n-th upgrade is passive, and returns the
// new one.
func (r *rig) awaitCandidate(n int) int {
	r.t.Helper()
	end := time.After(patience)
	for {
		r.mu.Lock()
		news, seen := r.news, 0
		for _, e := range r.events {
			if e.State == upgrade.Probation && e.From == upgrade.BothAccept {
				if seen == n {
					r.mu.Unlock()
					return e.Peer
				}
				seen++
			}
		}
		r.mu.Unlock()
		select {
		case <-news:
		case <-end:
			r.t.Fatalf("upgrade %d does not come to probation:\n%s", n, r.log)
		}
	}
}

func programFile(t *testing.T, pid string) os.FileInfo {
	t.Helper()
	info, err := os.Stat("/proc/" + pid + "/exe")
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// TestUpgrade_theOldProcessIsKilledAfterARollBack leaves a version alone that was not
// wanted: it starts the program of the one before, and finishes what it has begun.
func TestUpgrade_theOldProcessIsKilledAfterARollBack(t *testing.T) {
	t.Parallel()
	p := quick()
	p.TLS = true
	r := newRejected(t, p)
	wanted := programFile(t, pidText(r.first))
	if err := unix.Kill(r.first, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	e := r.entered(3, upgrade.Running)
	if e.Peer != r.next {
		t.Errorf("%+v", e)
	}
	if got := programFile(t, pidText(e.PID)); !os.SameFile(got, wanted) || os.SameFile(got, programFile(t, pidText(r.next))) {
		t.Error("it is not the program of the version before")
	}
	r.answers(e.PID)
	r.held.finish(t)
	e = r.await("it commits", func(e upgrade.Event) bool { return e.PID == r.next && e.State == upgrade.Committed })
	if e.Outcome == nil || e.Outcome.PID != r.serving() || !strings.Contains(e.Outcome.Reason, "is gone: its program is started again") {
		t.Errorf("%+v", e.Outcome)
	}
	r.gone(r.next)
	// The next upgrade is to what lies at the path, as always.
	o := r.upgraded(2)
	if got := programFile(t, pidText(o.PID)); os.SameFile(got, wanted) {
		t.Error("it is the program of the version before")
	}
}

func pidText(pid int) string { return strconv.Itoa(pid) }

// TestUpgrade_theOldProcessEndsAfterARollBack has the one before end because it shall, or
// with another successor: the version that was not wanted does nothing about it.
func TestUpgrade_theOldProcessEndsAfterARollBack(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"told to", "upgraded", "killed in an upgrade"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			r := newRejected(t, quick())
			wanted := 0
			switch how {
			case "told to":
				r.signal(unix.SIGTERM)
			case "upgraded":
				wanted = r.upgraded(1).PID
			case "killed in an upgrade":
				r.harm("block gate")
				r.signal(unix.SIGUSR2)
				wanted = r.awaitCandidate(1)
				if err := unix.Kill(r.first, unix.SIGKILL); err != nil {
					t.Fatal(err)
				}
			}
			r.gone(r.first)
			r.held.finish(t)
			r.gone(r.next)
			if wanted > 0 {
				r.answers(wanted)
			}
			for _, e := range r.all() {
				if e.PID != r.first && e.PID != r.next && e.PID != wanted {
					t.Errorf("%+v", e)
				}
			}
		})
	}
}

// TestUpgrade_theOldProcessIsKilledAfterTwoRollBacks has the second new version die: the first one
// is the one that is left.
func TestUpgrade_theOldProcessIsKilledAfterTwoRollBacks(t *testing.T) {
	t.Parallel()
	r := newRejected(t, quick())
	r.harm("exit new")
	r.signal(unix.SIGUSR2)
	o := r.outcome(1)
	if o.Outcome != upgrade.RolledBack {
		t.Fatalf("%+v", o)
	}
	r.harm("")
	r.await("it runs again", func(e upgrade.Event) bool {
		return e.PID == r.first && e.State == upgrade.Running && e.Peer == o.PID
	})
	if err := unix.Kill(r.first, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.answers(r.entered(3, upgrade.Running).PID)
	r.held.finish(t)
}

// TestUpgrade_theOldProcessIsStopped stops the old process for longer than the new one may be
// silent. That has said that it is well all the time, so it is not ended for it.
func TestUpgrade_theOldProcessIsStopped(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		at      upgrade.State
		harm    string
		timeout time.Duration
		stopped time.Duration
	}{
		{upgrade.Probation, "wait gate", patience, 3 * time.Second},
		{upgrade.Warming, "wait warm", 3 * time.Second, 5 * time.Second},
	} {
		t.Run(string(c.at), func(t *testing.T) {
			t.Parallel()
			p := quick()
			p.Probation, p.Heartbeat, p.Timeout = time.Second, time.Second, c.timeout
			r := newRig(t, p)
			first := r.serving()
			r.harm(c.harm)
			r.signal(unix.SIGUSR2)
			r.entered(1, c.at)
			if err := unix.Kill(first, unix.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			r.harm("")
			// The new one accepts meanwhile.
			next := r.entered(2, upgrade.Probation)
			r.answers(next.PID)
			time.Sleep(c.stopped)
			r.answers(next.PID)
			if err := unix.Kill(first, unix.SIGCONT); err != nil {
				t.Fatal(err)
			}
			if o := r.outcome(0); o.Outcome != upgrade.Committed {
				t.Errorf("%+v", o)
			}
			r.answers(next.PID)
		})
	}
}

// TestUpgrade_theAnswerIsLate stops the new process when it is to take over. The old one
// serves on, and does so also when the new one wakes up, takes over, and then hears that it was
// rolled back.
func TestUpgrade_theAnswerIsLate(t *testing.T) {
	t.Parallel()
	p := quick()
	p.Heartbeat, p.PIDFile = time.Second, t.TempDir()+"/pid"
	r := newRig(t, p)
	first := r.serving()
	r.harm("freeze gate")
	r.signal(unix.SIGUSR2)
	o := r.outcome(0)
	if o.Outcome != upgrade.RolledBack || !strings.Contains(o.Reason, "did not take over within 1s") {
		t.Fatalf("%+v", o)
	}
	r.answers(first)
	if err := unix.Kill(o.PID, unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	r.entered(2, upgrade.Running)
	r.gone(o.PID)
	r.answers(first)
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		text, err := os.ReadFile(p.PIDFile)
		if strings.TrimSpace(string(text)) == pidText(first) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the PID file has %q, %v", text, err)
		}
	}
	r.harm("")
	r.upgraded(1)
}

// TestUpgrade_aNewVersionThatTakesItsTime has a check that takes longer than beats are
// apart: it is waited for.
func TestUpgrade_aNewVersionThatTakesItsTime(t *testing.T) {
	t.Parallel()
	p := quick()
	p.Probation, p.Heartbeat = time.Millisecond, patience
	r := newRig(t, p)
	r.harm("wait check")
	r.signal(unix.SIGUSR2)
	r.awaitCandidate(0)
	// It is not said to be well before.
	time.Sleep(100 * time.Millisecond)
	if list := r.outcomes(); len(list) > 0 {
		t.Errorf("%+v", list)
	}
	r.harm("")
	if o := r.outcome(0); o.Outcome != upgrade.Committed {
		t.Errorf("%+v", o)
	}
}
