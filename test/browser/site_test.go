package browser

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"

	"github.com/goshawk-io/goshawk/internal/api"
	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/api/v1/client"
	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probes"
	"github.com/goshawk-io/goshawk/internal/store/memory"
	"github.com/goshawk-io/goshawk/internal/store/query"
	"github.com/goshawk-io/goshawk/internal/ui"
)

// site is what an agent serves, over a store that the test fills.
type site struct {
	store   *memory.Store
	feed    *api.Feed
	schema  *model.Schema
	tcp     *model.Schema
	http    *model.Schema
	judge   *judge
	handler http.Handler
	clock   func() time.Time

	mu sync.Mutex
	n  int32
}

// newSite returns a site whose clock is clock.
func newSite(clock func() time.Time) *site { return newTracedSite(clock, nil) }

// newTracedSite returns one at which traces were analysed.
func newTracedSite(clock func() time.Time, traces *api.Traces) *site {
	s := &site{
		store: memory.New(memory.Options{Events: 50_000, Bytes: 256 << 20}), judge: judged(clock), schema: probes.Find("exec").Schema, tcp: probes.Find("tcp").Schema, http: probes.Find("http").Schema, clock: clock,
		feed: api.NewFeed(api.FeedOptions{Filter: func(q model.Query) (func(*model.Event) bool, error) {
			filter, err := query.New(q)
			if err != nil {
				return nil, err
			}
			return filter.Matches, nil
		}}),
	}
	options := api.Options{Host: host{s}, Events: s.store, Feed: s.feed, Judge: s.judge, Traces: traces, Now: clock}
	options.UI = ui.New(ui.Options{
		API: client.New(client.Options{Transport: client.InProcess(api.New(options)), Base: "http://localhost"}), Version: "v0.3.0", Now: clock,
	})
	s.handler = api.New(options)
	return s
}

// host is a host with two services.
type host struct{ site *site }

func (host) Ready() bool { return true }

func (h host) Probes() []v1.Probe {
	const cost = 412 * time.Millisecond
	return []v1.Probe{
		v1.NewProbe(model.ProbeHealth{Probe: "exec", Up: true, Events: 2412, CostSeconds: cost.Seconds()}, probes.Find("exec").Summary, h.site.schema),
		v1.NewProbe(model.ProbeHealth{Probe: "tcp", Up: true, Events: 60, CostSeconds: cost.Seconds() / 10}, probes.Find("tcp").Summary, h.site.tcp),
		v1.NewProbe(model.ProbeHealth{Probe: "http", Up: true, Events: 900, CostSeconds: cost.Seconds()}, probes.Find("http").Summary, h.site.http),
	}
}

func (h host) Processes(context.Context) ([]v1.Process, error) {
	started := v1.Time(h.site.clock().Add(-3 * time.Hour))
	return []v1.Process{
		{PID: 100, Service: "shop", Exe: "/usr/local/bin/shop", GoVersion: "go1.26.1", Path: "example.com/shop", Version: "v1.4.2", Static: true, StartTime: started},
		{PID: 200, Service: "thumbnailer", Exe: "/usr/local/bin/thumbnailer", GoVersion: "go1.25.4", Path: "example.com/thumbnailer", Version: "v0.9.0", Cgo: true, StartTime: started},
	}, nil
}

func (h host) Store() v1.Store {
	oldest := v1.Time(h.site.clock().Add(-3 * time.Hour))
	return v1.Store{Kind: "memory", SizeBytes: 3 << 20, LimitBytes: 32 << 20, Oldest: &oldest, Kept: 2412}
}

// command is what a test says of a command; what it does not say is usual.
type command struct {
	service  string
	parent   int64
	args     []string
	function string
	end      time.Time
	took     time.Duration
	exit     int64
	signal   string
	cpu      time.Duration
	delay    time.Duration
	zombie   time.Duration
	findings []model.Finding
	// trace is that of the request that it ran for, 0 for none, and parentSpan
	// the span of the request, or of the command that ran it.
	trace      byte
	parentSpan model.SpanID
}

