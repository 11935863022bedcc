package startup

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/goshawk-io/goshawk/internal/model"
)

const wholeStart = `
start took=12ms go=go1.26.0 exe=/srv/shop args=shop,-v ended=exit exit=3 children=2 threads=7 lost=1 unseen=accepts:␣not␣traced,entry godebug=gctrace=1 built=madvdontneed=1 gomaxprocs=4 goproxy=a:1,b:2 cpus=8 quota=1500 throttles=9
phase kernel_exec -300us 300us
phase loader 0s 1ms delay=100us off=200us throttled=50us sys=3 systime=30us observed=3us minor=17 major=2
  call openat 100us 20us operand=/a result=-2
  call mmap 200us 40us result=77
  call openat 300us 20us operand=/b result=3
phase schedinit 1ms 3ms
phase gcinit 1ms 3ms within=schedinit
package net/http 4ms 1ms sys=2 systime=12us observed=1us
  call connect 4ms 10us operand=127.0.0.1:80
phase main 5ms 7ms
phase first_listen 12ms 0s address=127.0.0.1:80
`

func wantWhole() *Start {
	ms, us := time.Millisecond, time.Microsecond
	return &Start{
		Command: []string{"shop", "-v"}, Exe: "/srv/shop", GoVersion: "go1.26.0", PID: 42, Time: execTime(), Duration: 12 * ms,
		Ended: EndedExit, Exit: &Exit{Code: 3}, Children: 2, Threads: 7, Lost: 1,
		Unseen: []Unseen{{"accepts", "not traced"}, {"entry", ""}},
		Facts: Facts{
			GoDebug: "gctrace=1", DefaultGoDebug: "madvdontneed=1", GoMaxProcs: 4, GoProxy: []string{"a:1", "b:2"}, CPUs: 8, Quota: 1.5, Throttles: 9,
		},
		Phases: []Phase{
			{Name: KernelExec, Usage: Usage{Begin: -300 * us, Duration: 300 * us, CPU: 300 * us}},
			{Name: Loader, Usage: Usage{
				Duration: ms, CPU: 700 * us, RunDelay: 100 * us, OffCPU: 200 * us, Throttled: 50 * us,
				Syscalls: 3, SyscallTime: 30 * us, HasSyscalls: true, Observed: 3 * us, MinorFaults: 17, MajorFaults: 2,
				Calls: []Call{
					{Name: "mmap", Begin: 200 * us, Duration: 40 * us, Result: 77},
					{Name: "openat", Operand: "/a", Begin: 100 * us, Duration: 20 * us, Result: -2},
					{Name: "openat", Operand: "/b", Begin: 300 * us, Duration: 20 * us, Result: 3},
				},
			}},
			{Name: SchedInit, Usage: Usage{Begin: ms, Duration: 3 * ms, CPU: 3 * ms}},
			{Name: GCInit, Within: SchedInit, Usage: Usage{Begin: ms, Duration: 3 * ms, CPU: 3 * ms}},
			{Name: Main, Usage: Usage{Begin: 5 * ms, Duration: 7 * ms, CPU: 7 * ms}},
			{Name: FirstListen, Address: "127.0.0.1:80", Usage: Usage{Begin: 12 * ms}},
		},
		Packages: []Package{{Name: "net/http", Usage: Usage{
			Begin: 4 * ms, Duration: 999 * us, CPU: 999 * us, Syscalls: 2, SyscallTime: 12 * us, HasSyscalls: true, Observed: us,
			Calls: []Call{{Name: "connect", Operand: "127.0.0.1:80", Begin: 4 * ms, Duration: 10 * us}},
		}}},
	}
}

func TestRead_whateverTheOrder(t *testing.T) {
	events := parseScript(t, wholeStart)
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		got, err := Read(events)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, wantWhole()) {
			t.Fatalf("read\n%+v, want\n%+v", got, wantWhole())
		}
	}
}

