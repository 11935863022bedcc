package browser

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp/kb"
)

// sitePage is a page, and what must be read in it.
type sitePage struct {
	name, path, has string
	// expected are problems that the page is there to show.
	expected string
	// drawing is set when something is drawn.
	drawing bool
	// site serves it; nil is the one of the test.
	site *site
}

func sitePages() []sitePage {
	return []sitePage{
		{name: "overview", path: "/", has: "thumbnailer"},
		{name: "service", path: "/services/shop", has: "CheckStock", drawing: true},
		{name: "commands", path: "/commands", has: "convert", drawing: true},
		{name: "tree", path: "/commands?view=tree&from=-8s", has: "rows", drawing: true},
		{name: "tcp", path: "/events?probe=tcp", has: "10.0.0.7", drawing: true},
		{name: "requests", path: "/events?probe=http", has: "/checkout", drawing: true},
		{name: "slos", path: "/slos", has: "checkout-latency"},
		{name: "slo", path: "/slos/checkout-latency", has: "Error budget", drawing: true},
		{name: "gallery", path: "/gallery", has: "empty", expected: "(root|step)=never"},
		{name: "not-found", path: "/nowhere", has: "no", expected: "404"},
	}
}

// open visits a page and waits until it is complete.
func (b *tab) open(url string, p sitePage) {
	b.t.Helper()
	if p.expected != "" {
		b.expect(p.expected)
	}
	b.visit(url + p.path)
	b.wait(fmt.Sprintf(`document.getElementById("main").innerText.includes(%q)`, p.has))
	if p.drawing {
		b.wait(drawn + ` && document.querySelectorAll("goshawk-waterfall, goshawk-chart, goshawk-heatmap, goshawk-lines").length > 0`)
	}
	b.do(settle)
}

// commandPage finds the page of a command.
func (b *tab) commandPage(url string) sitePage {
	b.t.Helper()
	b.visit(url + "/commands?text=convert")
	b.wait(rows + `.length > 0`)
	path := value[string](b, `new URL(document.querySelector('#rows tbody a[href^="/commands/"]').href).pathname`)
	return sitePage{name: "command", path: path, has: "resize", drawing: false}
}

func TestPages_inEachSizeAndTheme(t *testing.T) {
	s := fixedSite(600)
	b, url := siteTab(t, s, desktop, "/")
	id, _, _ := s.checkout(s.clock().Add(-40 * time.Second))
	all := append(sitePages(), b.commandPage(url), sitePage{name: "request", path: "/events/" + id, has: "its own code", drawing: true})
	all = append(all, upgradePages()...)
	all = append(all, tracePages(t)...)
	for _, p := range all {
		t.Run(p.name, func(t *testing.T) {
			b, url := siteTab(t, cmp.Or(p.site, s), desktop, "/")
			b.do(`localStorage.setItem("goshawk.hint.first", "dismissed")`)
			b.open(url, p)
			b.noSideways()
			b.compare(p.name)
			if shift := value[float64](b, layoutShift); shift > 0.1 {
				t.Errorf("the page moves while it loads: the shifts sum to %.3f", shift)
			}
			b.scheme("dark")
			b.compare(p.name + "-dark")
			b.scheme("light")
			b.resize(phone)
			b.open(url, p)
			b.noSideways()
			b.compare(p.name + "-phone")
			b.resize(size{3840, 2160})
			b.open(url, p)
			b.noSideways()
			b.picture("page-" + p.name + "-4k")
		})
	}
}

// layoutShift sums up how far what was shown moved by itself.
const layoutShift = `new Promise((done) => {
	let sum = 0;
	new PerformanceObserver((list) => { for (const e of list.getEntries()) if (!e.hadRecentInput) sum += e.value; }).observe({ type: "layout-shift", buffered: true });
	setTimeout(() => done(sum), 100);
})`

func TestPages_themeIsKept(t *testing.T) {
	b, url := siteTab(t, fixedSite(12), desktop, "/")
	theme := func(want string) {
		t.Helper()
		b.wait(fmt.Sprintf(`(document.documentElement.dataset.theme ?? "system") === %q`, want))
	}
	toggle := `document.querySelector("[data-theme-toggle]").click()`
	theme("system")
	b.do(toggle)
	theme("light")
	b.do(toggle)
	theme("dark")
	b.visit(url + "/commands")
	theme("dark")
	background := value[string](b, `getComputedStyle(document.body).backgroundColor`)
	b.do(toggle)
	theme("system")
	b.wait(fmt.Sprintf(`getComputedStyle(document.body).backgroundColor !== %q`, background))
}

