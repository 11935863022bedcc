package v1

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/startup"
)

// sampleStart has a value in every field.
func sampleStart() *startup.Start {
	usage := func(begin, duration time.Duration) startup.Usage {
		return startup.Usage{
			Begin: begin, Duration: duration, CPU: duration / 2, RunDelay: duration / 4, OffCPU: duration / 4, Throttled: duration / 8,
			Syscalls: 7, SyscallTime: duration / 3, HasSyscalls: true, Observed: duration / 7, MinorFaults: 11, MajorFaults: 2,
			Calls: []startup.Call{{Name: "openat", Operand: "/etc/hosts", Begin: begin, Duration: duration / 5, Result: -2}},
		}
	}
	return &startup.Start{
		Command: []string{"./server", "-v"}, Exe: "/srv/server", GoVersion: "go1.26.8", PID: 4711,
		Time: time.Date(2026, 11, 22, 6, 0, 0, 123456789, time.UTC), Duration: 40 * time.Millisecond, Ended: startup.EndedExit,
		Exit: &startup.Exit{Code: -1, Signal: 11},
		Phases: []startup.Phase{
			{Name: startup.KernelExec, Usage: startup.Usage{Begin: -300 * time.Microsecond, Duration: 300 * time.Microsecond, Unknown: true}},
			{Name: startup.GCInit, Within: startup.SchedInit, Usage: usage(time.Millisecond, time.Millisecond)},
			{Name: startup.FirstListen, Address: "127.0.0.1:8080", Usage: startup.Usage{Begin: 5 * time.Millisecond}},
		},
		Packages: []startup.Package{{Name: "net/http", Usage: usage(2*time.Millisecond, time.Millisecond)}},
		Children: 1, Threads: 5, Lost: 3, ProbeCost: 2500, Unseen: []startup.Unseen{{What: "loader", Why: "the process was there before"}},
		Facts: startup.Facts{GoDebug: "inittrace=1", DefaultGoDebug: "madvdontneed=1", GoMaxProcs: 4, GoProxy: []string{"proxy.example:443"}, CPUs: 2, Quota: 0.5, Throttles: 9},
	}
}

func TestStartup_comesBackAsItWas(t *testing.T) {
	start := sampleStart()
	plain := *start
	plain.Exit, plain.Facts.GoProxy = nil, nil
	for _, tt := range []struct {
		name string
		runs []*startup.Start
		wrap bool
	}{
		{"one start", []*startup.Start{start}, false},
		{"one that goes on", []*startup.Start{&plain}, false},
		{"several runs", []*startup.Start{start, &plain}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var document any
			var list []Startup
			for _, s := range tt.runs {
				list = append(list, NewStartup(s, nil))
			}
			if document = list[0]; tt.wrap {
				document = map[string]any{"runs": list, "summary": map[string]any{}}
			}
			data, err := json.Marshal(document)
			if err != nil {
				t.Fatal(err)
			}
			got, err := ReadStarts(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tt.runs) {
				t.Errorf("got %+v, want %+v", got[0], tt.runs[0])
			}
		})
	}
}

func TestNewStartup_hasTheFieldsOfTheContract(t *testing.T) {
	start := sampleStart()
	start.Phases[0].HasSyscalls = false
	start.Packages[0].Name = "bad\xff"
	data, err := json.Marshal(NewStartup(start, []model.Finding{{Rule: "slow-loader", Severity: model.SeverityWarn, Evidence: "5 ms", Remedy: "Link it."}}))
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Command  []string
		Phases   []map[string]any
		Packages []map[string]any
		Findings []map[string]any
		Exit     any `json:"exit_code"`
	}
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	phase := []string{"name", "start_ns", "duration_ns", "cpu_ns", "run_delay_ns", "minor_faults", "major_faults"}
	for _, tt := range []struct {
		what   string
		object map[string]any
		keys   []string
	}{
		{"a phase", v.Phases[1], append(phase, "syscalls", "syscall_ns", "observed_ns", "within", "slowest_syscalls", "off_cpu_ns", "throttled_ns")},
		{"a phase without system calls", v.Phases[0], phase},
		{"an instant", v.Phases[2], append(phase, "address")},
		{"a package", v.Packages[0], []string{"name", "start_ns", "duration_ns", "cpu_ns", "off_cpu_ns", "run_delay_ns"}},
		{"a finding", v.Findings[0], []string{"rule", "severity", "evidence", "remedy"}},
	} {
		for _, key := range tt.keys {
			if _, ok := tt.object[key]; !ok {
				t.Errorf("%s has no %s", tt.what, key)
			}
		}
	}
	for _, key := range []string{"cpu_ns", "run_delay_ns", "off_cpu_ns", "throttled_ns", "minor_faults", "major_faults"} {
		if v.Phases[0][key] != nil || v.Phases[1][key] == nil {
			t.Errorf("%s is %v where it was not measured, and %v where it was", key, v.Phases[0][key], v.Phases[1][key])
		}
	}
	if _, ok := v.Phases[0]["syscalls"]; ok {
		t.Error("system calls that were not seen are there")
	}
	if v.Packages[0]["name"] != "bad\uFFFD" {
		t.Errorf("the name is %q", v.Packages[0]["name"])
	}
	if v.Exit != -1.0 {
		t.Errorf("the exit code is %v", v.Exit)
	}
}