// TestReader_whateverTheOrder mixes the events of several starts, each start's own
// event last.
func TestReader_whateverTheOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		var queues [][]*model.Event
		for n := range 5 {
			events := parseScript(t, wholeStart)
			start := events[0]
			events = events[1:]
			random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
			events = append(events, start)
			for _, e := range events {
				e.TraceID = model.TraceID{byte(n)}
			}
			queues = append(queues, events)
		}
		r := NewReader()
		done := 0
		for len(queues) > 0 {
			i := random.IntN(len(queues))
			got := r.Add(queues[i][0])
			if queues[i] = queues[i][1:]; len(queues[i]) > 0 {
				if got != nil {
					t.Fatal("a start is complete before its own event")
				}
				continue
			}
			queues = append(queues[:i], queues[i+1:]...)
			done++
			if !reflect.DeepEqual(got, wantWhole()) {
				t.Fatalf("read\n%+v, want\n%+v", got, wantWhole())
			}
		}
		if len(r.open) != 0 || done != 5 {
			t.Fatalf("%d starts are open, %d done", len(r.open), done)
		}
	}
}

func TestReader_keepsNothingOfABorrowedEvent(t *testing.T) {
	events := parseScript(t, wholeStart)
	r := NewReader()
	var buffers [][]byte
	var got *Start
	for _, e := range append(events[1:], events[0]) {
		for i, v := range e.Values {
			if v.IsSet() && v.Str() != "" {
				b := []byte(v.Str())
				buffers = append(buffers, b)
				e.Values[i] = model.StringValue(unsafe.String(&b[0], len(b)))
			}
		}
		got = r.Add(e)
		for _, b := range buffers {
			clear(b)
		}
		buffers = buffers[:0]
	}
	if !reflect.DeepEqual(got, wantWhole()) {
		t.Errorf("read\n%+v, want\n%+v", got, wantWhole())
	}
}

func TestRead_oddities(t *testing.T) {
	phases := func(s *Start) string {
		var names []string
		for i := range s.Phases {
			names = append(names, fmt.Sprintf("%s@%s+%s:%d", s.Phases[i].Name, s.Phases[i].Begin, s.Phases[i].Duration, len(s.Phases[i].Calls)))
		}
		return strings.Join(names, " ")
	}
	for _, test := range []struct {
		name, text string
		change     func([]*model.Event)
		want       string
	}{
		{"a call whose parent is lost goes to the shortest interval it began in", "start\nphase a 0s 9ms\nphase b 2ms 2ms\ncall openat 3ms 5ms",
			func(e []*model.Event) { e[3].ParentSpanID = model.SpanID{9, 9} }, "a@0s+9ms:0 b@2ms+2ms:1"},
		{"a call in none is left out", "start\nphase a 0s 9ms\ncall openat 9ms 5ms",
			func(e []*model.Event) { e[2].ParentSpanID = model.SpanID{9, 9} }, "a@0s+9ms:0"},
		{"an unknown duration is none", "start\nphase a 1ms 9ms", func(e []*model.Event) { e[1].Duration = -1 }, "a@1ms+0s:0"},
		{"without an offset the time counts", "start\nphase a 1ms 9ms",
			func(e []*model.Event) { e[1].Values[e[1].Schema.Index(KeyBegin)] = model.Value{} }, "a@1ms+9ms:0"},
		{"another trace is another start", "start\nphase a 0s 9ms\nphase b 9ms 2ms", func(e []*model.Event) { e[1].TraceID[0]++ }, "b@9ms+2ms:0"},
		{"an event of another probe", "start\nphase a 0s 9ms\nphase b 9ms 2ms", func(e []*model.Event) { e[1].Schema, e[1].Values = &model.Schema{}, nil }, "b@9ms+2ms:0"},
		{"an event without a schema", "start\nphase a 0s 9ms\nphase b 9ms 2ms", func(e []*model.Event) { *e[1] = model.Event{} }, "b@9ms+2ms:0"},
		{"an event that announces something", "start\nphase a 0s 9ms\nphase b 9ms 2ms", func(e []*model.Event) { e[1].Phase = model.PhaseStart }, "b@9ms+2ms:0"},
		{"a mark", "start\nphase a 0s 9ms\nphase b 9ms 2ms", func(e []*model.Event) { e[1].Values[0] = model.StringValue(KindMark) }, "b@9ms+2ms:0"},
		{"an unknown kind", "start\nphase a 0s 9ms\nphase b 9ms 2ms", func(e []*model.Event) { e[1].Values[0] = model.StringValue("other") }, "b@9ms+2ms:0"},
		{"of two starts the earlier", "start\nphase a 0s 9ms\nstart took=1ms", func(e []*model.Event) { e[2].Time = e[2].Time.Add(1) }, "a@0s+9ms:0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			events := parseScript(t, test.text)
			test.change(events)
			s, err := Read(events)
			if err != nil {
				t.Fatal(err)
			}
			if got := phases(s); got != test.want {
				t.Errorf("read %s, want %s", got, test.want)
			}
		})
	}
	if s, err := Read(parseScript(t, "phase a 0s 9ms")); err == nil {
		t.Errorf("without a start, %+v is read", s)
	}
}

