package upgrade_test

import (
	"errors"
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
	client      *rawClient
	answered    chan error
}

// newRejected has the program replaced before the upgrade, so that the versions can be
// told apart by their files.
func newRejected(t *testing.T, p plan, request string) *rejected {
	t.Helper()
	program := programOf(t)
	r := &rejected{rig: startRig(t, p, exec.Command(program)), answered: make(chan error, 1)}
	r.first = r.serving()
	r.reject(program, 0, request)
	return r
}

// reject has the n-th upgrade be rolled back while the new version answers a request.
func (r *rejected) reject(program string, n int, request string) {
	r.t.Helper()
	copyProgram(r.t, program)
	r.harm("block gate")
	r.signal(unix.SIGUSR2)
	r.next = r.awaitCandidate(n)
	r.client = r.rawClient()
	r.t.Cleanup(r.client.close)
	client, pid := r.client, r.next
	go func() {
		got, err := client.ask(request)
		if err == nil && got != pid {
			err = errors.New("another process has answered")
		}
		r.answered <- err
	}()
	r.connected(r.next)
	if err := unix.Kill(r.first, unix.SIGUSR1); err != nil {
		r.t.Fatal(err)
	}
	if o := r.outcome(n); o.Outcome != upgrade.RolledBack || o.Reason != "aborted by SIGUSR1" {
		r.t.Fatalf("%+v", o)
	}
	r.harm("")
	r.await("it drains", func(e upgrade.Event) bool { return e.PID == r.next && e.State == upgrade.Draining })
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
	r := newRejected(t, p, "/?wait=3s")
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
	if err := <-r.answered; err != nil {
		t.Error(err)
	}
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
			r := newRejected(t, quick(), "/?wait=2s")
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
			if err := <-r.answered; err != nil {
				t.Error(err)
			}
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

// TestUpgrade_theOldProcessIsStopped stops the old process for longer than the new one may be
// silent. That has said that it is well all the time, so it is not ended for it.
func TestUpgrade_theOldProcessIsStopped(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		at   upgrade.State
		harm string
	}{{upgrade.Probation, ""}, {upgrade.Warming, "wait warm"}} {
		t.Run(string(c.at), func(t *testing.T) {
			t.Parallel()
			p := quick()
			p.Probation, p.Heartbeat, p.Timeout = time.Second, time.Second, time.Second
			if c.at == upgrade.Warming {
				p.Timeout = 2 * time.Second
			}
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
			time.Sleep(3 * time.Second)
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
