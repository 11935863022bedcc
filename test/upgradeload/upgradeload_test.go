package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/goshawk-io/goshawk/internal/testutil"
	"github.com/goshawk-io/goshawk/test/upgradeload/load"
)

// short are three upgrades of the program.
func short(program string, kinds ...load.Kind) options {
	return options{
		server: program, kinds: kinds, rate: 500, runs: 1, connections: 64,
		duration: 900 * time.Millisecond, every: 300 * time.Millisecond, window: 150 * time.Millisecond, control: 100 * time.Millisecond,
	}
}

// cells returns those of the first row of a table's body.
func cells(t *testing.T, table string) map[string]string {
	t.Helper()
	lines := strings.Split(table, "\n")
	split := func(i int) []string { return strings.Split(strings.Trim(lines[i], "| "), " | ") }
	for i, line := range lines {
		if !strings.HasPrefix(line, "|---") || i+1 >= len(lines) {
			continue
		}
		names, values := split(i-1), split(i+1)
		if len(names) != len(values) {
			t.Fatalf("%d columns and %d cells:\n%s", len(names), len(values), table)
		}
		row := map[string]string{}
		for j, name := range names {
			row[name] = values[j]
		}
		return row
	}
	t.Fatalf("no table in:\n%s", table)
	return nil
}

func TestMeasureAll_findsWhatAnUpgradeLoses(t *testing.T) {
	t.Setenv(fakeVariable, fakeLoses)
	var out strings.Builder
	o := short(os.Args[0], load.HTTP)
	o.verbose, o.duration, o.every = true, 1500*time.Millisecond, 500*time.Millisecond
	err := measureAll(t.Context(), o, &out, io.Discard)
	if !errors.Is(err, errLost) || !strings.Contains(fmt.Sprint(err), "http, server, run 1: ") {
		t.Errorf("error %v, want lost requests of run 1", err)
	}
	row := cells(t, out.String())
	want := map[string]string{"Kind": "http", "Program": server, "Run": "1", "Sent": "850"}
	for name, value := range want {
		if row[name] != value {
			t.Errorf("%s is %q, want %q", name, row[name], value)
		}
	}
	if row["Lost"] == "**0**" || row["How"] == "-" {
		t.Errorf("lost %s, %s; want some", row["Lost"], row["How"])
	}
	// A successor that takes long misses the next signal.
	var done, asked int
	if _, err := fmt.Sscanf(row["Upgrades"], "%d of %d", &done, &asked); err != nil || done < 1 || asked != 3 || row["Processes"] != strconv.Itoa(done+1) {
		t.Errorf("upgrades are %q and processes %s, want them of 3 (%v)", row["Upgrades"], row["Processes"], err)
	}
	for _, text := range []string{"- upgrade ", "EOF on reused (process ", "\n| 475.0 | "} {
		if !strings.Contains(out.String(), text) {
			t.Errorf("no %q in:\n%s", text, out.String())
		}
	}
	// The same of a peer is what it is compared with.
	o.peer, o.server = o.server, ""
	if err := measureAll(t.Context(), o, io.Discard, io.Discard); err != nil {
		t.Errorf("a peer that loses: %v", err)
	}
}

func TestMeasureAll_findsThatNothingChanged(t *testing.T) {
	t.Setenv(fakeVariable, fakeStays)
	var out strings.Builder
	err := measureAll(t.Context(), short(os.Args[0], load.HTTP), &out, io.Discard)
	if !errors.Is(err, errNoChange) || errors.Is(err, errLost) {
		t.Errorf("error %v, want %v alone", err, errNoChange)
	}
	row := cells(t, out.String())
	if got := row["Upgrades"]; got != "0 of 3; 3: a/b" {
		t.Errorf("upgrades are %q", got)
	}
	if row["Processes"] != "1" || row["Lost"] != "**0**" {
		t.Errorf("%s processes, lost %s; want 1 and none", row["Processes"], row["Lost"])
	}
}

