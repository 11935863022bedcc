package startup

import (
	"reflect"
	"slices"
	"testing"
	"time"
)

func TestSummarise(t *testing.T) {
	const ms = time.Millisecond
	texts := []string{
		"start go=go1.26.0 exe=/srv/shop args=shop,-v\nphase loader 0s 4ms delay=1ms minor=5\nphase main 4ms 1ms\nphase first_listen 5ms 0s\npackage a 1ms 1ms sys=7 systime=2ms\npackage a 3ms 1ms sys=1 systime=1ms",
		"start go=go1.26.0 exe=/srv/shop args=shop,-v\nphase loader 0s 2ms minor=9\nphase main 8ms 1ms\npackage b 1ms 1ms\npackage a 2ms 4ms",
		"start go=go1.26.0 exe=/srv/shop args=shop,-q\nphase loader 0s 6ms throttled=3ms delay=3ms minor=2\nphase main 6ms 1ms\nphase first_listen 9ms 0s",
		"start go=go1.26.0 exe=/srv/shop args=shop,-v\nphase loader 0s 1ms\npackage a 1ms 1ms delay=1ms",
		"start go=go1.26.0 exe=/srv/shop args=shop,-v lost=3\nphase loader 0s 1ms\nphase main 1ms 1ms",
	}
	starts := []*Start{nil}
	for _, text := range texts {
		starts = append(starts, parseStart(t, text))
	}
	got := Summarise(starts)
	if !slices.Equal(got.Command, []string{"shop", "-v"}) || got.Exe != "/srv/shop" || got.GoVersion != "go1.26.0" || got.Runs != 5 || got.Unfinished != 1 || got.Incomplete != 1 {
		t.Errorf("%+v", got)
	}
	if want := (Spread{4 * ms, 6 * ms, 8 * ms, 2 * ms, 3}); got.Total != want {
		t.Errorf("total %+v, want %+v", got.Total, want)
	}
	if want := (Spread{3 * ms, 3 * ms, 8 * ms, 0, 3}); got.Own != want {
		t.Errorf("own %+v, want %+v", got.Own, want)
	}
	if want := (Spread{5 * ms, 7 * ms, 9 * ms, 2 * ms, 2}); got.Ready != want {
		t.Errorf("ready %+v, want %+v", got.Ready, want)
	}
	if want := []float64{0.25, 0, 0, 0.5, 0}; !slices.Equal(got.RunDelayShare, want) {
		t.Errorf("run delay %v, want %v", got.RunDelayShare, want)
	}
	if want := []float64{0, 0, 0.5, 0, 0}; !slices.Equal(got.ThrottledShare, want) {
		t.Errorf("throttled %v, want %v", got.ThrottledShare, want)
	}
	var names []string
	for _, p := range got.Phases {
		names = append(names, p.Name)
	}
	if !slices.Equal(names, []string{Loader, Main, FirstListen}) || got.Phases[0].MinorFaults != 5 || got.Phases[0].HasSyscalls {
		t.Errorf("phases %+v", got.Phases)
	}
	if len(got.Packages) != 2 || got.Packages[0].Name != "a" && got.Packages[0].Name != "b" {
		t.Fatalf("packages %+v", got.Packages)
	}
	a := got.Packages[slices.IndexFunc(got.Packages, func(p PackageSpread) bool { return p.Name == "a" })]
	if a.Duration != (Spread{2 * ms, 3 * ms, 4 * ms, ms, 2}) || a.Begin.Min != ms || a.Syscalls != 8 || a.SyscallTime != (Spread{3 * ms, 3 * ms, 3 * ms, 0, 1}) {
		t.Errorf("package a %+v", a)
	}
	want := []string{
		"left out: 1 of 5 runs, because main.main was not reached, or the way there not seen from exec on",
		"left out: 1 of 5 runs, because records were lost",
		`not all runs are alike: the arguments are "-v" of the first and "-q" of another`,
	}
	if !slices.Equal(got.Notes, want) {
		t.Errorf("notes %q", got.Notes)
	}
	if got := Summarise([]*Start{nil}); !reflect.DeepEqual(got, &Summary{}) {
		t.Errorf("of no runs: %+v", got)
	}
}
