package startup

import (
	"testing"
	"time"
)

func TestUsage_own(t *testing.T) {
	const ms = time.Millisecond
	for _, test := range []struct {
		name string
		of   Usage
		want time.Duration
	}{
		{"it ran and waited", Usage{Duration: 10 * ms, CPU: 4 * ms, OffCPU: 6 * ms}, 10 * ms},
		{"it was ready for some of the time", Usage{Duration: 10 * ms, CPU: 4 * ms, RunDelay: 5 * ms, OffCPU: ms}, 5 * ms},
		{"it was throttled, which the scheduler calls ready", Usage{Duration: 10 * ms, CPU: 4 * ms, RunDelay: 5 * ms, OffCPU: ms, Throttled: 5 * ms}, 5 * ms},
		{"it was throttled, which the scheduler calls asleep", Usage{Duration: 10 * ms, CPU: 4 * ms, OffCPU: 6 * ms, Throttled: 5 * ms}, 5 * ms},
		{"others of its group were throttled while it ran", Usage{Duration: 10 * ms, CPU: 9 * ms, OffCPU: ms, Throttled: 10 * ms}, 9 * ms},
		{"its group and the one above were throttled", Usage{Duration: 10 * ms, CPU: 4 * ms, OffCPU: 6 * ms, Throttled: 12 * ms}, 4 * ms},
		{"two threads ran", Usage{Duration: 10 * ms, CPU: 20 * ms}, 10 * ms},
		{"six threads shared two CPUs", Usage{Duration: 30 * ms, CPU: 60 * ms, RunDelay: 120 * ms}, 10 * ms},
		{"threads were ready for longer than it lasted", Usage{Duration: 10 * ms, CPU: 10 * ms, RunDelay: 30 * ms}, 2500 * time.Microsecond},
		{"nobody ran", Usage{Duration: 10 * ms, RunDelay: 30 * ms}, 0},
		{"nothing is known", Usage{Duration: 10 * ms, Unknown: true}, 10 * ms},
		{"an instant", Usage{CPU: ms, RunDelay: ms, Throttled: ms}, 0},
	} {
		if got := test.of.Own(); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// TestBetween_countsThreadsAsOne adds a phase of many threads to one of one.
func TestBetween_countsThreadsAsOne(t *testing.T) {
	s := parseStart(t, "start\nphase loader 0s 10ms delay=4ms off=4ms\nphase main 10ms 20ms cpu=40ms delay=120ms\nphase first_listen 30ms 0s")
	u, _ := s.between(s.Phase(FirstListen).Begin)
	if u.Duration != 30*time.Millisecond || u.CPU != 7*time.Millisecond || u.RunDelay != 19*time.Millisecond || u.Own() != 11*time.Millisecond {
		t.Errorf("%+v, of which its own %v", u, u.Own())
	}
}

// TestUnknown has phases of which the probe told how long they took, and no more.
func TestUnknown(t *testing.T) {
	starts := make([]*Start, 2)
	for i := range starts {
		starts[i] = parseStart(t, "start\nphase kernel_exec -1ms 1ms unknown=all\nphase loader 0s 2ms\nphase main 2ms 1ms")
	}
	s := starts[0]
	if p := s.Phase(KernelExec); !p.Unknown || p.CPU != 0 || s.Phase(Loader).Unknown {
		t.Errorf("%+v, %+v", p, s.Phase(Loader))
	}
	sum := Summarise(starts)
	if p := sum.Phases[0]; p.CPU.N != 0 || p.RunDelay.N != 0 || p.OffCPU.N != 0 || p.Throttled.N != 0 || p.Duration.N != 2 || sum.Phases[1].CPU.N != 2 {
		t.Errorf("%+v, %+v", p, sum.Phases[1])
	}
}
