package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/startup"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

// crashedStart ended in the init of its second package.
func crashedStart() *startup.Start {
	s := sampleStart()
	s.Command, s.Exe = nil, "/srv/crasher"
	s.Duration, s.Ended, s.Exit, s.Lost = 20*time.Millisecond, startup.EndedExit, &startup.Exit{Code: -1, Signal: 11}, 4
	s.Phases, s.Packages, s.Unseen, s.Facts = s.Phases[:10], s.Packages[:2], nil, startup.Facts{}
	return s
}

// plainStart has no phase but one.
func plainStart() *startup.Start {
	return &startup.Start{Command: []string{"./odd"}, PID: 1, Ended: startup.EndedExit, Duration: time.Millisecond, Exit: &startup.Exit{Code: 3}}
}

// sampleFindings are made up: what rules there are is not the report's matter.
func sampleFindings() []model.Finding {
	return []model.Finding{
		{Rule: "slow-init", Severity: model.SeverityError, Evidence: "example.com/spins\x1b took 22 ms on CPU", Remedy: "Do it when it is first needed, with sync.OnceValue."},
		{Rule: "starved", Severity: model.SeverityWarn, Evidence: "20 ms ready without a CPU", Remedy: "Measure again on a machine that is not busy."},
	}
}

func sampleSummary() *v1.StartupSummary {
	spread := func(n int64) v1.StartupSpread {
		return v1.StartupSpread{MinNS: n, MedianNS: n + n/10, MaxNS: 2 * n, MADNS: n / 20, Runs: 3}
	}
	usage := func(name, within string, n int64) v1.StartupUsageSpread {
		return v1.StartupUsageSpread{Name: name, Within: within, Start: spread(7_000_000), Duration: spread(n), Own: spread(n / 2), CPU: spread(n / 2), RunDelay: spread(n / 4)}
	}
	ready := spread(62_000_000)
	return &v1.StartupSummary{
		Runs: 3, Total: spread(57_000_000), Own: spread(36_000_000), Ready: &ready, Notes: []string{"1 run was left out"},
		Phases: []v1.StartupUsageSpread{
			usage(startup.SchedInit, "", 900_000), usage(startup.GCInit, startup.SchedInit, 3000), usage(startup.Sysmon, "", 0),
			usage(startup.PackageInits, "", 50_000_000), usage(startup.Main, "", 20_000_000), usage(startup.FirstListen, "", 0),
		},
		Packages: []v1.StartupUsageSpread{usage("example.com/short", "", 2000), usage("example.com/long", "", 10_000_000), usage("example.com/longer\n", "", 20_000_000)},
	}
}

func TestStartupText_golden(t *testing.T) {
	for _, tt := range []struct {
		name     string
		start    *startup.Start
		findings []model.Finding
		summary  *v1.StartupSummary
		text     startText
	}{
		{"plain", sampleStart(), sampleFindings(), nil, startText{}},
		{"terminal", sampleStart(), sampleFindings(), nil, startText{width: 80, color: true}},
		{"narrow", sampleStart(), sampleFindings(), nil, startText{width: 40}},
		{"all", sampleStart(), nil, nil, startText{width: 160, all: true}},
		{"crashed", crashedStart(), nil, nil, startText{}},
		{"nothing", plainStart(), nil, nil, startText{}},
		{"runs", crashedStart(), nil, sampleSummary(), startText{width: 100}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := v1.NewStartup(tt.start, tt.findings)
			tt.text.start(&v)
			if tt.summary != nil {
				tt.text.summary(tt.summary)
			}
			got := tt.text.b.String()
			testutil.Golden(t, "startup-"+tt.name+".txt", []byte(got))
			for line := range strings.Lines(got) {
				line = strings.TrimSuffix(line, "\n")
				if cells := utf8.RuneCountInString(line) - uncounted(line); tt.text.width >= 80 && cells > tt.text.width {
					t.Errorf("%d cells of %d: %q", cells, tt.text.width, line)
				}
			}
		})
	}
}