// add stores a command, tells who listens, and returns its process id.
func (s *site) add(c command) int32 {
	s.mu.Lock()
	s.n++
	pid := 5000 + s.n
	s.mu.Unlock()
	e := new(model.Event)
	e.Reset(s.schema)
	e.Time, e.Duration, e.PID, e.Service, e.Findings = c.end.Add(-c.took), c.took, pid, c.service, c.findings
	e.SpanID, e.TraceID[15] = spanOf(pid), 1
	if c.trace != 0 {
		e.TraceID[15], e.ParentSpanID, e.Requested = c.trace, c.parentSpan, true
	}
	list := ""
	for _, a := range c.args {
		list += a + "\x00"
	}
	set := func(key string, v model.Value) { e.Values[s.schema.Index(key)] = v }
	set("process.executable.name", model.StringValue(c.args[0]))
	set("process.executable.path", model.StringValue("/usr/bin/"+c.args[0]))
	set("process.command_args", model.StringsValue(list))
	set("process.working_directory", model.StringValue("/srv/shop"))
	set("process.pid", model.IntValue(int64(pid)))
	set("process.parent_pid", model.IntValue(c.parent))
	set("process.creation.time", model.TimeValue(e.Time))
	set("process.exit.time", model.TimeValue(c.end))
	set("goshawk.parent.executable.name", model.StringValue(c.service))
	set("goshawk.exec.outcome", model.StringValue("exited"))
	set("goshawk.cpu_user_ns", model.DurationValue(c.cpu*3/4))
	set("goshawk.cpu_system_ns", model.DurationValue(c.cpu/4))
	set("goshawk.run_delay_ns", model.DurationValue(c.delay))
	set("goshawk.unreaped_ns", model.DurationValue(c.zombie))
	set("goshawk.max_rss_bytes", model.IntValue(9<<20))
	if c.signal != "" {
		set("goshawk.exec.outcome", model.StringValue("signaled"))
		set("goshawk.exec.signal", model.StringValue(c.signal))
		set("error.type", model.StringValue(c.signal))
	} else {
		set("process.exit.code", model.IntValue(c.exit))
		if c.exit != 0 {
			set("error.type", model.StringValue(fmt.Sprint(c.exit)))
		}
	}
	if c.function != "" {
		e.Stack = []model.Frame{
			{Func: "os/exec.(*Cmd).Start", File: "/usr/local/go/src/os/exec/exec.go", Line: 739},
			{Func: c.function, File: "example.com/shop/internal/stock/commands.go", Line: 72},
			{Func: "net/http.(*conn).serve", File: "/usr/local/go/src/net/http/server.go", Line: 2102},
		}
		e.GoroutineID = 77
		set("code.function.name", model.StringValue(c.function))
		set("code.file.path", model.StringValue(e.Stack[1].File))
		set("code.line.number", model.IntValue(72))
	}
	s.store.Add(e)
	s.feed.Add(e)
	return pid
}

// spanOf returns the span of the command that is a process.
func spanOf(pid int32) model.SpanID { return model.SpanID{6: byte(pid >> 8), 7: byte(pid)} }

func zombie() model.Finding {
	return model.Finding{Rule: "zombie", Severity: model.SeverityWarn, Evidence: "it was a zombie for 740 ms before its parent waited for it", Remedy: "call Wait as soon as the command is not needed any more"}
}

func shell() model.Finding {
	return model.Finding{Rule: "shell-wrapper", Severity: model.SeverityInfo, Evidence: "sh -c ran one simple command: git log", Remedy: "run the command itself, without a shell"}
}

// fill adds an hour of commands before now, the same ones each time: more at
// some times than at others, and slow ones for six minutes.
func (s *site) fill(now time.Time, commands int) {
	for i := range commands {
		at := (float64(i) + 1) / float64(commands+1)
		at += 0.02 * math.Sin(at*8*math.Pi)
		end := now.Add(-time.Hour + time.Duration(at*float64(time.Hour)))
		wave := time.Duration(10 + 9*math.Sin(float64(i)*0.7)) // tenths
		c := command{service: "shop", parent: 100, end: end, cpu: 2 * time.Millisecond}
		switch i * 7 % 11 {
		default:
			c.args, c.took, c.function = []string{"cat", fmt.Sprintf("/srv/shop/stock/item-%03d.json", i%40)}, wave*400*time.Microsecond, "example.com/shop/internal/stock.(*Shop).CheckStock"
		case 1:
			c.args, c.took, c.function = []string{"printf", "Invoice %s for order %s, due in %d days\n", "2026-0042", "a-rather-long-order-number-0001-0002-0003", "30"}, 2*time.Millisecond, "example.com/shop/internal/invoice.Render"
		case 2, 4:
			c.args, c.took, c.cpu, c.delay = []string{"convert", "-resize", "640x480", fmt.Sprintf("photo-%04d.jpg", i), fmt.Sprintf("thumb-%04d.webp", i)}, 120*time.Millisecond+wave*4*time.Millisecond, 110*time.Millisecond, 9*time.Millisecond
			c.service, c.parent, c.function = "thumbnailer", 200, "example.com/thumbnailer.(*worker).resize"
		case 3:
			c.args, c.took, c.function, c.findings = []string{"sh", "-c", "git log -1"}, 24*time.Millisecond, "example.com/shop/internal/version.Describe", []model.Finding{shell()}
		case 5:
			c.args, c.took, c.function = []string{"grep", "-c", "sold", "/srv/shop/ledger.csv"}, 7*time.Millisecond, "example.com/shop/internal/ledger.TopSellers"
			if i%4 == 1 {
				c.exit = 1
			}
			if i%8 == 3 {
				c.zombie, c.findings = 740*time.Millisecond, []model.Finding{zombie()}
			}
		case 6:
			c.args, c.took, c.function = []string{"ask-warehouse", "--timeout=2s", "berlin"}, wave*20*time.Millisecond, "example.com/shop/internal/warehouse.Ask"
			if at > 0.6 && at < 0.7 {
				c.took, c.signal = 2*time.Second, "SIGKILL"
			}
		}
		s.add(c)
	}
}

