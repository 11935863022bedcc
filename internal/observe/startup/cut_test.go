package startup

import (
	"reflect"
	"testing"
	"time"
)

const endedStart = `
start took=60ms exe=/srv/shop ended=exit
phase kernel_exec -300us 300us unknown=all
phase package_inits 0s 10ms sys=4 systime=1ms minor=8
  call openat 1ms 1ms operand=/a
package a 1ms 8ms
phase main 10ms 40ms cpu=8ms delay=4ms off=28ms throttled=4ms sys=40 systime=8ms observed=4ms minor=80 major=4
  call connect 12ms 20ms operand=127.0.0.1:80
  call openat 20ms 6ms operand=/b
  call openat 31ms 1ms operand=/exit
phase sysmon 2ms 0s unknown=all
phase first_listen 25ms 0s unknown=all
phase first_accept 45ms 0s unknown=all
phase first_response 45ms 4ms
`

func TestStart_cut(t *testing.T) {
	const ms = time.Millisecond
	main := func(u Usage, calls ...Call) *Phase {
		u.Begin, u.Calls = 10*ms, append([]Call{}, calls...)
		return &Phase{Name: Main, Usage: u}
	}
	connect := Call{Name: "connect", Operand: "127.0.0.1:80", Begin: 12 * ms, Duration: 20 * ms}
	b := Call{Name: "openat", Operand: "/b", Begin: 20 * ms, Duration: 6 * ms}
	exit := Call{Name: "openat", Operand: "/exit", Begin: 31 * ms, Duration: ms}
	part := func(c Call, d time.Duration) Call { c.Duration = d; return c }
	whole := Usage{
		Duration: 40 * ms, CPU: 8 * ms, RunDelay: 4 * ms, OffCPU: 28 * ms, Throttled: 4 * ms, HasSyscalls: true, Syscalls: 40, SyscallTime: 8 * ms, Observed: 4 * ms, MinorFaults: 80, MajorFaults: 4,
	}
	most := Usage{
		Duration: 39 * ms, CPU: 7800 * time.Microsecond, RunDelay: 3900 * time.Microsecond, OffCPU: 27300 * time.Microsecond, Throttled: 3900 * time.Microsecond,
		HasSyscalls: true, Syscalls: 39, SyscallTime: 7800 * time.Microsecond, Observed: 3900 * time.Microsecond, MinorFaults: 78, MajorFaults: 3,
	}
	for _, test := range []struct {
		name     string
		at       time.Duration
		main     *Phase // nil for whatever it is
		phases   int
		packages int
		took     time.Duration
		unseen   int
	}{
		{"later than all", 70 * ms, main(whole, connect, b, exit), 7, 1, 60 * ms, 0},
		{"after main", 50 * ms, main(whole, connect, b, exit), 7, 1, 50 * ms, 0},
		{"before it was connected to", 44 * ms, nil, 5, 1, 44 * ms, 1},
		{"just before main was over", 49 * ms, main(most, connect, b, exit), 7, 1, 49 * ms, 0},
		{"before the response was there", 48500 * time.Microsecond, nil, 6, 1, 48500 * time.Microsecond, 0},
		{"in the middle of main", 30 * ms, main(Usage{Duration: 20 * ms, Unknown: true}, part(connect, 18*ms), b), 5, 1, 30 * ms, 1},
		{"when main began", 10 * ms, main(Usage{Unknown: true}), 4, 1, 10 * ms, 0},
		{"before main", 9 * ms, nil, 3, 1, 9 * ms, 1},
		{"before all", -ms, nil, 2, 0, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := parseStart(t, endedStart)
			s.Cut(test.at)
			if got := s.Phase(Main); test.main != nil && !reflect.DeepEqual(got, test.main) {
				t.Errorf("main is %+v, want %+v", got, test.main)
			}
			if len(s.Phases) != test.phases || len(s.Packages) != test.packages || s.Duration != test.took || len(s.Unseen) != test.unseen {
				t.Errorf("%d phases, %d packages, %v, %+v", len(s.Phases), len(s.Packages), s.Duration, s.Unseen)
			}
			for i := range s.Phases {
				if p := &s.Phases[i]; p.End() > max(0, test.at) {
					t.Errorf("%s ends at %v", p.Name, p.End())
				}
			}
			for _, c := range s.calls(func(*Call) bool { return true }) {
				if c.Begin+c.Duration > test.at {
					t.Errorf("%s %s ends at %v", c.Name, c.Operand, c.Begin+c.Duration)
				}
			}
		})
	}
}

// TestStart_cutKeepsWhatComparesIt cuts where main.main is entered: the way there
// can be told and compared as before.
func TestStart_cutKeepsWhatComparesIt(t *testing.T) {
	s := parseStart(t, endedStart)
	before, _ := s.ToMain()
	s.Cut(s.Phase(Main).Begin)
	if u, reached := s.ToMain(); !reached || !reflect.DeepEqual(u, before) {
		t.Errorf("%+v, reached: %t; want %+v", u, reached, before)
	}
}
