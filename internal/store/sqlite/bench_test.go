package sqlite

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"golang.org/x/sys/unix"
)

// execSchema is about as wide as the exec probe's.
func execSchema() *model.Schema {
	s := &model.Schema{Probe: "exec", Failure: "error.type", Groups: []string{"process.executable.name", "code.function.name", "code.file.path", "code.line.number"}}
	for _, f := range []struct {
		key  string
		kind model.Kind
	}{
		{"process.executable.name", model.KindString}, {"process.executable.path", model.KindString}, {"process.command_args", model.KindStrings},
		{"process.working_directory", model.KindString}, {"process.pid", model.KindInt}, {"process.parent_pid", model.KindInt},
		{"goshawk.parent.executable.name", model.KindString}, {"process.creation.time", model.KindTime}, {"process.exit.time", model.KindTime},
		{"goshawk.exec.outcome", model.KindString}, {"process.exit.code", model.KindInt}, {"error.type", model.KindString},
		{"goshawk.exec.setup_ns", model.KindDuration}, {"goshawk.cpu_user_ns", model.KindDuration}, {"goshawk.cpu_system_ns", model.KindDuration},
		{"goshawk.max_rss_bytes", model.KindInt}, {"goshawk.io_read_bytes", model.KindInt}, {"goshawk.io_write_bytes", model.KindInt},
		{"goshawk.run_delay_ns", model.KindDuration}, {"goshawk.unreaped_ns", model.KindDuration}, {"process.linux.cgroup", model.KindString},
		{"code.function.name", model.KindString}, {"code.file.path", model.KindString}, {"code.line.number", model.KindInt},
	} {
		s.Fields = append(s.Fields, model.Field{Key: f.key, Kind: f.kind, Outcome: f.key == "goshawk.exec.outcome", Summary: "A field of about the usual length."})
	}
	return s
}

// load makes events of commands: ten services, 50 call sites, arguments of
// about 100 bytes that differ.
type load struct {
	*rand.Rand
	schema *model.Schema
	stacks [][]model.Frame
	n      int
}

func newLoad() *load {
	l := &load{Rand: rand.New(rand.NewPCG(1, 2)), schema: execSchema()}
	for i := range 50 {
		var stack []model.Frame
		for j := range 12 {
			stack = append(stack, model.Frame{Func: fmt.Sprintf("github.com/example/shop/internal/orders.(*Server).handle%d_%d", i, j), File: fmt.Sprintf("github.com/example/shop/internal/orders/server%d.go", i), Line: 100 + 7*j})
		}
		l.stacks = append(l.stacks, stack)
	}
	return l
}

// event returns an event that ended at end.
func (l *load) event(end time.Time) *model.Event {
	l.n++
	e := new(model.Event)
	e.Reset(l.schema)
	e.Duration = time.Duration(l.ExpFloat64() * 2e7)
	e.Time = end.Add(-e.Duration)
	e.PID = int32(1000 + l.n%4_000_000)
	site := l.IntN(50)
	e.Service = fmt.Sprintf("service-%d", site%10)
	e.GoroutineID = uint64(l.IntN(10_000))
	for i := range 16 {
		e.TraceID[i], e.SpanID[i/2] = byte(l.Uint32()), byte(l.Uint32())
	}
	e.Stack = l.stacks[site]
	name := []string{"git", "curl", "convert", "cat", "sh"}[site%5]
	set := func(key string, v model.Value) { e.Values[l.schema.Index(key)] = v }
	set("process.executable.name", model.StringValue(name))
	set("process.executable.path", model.StringValue("/usr/bin/"+name))
	set("process.command_args", model.StringsValue(strings.Join([]string{name, "--output", fmt.Sprintf("/srv/data/orders/%010d.json", l.n), "--format=json", "--retries", "3", fmt.Sprintf("order-%016x", l.Uint64())}, "\x00")+"\x00"))
	set("process.working_directory", model.StringValue("/srv/data"))
	set("process.pid", model.IntValue(int64(e.PID)))
	set("process.parent_pid", model.IntValue(int64(500+site%10)))
	set("goshawk.parent.executable.name", model.StringValue(e.Service))
	set("process.creation.time", model.TimeValue(e.Time.Add(-300*time.Microsecond)))
	set("process.exit.time", model.TimeValue(end))
	set("goshawk.exec.outcome", model.StringValue("exited"))
	code := int64(0)
	if l.IntN(200) == 0 {
		code = 1
		set("error.type", model.StringValue("1"))
	}
	set("process.exit.code", model.IntValue(code))
	for _, key := range []string{"goshawk.exec.setup_ns", "goshawk.cpu_user_ns", "goshawk.cpu_system_ns", "goshawk.run_delay_ns", "goshawk.unreaped_ns"} {
		set(key, model.DurationValue(time.Duration(l.IntN(1_000_000))))
	}
	set("goshawk.max_rss_bytes", model.IntValue(int64(l.IntN(1000))<<12))
	set("goshawk.io_read_bytes", model.IntValue(int64(l.IntN(100_000))))
	set("goshawk.io_write_bytes", model.IntValue(int64(l.IntN(10_000))))
	set("process.linux.cgroup", model.StringValue("/system.slice/"+e.Service+".service"))
	set("code.function.name", model.StringValue(e.Stack[0].Func))
	set("code.file.path", model.StringValue(e.Stack[0].File))
	set("code.line.number", model.IntValue(int64(e.Stack[0].Line)))
	return e
}

