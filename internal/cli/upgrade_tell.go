package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/goshawk-io/goshawk/upgrade"
	"github.com/goshawk-io/goshawk/upgrade/swap"
)

// runTeller tells of events.
type runTeller struct {
	mu    sync.Mutex
	out   io.Writer
	json  io.Writer // nil for no JSON lines
	began time.Time // the first version was started
	self  int       // the process that was told to have ended by itself
}

// early is for how long it is likely that a server that ends could not begin to serve.
const early = 10 * time.Second

func (t *runTeller) say(format string, args ...any) {
	fmt.Fprintf(t.out, "upgrade: "+format+"\n", args...)
}

// begin tells what is held.
func (t *runTeller) begin(s swap.Status) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.json != nil {
		return
	}
	for i, l := range s.Listeners {
		from := "opened"
		if l.Inherited {
			from = "passed by systemd"
		}
		t.say("socket %s: %s %s, %s, descriptor %d of the server", printable(l.Name), l.Network, printable(l.Address), from, 3+i)
	}
}

// hear tells of one event.
func (t *runTeller) hear(e upgrade.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.json != nil {
		// Whoever reads it may have gone: the server goes on.
		_ = json.NewEncoder(t.json).Encode(e)
		return
	}
	reason := printable(e.Reason)
	switch e.State {
	case upgrade.Warming:
		if e.Peer == 0 {
			t.began = e.Time
			t.say("process %d is started", e.PID)
		} else {
			t.say("process %d is started beside %d", e.Peer, e.PID)
		}
	case upgrade.Spawning:
		t.say("the new version is being started")
	case upgrade.Probation:
		t.say("process %d is ready; %d goes on until the probation is over", e.Peer, e.PID)
	case upgrade.Running:
		switch {
		case e.From == upgrade.Warming:
			t.say("process %d serves; a new version is started by: goshawk upgrade trigger %d", e.PID, os.Getpid())
		case e.From == upgrade.Spawning:
			t.say("process %d goes on, nothing was started: %s", e.PID, reason)
		}
	case upgrade.Committed:
		t.say("committed after %s: process %d serves, %d is told to end", shortDuration(e.Outcome.Ended), e.Peer, e.PID)
	case upgrade.RolledBack:
		t.say("rolled back after %s, process %d goes on: %s", shortDuration(e.Outcome.Ended), e.PID, reason)
		if e.Outcome.Ready == 0 && strings.Contains(reason, "ended before it was ready") {
			t.explain()
		}
	case upgrade.Draining:
		if strings.HasPrefix(reason, "process ") {
			t.self = e.PID
			t.say("%s", reason)
			if e.Generation == 1 && e.Time.Sub(t.began) < early && !strings.HasSuffix(reason, " exit status 0") {
				t.explain()
			}
		} else {
			t.say("process %d is told to end: %s", e.PID, reason)
		}
	case upgrade.Drained:
		if e.PID == t.self {
			return
		}
		if reason != "" {
			reason = ": " + reason
		}
		t.say("process %d has ended%s", e.PID, reason)
	}
}

// explain says what is wrong with most servers that do not come up.
func (t *runTeller) explain() {
	t.say("if its address is in use for it, it opens a socket of its own: have it take the one that is passed (LISTEN_FDS, descriptor 3)")
}