func TestStartupText_tellsPartsApartWithoutColours(t *testing.T) {
	var marks []string
	for _, k := range barKinds() {
		marks = append(marks, k.mark)
	}
	slices.Sort(marks)
	if got := len(slices.Compact(marks)); got != len(barKinds()) {
		t.Errorf("%d marks for %d kinds", got, len(barKinds()))
	}
	r := runFake(t, &fakeStarter{starts: []*startup.Start{sampleStart()}}, 0, startupOptions{}, "./server")
	if strings.Contains(r.stdout, "the command speaks") || !strings.Contains(r.stderr, "the command speaks") {
		t.Error("what the command prints is not on stderr")
	}
	if strings.Contains(r.stdout, "\x1b") {
		t.Error("there are colours, or what the program names drives the terminal, where there is no terminal")
	}
}

func TestFoldPackages_showsAFew(t *testing.T) {
	const us = time.Microsecond
	packages := func(n int, each time.Duration, more ...time.Duration) []v1.StartupStep {
		var list []v1.StartupStep
		for range n {
			more = append(more, each)
		}
		for _, d := range more {
			list = append(list, v1.StartupStep{Package: true, Usage: &v1.StartupUsage{DurationNS: int64(d)}})
		}
		return list
	}
	var long []time.Duration
	for i := range 20 {
		long = append(long, time.Duration(600+i)*us)
	}
	for _, tt := range []struct {
		name   string
		steps  []v1.StartupStep
		all    bool
		shown  int
		under  time.Duration
		folded time.Duration
	}{
		{"none", nil, false, 0, 0, 0},
		{"2 % of what all take, when that leaves few", packages(70, 4*us, 300*us, 200*us, 100*us), false, 3, 880 * us / 50, 280 * us},
		{"half a millisecond, when 2 % is more", packages(400, 100*us, 5000*us, 4000*us, 600*us), false, 3, 500 * us, 40_000 * us},
		{"2 %, when half a millisecond leaves too many", packages(30, 510*us, 20_000*us, 15_000*us), false, 2, 50_300 * us / 50, 15_300 * us},
		{"the longest, when nothing else leaves few", packages(100, 2*us, long...), false, 15, 605 * us, 5*602*us + 200*us},
		{"all, when asked for", packages(70, 4*us), true, 70, 0, 0},
		{"none that is long", packages(500, 10*us), false, 0, 100 * us, 5000 * us},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := foldPackages(tt.steps, tt.all)
			shown := 0
			for i := range tt.steps {
				if !f.hides(&tt.steps[i]) {
					shown++
				}
			}
			if shown != tt.shown || f.sum != tt.folded || tt.under > 0 && f.under != tt.under {
				t.Errorf("%d shown, under %v, together %v; want %d, %v, %v", shown, f.under, f.sum, tt.shown, tt.under, tt.folded)
			}
			if f.count+shown != len(tt.steps) {
				t.Errorf("%d folded and %d shown of %d", f.count, shown, len(tt.steps))
			}
		})
	}
}

