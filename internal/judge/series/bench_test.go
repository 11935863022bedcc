package series

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// counters makes handles of n counters of services with 20 routes each.
func counters(t testing.TB, e *Engine, n int) []*Series {
	t.Helper()
	handles := make([]*Series, n)
	for i := range handles {
		handles[i] = handle(t, e, "http_server_requests_total",
			Label{"service", fmt.Sprint("service-", i/200)}, Label{"http_route", fmt.Sprint("/api/v1/things/", i/10%20)},
			Label{"http_request_method", "GET"}, Label{"http_response_status_code", strconv.Itoa(200 + i%10)})
	}
	return handles
}

// latency is a histogram as of a service at work for n rounds: 60 buckets of
// schema 3 between 1 ms and 180 ms.
func latency(n int) *Histogram {
	h := &Histogram{Schema: 3}
	for i := range 60 {
		count := float64(n * (1 + i*(60-i)/30))
		h.Buckets = append(h.Buckets, Bucket{i - 80, count})
		h.Count += count
		h.Sum += count * 0.01
	}
	return h
}

func BenchmarkCommit(b *testing.B) {
	for _, n := range []int{100, 1_600, 10_000} {
		b.Run(fmt.Sprint(n, "_series"), func(b *testing.B) {
			w := newWatch()
			e := openTest(b, w, Options{})
			handles := counters(b, e, n)
			batch := e.Batch()
			round := 0
			commit := func() {
				round++
				w.pass(10 * time.Second)
				for i, s := range handles {
					batch.Add(s, float64(round*(1+i%50)))
				}
				if a, err := batch.Commit(context.Background(), w.now()); err != nil || a.Stored != n {
					b.Fatal(a, err)
				}
			}
			commit()
			b.ReportAllocs()
			cpu := cpuTime()
			for b.Loop() {
				commit()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/sample")
			b.ReportMetric(float64((cpuTime()-cpu).Nanoseconds())/float64(b.N)/float64(n), "cpu-ns/sample")
		})
	}
}

// BenchmarkBudget asks for what is left of budgets of 30 days.
func BenchmarkBudget(b *testing.B) {
	w := newWatch()
	e := openTest(b, w, Options{})
	const slos = 100
	var good, bad []*Series
	for i := range slos {
		name := Label{"slo", fmt.Sprint("slo-", i)}
		good = append(good, handle(b, e, "goshawk_slo_events_total", name, Label{"result", "good"}))
		bad = append(bad, handle(b, e, "goshawk_slo_events_total", name, Label{"result", "bad"}))
	}
	batch := e.Batch()
	steps := 31 * 24 * 120
	for n := range steps {
		for i := range slos {
			batch.Add(good[i], float64(n*(1000+i)))
			batch.Add(bad[i], float64(n/7*(1+i%3)))
		}
		if a, err := batch.Commit(context.Background(), begin().Add(time.Duration(n-steps+1)*30*time.Second)); err != nil || a.Stored != 2*slos {
			b.Fatal(a, err)
		}
	}
	if err := e.store.db.Compact(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.Logf("%+v", e.Stats())
	grown := func(selector string) string {
		return fmt.Sprintf("(goshawk_slo_events_total%[1]s - goshawk_slo_events_total%[1]s offset 30d)", selector)
	}
	for name, exprOf := range map[string]func(n int) string{
		"one": func(n int) string {
			slo := fmt.Sprintf(`slo="slo-%d"`, n%slos)
			return fmt.Sprintf("1 - sum%s / sum%s / 0.001", grown(`{result="bad",`+slo+`}`), grown(`{`+slo+`}`))
		},
		"all_100": func(int) string {
			return fmt.Sprintf("1 - sum by (slo) %s / sum by (slo) %s / 0.001", grown(`{result="bad"}`), grown(""))
		},
		"one_increase": func(n int) string {
			return fmt.Sprintf(`increase(goshawk_slo_events_total{slo="slo-%d"}[30d])`, n%slos)
		},
	} {
		b.Run(name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				start := time.Now()
				if v := query(b, e, exprOf(len(took)), begin()); len(v) == 0 {
					b.Fatal("no budget")
				}
				took = append(took, time.Since(start))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
		})
	}
}

// rulesOf is what an objective of 30 days takes: its windows as differences of
// counters that never start again, the budget, and alerts.
func rulesOf(slo string) RuleGroup {
	g := RuleGroup{Name: slo}
	name := map[string]string{"slo": slo}
	ratio := func(window string) string { return "slo:sli_error:ratio_rate" + window }
	for _, window := range []string{"5m", "30m", "1h", "2h", "6h", "1d", "3d"} {
		grown := func(selector string) string {
			return fmt.Sprintf(`sum(goshawk_slo_events_total{slo=%[1]q%[2]s} - goshawk_slo_events_total{slo=%[1]q%[2]s} offset %[3]s)`, slo, selector, window)
		}
		g.Rules = append(g.Rules, Rule{Record: ratio(window), Labels: name, Expr: grown(`, result="bad"`) + " / " + grown("")})
	}
	pair := func(factor, long, short string) string {
		return fmt.Sprintf(`(%s{slo=%[3]q} > %[4]s * 0.001) and (%[2]s{slo=%[3]q} > %[4]s * 0.001)`, ratio(long), ratio(short), slo, factor)
	}
	g.Rules = append(g.Rules,
		Rule{Alert: "Page", Labels: name, Expr: pair("14.4", "1h", "5m") + " or " + pair("6", "6h", "30m")},
		Rule{Alert: "Ticket", Labels: name, Expr: pair("3", "1d", "2h") + " or " + pair("1", "3d", "6h")})
	return g
}

// agent is what an agent of a size stores and evaluates.
type agent struct {
	e          *Engine
	batch      *Batch
	counters   []*Series
	histograms []*Series
	round      int
}

type agentSize struct{ counters, histograms, slos, extra int }

func (s agentSize) String() string {
	return fmt.Sprint(s.counters+s.histograms, "_series_", s.slos*9+s.extra, "_rules")
}

func agentSizes() []agentSize { return []agentSize{{1_560, 40, 20, 0}, {9_600, 200, 100, 50}} }

func newAgent(b *testing.B, e *Engine, size agentSize) *agent {
	a := &agent{e: e, batch: e.Batch(), counters: counters(b, e, size.counters-2*size.slos), histograms: make([]*Series, size.histograms)}
	for i := range a.histograms {
		a.histograms[i] = handle(b, e, "http_server_request_duration_seconds", Label{"service", fmt.Sprint("service-", i)})
	}
	var groups []RuleGroup
	for i := range size.slos {
		slo := fmt.Sprint("slo-", i)
		groups = append(groups, rulesOf(slo))
		for _, result := range []string{"good", "bad"} {
			a.counters = append(a.counters, handle(b, e, "goshawk_slo_events_total", Label{"slo", slo}, Label{"result", result}))
		}
	}
	for i := range size.extra {
		groups[i].Rules = append(groups[i].Rules, Rule{Record: "service:requests:rate5m", Labels: map[string]string{"of": fmt.Sprint(i)},
			Expr: fmt.Sprintf(`sum by (service) (rate(http_server_requests_total{service="service-%d"}[5m]))`, i)})
	}
	setRules(b, e, groups...)
	return a
}

// store stores a sample of every series.
func (a *agent) store(b *testing.B, at time.Time) {
	a.round++
	for i, s := range a.counters {
		a.batch.Add(s, float64(a.round*(1+i%50)))
	}
	for _, s := range a.histograms {
		a.batch.AddHistogram(s, latency(a.round))
	}
	if got, err := a.batch.Commit(context.Background(), at); err != nil || got.Rejected.Total() > 0 {
		b.Fatal(got, err)
	}
}

// measured reports the share of a core since a time and of the memory.
func (a *agent) measured(b *testing.B, cpu, of time.Duration) {
	b.ReportMetric(100*float64(cpu)/float64(of), "cpu-%")
	b.ReportMetric(float64(statusMiB("VmRSS")), "RSS-MiB")
	b.ReportMetric(float64(statusMiB("VmHWM")), "peak-MiB")
	if s := a.e.Stats(); s.Rules.Failing > 0 || s.Rejected.Total() > 0 {
		b.Errorf("%+v", s)
	}
}

// BenchmarkAgent lives 30 s of an agent in each iteration: three rounds of
// samples and one evaluation of all rules. cpu-% is of one core. Run it with
// -benchtime=480x, four hours, and each size in a process of its own.
func BenchmarkAgent(b *testing.B) {
	for _, size := range agentSizes() {
		b.Run(size.String(), func(b *testing.B) {
			w := newWatch()
			a := newAgent(b, openTest(b, w, Options{}), size)
			life := func() {
				for range 3 {
					w.pass(10 * time.Second)
					a.store(b, w.now())
				}
				evaluate(b, a.e, w.now())
			}
			life()
			cpu := cpuTime()
			for b.Loop() {
				life()
			}
			a.measured(b, cpuTime()-cpu, time.Duration(b.N)*30*time.Second)
		})
	}
}

// BenchmarkLive is BenchmarkAgent by the system's clock: an iteration takes 10 s.
func BenchmarkLive(b *testing.B) {
	for _, size := range agentSizes() {
		b.Run(size.String(), func(b *testing.B) {
			e, err := Open(context.Background(), Options{Dir: b.TempDir()})
			if err != nil {
				b.Fatal(err)
			}
			defer closeTest(b, e)
			a := newAgent(b, e, size)
			tick := time.NewTicker(10 * time.Second)
			defer tick.Stop()
			cpu, start := cpuTime(), time.Now()
			for b.Loop() {
				a.store(b, time.Now())
				<-tick.C
			}
			a.measured(b, cpuTime()-cpu, time.Since(start))
		})
	}
}

// BenchmarkRestart kills an agent after three hours and measures what reading
// its log again takes, in a process of its own.
func BenchmarkRestart(b *testing.B) {
	for _, size := range []struct{ counters, histograms int }{{1_560, 40}, {10_000, 0}, {9_800, 200}, {9_000, 1_000}} {
		b.Run(fmt.Sprint(size.counters, "_counters_", size.histograms, "_histograms"), func(b *testing.B) {
			dir := b.TempDir()
			cmd, _ := startChild(b, fmt.Sprintf("fill|%s|%d|%d", dir, size.counters, size.histograms))
			_ = cmd.Wait() // it exits without closing
			for b.Loop() {
				cmd, out := startChild(b, "open|"+dir)
				if !out.Scan() {
					b.Fatal(cmd.Wait())
				}
				var peak, rss float64
				var took, cpu float64
				if _, err := fmt.Sscan(out.Text(), &took, &cpu, &rss, &peak); err != nil {
					b.Fatal(out.Text(), err)
				}
				_ = cmd.Wait()
				b.ReportMetric(took, "open-s")
				b.ReportMetric(cpu, "open-cpu-s")
				b.ReportMetric(rss, "RSS-MiB")
				b.ReportMetric(peak, "peak-MiB")
			}
		})
	}
}

// fillLog writes three hours of samples and exits as if it were killed.
func fillLog(args string) error {
	parts := strings.Split(args, "|")
	if len(parts) != 3 {
		return errors.New(args)
	}
	n, err := strconv.Atoi(parts[1])
	histograms, histogramsErr := strconv.Atoi(parts[2])
	if err := errors.Join(err, histogramsErr); err != nil {
		return err
	}
	w := newWatch()
	e, err := Open(context.Background(), Options{Dir: parts[0], MaxHistograms: 1 << 20, Now: w.now, Elapsed: w.since, Manual: true})
	if err != nil {
		return err
	}
	b := e.Batch()
	var handles, wide []*Series
	for i := range n + histograms {
		s, err := e.NewSeries("http_server_requests_total", Label{"service", fmt.Sprint("service-", i/200)}, Label{"route", fmt.Sprint("/api/v1/", i)})
		if err != nil {
			return err
		}
		if i < n {
			handles = append(handles, s)
		} else {
			wide = append(wide, s)
		}
	}
	// A little less than what makes the head be written to a block.
	for round := range 3*360 - 10 {
		w.pass(10 * time.Second)
		for i, s := range handles {
			b.Add(s, float64(round*(1+i%50)))
		}
		for _, s := range wide {
			b.AddHistogram(s, latency(round+1))
		}
		if a, err := b.Commit(context.Background(), w.now()); err != nil || a.Rejected.Total() > 0 {
			return fmt.Errorf("%+v, %w", a, err)
		}
	}
	os.Exit(0)
	return nil
}

// openAndMeasure prints seconds, seconds of CPU, MiB and MiB at the peak of
// opening a directory.
func openAndMeasure(dir string) error {
	w := newWatch()
	w.pass(3 * time.Hour)
	start := time.Now()
	if _, err := Open(context.Background(), Options{Dir: dir, Now: w.now, Elapsed: w.since, Manual: true}); err != nil {
		return err
	}
	took, peak := time.Since(start), statusMiB("VmHWM")
	cpu := cpuTime()
	runtime.GC()
	debug.FreeOSMemory()
	fmt.Println(took.Seconds(), cpu.Seconds(), statusMiB("VmRSS"), peak)
	os.Exit(0)
	return nil
}

// cpuTime is what the process used of the CPUs.
func cpuTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// statusMiB reads a size of /proc/self/status.
func statusMiB(name string) int {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			kb, _ := strconv.Atoi(strings.Fields(value)[0])
			return kb >> 10
		}
	}
	return 0
}