// release adds a tree of commands that ends at end.
func (s *site) release(end time.Time) {
	begin := end.Add(-2400 * time.Millisecond)
	add := func(parent int32, from, took, cpu, delay int64, exit int64, args ...string) int32 {
		c := command{service: "shop", parent: int64(parent), args: args, exit: exit, took: time.Duration(took * ms), cpu: time.Duration(cpu * ms), delay: time.Duration(delay * ms)}
		c.end = begin.Add(time.Duration((from + took) * ms))
		if args[0] == "sh" {
			c.findings = []model.Finding{shell()}
		}
		if args[0] == "head" {
			c.zombie, c.findings = 240*time.Millisecond, []model.Finding{zombie()}
		}
		if args[0] == "git" {
			c.signal = "SIGPIPE"
		}
		return s.add(c)
	}
	top := add(100, 0, 2300, 40, 2, 2, "make", "-j2", "release", "VERSION=1.4.2")
	build := add(top, 30, 1400, 700, 300, 0, "go", "build", "-trimpath", "-ldflags=-s -w", "./...")
	add(build, 90, 600, 520, 60, 0, "compile", "-o", "$WORK/b001/_pkg_.a", "-trimpath", "$WORK/b001=>", "-p", "example.com/shop/internal/stock")
	add(build, 120, 410, 330, 70, 0, "compile", "-o", "$WORK/b002/_pkg_.a", "-trimpath", "$WORK/b002=>", "-p", "example.com/shop/internal/ledger")
	add(build, 700, 680, 300, 240, 0, "link", "-o", "shop", "-buildmode=exe")
	log := add(top, 1450, 300, 4, 1, 0, "sh", "-c", "git log | head -1")
	add(log, 1460, 270, 30, 2, 0, "git", "log")
	add(log, 1462, 20, 1, 0, 0, "head", "-1")
	add(top, 1800, 480, 10, 3, 1, "upload", "release.tar.gz")
}

// connect stores a connect to a database.
func (s *site) connect(end time.Time, took time.Duration, failure string) {
	e := new(model.Event)
	e.Reset(s.tcp)
	e.Time, e.Duration, e.PID, e.Service = end.Add(-took), took, 100, "shop"
	set := func(key string, v model.Value) { e.Values[s.tcp.Index(key)] = v }
	set("goshawk.tcp.event", model.StringValue("connect"))
	set("goshawk.role", model.StringValue("client"))
	set("network.peer.address", model.StringValue("10.0.0.7"))
	set("network.peer.port", model.IntValue(5432))
	set("server.port", model.IntValue(5432))
	if failure != "" {
		set("goshawk.tcp.event", model.StringValue("connect_failed"))
		set("error.type", model.StringValue(failure))
	}
	s.store.Add(e)
	s.feed.Add(e)
}

// fixedSite is a site whose clock stands still, with an hour of commands.
func fixedSite(commands int) *site {
	now := begin().Add(time.Hour)
	s := newSite(func() time.Time { return now })
	s.fill(now, commands)
	s.release(now.Add(-2 * time.Second))
	s.serve(now)
	for i := range 60 {
		failure := ""
		if i%17 == 3 {
			failure = "ECONNREFUSED"
		}
		s.connect(now.Add(-time.Duration(i)*time.Minute), time.Duration(200+i*7)*time.Microsecond, failure)
	}
	return s
}

// fixClock makes the clock of the pages stand still as well.
func (b *tab) fixClock(now time.Time) {
	b.t.Helper()
	call(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{
		Source: fmt.Sprintf(`{ const now = %d; Date.now = () => now; }`, now.UnixMilli()),
	})
}

// siteTab opens a tab at a page of s.
func siteTab(t *testing.T, s *site, window size, path string) (b *tab, url string) {
	t.Helper()
	b = newTab(t, window)
	b.fixClock(s.clock())
	url = serve(t, s.handler)
	b.visit(url + path)
	b.do(settle)
	return b, url
}