func (l *load) events(n int, from time.Time, step time.Duration) []*model.Event {
	list := make([]*model.Event, n)
	for i := range list {
		list[i] = l.event(from.Add(time.Duration(i) * step))
	}
	return list
}

// cpuTime returns the CPU time that the process has used.
func cpuTime(t testing.TB) time.Duration {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		t.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// settle waits until s has committed what was added.
func settle(t testing.TB, s *Store) {
	t.Helper()
	if err := s.flush(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func dropped(s Stats) (n uint64) {
	for _, count := range s.Dropped {
		n += count
	}
	return n
}

// BenchmarkAdd adds as fast as the writer takes it.
func BenchmarkAdd(b *testing.B) {
	s := openStore(b, b.TempDir(), Options{EventsPerSecond: -1})
	events := newLoad().events(20_000, time.Now(), 200*time.Microsecond)
	settle(b, s)
	n, begin := 0, cpuTime(b)
	for b.Loop() {
		s.Add(events[n%len(events)])
		if n++; n%2000 == 0 {
			settle(b, s)
		}
	}
	settle(b, s)
	used := cpuTime(b) - begin
	stats := s.Stats()
	if dropped(stats) > 0 || stats.Kept != uint64(n) {
		b.Fatalf("%d events: %+v", n, stats)
	}
	b.ReportMetric(float64(used.Nanoseconds())/1e3/float64(n), "cpu-us/event")
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(bytesIn(b, s.dir))/float64(n), "B/event")
}

func bytesIn(t testing.TB, dir string) (n int64) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil {
			n += info.Size()
		}
	}
	return n
}

// BenchmarkSustained adds 5,000 events in each second for 20 s.
func BenchmarkSustained(b *testing.B) {
	const rate, seconds = 5000, 20
	l := newLoad()
	for b.Loop() {
		s := openStore(b, b.TempDir(), Options{EventsPerSecond: -1})
		events := l.events(rate*seconds, time.Now(), time.Second/rate)
		begin, cpu := time.Now(), cpuTime(b)
		for i := 0; i < len(events); {
			for due := int(time.Since(begin).Seconds() * rate); i < min(due, len(events)); i++ {
				s.Add(events[i])
			}
			time.Sleep(5 * time.Millisecond)
		}
		took := time.Since(begin)
		settle(b, s)
		used, stats := cpuTime(b)-cpu, s.Stats()
		if dropped(stats) > 0 || stats.Kept != uint64(len(events)) {
			b.Fatalf("%+v", stats)
		}
		b.ReportMetric(float64(used.Nanoseconds())/1e3/float64(len(events)), "cpu-us/event")
		b.ReportMetric(float64(len(events))/took.Seconds(), "events/s")
		b.ReportMetric(float64(dropped(stats)), "dropped")
		s.Close()
	}
}

// BenchmarkStorm adds ten times what the budget takes, after the burst.
func BenchmarkStorm(b *testing.B) {
	s := openStore(b, b.TempDir(), Options{Burst: 1})
	events := newLoad().events(20_000, time.Now(), 200*time.Microsecond)
	n, begin := 0, cpuTime(b)
	for b.Loop() {
		s.Add(events[n%len(events)])
		n++
	}
	settle(b, s)
	b.ReportMetric(float64((cpuTime(b)-begin).Nanoseconds())/1e3/float64(n), "cpu-us/event")
	b.ReportMetric(float64(s.Stats().Kept)/float64(n), "kept/event")
}

// benchStore returns a store of n events of the last hours, one file for each.
func benchStore(b *testing.B, n, hours int) (*Store, time.Time) {
	b.Helper()
	end := time.Date(2026, 11, 21, 23, 59, 0, 0, time.UTC)
	now := end.Add(-time.Duration(hours) * time.Hour)
	s := openStore(b, b.TempDir(), Options{EventsPerSecond: -1, Now: func() time.Time { return now }, tick: time.Hour, fileBytes: 1 << 30, MaxBytes: 8 << 30})
	l := newLoad()
	step := end.Sub(now) / time.Duration(n)
	begin := now
	for i := range n {
		at := begin.Add(time.Duration(i) * step)
		s.Add(l.event(at))
		if i%2000 == 0 {
			settle(b, s)
			s.mu.Lock()
			now = at
			s.mu.Unlock()
		}
	}
	settle(b, s)
	return s, end
}