func TestPages_hintStaysAway(t *testing.T) {
	b, url := siteTab(t, fixedSite(12), desktop, "/")
	shown := `document.querySelector("[data-hint]")?.offsetParent != null`
	b.wait(shown)
	b.do(`document.querySelector("[data-hint] [data-dismiss]").click()`)
	b.wait(`!(` + shown + `)`)
	b.visit(url + "/")
	b.do(settle)
	if value[bool](b, shown) {
		t.Error("a hint that was dismissed came back")
	}
}

func TestPages_filtersAreInTheAddress(t *testing.T) {
	b, _ := siteTab(t, fixedSite(600), desktop, "/commands")
	b.wait(rows + `.length > 20`)
	b.do(`document.querySelector('[name="failed"]').value = "true"; document.querySelector('[name="text"]').focus()`)
	b.key("ledger")
	b.key(kb.Enter)
	b.wait(`location.search.includes("text=ledger") && location.search.includes("failed=true")`)
	b.wait(rows + `.length > 0 && ` + rows + `.every((r) => r.textContent.includes("grep") && r.textContent.includes("exit 1"))`)
	if value[string](b, `document.querySelector('[name="text"]').value`) != "ledger" {
		t.Error("the form forgot what was searched for")
	}
	b.do(`setTimeout(() => history.back())`)
	b.wait(`!location.search.includes("text") && ` + rows + `.some((r) => r.textContent.includes("convert"))`)
	// The page may come from the browser's memory, with its connections closed.
	b.wait(`document.querySelector("[data-live-status]").dataset.state === "live"`)
	b.do(`setTimeout(() => history.forward())`)
	b.wait(`location.search.includes("failed=true") && ` + rows + `.every((r) => r.textContent.includes("exit 1"))`)
}

func TestPages_keys(t *testing.T) {
	b, _ := siteTab(t, fixedSite(60), desktop, "/")
	b.key("?")
	b.wait(`document.getElementById("keys").open`)
	b.picture("keys")
	b.key(kb.Escape)
	b.wait(`!document.getElementById("keys").open`)
	b.key("g")
	b.key("c")
	b.wait(`location.pathname === "/commands" && document.readyState === "complete"`)
	b.do(settle)
	b.key("/")
	b.wait(`document.activeElement.matches("[data-search]")`)
	b.key("jk?") // typed into the field
	b.wait(`document.activeElement.value.endsWith("jk?")`)
	b.key(kb.Escape)
	b.wait(`!document.activeElement.matches("[data-search]")`)
	b.key("j")
	b.key("j")
	b.wait(`document.activeElement.closest("tr") === ` + rows + `[1]`)
	b.key("k")
	b.wait(`document.activeElement.closest("tr") === ` + rows + `[0]`)
	b.picture("keys-row")
	b.key(kb.Enter)
	b.wait(`location.pathname.startsWith("/commands/") && document.readyState === "complete"`)
	b.do(settle)
	b.key("g")
	b.key("o")
	b.wait(`location.pathname === "/"`)
}

func TestPages_tenThousandCommands(t *testing.T) {
	b, url := siteTab(t, fixedSite(10_000), desktop, "/commands?limit=1000")
	b.wait(rows + `.length >= 100`)
	t.Logf("%d rows of a table in one page", value[int](b, rows+`.length`))
	b.do(`window.scrollTo(0, document.body.scrollHeight)`)
	b.visit(url + "/commands?view=tree&from=-1h")
	b.wait(drawn)
	b.do(fall + `.stage.focus()`)
	b.key(kb.End)
	b.wait(fall + `.selected > 900`)
	t.Logf("%d bars of a waterfall", value[int](b, fall+`.tree.rows.length`))
	b.picture("page-tree-many")
}

