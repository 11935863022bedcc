package browser

import (
	"fmt"
	"net/http"
	"regexp"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"github.com/goshawk-io/goshawk/internal/testutil"
)

// TestDemo looks at the agent itself, as `make run` shows it.
func TestDemo(t *testing.T) {
	testutil.RequireBPF(t)
	testutil.RequireTool(t, "chromium", "chromium")
	// The browser, which the other tests use as well, must not keep its profile in the
	// demo's folder, which is gone after this test.
	b := newTab(t, desktop)
	url := startDemo(t)
	for _, p := range []sitePage{
		{name: "overview", path: "/", has: "shop"},
		{name: "service", path: "/services/shop", has: "shop", drawing: true},
		{name: "tree", path: "/commands?view=tree&from=-5m", has: "rows", drawing: true},
		{name: "tcp", path: "/events?probe=tcp", has: "TCP"},
		{name: "requests", path: "/events?probe=http&from=-5m", has: "/product/{id}", drawing: true},
		{name: "commands", path: "/commands", has: "shop", drawing: true},
	} {
		b.open(url, p)
		b.noSideways()
		b.picture("demo-" + p.name)
	}
	// The shop goes on, and the table with it.
	b.wait(`document.querySelector("[data-live-status]").dataset.state === "live"`)
	first := value[string](b, rows+`[0].textContent`)
	b.wait(fmt.Sprintf(`%s[0].textContent !== %q`, rows, first))
	b.visit(url + "/commands?live=off&findings=true")
	b.wait(rows + `.length > 0`)
	b.key("j")
	b.key(kb.Enter)
	b.wait(`/^.(commands|events)..+/.test(location.pathname) && document.readyState === "complete"`)
	b.do(settle)
	b.noSideways()
	b.picture("demo-command")
	// A request that shells out, what it ran, and back.
	b.visit(url + "/events?probe=http&order=slowest&where=goshawk.role%3Dserver&where=http.route%3D%2Fproduct%2F%7Bid%7D")
	b.wait(rows + `.length > 0`)
	b.do(rows + `[0].querySelector("a.route").click()`)
	b.wait(`[...document.querySelectorAll("#spent-table a")].length > 1`)
	b.picture("demo-request")
	b.do(`document.querySelector('#spent-table a[href^="/commands/"]').click()`)
	b.wait(`document.querySelector(".because a")?.innerText === "GET /product/{id}"`)
}

// startDemo starts the agent with its demo and waits until commands with
// findings were seen.
func startDemo(t *testing.T) (url string) {
	t.Helper()
	// It is killed at the end, and cannot remove its data.
	t.Setenv("TMPDIR", t.TempDir())
	up := testutil.StartTarget(t, testutil.BuildGo(t, testutil.Dir("../../cmd/goshawk"), testutil.BuildOptions{}),
		"up", "--demo", "--listen", "127.0.0.1:0")
	address := regexp.MustCompile(`url=(http://\S+:\d+)`)
	deadline := time.Now().Add(2 * patience)
	for time.Now().Before(deadline) {
		time.Sleep(200 * time.Millisecond)
		m := address.FindStringSubmatch(up.Stderr())
		if m == nil {
			continue
		}
		answer, err := http.Get(m[1] + "/api/v1/events?findings=true&limit=1")
		if err != nil {
			continue
		}
		found := make([]byte, 64)
		n, _ := answer.Body.Read(found)
		answer.Body.Close()
		if regexp.MustCompile(`"id"`).Match(found[:n]) {
			return m[1]
		}
	}
	t.Fatalf("the demo shows no finding: %.2000s", up.Stderr())
	return ""
}
