package cli

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/observe/startup"
)

// sampleStart is a small server's start: three packages take long, each in its
// own way, and many do not.
func sampleStart() *startup.Start {
	const us, ms = time.Microsecond, time.Millisecond
	usage := func(begin, cpu, ready, wait time.Duration) startup.Usage {
		return startup.Usage{Begin: begin, Duration: cpu + ready + wait, CPU: cpu, RunDelay: ready, OffCPU: wait, HasSyscalls: true, Syscalls: 3, SyscallTime: cpu / 10, MinorFaults: uint64(cpu / (10 * us))}
	}
	s := &startup.Start{
		Command: []string{"./server", "--name", "two words"}, Exe: "/srv/server", GoVersion: "go1.26.8", PID: 4711,
		Time: time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC), Duration: 80 * ms, Ended: startup.EndedResponse, Threads: 6, Children: 1,
		Facts:  startup.Facts{CPUs: 2, Quota: 0.5, Throttles: 1},
		Unseen: []startup.Unseen{{What: "modulesinit", Why: "this version of Go has it inlined"}},
		Phases: []startup.Phase{
			{Name: startup.KernelExec, Usage: startup.Usage{Begin: -600 * us, Duration: 600 * us, CPU: 500 * us, OffCPU: 100 * us, MinorFaults: 40, MajorFaults: 2}},
			{Name: startup.Loader, Usage: usage(0, 400*us, 0, 0)},
			{Name: startup.RuntimeEntry, Usage: usage(400*us, 50*us, 0, 0)},
			{Name: startup.OSInit, Usage: usage(450*us, 20*us, 0, 0)},
			{Name: startup.SchedInit, Usage: usage(470*us, 900*us, 100*us, 0)},
			{Name: startup.MallocInit, Within: startup.SchedInit, Usage: usage(500*us, 300*us, 0, 0)},
			{Name: startup.GCInit, Within: startup.SchedInit, Usage: usage(900*us, 2*us, 0, 0)},
			{Name: startup.RuntimeMain, Usage: usage(1470*us, 100*us, 0, 0)},
			{Name: startup.Sysmon, Usage: startup.Usage{Begin: 1500 * us}},
			{Name: startup.PackageInits, Usage: usage(1570*us, 24*ms, 20*ms, 12*ms)},
			{Name: startup.Main, Usage: usage(57570*us, 6*ms, 2*ms, 16*ms)},
			{Name: startup.FirstListen, Address: "127.0.0.1:8080", Usage: startup.Usage{Begin: 62 * ms}},
			{Name: startup.FirstAccept, Address: "127.0.0.1:8080", Usage: startup.Usage{Begin: 79 * ms}},
			{Name: startup.FirstResponse, Usage: usage(79*ms, ms, 0, 0)},
		},
	}
	inits := &s.Phases[9]
	inits.Throttled = 15 * ms
	inits.Calls = []startup.Call{
		{Name: "connect", Operand: "192.0.2.7:5432", Begin: 50 * ms, Duration: 12 * ms, Result: -115},
		{Name: "openat", Operand: "/etc/\x1b[31mred", Begin: 51 * ms, Duration: 40 * us, Result: -2},
	}
	slow := func(name string, u startup.Usage) {
		s.Packages = append(s.Packages, startup.Package{Name: name, Usage: u})
	}
	slow("example.com/spins", usage(1600*us, 22*ms, 0, 0))
	starved := usage(23600*us, ms, 20*ms, 0)
	starved.Throttled = 15 * ms
	slow("example.com/a/very/long/path/to/a/package/that/is/starved", starved)
	waits := usage(44600*us, 200*us, 0, 12*ms)
	waits.Calls = inits.Calls[:1]
	slow("example.com/waits", waits)
	for i := range 30 {
		slow(fmt.Sprintf("example.com/small%02d", i), usage(56800*us+time.Duration(i)*25*us, 25*us, 0, 0))
	}
	return s
}

// fakeStarter returns starts in their order, and then an error.
type fakeStarter struct {
	starts []*startup.Start
	err    error
	told   []startOptions
	// cancel is called by the last start.
	cancel context.CancelFunc
	closed bool
}

func (f *fakeStarter) Run(ctx context.Context, o startOptions) (*startup.Start, error) {
	f.told = append(f.told, o)
	fmt.Fprintln(o.Stdout, "the command speaks")
	n := len(f.told) - 1
	if n >= len(f.starts)-1 && f.cancel != nil {
		f.cancel()
	}
	if n >= len(f.starts) {
		return nil, f.err
	}
	return f.starts[n], nil
}

func (f *fakeStarter) Close() error {
	f.closed = true
	return nil
}

// startupRun is what a run of the command came to.
type startupRun struct {
	fake           *fakeStarter
	stdout, stderr string
	err            error
}

// runFake runs the command with a fake in place of the recorder.
func runFake(t *testing.T, f *fakeStarter, width int, o startupOptions, command ...string) startupRun {
	t.Helper()
	var stdout, stderr bytes.Buffer
	env := Env{
		Stdin: strings.NewReader("typed"), Stdout: &stdout, Stderr: &stderr, Getenv: func(string) string { return "" },
		Width: func() int { return width }, Height: func() int { return 0 },
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if f.cancel != nil {
		f.cancel = cancel
	}
	if o.runs == 0 {
		o.runs = 1
	}
	if o.until == "" {
		o.until = "response"
	}
	o.now = func() time.Time { return time.Date(2026, 11, 22, 7, 0, 0, 0, time.UTC) }
	o.open = func(context.Context, Env, []string) (starter, error) { return f, nil }
	err := runStartup(ctx, env, command, o)
	return startupRun{f, stdout.String(), stderr.String(), err}
}
