package sli_test

import (
	"math"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/sli"
)

func TestTimeSlices_good(t *testing.T) {
	for _, tt := range []struct {
		name   string
		target float64
		c      sli.Counts
		want   bool
	}{
		{"at the target", 0.95, counts(95, 5), true},
		{"below by one", 0.95, counts(94, 6), false},
		{"a third, written down", 0.3333333333333333, counts(1, 2), true},
		{"a hair below, which no float64 tells", 0.3333333333333334, counts(1, 2), false},
		{"a huge slice below by one", 0.5, counts(1<<62-1, 1<<62+1), false},
		{"a huge slice at the target", 0.5, counts(1<<62, 1<<62), true},
		{"all must be good", 1, counts(math.MaxUint64, 1), false},
		{"anything goes", 0, counts(0, 1), true},
		{"empty", 0, counts(0, 0), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := (sli.TimeSlices{Length: time.Minute, Target: tt.target}).Good(tt.c); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	if !(sli.TimeSlices{EmptyIsGood: true}).Good(counts(0, 0)) {
		t.Error("an empty slice is not good where it should be")
	}
}

func TestView_refuses(t *testing.T) {
	w := new(sli.Windows)
	for name, v := range map[string]sli.View{
		"a negative length":                    {Windows: w, Slices: sli.TimeSlices{Length: -1}},
		"a target above 1":                     {Windows: w, Slices: sli.TimeSlices{Length: time.Minute, Target: 95}},
		"a target that is no number":           {Windows: w, Slices: sli.TimeSlices{Length: time.Minute, Target: math.NaN()}},
		"slices that are no multiple of slots": {Windows: w, Slices: sli.TimeSlices{Length: 7 * time.Second}},
	} {
		if c, err := v.Over(epoch(), sli.Rolling(time.Hour)); err == nil {
			t.Errorf("%s: %v", name, c)
		}
	}
	if _, err := (sli.View{Windows: w}).Over(epoch(), sli.Window{}); err == nil {
		t.Error("no window has counts")
	}
	if _, err := (sli.View{Windows: w, Slices: sli.TimeSlices{Length: time.Minute}}).Over(time.Time{}, sli.Rolling(time.Hour)); err == nil {
		t.Error("no time has slices")
	}
}

func TestView_exceptionsThatAreNone(t *testing.T) {
	w := new(sli.Windows)
	now := epoch()
	w.Add(now, now, sli.Counts{Good: 1})
	for name, s := range map[string]sli.Span{
		"empty":     {From: now, To: now},
		"backwards": {From: now, To: now.Add(-time.Nanosecond)},
		"before":    {From: now.Add(-time.Minute), To: now.Add(-10 * time.Second)},
		"after":     {From: now.Add(10 * time.Second), To: now.Add(time.Minute)},
	} {
		if c, err := (sli.View{Windows: w, Except: []sli.Span{s}}).Over(now, sli.Rolling(time.Hour)); c.Good != 1 || err != nil {
			t.Errorf("%s: %v, %v", name, c, err)
		}
	}
}

// TestView_maintenanceIsTakenBack corrects a month after the fact.
func TestView_maintenanceIsTakenBack(t *testing.T) {
	w := new(sli.Windows)
	begin := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	down := sli.Span{From: begin.Add(26 * time.Hour), To: begin.Add(27 * time.Hour)}
	now := begin
	for ; now.Before(begin.Add(5 * 24 * time.Hour)); now = now.Add(time.Minute) {
		c := sli.Counts{Good: 100}
		if down.Contains(now) {
			c = sli.Counts{Bad: 100}
		}
		w.Add(now, now, c)
	}
	month := sli.Calendar(begin, 1, 0)
	o := sli.Objective{Target: 0.995, Window: month}
	view := sli.View{Windows: w, Except: []sli.Span{down}}
	before, err1 := o.Evaluate(now, w)
	after, err2 := o.Evaluate(now, view)
	// The events at the very beginning of the month were the last month's.
	want := sli.Counts{Good: (5*1440 - 60 - 1) * 100}
	if err1 != nil || err2 != nil || before.Counts != (sli.Counts{Good: want.Good, Bad: 6000}) || before.Verdict != sli.Exhausted {
		t.Fatalf("before %v, %v, %v", before, err1, err2)
	}
	// The 12 slots of the hour are left out, and nothing else.
	if after.Counts != want || after.Verdict != sli.OK {
		t.Errorf("after %+v, want %v", after, want)
	}
	view.Slices = sli.TimeSlices{Length: 5 * time.Minute, Target: 0.9}
	if c, empty, err := view.Count(now, month); err != nil || c != (sli.Counts{Good: 5*288 - 12}) || empty != 12 {
		t.Errorf("slices %v, %d empty, %v", c, empty, err)
	}
}