func TestBarScale_bar(t *testing.T) {
	u := func(start, duration, cpu, ready, wait, throttled int64) *v1.StartupUsage {
		return &v1.StartupUsage{StartNS: start, DurationNS: duration, CPUNS: &cpu, RunDelayNS: &ready, OffCPUNS: &wait, ThrottledNS: &throttled}
	}
	for _, tt := range []struct {
		name  string
		usage *v1.StartupUsage
		want  string
	}{
		{"all of it", u(0, 100, 50, 20, 30, 0), "█████▒▒───"},
		{"throttled while ready", u(0, 100, 50, 20, 30, 20), "█████▚▚───"},
		{"throttled while asleep", u(0, 100, 50, 0, 50, 20), "█████▚▚───"},
		{"throttled on several CPUs", u(0, 100, 50, 20, 30, 900), "█████▚▚▚▚▚"},
		{"on several threads", u(0, 100, 300, 100, 900, 0), "██████████"},
		{"not accounted for", u(0, 100, 20, 0, 0, 0), "██········"},
		{"in the middle", u(40, 20, 20, 0, 0, 0), "    ██    "},
		{"too short to see", u(40, 1, 0, 1, 0, 0), "    ▒     "},
		{"an instant", u(50, 0, 0, 0, 0, 0), "     ◆    "},
		{"an instant at the end", u(100, 0, 0, 0, 0, 0), "         ◆"},
		{"beyond the axis", u(101, 5, 5, 0, 0, 0), "         ›"},
		{"over the end of the axis", u(80, 50, 50, 0, 0, 0), "        █›"},
		{"before the axis", u(-20, 40, 40, 0, 0, 0), "██        "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := barScale{from: 0, to: 100, width: 10, paint: func(_, text string) string { return text }, seen: map[string]bool{}}
			if got := s.bar(tt.usage); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestMillis_hasNoMoreDigitsThanTell(t *testing.T) {
	for ns, want := range map[int64]string{
		0: "0", 1: "<0.01", 4999: "<0.01", 5000: "0.01", 52_000: "0.05", -600_000: "-0.60", 12_345_678: "12.35", 99_994_999: "99.99", 99_995_000: "100.0", 123_456_789: "123.5", 1_234_567_890: "1235",
	} {
		if got := millis(ns); got != want {
			t.Errorf("%d: %s, want %s", ns, got, want)
		}
	}
}

func TestRunStartup_printsJSONThatCanBeReadAgain(t *testing.T) {
	for _, runs := range []int{1, 3} {
		starts := []*startup.Start{sampleStart(), crashedStart(), sampleStart()}[:runs]
		r := runFake(t, &fakeStarter{starts: starts}, 0, startupOptions{json: true, runs: runs}, "./server")
		if r.err != nil {
			t.Fatal(r.err)
		}
		got, err := v1.ReadStarts(strings.NewReader(r.stdout))
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != runs || got[0].Packages[0].Name != "example.com/spins" || len(got[0].Phases) != len(starts[0].Phases) {
			t.Errorf("%d runs are %d: %+v", runs, len(got), got[0])
		}
		var fields map[string]any
		if err := json.Unmarshal([]byte(r.stdout), &fields); err != nil {
			t.Fatal(err)
		}
		if _, ok := fields["summary"]; ok != (runs > 1) {
			t.Errorf("%d runs: summary %v", runs, ok)
		}
		if len(r.fake.told) != runs || !r.fake.closed {
			t.Errorf("%d starts, closed: %v; want %d starts", len(r.fake.told), r.fake.closed, runs)
		}
	}
}

func TestRunStartup_tellsTheRecorder(t *testing.T) {
	r := runFake(t, &fakeStarter{starts: []*startup.Start{sampleStart()}}, 0, startupOptions{until: "main", wait: time.Second}, "./server", "-x")
	o := r.fake.told[0]
	if !slices.Equal(o.Command, []string{"./server", "-x"}) || o.Until != "main" || o.Wait != time.Second || o.PID != 0 || o.Stdin != nil {
		t.Errorf("%+v", o)
	}
	r = runFake(t, &fakeStarter{starts: []*startup.Start{sampleStart()}}, 0, startupOptions{pid: int32(os.Getpid()), pidSet: true})
	if o := r.fake.told[0]; r.err != nil || len(o.Command) != 0 || o.PID != int32(os.Getpid()) {
		t.Errorf("%v, %+v", r.err, o)
	}
}

func TestRunStartup_endings(t *testing.T) {
	cut := sampleStart()
	cut.Ended = startup.EndedInterrupted
	refused := usageError("build it with Go", "startup: ./server: is not a Go program")
	noop := context.CancelFunc(func() {})
	for _, tt := range []struct {
		name    string
		fake    fakeStarter
		runs    int
		code    int
		printed int
	}{
		{"whatever the status of the command", fakeStarter{starts: []*startup.Start{plainStart()}}, 1, exitDone, 1},
		{"an error of the recorder", fakeStarter{err: refused}, 1, exitUsage, 0},
		{"an error after some runs, which are printed", fakeStarter{starts: []*startup.Start{sampleStart(), sampleStart()}, err: refused}, 3, exitUsage, 2},
		{"an interrupt, with what was seen", fakeStarter{starts: []*startup.Start{cut}, cancel: noop}, 1, exitInterrupted, 1},
		{"an interrupt before anything was seen", fakeStarter{err: context.Canceled, cancel: noop}, 1, exitInterrupted, 0},
		{"an interrupt of the third run, which is left out", fakeStarter{starts: []*startup.Start{sampleStart(), sampleStart(), cut}, cancel: noop}, 5, exitInterrupted, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := runFake(t, &tt.fake, 0, startupOptions{json: true, runs: tt.runs}, "./server")
			if got := exitCode(r.err); got != tt.code {
				t.Errorf("exit code %d for %v, want %d", got, r.err, tt.code)
			}
			if tt.printed == 0 {
				if r.stdout != "" {
					t.Errorf("printed %s", r.stdout)
				}
				return
			}
			starts, err := v1.ReadStarts(strings.NewReader(r.stdout))
			if err != nil || len(starts) != tt.printed {
				t.Errorf("%d starts are printed, %v; want %d", len(starts), err, tt.printed)
			}
		})
	}
}

func TestRunStartup_writesAPage(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link.html")
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "old.html"), []byte("old"), 0o600), os.Symlink("old.html", link)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "new.html"), link} {
		r := runFake(t, &fakeStarter{starts: []*startup.Start{sampleStart(), sampleStart()}}, 0, startupOptions{html: path, runs: 2}, "./server")
		if r.err != nil {
			t.Fatal(r.err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(data, []byte("<goshawk-waterfall")) || !bytes.Contains(data, []byte("example.com/spins")) {
			t.Errorf("%s is no page about the start: %.200s", path, data)
		}
	}
	if info, err := os.Lstat(link); err != nil || info.Mode().IsRegular() {
		t.Errorf("the link was replaced: %v, %v", info, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 3 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestRunStartup_leavesAFileAloneWhenNothingWasRecorded(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "old.html")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := runFake(t, &fakeStarter{err: errors.New("refused")}, 0, startupOptions{html: path}, "./server")
	if r.err == nil {
		t.Error("no error")
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "old" {
		t.Errorf("%q, %v", data, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestStartupOptions_refuse(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		name    string
		o       startupOptions
		command []string
		want    string
	}{
		{"no command", startupOptions{}, nil, "want a CMD"},
		{"an empty command", startupOptions{}, []string{""}, "want a CMD"},
		{"no runs", startupOptions{runs: -1}, []string{"x"}, "--runs -1: is less than 1"},
		{"a negative wait", startupOptions{wait: -1}, []string{"x"}, "--wait -1ns: is negative"},
		{"until the end of time", startupOptions{until: "doom"}, []string{"x"}, `--until "doom": is not known`},
		{"a process and a command", startupOptions{pid: 1, pidSet: true}, []string{"x"}, "contradict"},
		{"a process and runs", startupOptions{pid: 1, pidSet: true, runsSet: true}, nil, "contradict"},
		{"a process until main.main", startupOptions{pid: int32(os.Getpid()), pidSet: true, until: "main"}, nil, "--until main with --pid: they contradict"},
		{"process 0", startupOptions{pidSet: true}, nil, "is not a process id"},
		{"no such process", startupOptions{pid: 1<<31 - 1, pidSet: true}, nil, "no such process"},
		{"a page in no folder", startupOptions{html: filepath.Join(dir, "no", "x.html")}, []string{"x"}, "no such file"},
		{"a page that is a folder", startupOptions{html: dir}, []string{"x"}, "is a directory"},
		{"a page that is a device", startupOptions{html: "/dev/null"}, []string{"x"}, "is not a regular file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := runFake(t, &fakeStarter{}, 0, tt.o, tt.command...)
			if exitCode(r.err) != exitUsage || !strings.Contains(r.err.Error(), tt.want) {
				t.Errorf("%v, want bad usage that says %q", r.err, tt.want)
			}
			if len(r.fake.told) > 0 {
				t.Error("it was started")
			}
		})
	}
}