// TestMeasureAll_server has the library upgrade the real server.
func TestMeasureAll_server(t *testing.T) {
	program := testutil.BuildGo(t, testutil.Dir("server"), testutil.BuildOptions{})
	o := short(program, load.HTTP, load.H2)
	// Two seconds remain after the trigger: connections are kept through a probation of
	// 300 ms, and told to go to the new process within a second after that.
	o.duration, o.every, o.window, o.busy = 4*time.Second, 4*time.Second, 500*time.Millisecond, 1
	var out strings.Builder
	if err := measureAll(t.Context(), o, &out, io.Discard); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestMeasureAll_endsWithItsContext(t *testing.T) {
	t.Setenv(fakeVariable, fakeStays)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := measureAll(ctx, short(os.Args[0], load.HTTP), io.Discard, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
}

func TestStart_fails(t *testing.T) {
	t.Setenv(fakeVariable, fakeDies)
	if _, err := start(t.Context(), os.Args[0], "127.0.0.1:0", nil); err == nil || !strings.Contains(err.Error(), os.Args[0]+": ended before it served") {
		t.Errorf("of a program that ends: %v", err)
	}
	none := t.TempDir() + "/none"
	if _, err := start(t.Context(), none, "127.0.0.1:0", nil); err == nil || !strings.Contains(err.Error(), "start "+none+": ") {
		t.Errorf("of a program that is not there: %v", err)
	}
}

func TestProgram_triggersAndStopsWhatIsLeft(t *testing.T) {
	t.Setenv(fakeVariable, fakeStuck)
	address, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	p, err := start(t.Context(), os.Args[0], address, nil)
	if err != nil {
		t.Fatal(err)
	}
	// A process that is gone is no end of the upgrades.
	gone := exec.Command(os.Args[0], "-burn")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	p.hear(said{PID: gone.Process.Pid, Event: "serving"})
	if err := p.trigger(); err != nil {
		t.Error(err)
	}
	if u := p.upgrades(); u.failed[fmt.Sprintf("process %d said that it serves, and is gone", gone.Process.Pid)] != 1 {
		t.Errorf("of a process that is gone: %+v", u)
	}
	p.patience = 10 * time.Millisecond
	if err := p.stop(); err == nil || !strings.Contains(err.Error(), "did not end by themselves") {
		t.Errorf("error %v", err)
	}
	<-p.ended
}

func TestKeepBusy(t *testing.T) {
	stop, err := keepBusy(2)
	if err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Errorf("end them: %v", err)
	}
}

func TestFigures(t *testing.T) {
	const ms = time.Millisecond
	run := &measured{
		triggers: []time.Duration{100 * ms, 200 * ms}, every: 100 * ms, window: 50 * ms,
		result:   &load.Result{},
		controls: []*load.Result{{Samples: []load.Sample{{Latency: 4 * ms}}}, {Samples: []load.Sample{{Latency: 5 * ms}}}},
	}
	for _, s := range []struct{ at, latency time.Duration }{
		{0, 20 * ms}, {100 * ms, 10 * ms}, {149 * ms, 8 * ms}, {150 * ms, 5 * ms}, {199 * ms, 1 * ms}, {210 * ms, 12 * ms}, {260 * ms, 3 * ms}, {300 * ms, 2 * ms},
	} {
		run.result.Samples = append(run.result.Samples, load.Sample{At: s.at, Latency: s.latency})
	}
	f := run.figures()
	if diff := cmp.Diff(load.Latencies{8 * ms, 10 * ms, 12 * ms}, f.in); diff != "" {
		t.Errorf("in windows (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(load.Latencies{4 * ms, 5 * ms}, f.control); diff != "" {
		t.Errorf("control (-want +got):\n%s", diff)
	}
	// 12 of 20 outside; 12 of 5 in the control; pairs 10 of 5 and 12 of 3.
	if diff := cmp.Diff([]float64{0.6, 2.4, 3}, []float64{f.inOut, f.inControl, f.paired}); diff != "" {
		t.Errorf("ratios (-want +got):\n%s", diff)
	}
	for _, tt := range []struct {
		at, since time.Duration
		upgrade   int
	}{{50 * ms, 50 * ms, 0}, {100 * ms, 0, 1}, {199 * ms, 99 * ms, 1}, {500 * ms, 300 * ms, 2}} {
		if upgrade, since := run.before(tt.at); upgrade != tt.upgrade || since != tt.since {
			t.Errorf("%v is %v after upgrade %d, want %v after %d", tt.at, since, upgrade, tt.since, tt.upgrade)
		}
	}
}

func TestCommand_refuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
	}{
		{"no program", nil},
		{"a kind that there is not", []string{"-server", "x", "-kind", "http,gopher"}},
		{"a window longer than a period", []string{"-server", "x", "-every", "1s", "-window", "2s"}},
		{"no runs", []string{"-server", "x", "-runs", "0"}},
		{"a flag that there is not", []string{"-gopher"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := command(tt.args); got != 2 {
				t.Errorf("exit status %d, want 2", got)
			}
		})
	}
}

func TestRateOf(t *testing.T) {
	for _, tt := range []struct {
		rate float64
		kind load.Kind
		want float64
	}{{0, load.H2, 1000}, {0, load.TLSNew, 600}, {50, load.HTTPNew, 50}} {
		if got := (&options{rate: tt.rate}).rateOf(tt.kind); got != tt.want {
			t.Errorf("of %s with -rate %v: %v, want %v", tt.kind, tt.rate, got, tt.want)
		}
	}
}