// forgetHandles closes all files for reading.
func forgetHandles(s *Store) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.files {
		_ = f.closeHandle()
	}
}

// BenchmarkReopen opens what a killed process leaves: a file of 200 MiB with
// its WAL.
func BenchmarkReopen(b *testing.B) {
	now := time.Now()
	options := Options{EventsPerSecond: -1, Now: func() time.Time { return now }}
	s := openStore(b, b.TempDir(), options)
	l := newLoad()
	for n := 0; s.Stats().Bytes < 200<<20; n++ {
		s.Add(l.event(now.Add(time.Duration(n))))
		if n%2000 == 0 {
			settle(b, s)
		}
	}
	s.Add(l.event(now))
	settle(b, s)
	for b.Loop() {
		b.StopTimer()
		left := b.TempDir() + "/data"
		if err := os.CopyFS(left, os.DirFS(s.dir)); err != nil {
			b.Fatal(err)
		}
		wal := int64(0)
		for _, f := range s.files {
			if info, err := os.Stat(left + "/" + f.name + "-wal"); err == nil {
				wal += info.Size()
			}
		}
		b.StartTimer()
		again, err := Open(context.Background(), left, options)
		if err != nil {
			b.Fatal(err)
		}
		again.Add(l.event(now))
		page, err := again.Events(context.Background(), model.Query{})
		if err != nil || len(page.Records) != 100 {
			b.Fatal(len(page.Records), err)
		}
		b.StopTimer()
		b.ReportMetric(float64(wal)/1e6, "wal-MB")
		again.Close()
		os.RemoveAll(left)
		b.StartTimer()
	}
}

func BenchmarkQuery(b *testing.B) {
	for _, size := range []struct {
		name  string
		hours int
	}{{"1M-in-1h", 1}, {"1M-in-24h", 24}} {
		b.Run(size.name, func(b *testing.B) {
			s, end := benchStore(b, 1_000_000, size.hours)
			hour := end.Add(-time.Hour)
			for _, q := range []struct {
				name string
				q    model.Query
			}{
				{"slowest of a service in the last hour", model.Query{Probe: "exec", Service: "service-3", Order: model.SlowestFirst, From: hour}},
				{"slowest of a service in ten minutes", model.Query{Probe: "exec", Service: "service-3", Order: model.SlowestFirst, From: end.Add(-10 * time.Minute), To: end}},
				{"newest", model.Query{}},
				{"newest of a service", model.Query{Service: "service-3"}},
				{"newest of a process", model.Query{PID: 500_000}},
				{"failed", model.Query{Failed: true}},
				{"name", model.Query{Where: []model.Match{{Key: "process.executable.name", Value: "git"}}}},
				{"name that is not there", model.Query{Where: []model.Match{{Key: "process.executable.name", Value: "gitt"}}}},
				{"text that is rare", model.Query{Text: "0000999000"}},
				{"text that is not there", model.Query{Text: "not there"}},
			} {
				b.Run(q.name, func(b *testing.B) {
					rows := 0
					forgetHandles(s)
					begin := time.Now()
					if _, err := s.Events(context.Background(), q.q); err != nil {
						b.Fatal(err)
					}
					first := time.Since(begin)
					defer func() { b.ReportMetric(float64(first.Nanoseconds())/1e6, "first-ms") }()
					for b.Loop() {
						page, err := s.Events(context.Background(), q.q)
						if err != nil {
							b.Fatal(err)
						}
						rows = len(page.Records)
					}
					b.ReportMetric(float64(rows), "records")
				})
			}
			for _, q := range []struct {
				name string
				q    model.RollupQuery
			}{
				{"rollups of an hour by group", model.RollupQuery{By: model.ByGroup, From: hour, To: end}},
				{"rollups of an hour by group in minutes", model.RollupQuery{By: model.ByGroup, From: hour, To: end, Step: time.Minute}},
				{"rollups of a day by service in half hours", model.RollupQuery{From: end.Add(-24 * time.Hour), To: end, Step: 30 * time.Minute}},
			} {
				b.Run(q.name, func(b *testing.B) {
					rows := 0
					for b.Loop() {
						r, err := s.Rollups(context.Background(), q.q)
						if err != nil {
							b.Fatal(err)
						}
						rows = len(r.Items)
					}
					b.ReportMetric(float64(rows), "rollups")
				})
			}
			b.Run("one event", func(b *testing.B) {
				page, err := s.Events(context.Background(), model.Query{})
				if err != nil {
					b.Fatal(err)
				}
				id := page.Records[50].Event.ID()
				for b.Loop() {
					if _, ok, err := s.Event(context.Background(), id); !ok || err != nil {
						b.Fatal(ok, err)
					}
				}
			})
		})
	}
}
