package hostsample_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/observe/gotrace/hostsample"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

func TestMain(m *testing.M) { testutil.NoLeaks(m) }

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

func startService(t *testing.T, args ...string) *testutil.Target {
	t.Helper()
	service := testutil.StartTarget(t, testutil.BuildGo(t, testutil.Dir("../fetch/testdata/service"), testutil.BuildOptions{}), args...)
	service.WaitLine("listening ")
	return service
}

// buffer is written to by a sampler while a test reads it.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// record samples a process in parts until the summary of one satisfies enough.
func record(t *testing.T, pid int, enough func(hostsample.Summary) bool) (hostsample.Recording, hostsample.Summary) {
	t.Helper()
	var last hostsample.Summary
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		var out buffer
		s, err := hostsample.Start(&out, hostsample.Options{PID: int32(pid), Goshawk: "test"})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(500 * time.Millisecond)
		footer, err := s.Stop()
		if err != nil {
			t.Fatal(err)
		}
		rec, err := hostsample.Read(&out.b)
		if err != nil {
			t.Fatal(err)
		}
		if rec.Footer == nil || rec.Footer.Samples != footer.Samples || int64(len(rec.Samples)) != footer.Samples {
			t.Fatalf("read %d samples and %+v, written %+v", len(rec.Samples), rec.Footer, footer)
		}
		last = hostsample.Summarise(rec, rec.StartNS, rec.Footer.EndNS)
		if enough(last) {
			return rec, last
		}
	}
	t.Fatalf("not seen within %s: %+v", patience, last)
	return hostsample.Recording{}, last
}

func TestBusyProcessAndItsSysmonAreSeen(t *testing.T) {
	service := startService(t, "-busy", "1")
	rec, s := record(t, service.PID, func(s hostsample.Summary) bool { return s.CPUNS > 0 && s.Sysmon.Samples > 0 && s.BusyShare > 0 })
	if rec.PID != int32(service.PID) || rec.ProcessStart == 0 || rec.Command != "service" || rec.BootID == "" || rec.CPUs < 1 || rec.AllowedCPUs < 1 || rec.Goshawk != "test" {
		t.Errorf("header %+v", rec.Header)
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d/task/%d", service.PID, s.Sysmon.TID)); err != nil || s.Sysmon.TID == int32(service.PID) {
		t.Errorf("sysmon is thread %d of %d: %v", s.Sysmon.TID, service.PID, err)
	}
	if rec.Footer.OwnCPUNS <= 0 {
		t.Errorf("the sampling cost %d ns", rec.Footer.OwnCPUNS)
	}
	if s.Sysmon.P99NS > s.Sysmon.MaxNS || s.WaitedShare < 0 || s.WaitedShare > 1 || s.MaxRunning < 1 {
		t.Errorf("summary %+v", s)
	}
}

func TestStampsAreOfTheClockOfTraces(t *testing.T) {
	rec, _ := record(t, os.Getpid(), func(s hostsample.Summary) bool { return s.Samples > 1 })
	uptime, err := os.ReadFile("/proc/uptime")
	if err != nil {
		t.Fatal(err)
	}
	var seconds float64
	fmt.Sscan(string(uptime), &seconds)
	// CLOCK_MONOTONIC does not go on while the machine is suspended: it is never ahead.
	if now := int64(seconds*1e9) + int64(time.Second); rec.StartNS <= 0 || rec.Footer.EndNS > now || rec.Footer.EndNS <= rec.StartNS {
		t.Errorf("from %d to %d, uptime %d", rec.StartNS, rec.Footer.EndNS, now)
	}
}

func TestQuotaThatStopsAProcessIsSeen(t *testing.T) {
	dir := testutil.RequireQuota(t, 10*time.Millisecond, 50*time.Millisecond)
	service := startService(t, "-busy", "2")
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), fmt.Append(nil, service.PID), 0); err != nil {
		t.Fatal(err)
	}
	// The group goes before the process does, hence that ends first.
	t.Cleanup(func() { service.Signal(os.Kill); service.Wait() })
	rec, s := record(t, service.PID, func(s hostsample.Summary) bool { return s.ThrottledPeriods > 0 && s.ThrottledNS > 0 })
	if s.QuotaCPUs != 0.2 || s.ThrottledPeriods > s.Periods {
		t.Errorf("summary %+v", s)
	}
	if len(rec.Groups) == 0 || rec.Groups[0].Path != "/"+filepath.Base(dir) {
		t.Errorf("groups %+v, want %s", rec.Groups, dir)
	}
}

func TestMachineWithoutAFreeCPUIsSeen(t *testing.T) {
	hogs := startService(t, "-busy", fmt.Sprint(4*runtime.NumCPU()))
	service := startService(t, "-busy", fmt.Sprint(runtime.NumCPU()))
	_, s := record(t, service.PID, func(s hostsample.Summary) bool {
		return s.WaitedShare > 0.05 && s.RunDelayPerSecondNS > 0 && len(s.Worst) > 0
	})
	for _, i := range s.Worst {
		if i.ToNS < i.FromNS || i.TID == 0 && i.ThrottledNS == 0 {
			t.Errorf("interval %+v", i)
		}
	}
	hogs.Signal(os.Kill)
}

func TestEndOfTheProcessIsSeen(t *testing.T) {
	service := startService(t)
	var out buffer
	s, err := hostsample.Start(&out, hostsample.Options{PID: int32(service.PID)})
	if err != nil {
		t.Fatal(err)
	}
	service.Signal(os.Kill)
	service.Wait()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		out.mu.Lock()
		ended := bytes.Contains(out.b.Bytes(), []byte(`"process_ended":true`))
		out.mu.Unlock()
		if ended {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the end is not seen")
		}
	}
	if footer, err := s.Stop(); err != nil || !footer.Ended {
		t.Errorf("%+v, %v", footer, err)
	}
}

func TestStartRefusesAProcessThatIsNotThere(t *testing.T) {
	_, err := hostsample.Start(&buffer{}, hostsample.Options{PID: 1 << 30})
	if err == nil || !strings.Contains(err.Error(), "no such process") {
		t.Errorf("error %v", err)
	}
}

// fullDisk takes so many bytes.
type fullDisk struct{ room int }

func (d *fullDisk) Write(p []byte) (int, error) {
	if d.room -= len(p); d.room < 0 {
		return 0, fs.ErrClosed
	}
	return len(p), nil
}

func TestWriteThatFailsIsTold(t *testing.T) {
	s, err := hostsample.Start(&fullDisk{}, hostsample.Options{PID: int32(os.Getpid()), Interval: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Stop(); err == nil {
		t.Error("no error")
	}
}
