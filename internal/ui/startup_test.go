package ui

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/html"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

// sampleStartup is a start with n packages, each of which takes a millisecond
// but the last, and with texts that would break out of a page.
func sampleStartup(n int) v1.Startup {
	const ms = 1_000_000
	usage := func(start, cpu, ready, wait int64) v1.StartupUsage {
		calls, took := uint64(12), int64(ms)
		return v1.StartupUsage{
			StartNS: start, DurationNS: cpu + ready + wait, CPUNS: &cpu, RunDelayNS: &ready, OffCPUNS: &wait, ThrottledNS: new(int64(0)),
			Syscalls: &calls, SyscallNS: &took, MinorFaults: new(uint64(40)), MajorFaults: new(uint64(0)),
		}
	}
	evil := `"><script>alert(1)</script>` + "\x1b[0m"
	v := v1.Startup{
		Command: []string{"./server", evil}, Exe: "/srv/server", GoVersion: "go1.26.8", PID: 4711, Time: v1.Time(testNow()), DurationNS: 200 * ms, Ended: "first_response", Threads: 4, Lost: 2,
		Phases: []v1.StartupPhase{
			{Name: "kernel_exec", StartupUsage: v1.StartupUsage{StartNS: -ms, DurationNS: ms}}, {Name: "schedinit", StartupUsage: usage(0, ms, 0, 0)}, {Name: "gcinit", Within: "schedinit", StartupUsage: usage(0, ms/2, 0, 0)},
			{Name: "package_inits", StartupUsage: usage(ms, int64(n)*ms, 0, 0)}, {Name: "main", StartupUsage: usage(int64(n+1)*ms, ms, ms, 30*ms)},
			{Name: "first_listen", Address: "127.0.0.1:8080", StartupUsage: v1.StartupUsage{StartNS: int64(n+2) * ms}},
			{Name: "first_response", StartupUsage: usage(int64(n+3)*ms, ms, 0, 0)},
		},
		Findings: []v1.Finding{{Rule: "starved", Severity: "warn", Evidence: "busy " + evil, Remedy: "Measure again."}},
		Unseen:   []v1.StartupUnseen{{What: "modulesinit", Why: "it is inlined"}},
		Facts:    v1.StartupFacts{CPUs: 2, QuotaCPUs: 0.5, GoDebug: "gctrace=1", GoProxy: []string{"proxy.example:443"}},
	}
	inits := &v.Phases[3]
	inits.ThrottledNS, inits.RunDelayNS, inits.MajorFaults = new(int64(2*ms)), new(int64(3*ms)), new(uint64(7))
	inits.DurationNS += 3 * ms
	connect := v1.StartupCall{Name: "connect", Operand: "192.0.2.7:5432" + evil, StartNS: ms, DurationNS: ms, Result: -111}
	inits.SlowestSyscalls = []v1.StartupCall{connect}
	for i := range n {
		p := v1.StartupPackage{Name: fmt.Sprintf("example.com/p%03d", i), StartupUsage: usage(int64(1+i)*ms, ms, 0, 0)}
		switch i {
		case 0:
			p.SlowestSyscalls = []v1.StartupCall{connect}
			// A program has a package and a phase of that name.
			p.Name = "main"
		case n - 1:
			p.DurationNS, p.Name = 1000, "example.com/short"
		}
		v.Packages = append(v.Packages, p)
	}
	return v
}

func renderStartup(t *testing.T, v *v1.StartupRuns) (string, *html.Node) {
	t.Helper()
	page, err := RenderStartup(v, StartupOptions{Version: "v0.0.0-test", Now: testNow()})
	if err != nil {
		t.Fatal(err)
	}
	root, err := html.Parse(strings.NewReader(string(page)))
	if err != nil {
		t.Fatal(err)
	}
	return string(page), root
}