func TestRead_exits(t *testing.T) {
	for text, want := range map[string]*Exit{
		"start":                   nil,
		"start exit=0":            {},
		"start exit=7":            {Code: 7},
		"start signal=9":          {Code: -1, Signal: 9},
		"start exit=-1 signal=11": {Code: -1, Signal: 11},
	} {
		if got := parseStart(t, text).Exit; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
}

func TestReader_ignoresWhatComesLate(t *testing.T) {
	events := parseScript(t, wholeStart)
	r := NewReader()
	for n := range maxDone + 1 {
		events[0].TraceID = model.TraceID{byte(n), 1}
		if r.Add(events[0]) == nil {
			t.Fatal("a start's own event does not complete it")
		}
	}
	for n := range maxDone + 1 {
		events[1].TraceID = model.TraceID{byte(n), 1}
		if r.Add(events[1]); n > 0 && len(r.open) != 1 {
			t.Fatalf("%d starts are open after the late event of start %d", len(r.open), n)
		}
	}
	if len(r.done) != maxDone {
		t.Errorf("%d starts are remembered", len(r.done))
	}
}

func TestReader_isBounded(t *testing.T) {
	r := NewReader()
	events := parseScript(t, "start\nphase "+strings.Repeat("x", 1000)+" 0s 1ms\ncall openat 0s 1ms operand="+strings.Repeat("y", 1000)+"\npackage p 1ms 1ms")
	start, phase, call, pkg := events[0], events[1], events[2], events[3]
	for range 10_000 {
		r.Add(phase)
		r.Add(call)
	}
	r.Add(pkg)
	g := r.open[start.TraceID]
	if g.partBytes > maxPartBytes || g.callBytes > maxCallBytes || g.overflowed == 0 {
		t.Errorf("%d bytes of parts and %d of calls are kept, %d refused", g.partBytes, g.callBytes, g.overflowed)
	}
	kept := len(g.parts) + len(g.calls)
	if s := r.Add(start); s.Lost != g.overflowed || kept+int(s.Lost) != 20_001 {
		t.Errorf("lost %d, kept %d of 20001", s.Lost, kept)
	}
	// The start that something has come of just now is not the one to go.
	call.TraceID = model.TraceID{0xff}
	for n := range 10 * maxOpen {
		phase.TraceID = model.TraceID{byte(n), byte(n >> 8), 7}
		r.Add(phase)
		r.Add(call)
	}
	if r.open[call.TraceID] == nil || len(r.open) != maxOpen {
		t.Errorf("%d starts are open, the busy one: %t", len(r.open), r.open[call.TraceID] != nil)
	}
}

// FuzzReader adds events whose fields are what the data say. Whatever they are,
// nothing panics, the bounds hold, and what is read has no negative length.
func FuzzReader(f *testing.F) {
	f.Add([]byte("start phase package syscall"))
	for _, n := range []uint64{1, 2, 3} {
		random := rand.New(rand.NewPCG(n, n))
		b := make([]byte, 4000)
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		f.Add(b)
	}
	schema := testSchema()
	f.Fuzz(func(t *testing.T, data []byte) {
		r := NewReader()
		var events []*model.Event
		var starts []*Start
		for len(data) > 0 {
			var e *model.Event
			e, data = anyEvent(schema, data)
			events = append(events, e)
			if s := r.Add(e); s != nil {
				starts = append(starts, s)
			}
		}
		if s, err := Read(events); err == nil {
			starts = append(starts, s)
		}
		for _, s := range starts {
			checkStart(t, s)
		}
		Summarise(starts)
		Compare(starts, starts)
		if len(r.open) > maxOpen || len(r.done) > maxDone {
			t.Errorf("%d starts are open and %d remembered", len(r.open), len(r.done))
		}
	})
}

func checkStart(t *testing.T, s *Start) {
	t.Helper()
	Find(s)
	last := time.Duration(-1 << 62)
	check := func(u *Usage) {
		if u.Duration < 0 || u.Own() < 0 || u.Begin < last || u.Own() > u.Duration {
			t.Errorf("an interval is %+v", u)
		}
		last = u.Begin
		for i := 1; i < len(u.Calls); i++ {
			if u.Calls[i].Duration > u.Calls[i-1].Duration {
				t.Errorf("calls are not ordered: %+v", u.Calls)
			}
		}
	}
	for i := range s.Phases {
		check(&s.Phases[i].Usage)
	}
	last = -1 << 62
	for i := range s.Packages {
		check(&s.Packages[i].Usage)
	}
	if u, _ := s.ToMain(); u.Duration < 0 || u.Own() < 0 {
		t.Errorf("the way to main.main is %+v", u)
	}
}

// anyEvent makes an event of the data's first bytes, and returns the rest.
func anyEvent(schema *model.Schema, data []byte) (*model.Event, []byte) {
	next := func() byte {
		if len(data) == 0 {
			return 0
		}
		b := data[0]
		data = data[1:]
		return b
	}
	number := func() int64 {
		size := next()
		switch {
		case size < 128:
			return int64(int8(next())) * int64(time.Millisecond)
		case size < 192:
			return int64(size) - 150
		}
		var b [8]byte
		for i := range b {
			b[i] = next()
		}
		return int64(binary.LittleEndian.Uint64(b[:]))
	}
	names := []string{"", KindStart, KindPhase, KindPackage, KindSyscall, Main, Loader, FirstListen, PackageInits, KernelExec, "connect", "openat", "go", "127.0.0.1:53", "go1.24", "unix:/run/nscd/socket"}
	e := new(model.Event)
	e.Reset(schema)
	e.TraceID[0], e.SpanID[0], e.ParentSpanID[0] = next()%4, next()%16, next()%16
	e.Phase = model.Phase(next() / 100)
	e.Time, e.Duration = time.Unix(0, number()), time.Duration(number())
	e.Values[0] = model.StringValue(names[1+int(next()%4)])
	for range next() % 8 {
		i := 1 + int(next())%(len(schema.Fields)-1)
		switch name := names[int(next())%len(names)]; next() % 3 {
		case 0:
			e.Values[i] = model.StringValue(name)
		case 1:
			e.Values[i] = model.IntValue(number())
		case 2:
			e.Values[i] = model.StringsValue(name + "\x00" + name)
		}
	}
	return e, data
}

// TestReader_ofAnything is the fuzz target's property for many random streams.
func TestReader_ofAnything(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	schema := testSchema()
	for range 300 {
		data := make([]byte, random.IntN(3000))
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		r := NewReader()
		for len(data) > 0 {
			var e *model.Event
			e, data = anyEvent(schema, data)
			if s := r.Add(e); s != nil {
				checkStart(t, s)
			}
		}
	}
}
