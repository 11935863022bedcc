package browser

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/goshawk-io/goshawk/internal/testutil"
)

// patience is how long a condition may take on a machine that is busy.
const patience = 60 * time.Second

// chromium is the one browser of all tests; TestMain ends it.
type chromium struct {
	once sync.Once
	ctx  context.Context
	end  []context.CancelFunc
	err  error
}

var shared chromium

func TestMain(m *testing.M) {
	code := m.Run()
	for i := len(shared.end) - 1; i >= 0; i-- {
		shared.end[i]()
	}
	os.Exit(code)
}

// start starts the browser when a test first needs it.
func (c *chromium) start(path string) (context.Context, error) {
	c.once.Do(func() {
		options := append(chromedp.DefaultExecAllocatorOptions[:],
			chromedp.ExecPath(path),
			chromedp.Env("TZ=UTC", "LANG=C.UTF-8"),
			chromedp.Flag("disable-gpu", true),
			chromedp.Flag("force-color-profile", "srgb"),
			chromedp.Flag("font-render-hinting", "none"),
			chromedp.Flag("lang", "en-US"),
			chromedp.WSURLReadTimeout(patience),
		)
		if os.Geteuid() == 0 {
			options = append(options, chromedp.NoSandbox)
		}
		allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
		c.end = append(c.end, end)
		c.ctx, end = chromedp.NewContext(allocator, chromedp.WithErrorf(quiet))
		c.end = append(c.end, end)
		c.err = chromedp.Do(c.ctx)
	})
	return c.ctx, c.err
}

// quiet drops what chromedp says about messages newer than itself.
func quiet(string, ...any) {}

// tab is a tab with a profile of its own.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	problems []string
	expected []*regexp.Regexp
	requests []string
	visited  bool
	over     bool // what happens now is the test's end, not the page's doing
	received map[network.RequestID]float64
}

// size is that of a window, in CSS pixels.
type size struct{ width, height int64 }

var (
	desktop = size{1280, 800}
	phone   = size{400, 800}
)

// newTab opens an empty tab. When the test ends it fails for each problem that
// the tab saw.
func newTab(t *testing.T, s size) *tab {
	t.Helper()
	path := testutil.RequireTool(t, "chromium", "chromium")
	parent, err := shared.start(path)
	if err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	b := &tab{t: t, received: make(map[network.RequestID]float64)}
	var end context.CancelFunc
	b.ctx, end = chromedp.NewContext(parent, chromedp.WithNewBrowserContext(), chromedp.WithListener(b.listen))
	t.Cleanup(end)
	// The tab lives as long as the context of what is first run in it.
	if err := chromedp.Do(b.ctx); err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	call(b, network.Enable, network.EnableParams{})
	call(b, log.Enable, cdp.Empty{})
	call(b, audits.Enable, cdp.Empty{})
	call(b, runtime.Enable, cdp.Empty{})
	b.resize(s)
	b.scheme("light")
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, p := range b.problems {
			t.Error(p)
		}
	})
	return b
}

// expect lets problems pass that match, such as those of a server that the
// test stops.
func (b *tab) expect(pattern string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expected = append(b.expected, regexp.MustCompile(pattern))
}

func (b *tab) problem(format string, a ...any) {
	text := fmt.Sprintf(format, a...)
	if b.over {
		return
	}
	for _, e := range b.expected {
		if e.MatchString(text) {
			return
		}
	}
	b.problems = append(b.problems, text)
}

// listen collects what no page may do.
func (b *tab) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.problem("exception: %s", exceptionText(e.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning || e.Type == runtime.ConsoleAPICalledTypeAssert {
			b.problem("console: %s: %s", e.Type, consoleText(e.Args))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			b.problem("log: %s: %s: %s %s", e.Entry.Source, e.Entry.Level, e.Entry.Text, e.Entry.URL)
		}
	case *audits.EventIssueAdded:
		if d := e.Issue.Details.ContentSecurityPolicyIssueDetails; d != nil {
			b.problem("content security policy: %s: blocked %s", d.ViolatedDirective, d.BlockedURL)
		}
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
		if u, err := url.Parse(e.Request.URL); err != nil || elsewhere(u) {
			b.problem("request to another host: %.200s", e.Request.URL)
		}
	case *network.EventLoadingFinished:
		b.received[e.RequestID] = e.EncodedDataLength
	}
}

// elsewhere is true of what is neither on this machine nor in the page.
func elsewhere(u *url.URL) bool {
	switch u.Scheme {
	case "data", "blob", "file", "about", "chrome-extension":
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return ip == nil || !ip.IsLoopback()
}

func exceptionText(d *runtime.ExceptionDetails) string {
	if d.Exception != nil && d.Exception.Description != "" {
		return d.Exception.Description
	}
	return d.Text
}

func consoleText(args []*runtime.RemoteObject) string {
	var texts []string
	for _, a := range args {
		switch {
		case len(a.Value) > 0:
			texts = append(texts, string(a.Value))
		default:
			texts = append(texts, a.Description)
		}
	}
	return strings.Join(texts, " ")
}

// run runs actions and fails the test when they do not end.
func (b *tab) run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, end := context.WithTimeout(b.ctx, patience)
	defer end()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// call runs a command of the protocol.
func call[P, R any](b *tab, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	ctx, end := context.WithTimeout(b.ctx, patience)
	defer end()
	r, err := chromedp.Call(ctx, command, params)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// resize gives the window another size.
func (b *tab) resize(s size) {
	b.t.Helper()
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: s.width, Height: s.height, DeviceScaleFactor: 1})
}

// visit loads a page.
func (b *tab) visit(address string) {
	b.t.Helper()
	if !b.visited {
		b.visited = true
		// Servers are started before the first visit, so they end after this.
		b.t.Cleanup(func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.over = true
		})
	}
	b.run(chromedp.Navigate(address))
	b.ready()
}

// ready waits until the scripts of the page are there, which it loads after it
// was drawn. A page without the early script has none of them.
func (b *tab) ready() {
	b.t.Helper()
	b.wait(`document.readyState === "complete" && (!("closed" in document.documentElement.dataset) || "ready" in document.documentElement.dataset && "htmx" in window)`)
}

// value evaluates a JavaScript expression, which may be a promise.
func value[T any](b *tab, expression string) T {
	b.t.Helper()
	ctx, end := context.WithTimeout(b.ctx, patience)
	defer end()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%.300s: %v", expression, err)
	}
	return v
}

// do evaluates a JavaScript expression for what it does.
func (b *tab) do(expression string) {
	b.t.Helper()
	value[chromedp.Void](b, expression)
}

// wait waits until a JavaScript expression is true.
func (b *tab) wait(expression string) {
	b.t.Helper()
	ctx, end := context.WithTimeout(b.ctx, patience)
	defer end()
	var last error
	for {
		is, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		if err == nil && is {
			return
		}
		if err != nil && ctx.Err() == nil {
			last = err // the page may be on its way
		}
		select {
		case <-ctx.Done():
			b.picture(b.t.Name() + "-waits")
			b.t.Fatalf("never true: %s (last error: %v); the page says: %.600s", expression, last, b.text())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// text returns what the page says.
func (b *tab) text() string {
	ctx, end := context.WithTimeout(b.ctx, 5*time.Second)
	defer end()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string]("location.href + ' ' + document.body.innerText"))
	if err != nil {
		return err.Error()
	}
	return text
}

// scheme emulates the system's theme, "light" or "dark".
func (b *tab) scheme(name string) {
	b.t.Helper()
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: name}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
}

// serve serves h on a loopback address until the test ends.
func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL
}
