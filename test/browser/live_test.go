package browser

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
)

// rows are the rows of the table of commands, in JavaScript.
const rows = `[...document.querySelectorAll("#rows tbody tr")]`

// liveTab opens the commands of a site whose clock runs, and waits until they
// are live.
func liveTab(t *testing.T) (*tab, *site) {
	t.Helper()
	s := newSite(time.Now)
	s.fill(time.Now().Add(-time.Minute), 30)
	b := newTab(t, desktop)
	b.visit(serve(t, s.handler) + "/commands")
	b.wait(`document.querySelector("[data-live-status]")?.dataset.state === "live"`)
	return b, s
}

// marked is a command that a test looks for by its name.
func marked(name string) command {
	return command{service: "shop", parent: 100, args: []string{"echo", name}, took: 3 * time.Millisecond, cpu: time.Millisecond, end: time.Now()}
}

func hasRow(name string) string {
	return fmt.Sprintf(`%s.some((r) => r.textContent.includes(%q))`, rows, name)
}

// delay adds a command called name and returns how long it takes to be seen.
func (b *tab) delay(s *site, name string) time.Duration {
	b.t.Helper()
	b.watchFor(name)
	added := time.Now()
	s.add(marked(name))
	b.wait(`window.appeared > 0`)
	return time.UnixMilli(int64(value[float64](b, `window.appeared`))).Sub(added).Round(time.Millisecond)
}

// watchFor notes in the page when a text appears, so that the delay is not
// that of asking.
func (b *tab) watchFor(name string) {
	b.t.Helper()
	b.do(fmt.Sprintf(`(() => {
		window.appeared = 0;
		const look = () => { if (!window.appeared && %s) window.appeared = Date.now(); };
		new MutationObserver(look).observe(document.body, { childList: true, subtree: true, characterData: true });
	})()`, hasRow(name)))
}

func TestLive_anEventAppearsWithoutReload(t *testing.T) {
	b, s := liveTab(t)
	b.do(`window.same = true`)
	quiet, busy := make([]time.Duration, 7), make([]time.Duration, 7)
	for i := range quiet {
		time.Sleep(700 * time.Millisecond) // so that the block may be updated at once
		quiet[i] = b.delay(s, fmt.Sprintf("quiet-%d", i))
		busy[i] = b.delay(s, fmt.Sprintf("busy-%d", i))
	}
	slices.Sort(quiet)
	slices.Sort(busy)
	t.Logf("from Add to a visible row: after a pause median %v, longest %v; right after another median %v, longest %v", quiet[3], quiet[6], busy[3], busy[6])
	if !value[bool](b, `window.same === true`) {
		t.Error("the page was loaded again")
	}
}

func TestLive_aStormUpdatesTwiceASecond(t *testing.T) {
	b, s := liveTab(t)
	b.do(`window.refreshes = []; document.addEventListener("goshawk:refresh", (e) => { if (e.target.id === "rows") window.refreshes.push(performance.now()); }, true)`)
	begin := time.Now()
	for i := 0; time.Since(begin) < 3*time.Second; i++ {
		s.add(marked(fmt.Sprint("storm-", i)))
		time.Sleep(10 * time.Millisecond)
	}
	s.add(marked("the-last"))
	b.wait(hasRow("the-last"))
	if gaps := value[[]float64](b, `window.refreshes.slice(1).map((at, i) => at - window.refreshes[i])`); len(gaps) == 0 || slices.Min(gaps) < 480 {
		t.Errorf("updates were %v ms apart, want at least one and none less than 500", gaps)
	}
}

func TestLive_pausesUnderThePointer(t *testing.T) {
	b, s := liveTab(t)
	row := value[at](b, `(() => { const r = `+rows+`[2].getBoundingClientRect(); return { X: r.left + 300, Y: r.top + 10 }; })()`)
	status := func(want string) {
		t.Helper()
		b.wait(fmt.Sprintf(`document.querySelector("[data-live-status]").textContent.includes(%q)`, want))
	}
	b.mouse(input.DispatchMouseEventTypeMouseMoved, row)
	status("paused")
	s.add(marked("while-paused-1"))
	s.add(marked("while-paused-2"))
	status("paused: 2 new")
	if value[bool](b, hasRow("while-paused")) {
		t.Error("the table changed under the pointer")
	}
	b.picture("live-paused")
	b.do(`document.querySelector("[data-live-status]").click()`)
	b.wait(hasRow("while-paused-2"))
	// Away from the table all goes on.
	s.add(marked("while-paused-3"))
	status("paused: 1 new")
	b.mouse(input.DispatchMouseEventTypeMouseMoved, at{5, 5})
	b.wait(hasRow("while-paused-3"))
	status("live")
}

// restartable serves a handler at an address that can be away.
type restartable struct {
	t       *testing.T
	address string
	server  *http.Server
}

func (r *restartable) start(h http.Handler) {
	r.t.Helper()
	if r.address == "" {
		r.address = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", r.address)
	if err != nil {
		r.t.Fatal(err)
	}
	r.address = listener.Addr().String()
	r.server = &http.Server{Handler: h, ReadHeaderTimeout: patience}
	go func(s *http.Server) { _ = s.Serve(listener) }(r.server)
}

func (r *restartable) stop() { _ = r.server.Close() }

func TestLive_comesBackAfterTheServer(t *testing.T) {
	s := newSite(time.Now)
	s.fill(time.Now().Add(-time.Minute), 30)
	server := &restartable{t: t}
	server.start(s.handler)
	t.Cleanup(func() { server.stop() })
	b := newTab(t, desktop)
	b.visit("http://" + server.address + "/commands")
	b.wait(`document.querySelector("[data-live-status]")?.dataset.state === "live"`)
	failures := func() int {
		b.mu.Lock()
		defer b.mu.Unlock()
		n := 0
		for _, r := range b.requests {
			if strings.Contains(r, "/events/stream") {
				n++
			}
		}
		return n
	}
	b.expect(`log: network: error: Failed to load resource: net::ERR_(CONNECTION_REFUSED|INCOMPLETE_CHUNKED_ENCODING|EMPTY_RESPONSE|CONNECTION_RESET)`)
	server.stop()
	b.wait(`document.querySelector("[data-live-status]").dataset.state === "reconnecting"`)
	b.picture("live-reconnecting")
	before := failures()
	time.Sleep(4 * time.Second)
	if n := failures() - before; n > 4 {
		t.Errorf("the page asked %d times in 4 s for a server that is away", n)
	}
	s.add(marked("while-away"))
	server.start(s.handler)
	b.wait(`document.querySelector("[data-live-status]").dataset.state === "live"`)
	b.wait(hasRow("while-away"))
	s.add(marked("after-it-came-back"))
	b.wait(hasRow("after-it-came-back"))
}