func TestReadStarts_refuses(t *testing.T) {
	const phase = `{"name":"osinit","start_ns":1,"duration_ns":2,"cpu_ns":1,"run_delay_ns":0}`
	for _, tt := range []struct{ name, text, want string }{
		{"nothing", "", "is empty"},
		{"no JSON", "hello", "is not JSON: at byte 1"},
		{"half a document", `{"phases":[`, "is not JSON: at byte"},
		{"two documents", `{} {}`, "is not JSON: at byte"},
		{"a list", `[]`, "is a JSON array, not an object"},
		{"no runs", `{"runs":[]}`, "there are none"},
		{"another report", `{"findings":[]}`, "it is not of goshawk startup --json"},
		{"another report among runs", `{"runs":[{"phases":[` + phase + `],"packages":[]},{}]}`, "runs[1]: has no phases"},
		{"null for runs' members", `{"runs":[null]}`, "runs[0]: has no phases"},
		{"a phase without a name", `{"phases":[{"start_ns":1,"duration_ns":2,"cpu_ns":1,"run_delay_ns":0}],"packages":[]}`, `phases[0] "": has no name`},
		{"a phase without a duration", `{"phases":[{"name":"osinit","start_ns":1,"cpu_ns":1,"run_delay_ns":0}],"packages":[]}`, `phases[0] "osinit": has no duration_ns`},
		{"half a measurement", `{"phases":[{"name":"osinit","start_ns":1,"duration_ns":2,"cpu_ns":1,"run_delay_ns":null}],"packages":[]}`, `phases[0] "osinit": one of cpu_ns and run_delay_ns is null`},
		{"a begin that is null", `{"phases":[{"name":"osinit","start_ns":null,"duration_ns":2,"cpu_ns":1,"run_delay_ns":0}],"packages":[]}`, `has no start_ns`},
		{"a phase without CPU time", `{"phases":[{"name":"osinit","start_ns":1,"duration_ns":2,"run_delay_ns":0}],"packages":[]}`, `has no cpu_ns`},
		{"a negative time", `{"phases":[],"packages":[{"name":"a","start_ns":1,"duration_ns":-2,"cpu_ns":1,"run_delay_ns":0}]}`, `packages[0] "a": duration_ns: -2 is negative`},
		{"a time that is a text", `{"phases":[{"name":"osinit","start_ns":"now"}],"packages":[]}`, "start_ns"},
		{"a time that its zone moves out of the calendar", `{"time":"9999-12-31T23:59:59-23:00","phases":[],"packages":[]}`, "time: the year 10000 is none"},
		{"a number that is too large", `{"phases":[{"name":"osinit","start_ns":1e40}],"packages":[]}`, "start_ns"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			list, err := ReadStarts(strings.NewReader(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, %v; want an error that has %q", list, err, tt.want)
			}
		})
	}
}

// FuzzReadStarts checks that whatever is read can be written and read again.
func FuzzReadStarts(f *testing.F) {
	data, err := json.Marshal(NewStartup(sampleStart(), nil))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(data))
	f.Add(`{"runs":[` + string(data) + `]}`)
	f.Add(`{"runs":[{"phases":[],"packages":[]}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		list, err := ReadStarts(strings.NewReader(text))
		if err != nil {
			return
		}
		if len(list) == 0 {
			t.Fatal("neither a start nor an error")
		}
		for _, s := range list {
			data, err := json.Marshal(NewStartup(s, nil))
			if err != nil {
				t.Fatalf("what was read cannot be written: %v", err)
			}
			if _, err := ReadStarts(bytes.NewReader(data)); err != nil {
				t.Fatalf("what was written cannot be read: %v\n%s", err, data)
			}
		}
	})
}
