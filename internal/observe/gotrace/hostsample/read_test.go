package hostsample

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
)

const (
	header = `{"goshawk_host":1,"pid":7,"process_start_ticks":9,"start_time":"2026-01-02T03:04:05Z","start_ns":1000,"interval_ns":10,"cpus":2,"groups":[{"path":"/a","quota_ns":150,"period_ns":100},{"path":"/","quota_ns":100,"period_ns":100}],"not_seen":["the load"]}` + "\n"
	line1  = `{"t_ns":1010,"cpu_ns":8,"run_delay_ns":2000000,"slices":3,"threads":[{"tid":7,"cpu_ns":4,"run_delay_ns":1999999,"slices":2},{"tid":9,"run_delay_ns":1,"slices":1}]}` + "\n"
	line2  = `{"t_ns":1030,"cpu_ns":12,"periods":1,"throttled_periods":1,"throttled_ns":2000001,"machine":{"busy_ns":30,"idle_ns":60,"steal_ns":10,"running":3,"load1":1.5}}` + "\n"
	footer = `{"end_ns":1030,"samples":2,"missed":2,"own_cpu_ns":5,"sysmon_tid":9}` + "\n"
)

func TestRead(t *testing.T) {
	rec, err := Read(strings.NewReader(header + line1 + line2 + footer))
	if err != nil {
		t.Fatal(err)
	}
	if rec.PID != 7 || rec.QuotaCPUs() != 1 || len(rec.Samples) != 2 || rec.Footer == nil || rec.Samples[0].Threads[1].TID != 9 {
		t.Errorf("read %+v", rec)
	}
}