func TestPages_savedAsOneFile(t *testing.T) {
	s := fixedSite(600)
	b, url := siteTab(t, s, desktop, "/")
	command := b.commandPage(url)
	id, _, _ := s.checkout(s.clock().Add(-40 * time.Second))
	for _, p := range []sitePage{
		{name: "request", path: "/events/" + id + "?save=1", has: "its own code", drawing: true},
		{name: "requests", path: "/events?probe=http&save=1", has: "/checkout", drawing: true},
		{name: "overview", path: "/?save=1", has: "thumbnailer"},
		{name: "slos", path: "/slos?save=1", has: "checkout-latency"},
		{name: "slo", path: "/slos/checkout-latency?save=1", has: "Error budget", drawing: true},
		{name: "service", path: "/services/shop?save=1", has: "CheckStock", drawing: true},
		{name: "commands", path: "/commands?save=1", has: "convert", drawing: true},
		{name: "tree", path: "/commands?view=tree&from=-5m&save=1", has: "rows", drawing: true},
		{name: "command", path: command.path + "?save=1", has: "resize"},
	} {
		t.Run(p.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), p.name+".html")
			if err := os.WriteFile(file, download(t, url+p.path), 0o600); err != nil {
				t.Fatal(err)
			}
			b := newTab(t, desktop)
			b.open("file://"+file, sitePage{name: p.name, has: p.has, drawing: p.drawing})
			b.picture("saved-" + p.name)
			b.mu.Lock()
			defer b.mu.Unlock()
			for _, r := range b.requests {
				if !strings.HasPrefix(r, "data:") && !strings.HasPrefix(r, "file://"+file) {
					t.Errorf("the file asks for %.200s", r)
				}
			}
		})
	}
}

func download(t *testing.T, url string) []byte {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s: %.300s", url, answer.Status, content)
	}
	return content
}

func TestPages_withoutScripts(t *testing.T) {
	b := newTab(t, desktop)
	url := serve(t, fixedSite(600).handler)
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	for _, p := range []sitePage{
		{name: "overview", path: "/", has: "thumbnailer"}, {name: "commands", path: "/commands", has: "convert"},
		{name: "tree", path: "/commands?view=tree&from=-5m", has: "convert"}, {name: "service", path: "/services/shop", has: "CheckStock"},
		{name: "requests", path: "/events?probe=http", has: "/checkout"},
		{name: "slos", path: "/slos", has: "checkout-latency"}, {name: "slo", path: "/slos/checkout-latency", has: "left of this window"},
	} {
		b.visit(url + p.path)
		text := value[string](b, `document.getElementById("main").innerText`)
		if !strings.Contains(text, p.has) {
			t.Errorf("%s lacks %s without scripts: %.400s", p.path, p.has, text)
		}
		b.noSideways()
		b.keep("no-script-"+p.name, b.screenshot())
	}
}

func TestPages_firstPaint(t *testing.T) {
	s := fixedSite(600)
	url := serve(t, s.handler)
	for _, p := range []sitePage{{name: "overview", path: "/"}, {name: "commands", path: "/commands"}, {name: "service", path: "/services/shop"}, {name: "tree", path: "/commands?view=tree&from=-5m"}} {
		b := newTab(t, desktop)
		b.fixClock(s.clock())
		// The first load starts a process, which is not the page's doing.
		b.visit(url + "/gallery")
		b.expect("never|404")
		for _, cached := range []bool{false, true} {
			call(b, network.SetCacheDisabled, network.SetCacheDisabledParams{CacheDisabled: !cached})
			var paints, bytes []float64
			for range *loads {
				// From another page of this server: a browser that comes from
				// elsewhere starts a process for it.
				b.visit(url + "/nowhere")
				b.mu.Lock()
				clear(b.received)
				b.mu.Unlock()
				b.visit(url + p.path)
				b.wait(`performance.getEntriesByName("first-contentful-paint").length > 0 && document.readyState === "complete"`)
				b.do(settle)
				paints = append(paints, value[float64](b, `performance.getEntriesByName("first-contentful-paint")[0].startTime`))
				bytes = append(bytes, b.bytes())
			}
			t.Logf("%-9s cached=%-5v first contentful paint: median %.0f ms of %d loads, %.1f KB received", p.name, cached, median(paints), len(paints), median(bytes)/1000)
		}
	}
}

// bytes returns how much was received over the network.
func (b *tab) bytes() float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	sum := 0.0
	for _, n := range b.received {
		sum += n
	}
	return sum
}
