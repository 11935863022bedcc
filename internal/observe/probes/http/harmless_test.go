package http

import (
	"debug/elf"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/observe/probe"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

var (
	killCount = flag.Int("kills", 4, "how often TestKilledAgent kills the agent")
	stormTime = flag.Duration("storm", 8*time.Second, "how long TestStorm goes on")
)

// TestKilledAgent kills the agent again and again, at any time from its start
// on, while a program serves requests: none of them fails, and nothing is left
// in the program's code.
func TestKilledAgent(t *testing.T) {
	testutil.RequireBPF(t)
	agent := testutil.BuildGo(t, testutil.Dir("../../../../cmd/goshawk"), testutil.BuildOptions{})
	path := victimBuild{flags: []string{"-trimpath", "-ldflags=-s -w"}}.path(t)
	v := startVictim(t, path)
	c := newClient(t, false)
	var made, failed atomic.Int64
	stop := make(chan struct{})
	var load sync.WaitGroup
	for range 8 {
		load.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				path, want := fmt.Sprintf("/items/%d", n), http.StatusOK
				if n%50 == 0 {
					path, want = fmt.Sprintf("/four/%d?http://%s/called", n, v.Plain), http.StatusOK
				}
				// The agent needs a part of the processors, too.
				time.Sleep(time.Millisecond)
				made.Add(1)
				if status, text := do(t, c, "GET", "http://"+v.Plain+path, nil); status != want {
					failed.Add(1)
					t.Errorf("%s: status %d: %s", path, status, text)
				}
			}
		})
	}
	seen := 0
	for i := range *killCount {
		g := testutil.StartTarget(t, agent, "watch", "http", "--pid", strconv.Itoa(v.PID), "--json")
		long := time.Duration(rand.N(2000)) * time.Millisecond
		if i%2 == 0 {
			// This one is killed when it is attached for sure.
			g.WaitLine("{")
			seen++
			long /= 10
		}
		time.Sleep(long)
		g.Signal(os.Kill)
		g.Wait()
	}
	close(stop)
	load.Wait()
	t.Logf("%d requests, %d failed; %d agents were killed, %d of them had seen requests", made.Load(), failed.Load(), *killCount, seen)
	checkCode(t, v.PID, path)
}

// checkCode compares the code of a process with its file, to the byte.
func checkCode(t *testing.T, pid int, path string) {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	section := f.Section(".text")
	want, err := section.Data()
	if err != nil {
		t.Fatal(err)
	}
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	// The kernel takes its breakpoints back after the agent has ended.
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		have := make([]byte, len(want))
		if _, err := memory.ReadAt(have, int64(section.Addr)); err != nil {
			t.Fatal(err)
		}
		at := 0
		for at < len(want) && have[at] == want[at] {
			at++
		}
		if at == len(want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the code at %#x is %#x, in the file %#x", section.Addr+uint64(at), have[at], want[at])
		}
	}
}

// TestStorm observes ten thousand goroutines whose stacks grow and shrink while
// the collector is busy: the program does not notice.
func TestStorm(t *testing.T) {
	options := probe.Options{}
	l := startLive(t, options)
	l.quiet = true
	v := startVictim(t, victimBuild{}.path(t), "storm", strconv.Itoa(int(stormTime.Seconds())))
	l.attach(t, v.PID)
	var result struct{ Made, Failed, Begun uint64 }
	if err := json.Unmarshal([]byte("{"+v.WaitLine("{")), &result); err != nil {
		t.Fatal(err)
	}
	l.stop()
	served := l.sum(func(k kind) bool { return k.role == roleServer })
	called := l.sum(func(k kind) bool { return k.role == roleClient })
	t.Logf("%+v; the probe counted %d served and %d made", result, served, called)
	if result.Failed != 0 || result.Made != result.Begun {
		t.Errorf("%+v", result)
	}
	// It was attached a second or two late.
	if served == 0 || served > result.Begun || called == 0 || called > result.Made {
		t.Errorf("the probe counted %d served and %d made of %d", served, called, result.Begun)
	}
	if h := l.probe.Health(); h.Lost != 0 || h.LostRecords != 0 {
		t.Errorf("health = %+v", h)
	}
}
