package exec

import (
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probe"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

const (
	spawners = 2
	// longArgs makes records that few fit into a small ring.
	longArgs = 5 << 10
)

// spawnCount is how many commands each spawner runs.
func spawnCount() int {
	if testing.Short() {
		return 300
	}
	return 2000
}

// runSpawners runs commands from several processes, waits until all have
// ended, and returns the processes and how many commands they ran.
func runSpawners(t *testing.T, argBytes int) (pids []int, commands int) {
	t.Helper()
	path := victimBuild{}.path(t)
	var targets []*testutil.Target
	for range spawners {
		targets = append(targets, testutil.StartTarget(t, path, "spawn", strconv.Itoa(spawnCount()), strconv.Itoa(argBytes)))
	}
	for _, target := range targets {
		n, err := strconv.Atoi(target.WaitLine("spawned "))
		if err != nil {
			t.Fatal(err)
		}
		commands += n
		pids = append(pids, target.PID)
	}
	for _, target := range targets {
		target.Stdin.Close()
		target.Wait()
	}
	return pids, commands
}

// TestLossIsCounted forces losses: what is reported and what is counted as
// lost add up to the commands that there were. Others run commands on this
// host, too: a second instance of the probe, which loses nothing, counts those.
func TestLossIsCounted(t *testing.T) {
	testutil.RequireBPF(t)
	for _, test := range []struct {
		name string
		ring int
		slow int // the reader sleeps after so many records
		args int
	}{
		{"ring smaller than a record", 4 << 10, 1 << 30, longArgs},
		{"ring of some records and a slow reader", 64 << 10, 32, longArgs},
		{"ring of many records and a slow reader", 64 << 10, 32, 10},
	} {
		t.Run(test.name, func(t *testing.T) {
			referee := startLive(t, Spec(), probe.Options{RingBytes: 64 << 20}, nil)
			starting := time.Now()
			var hurry atomic.Bool
			records := 0
			options := probe.Options{RingBytes: test.ring, BeforeRead: func() {
				if records++; records%test.slow == 0 && !hurry.Load() {
					time.Sleep(10 * time.Millisecond)
				}
			}}
			small := startLive(t, Spec(), options, nil)
			started := time.Now()
			pids, commands := runSpawners(t, test.args)
			hurry.Store(true)
			stopping := time.Now()
			small.stop()
			stopped := time.Now()
			lost := small.probe.Lost()
			got := uint64(len(small.where(func(*model.Event) bool { return true }))) + lost
			// What ends from here on has come when this has.
			marker := testutil.StartTarget(t, "/bin/true")
			marker.Wait()
			referee.wait(t, "the marker", 1, func(e *model.Event) bool { return int(e.PID) == marker.PID && e.Time.After(stopped) })
			referee.stop()
			if n := referee.probe.Lost(); n != 0 {
				t.Fatalf("the referee lost %d commands", n)
			}
			for _, pid := range pids {
				ran := referee.where(func(e *model.Event) bool { return ofParent(pid)(e) && e.Time.After(starting) })
				if len(ran)*spawners != commands {
					t.Fatalf("the referee saw %d commands of a spawner, want %d", len(ran), commands/spawners)
				}
			}
			if lost < uint64(commands)/100 {
				t.Errorf("lost = %d of %d: no loss was forced", lost, commands)
			}
			least, most := expected(referee, starting, started, stopping, stopped)
			t.Logf("%d events, %d lost, %d..%d commands ended, %d of them the spawners'", got-lost, lost, least, most, commands)
			if got < least || got > most {
				t.Errorf("%d events and %d lost are %d, want %d to %d", got-lost, lost, got, least, most)
			}
		})
	}
}

// expected counts the commands that a probe must report or count as lost. It
// started to observe at some time between starting and started, and stopped
// between stopping and stopped: a few commands of others may end, or start, in
// these moments, and make the difference between the results.
func expected(referee *live, starting, started, stopping, stopped time.Time) (least, most uint64) {
	type process struct {
		pid   int32
		start int64
	}
	older := map[process]bool{}
	for _, e := range referee.where(func(*model.Event) bool { return true }) {
		born, end := e.Values[fieldCreationTime].Time(), e.Values[fieldExitTime].Time()
		p := process{e.PID, born.UnixNano()}
		if e.Time.Before(starting) {
			// Of what a process ran before, a probe knows the last image only.
			if older[p] {
				continue
			}
			older[p] = true
		}
		if !end.Before(starting) && !end.After(stopped) {
			most++
		}
		// Attached between its fork and its exec, a probe may take a process
		// for one that ran something before.
		between := born.Before(started) && e.Time.After(starting)
		if between {
			most++
		}
		if end.After(started) && end.Before(stopping) && !between {
			least++
		}
	}
	return least, most
}

// TestStalledReaderLosesNothing stalls the reader for half a second every two.
func TestStalledReaderLosesNothing(t *testing.T) {
	testutil.RequireBPF(t)
	var last time.Time
	stalls := 0
	l := startLive(t, Spec(), probe.Options{BeforeRead: func() {
		if time.Since(last) < 2*time.Second {
			return
		}
		time.Sleep(500 * time.Millisecond)
		stalls++
		last = time.Now()
	}}, nil)
	since := time.Now()
	pids, commands := runSpawners(t, longArgs)
	for _, pid := range pids {
		l.wait(t, fmt.Sprint("spawner ", pid), commands/spawners, func(e *model.Event) bool { return ofParent(pid)(e) && e.Time.After(since) })
	}
	l.stop()
	t.Logf("%d commands, %d stalls", commands, stalls)
	if h := l.probe.Health(); h.Lost != 0 || h.LostRecords != 0 {
		t.Errorf("lost %d commands and %d records", h.Lost, h.LostRecords)
	}
}
