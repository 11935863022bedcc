package slotest_test

import (
	"fmt"
	"time"

	"github.com/goshawk-io/goshawk/sli"
	"github.com/goshawk-io/goshawk/slotest"
)

// printer stands in for a *testing.T, which an example has none of.
type printer struct{}

func (printer) Helper()                   {}
func (printer) Logf(s string, a ...any)   { fmt.Printf("log: "+s+"\n", a...) }
func (printer) Errorf(s string, a ...any) { fmt.Printf("FAIL: "+s+"\n", a...) }
func (printer) Skipf(s string, a ...any)  { fmt.Printf("SKIP: "+s+"\n", a...) }

func Example() {
	var t printer // in a test: t *testing.T
	var seen slotest.Recorder
	for i := range 1000 {
		took := time.Duration(i%100) * time.Millisecond
		seen.Within(took, 300*time.Millisecond)
	}
	slotest.Objective{Name: "checkout", Target: 0.99}.Assert(t, seen.Counts())
	// Output:
	// log: checkout: kept: 1000 of 1000 events were good; with 95 % confidence at least 99.7009 % are, the target is 99 %
}

func ExampleObjective() {
	o := slotest.Objective{Target: 0.9}
	fmt.Println(o.Decide(sli.Counts{Good: 10}).Answer)
	fmt.Println(o.Decide(sli.Counts{Good: 100}).Answer)
	fmt.Println(o.Decide(sli.Counts{Good: 10, Bad: 90}).Answer)
	// Output:
	// undecided
	// kept
	// broken
}

// The same ten events, and what to do about their being too few.
func ExampleObjective_Assert() {
	var t printer
	few := sli.Counts{Good: 10}
	slotest.Objective{Target: 0.9}.Assert(t, few)
	slotest.Objective{Target: 0.9, OnUndecided: slotest.Fail}.Assert(t, few)
	// Output:
	// SKIP: objective: undecided: 10 of 10 events were good; with 95 % confidence at least 74.1134 % are and at most 100.0000 %, the target of 90 % is between; 19 more, all good, would show that it is kept
	// FAIL: objective: undecided: 10 of 10 events were good; with 95 % confidence at least 74.1134 % are and at most 100.0000 %, the target of 90 % is between; 19 more, all good, would show that it is kept
}

func ExampleObjective_Watch() {
	var t printer
	var seen slotest.Recorder
	for range 1000 {
		seen.Event(false)
		if (slotest.Objective{Target: 0.5}).Watch(t, seen.Counts()) == slotest.Broken {
			break
		}
	}
	// Output:
	// FAIL: objective: broken: 0 of 16 events were good; with 97.5 % confidence at most 20.5907 % are, the target is 50 %
}

func ExampleRecorder() {
	var seen slotest.Recorder
	seen.Event(true)
	seen.Within(2*time.Second, time.Second)
	fmt.Println(seen.Counts())
	// Output: {1 1}
}

func ExampleRecorder_Error() {
	var seen slotest.Recorder
	if err := seen.Error(fmt.Errorf("refused")); err != nil {
		fmt.Println(err, seen.Counts())
	}
	// Output: refused {0 1}
}

func ExampleDecision() {
	d := slotest.Objective{Target: 0.999}.Decide(sli.Counts{})
	fmt.Println(d.Answer, d.More)
	// Output: undecided 2995
}

func ExampleDecision_String() {
	fmt.Println(slotest.Objective{Name: "login", Target: 0.99}.Decide(sli.Counts{Good: 90, Bad: 10}))
	// Output: login: broken: 90 of 100 events were good; with 95 % confidence at most 94.4737 % are, the target is 99 %
}

func ExampleAnswer() {
	fmt.Println(slotest.Kept, slotest.Broken)
	// Output: kept broken
}

// The zero value claims nothing.
func ExampleAnswer_zero() {
	var a slotest.Answer
	fmt.Println(a)
	// Output: undecided
}

func ExampleReaction() {
	fmt.Println(slotest.Skip, slotest.Log, slotest.Fail)
	// Output: skip log fail
}

func ExampleReaction_log() {
	var t printer
	slotest.Objective{Name: "smoke", Target: 0.5, OnUndecided: slotest.Log}.Assert(t, sli.Counts{Good: 1})
	// Output:
	// log: smoke: undecided: 1 of 1 events were good; with 95 % confidence at least 5.0000 % are and at most 100.0000 %, the target of 50 % is between; 4 more, all good, would show that it is kept
}

// Anything with four methods can be asserted on.
func ExampleTB() {
	var t slotest.TB = printer{}
	t.Logf("%d", 1)
	// Output: log: 1
}

func ExampleTB_command() {
	answer := slotest.Objective{Target: 0.5}.Assert(printer{}, sli.Counts{Good: 100})
	fmt.Println("exit status 0:", answer == slotest.Kept)
	// Output:
	// log: objective: kept: 100 of 100 events were good; with 95 % confidence at least 97.0487 % are, the target is 50 %
	// exit status 0: true
}