func TestRenderStartup_needsNothingElse(t *testing.T) {
	page, root := renderStartup(t, &v1.StartupRuns{Runs: []v1.Startup{sampleStartup(5)}})
	waterfalls := 0
	for n := range root.Descendants() {
		for _, a := range n.Attr {
			if a.Key == "src" || a.Key == "action" || strings.HasPrefix(a.Key, "on") || a.Key == "href" && !strings.HasPrefix(a.Val, "#") {
				t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
			}
		}
		if n.Data == "goshawk-waterfall" {
			waterfalls++
			if !has(n, "script") {
				t.Error("the waterfall has no data")
			}
		}
	}
	if waterfalls != 1 {
		t.Errorf("%d waterfalls, want 1", waterfalls)
	}
	if strings.Contains(page, "<script>alert") || strings.Contains(page, "\x1b") {
		t.Error("a text of the program is markup, or has control characters")
	}
	for _, want := range []string{
		"Saved on 2026-11-21 20:30:15 UTC by Goshawk v0.0.0-test", "init of main", "to the first listen", "127.0.0.1:8080", "starved", "Measure again.",
		"modulesinit", "it is inlined", "throttled 2 ms", "2 records were lost", "gctrace=1", "proxy.example:443", "40 &#43; 7",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, "All runs") {
		t.Error("one run has a spread")
	}
}

func TestRenderStartup_ofRunsShowsTheMiddleOneAndTheSpread(t *testing.T) {
	runs := &v1.StartupRuns{}
	for _, ns := range []int64{9_000_000, 5_000_000, 7_000_000} {
		v := sampleStartup(2)
		v.PID = int32(ns / 1_000_000)
		v.Phases[4].StartNS = ns
		runs.Runs = append(runs.Runs, v)
	}
	spread := v1.StartupSpread{MinNS: 5_000_000, MedianNS: 7_000_000, MaxNS: 9_000_000, MADNS: 2_000_000, Runs: 3}
	runs.Summary = v1.StartupSummary{Runs: 3, Total: spread, Own: spread, Ready: &spread, Notes: []string{"1 run was left out"}, Phases: []v1.StartupUsageSpread{
		{Name: "package_inits", Duration: spread, Own: spread}, {Name: "first_listen", Start: spread}, {Name: "first_accept", Start: spread},
	}, Packages: []v1.StartupUsageSpread{{Name: "example.com/p000", Duration: spread, Own: spread}}}
	page, _ := renderStartup(t, runs)
	for _, want := range []string{"The run in the middle of 3.", "<dd>7</dd>", "± 2 ms", "1 run was left out", "exec to first_accept"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, "exec to first_listen") {
		t.Error("the first listen has two rows")
	}
}

func TestNewStartView_drawsNoneOfManyShortPackages(t *testing.T) {
	for _, tt := range []struct {
		packages, bars int
		short          string
	}{
		{30, 37, ""},
		{60, 66, "1 package that took less than 50 µs each: see the table below"},
	} {
		v := sampleStartup(tt.packages)
		view := newStartView(&v, testNow())
		if got := len(view.Tree.Data.(v1.Waterfall).Bars); got != tt.bars || view.Short != tt.short {
			t.Errorf("%d packages: %d bars, %q; want %d, %q", tt.packages, got, view.Short, tt.bars, tt.short)
		}
		// Of the kernel's exec it is not known what it spent.
		if kernel, runtime := view.Rows.Rows[0].Cells, view.Rows.Rows[1].Cells; kernel[3].Text != unknown || kernel[8].Text != unknown || runtime[3].Text != "1 ms" || runtime[4].Text != "" {
			t.Errorf("rows %+v, %+v", kernel, runtime)
		}
		if got, want := len(view.Rows.Rows), tt.packages+len(v.Phases); got != want {
			t.Errorf("%d packages: %d rows, want %d", tt.packages, got, want)
		}
		if len(view.Calls.Rows) != 1 || view.Calls.Rows[0].Cells[1].Text != "init of main" {
			t.Errorf("calls %+v, want one, in the package", view.Calls.Rows)
		}
	}
}
