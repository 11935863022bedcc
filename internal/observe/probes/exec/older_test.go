package exec

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probe"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

// TestOlderProcesses has processes that are older than the probe end, or
// execute another program, before /proc is read, while it is read, and later:
// each ends exactly once.
func TestOlderProcesses(t *testing.T) {
	testutil.RequireBPF(t)
	n := 300
	if testing.Short() {
		n = 60
	}
	since := time.Now()
	victim := testutil.StartTarget(t, victimBuild{}.path(t), "older", strconv.Itoa(n))
	o := olderProcesses{t: t, victim: victim}
	for range n {
		pid, err := strconv.Atoi(victim.WaitLine("pid "))
		if err != nil {
			t.Fatal(err)
		}
		o.pids = append(o.pids, pid)
	}
	victim.WaitLine("ready")
	meanwhile := make(chan struct{})
	l := startLive(t, Spec(), probe.Options{}, func() {
		o.tell(0, "end")
		o.tell(1, "exec")
		o.ended(0)
		o.executed(1)
		go func() {
			defer close(meanwhile)
			o.tell(2, "end")
			o.tell(3, "exec")
		}()
	})
	<-meanwhile
	o.ended(2)
	o.executed(3)
	for _, group := range []int{1, 3, 4} {
		o.tell(group, "end")
		o.ended(group)
	}
	ofVictim := func(e *model.Event) bool { return ofParent(victim.PID)(e) && !e.Time.Before(since.Add(-time.Second)) }
	lastOf := func(e *model.Event) bool { return ofVictim(e) && !e.Values[fieldReplacedBy].IsSet() }
	l.wait(t, "older processes", n, lastOf)
	l.stop()
	shell, cat := realPath(t, "/bin/sh"), realPath(t, "/bin/cat")
	for i, pid := range o.pids {
		var got []string
		for _, e := range l.where(func(e *model.Event) bool { return ofVictim(e) && int(e.PID) == pid }) {
			got = append(got, fmt.Sprint(e.Values[fieldPath].Str(), " ", e.Values[fieldExitCode].Int()))
		}
		var want [][]string
		switch i % olderGroups {
		case 0:
			want = [][]string{{" 7"}} // it has a short name only
		case 1:
			want = [][]string{{cat + " 0"}}
		case 2:
			want = [][]string{{" 7"}, {shell + " 7"}}
		case 3:
			want = [][]string{{cat + " 0"}, {shell + " 0", cat + " 0"}}
		case 4:
			want = [][]string{{shell + " 7"}}
		}
		if !slices.ContainsFunc(want, func(w []string) bool { return slices.Equal(w, got) }) {
			t.Errorf("process %d of group %d: %q, want one of %q", pid, i%olderGroups, got, want)
		}
	}
	if h := l.probe.Health(); h.Lost != 0 {
		t.Errorf("lost %d commands", h.Lost)
	}
}

// olderGroups is how many groups the older processes are in, by what they do
// and when.
const olderGroups = 5

type olderProcesses struct {
	t      *testing.T
	victim *testutil.Target
	pids   []int
}

// tell tells the processes of a group what to do.
func (o *olderProcesses) tell(group int, what string) {
	for i := group; i < len(o.pids); i += olderGroups {
		if _, err := fmt.Fprintln(o.victim.Stdin, i, what); err != nil {
			o.t.Error(err)
			return
		}
	}
}

// ended blocks until the processes of a group were waited for.
func (o *olderProcesses) ended(group int) {
	o.t.Helper()
	for i := group; i < len(o.pids); i += olderGroups {
		o.victim.WaitLine(fmt.Sprint("ended ", i))
	}
}

// executed blocks until the processes of a group run cat.
func (o *olderProcesses) executed(group int) {
	o.t.Helper()
	cat := realPath(o.t, "/bin/cat")
	deadline := time.Now().Add(patience)
	for i := group; i < len(o.pids); i += olderGroups {
		for {
			if exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", o.pids[i])); exe == cat {
				break
			}
			if time.Now().After(deadline) {
				o.t.Fatalf("process %d does not run %s", o.pids[i], cat)
			}
			time.Sleep(time.Millisecond)
		}
	}
}