func TestReadOfACutFile(t *testing.T) {
	whole := header + line1 + line2 + footer
	for n := len(header); n < len(whole); n++ {
		rec, err := Read(strings.NewReader(whole[:n]))
		if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if full := n >= len(whole)-1; (rec.Footer != nil) != full || len(rec.Samples) < min(2, strings.Count(whole[:n], "\n")-1) {
			t.Errorf("%d bytes: %d samples, footer %v", n, len(rec.Samples), rec.Footer)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	for _, test := range []struct{ name, file, want string }{
		{"nothing", "", "has no header"},
		{"a trace", "go 1.26 trace\x00\x00\x00", "is no header"},
		{"another version", `{"goshawk_host":2}`, "it has version 2"},
		{"a head that is not JSON", `{"goshawk_host":`, "header: "},
		{"no interval", `{"goshawk_host":1}`, "out of range"},
		{"a quota of nothing", strings.Replace(header, `"quota_ns":150`, `"quota_ns":0`, 1), `quota of "/a"`},
		{"another line", header + "{}\n", "line 2: is neither"},
		{"a time that goes backwards", header + line2 + line1, "line 3: time goes backwards"},
		{"a time before the start", header + `{"t_ns":999}`, "time goes backwards"},
		{"a negative number", header + `{"t_ns":1001,"cpu_ns":-1}`, "out of range"},
		{"a number that is too large", header + `{"t_ns":1001,"cpu_ns":900000000000000000}`, "out of range"},
		{"threads out of order", header + `{"t_ns":1001,"threads":[{"tid":2},{"tid":2}]}`, "out of range"},
		{"a load that is none", header + `{"t_ns":1001,"machine":{"load1":-1}}`, "out of range"},
		{"a damaged line within", header + `{"t_ns":1010,"cpu` + "\n" + line2, "line 2: unexpected end"},
		{"a line after the last", header + footer + line1, "line 3 comes after"},
		{"an end before the last sample", header + line2 + `{"end_ns":1029}`, "out of range"},
		{"a line that is too long", header + `{"t_ns":` + strings.Repeat(" ", maxLine), "a line is longer"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Read(strings.NewReader(test.file))
			if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

func TestReadMergesWhatIsTooMuch(t *testing.T) {
	var b strings.Builder
	b.WriteString(header)
	const n = 3*maxSamples + 1
	for i := range n {
		fmt.Fprintf(&b, `{"t_ns":%d,"cpu_ns":2,"run_delay_ns":1,"slices":1,"machine":{"busy_ns":1,"idle_ns":1,"running":%d,"load1":0},"threads":[{"tid":%d,"cpu_ns":2,"run_delay_ns":1,"slices":1}]}`+"\n", 1010+10*i, i%7, 1+i%2)
	}
	rec, err := Read(strings.NewReader(b.String()))
	if err != nil || len(rec.Samples) > maxSamples {
		t.Fatalf("%d samples, %v", len(rec.Samples), err)
	}
	s := Summarise(rec, 0, math.MaxInt64)
	if s.CPUNS != 2*n || s.RunDelayNS != n || s.BusyShare != 0.5 || s.MaxRunning != 6 || s.FromNS != 1000 || s.ToNS != 1000+10*n {
		t.Errorf("summary %+v", s)
	}
}

func TestSummarise(t *testing.T) {
	rec, err := Read(strings.NewReader(header + line1 + line2 + footer))
	if err != nil {
		t.Fatal(err)
	}
	worst := []Interval{{FromNS: 0, ToNS: 1010, RunDelayNS: 2000000, TID: 7, DelayNS: 1999999}, {FromNS: 1010, ToNS: 1030, ThrottledNS: 2000001}}
	for _, test := range []struct {
		name     string
		from, to int64
		want     Summary
	}{
		{"all", 1000, 1030, Summary{
			FromNS: 1000, ToNS: 1030, Samples: 2, CPUNS: 20, RunDelayNS: 2000000, RunDelayPerSecondNS: 66666666666667, WaitedShare: 2000000.0 / 2000020,
			ThrottledNS: 2000001, Periods: 1, ThrottledPeriods: 1, QuotaCPUs: 1, BusyShare: 0.3, StealShare: 0.1, Load1: 1.5, MaxRunning: 3,
			Worst: worst, Sysmon: Sysmon{TID: 9, Samples: 1, P99NS: 1, MaxNS: 1, MaxAtNS: 1010}, MissedShare: 0.5, NotSeen: []string{"the load"},
		}},
		{"a part of a sample", 1020, 1030, Summary{
			FromNS: 1020, ToNS: 1030, Samples: 1, CPUNS: 6, ThrottledNS: 1000001, Periods: 1, ThrottledPeriods: 1, QuotaCPUs: 1,
			BusyShare: 0.3, StealShare: 0.1, Load1: 1.5, MaxRunning: 3, Worst: worst[1:], Sysmon: Sysmon{TID: 9}, MissedShare: 0.5, NotSeen: []string{"the load"},
		}},
		{"before it", 0, 900, Summary{QuotaCPUs: 1, Sysmon: Sysmon{TID: 9}, MissedShare: 0.5, NotSeen: []string{"the load", "all of it: no sample is of this time"}}},
		{"nothing", 1030, 1000, Summary{QuotaCPUs: 1, Sysmon: Sysmon{TID: 9}, MissedShare: 0.5, NotSeen: []string{"the load", "all of it: no sample is of this time"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := Summarise(rec, test.from, test.to); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got  %+v\nwant %+v", got, test.want)
			}
		})
	}
}

func TestSummariseOfLessThanWasAskedForSaysSo(t *testing.T) {
	rec, err := Read(strings.NewReader(header + line1))
	if err != nil {
		t.Fatal(err)
	}
	s := Summarise(rec, 1000, 1040)
	want := []string{"the load", "the end: the file of samples is cut", "how busy the machine was: the time is too short", "75 % of the time: no sample is of it"}
	if !reflect.DeepEqual(s.NotSeen, want) {
		t.Errorf("not seen %q, want %q", s.NotSeen, want)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(header+line1+line2+footer), int64(1000), int64(1030))
	f.Add([]byte(header+line1), int64(math.MinInt64), int64(math.MaxInt64))
	f.Add([]byte(header+line2[:40]), int64(1020), int64(1021))
	f.Fuzz(func(t *testing.T, file []byte, from, to int64) {
		rec, err := Read(strings.NewReader(string(file)))
		s := Summarise(rec, from, to)
		for _, share := range []float64{s.BusyShare, s.StealShare, s.WaitedShare, s.MissedShare} {
			if !(share >= 0 && share <= 1) {
				t.Errorf("share %v of %+v (%v)", share, s, err)
			}
		}
		for _, n := range []int64{s.CPUNS, s.RunDelayNS, s.RunDelayPerSecondNS, s.ThrottledNS, s.Periods, s.ThrottledPeriods, s.ToNS - s.FromNS, s.Sysmon.MaxNS - s.Sysmon.P99NS} {
			if n < 0 {
				t.Errorf("negative: %+v (%v)", s, err)
			}
		}
	})
}
