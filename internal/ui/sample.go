package ui

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

// sampleRecords returns n commands of a shop that does not exist, the same
// ones each time: the gallery's and the tests'.
func sampleRecords(n int, now time.Time) []v1.Record {
	r := rand.New(rand.NewPCG(7, 11))
	var list []v1.Record
	at := now
	for i := range n {
		at = at.Add(-time.Duration(r.IntN(4000)) * time.Millisecond)
		list = append(list, sampleRecord(i, at, r))
	}
	return list
}

func sampleRecord(i int, at time.Time, r *rand.Rand) v1.Record {
	ns := int64(r.ExpFloat64() * 40e6)
	argv := [][]string{
		{"git", "--version"}, {"gzip", "-c"}, {"grep", "-q", "-x", "-F", "-e", "SUMMER SALE", "/var/lib/shop/coupons.txt"},
		{"sh", "-c", "cut -d, -f2 orders.csv | sort | uniq -c | sort -n | tail -n 3"}, {"sleep", "5"}, {"/var/lib/shop/thumbnailer", "--size", "64", "1107"},
		{"printf", "%s %s", "Dear Zoë,\nthank you", "\x1b[31mSale!\x1b[0m"}, {"ffmpeg", "-i", "/var/lib/shop/uploads/2026/11/21/original-a8f1c0d2.mov", "-vf", "scale=1280:-2", "-c:v", "libx264", "/var/lib/shop/videos/a8f1c0d2.mp4"},
	}[i%8]
	a := v1.Attributes{
		keyName: argv[0], keyPath: "/usr/bin/" + strings.TrimPrefix(argv[0], "/"), keyArgs: argv, keyDirectory: "/srv/shop",
		keyParentPID: int64(4711), keyParent: "shop", keyOutcome: "exited", keyExitCode: int64(0), keySetup: int64(610_000),
		keyCPUUser: ns / 3, keyCPUSystem: ns / 9, keyRunDelay: ns / 20, keyMaxRSS: int64(3<<20 + i*4096), keyRead: int64(18_211), keyWrite: int64(512), keyUnreaped: int64(41_000),
		keyCgroup: "/system.slice/shop.service", keyFunction: "github.com/example/shop/internal/stock.(*shop).checkStock", keyFile: "/src/shop/internal/stock/commands.go", keyLine: int64(64 + i%8*17),
	}
	e := v1.Event{
		Time: v1.Time(at), Probe: probeExec, PID: int32(20000 + i), Service: "shop", DurationNS: &ns, Attributes: a, GoroutineID: uint64(31 + i),
		TraceID: "4bf92f3577b34da6a3ce929d0e0e4736", SpanID: "00f067aa0ba902b7", Stack: sampleStack(),
	}
	switch i % 8 {
	case 2:
		a[keyExitCode], a[keyError] = int64(1), "1"
	case 3:
		e.Findings = []v1.Finding{{Rule: "shell-wrapper", Severity: "info", Evidence: "stock.topSellers runs a command line by sh -c", Remedy: "Run the program itself with exec.Command: one process less, no quoting, no injection, and its own exit status."}}
	case 4:
		delete(a, keyExitCode)
		a[keyOutcome], a[keySignal], a[keyKilledBy], a[keyError] = "signaled", "SIGKILL", int64(4711), "SIGKILL"
		e.Findings = []v1.Finding{{Rule: "killed-without-grace", Severity: "warn", Evidence: "SIGKILL from its parent, pid 4711, without a SIGTERM before: its context ended, or Process.Kill was called", Remedy: "Set cmd.Cancel to send SIGTERM and cmd.WaitDelay to give the command time to clean up."}}
	case 5:
		delete(a, keyExitCode)
		a[keyOutcome], a[keyError] = "failed", "ENOENT"
	}
	return v1.Record{ID: fmt.Sprintf("exec-%d-1-%d", i, 20000+i), Weight: 1, Event: e}
}

func sampleStack() []v1.Frame {
	return []v1.Frame{
		{Func: "syscall.forkExec", File: "/usr/local/go/src/syscall/exec_unix.go", Line: 209},
		{Func: "syscall.StartProcess", File: "/usr/local/go/src/syscall/exec_unix.go", Line: 256},
		{Func: "os.startProcess", File: "/usr/local/go/src/os/exec_posix.go", Line: 58},
		{Func: "os/exec.(*Cmd).Start", File: "/usr/local/go/src/os/exec/exec.go", Line: 719},
		{Func: "os/exec.(*Cmd).Run", File: "/usr/local/go/src/os/exec/exec.go", Line: 626},
		{Func: "github.com/example/shop/internal/stock.(*shop).checkStock", File: "/src/shop/internal/stock/commands.go", Line: 64},
		{Func: "github.com/example/shop/internal/web.(*server).product", File: "/src/shop/internal/web/product.go", Line: 118},
		{Func: "net/http.HandlerFunc.ServeHTTP", File: "/usr/local/go/src/net/http/server.go", Line: 2294},
		{Func: "net/http.serverHandler.ServeHTTP", File: "/usr/local/go/src/net/http/server.go", Line: 3301},
		{Func: "net/http.(*conn).serve", File: "/usr/local/go/src/net/http/server.go", Line: 2102},
	}
}

// sampleWaterfall returns n bars: jobs that run steps that run tools.
func sampleWaterfall(n int, now time.Time) v1.Waterfall {
	r := rand.New(rand.NewPCG(3, 5))
	w := v1.Waterfall{From: v1.Time(now.Add(-time.Minute)), To: v1.Time(now)}
	var open []int // the ancestors of the next bar
	for i := range n {
		for len(open) > 0 && (len(open) > 3 || r.IntN(3) == 0) {
			open = open[:len(open)-1]
		}
		b := v1.Bar{ID: fmt.Sprintf("exec-%d-1-1", i), Parent: -1, Depth: len(open), Label: []string{"make", "go", "compile", "git", "sh", "gcc"}[r.IntN(6)]}
		b.StartNS, b.DurationNS = int64(i)*60e9/int64(max(n, 1)), int64(r.ExpFloat64()*8e9)+1e6
		if len(open) > 0 {
			p := w.Bars[open[len(open)-1]]
			b.Parent = open[len(open)-1]
			b.StartNS = p.StartNS + int64(r.Float64()*float64(p.DurationNS)*0.6)
			b.DurationNS = int64(float64(p.StartNS+p.DurationNS-b.StartNS) * (0.3 + 0.7*r.Float64()))
		}
		b.Detail = b.Label + " build -trimpath ./cmd/part" + fmt.Sprint(i)
		b.Outcome = "exit 0"
		b.Parts = []v1.Part{{Kind: "cpu", NS: b.DurationNS / 3}, {Kind: "run_delay", NS: b.DurationNS / 12}, {Kind: "wait", NS: b.DurationNS / 3}}
		switch r.IntN(12) {
		case 0:
			b.Outcome, b.Failed = "exit 2", true
		case 1:
			b.Outcome, b.Failed, b.Findings = "SIGKILL", true, []string{"killed-without-grace"}
		case 2:
			b.Parts = append(b.Parts, v1.Part{Kind: "pipe", NS: b.DurationNS / 6}, v1.Part{Kind: "zombie", NS: b.DurationNS / 4})
			b.Findings = []string{"zombie"}
		}
		w.Bars = append(w.Bars, b)
		open = append(open, i)
	}
	return w
}
