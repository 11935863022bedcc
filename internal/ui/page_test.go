package ui

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

// pages are the addresses that the tests ask for, over plainAPI.
func pages(f *fakeAPI) []string {
	command := f.answers["events"].(v1.List[v1.Record]).Items[0].ID
	upgraded := f.answers["upgrades"].(v1.List[v1.Record]).Items
	return []string{
		"/upgrades", "/upgrades?service=shop", "/upgrades/" + upgraded[0].TraceID, "/upgrades/" + upgraded[1].TraceID, "/upgrades/" + upgraded[3].TraceID, "/upgrades/nonsense",
		"/", "/commands", "/commands?view=tree", "/commands?failed=true&from=-6h&rule=zombie&where=a%3Db&live=off", "/commands?from=2026-11-20T10%3A00%3A00Z&to=2026-11-20T11%3A00%3A00Z",
		"/commands/" + command, "/services/shop", "/services/shop?from=-24h", "/events?probe=tcp", "/events?probe=http&where=goshawk.role%3Dserver",
		"/events/http-4-1-4711", "/events/http-3-1-4711", "/services/shop?sort=p99&from=-1h", "/gallery", "/nowhere", "/commands?nonsense=1",
		"/slos", "/slos?service=shop&verdict=burning&sort=budget", "/slos?verdict=fine", "/slos/checkout-latency", "/slos/checkout-latency?from=-6h", "/slos/invoice-latency",
		"/traces", "/traces/" + sampleTraceID, "/traces/nothing",
		"/slos/stock-availability", "/slos/thumbnail-success", "/slos/login-latency", "/slos/accounts-availability", "/slos/nothing",
	}
}

// emptyAPI is a host on which nothing runs.
func emptyAPI() *fakeAPI {
	f := plainAPI()
	f.answers["services"] = v1.List[v1.Service]{}
	f.answers["services/shop"] = v1.Service{Name: "shop"}
	f.answers["probes"] = v1.List[v1.Probe]{}
	f.answers["store"] = v1.Store{Kind: "memory"}
	f.answers["events"] = v1.List[v1.Record]{}
	f.answers["waterfall"] = v1.Waterfall{}
	f.answers["slos"] = v1.List[v1.SLO]{}
	f.answers["traces"], f.answers["traces/"+sampleTraceID] = v1.List[v1.TraceSummary]{}, v1.KeptTrace{ID: sampleTraceID}
	f.answers["events http"], f.answers["waterfall http"] = v1.List[v1.Record]{}, v1.Waterfall{}
	f.answers["upgrades"], f.answers["drains"] = v1.List[v1.Record]{}, v1.List[v1.Record]{}
	for _, name := range []string{"rollups", "rollups by group exec", "rollups by group tcp", "routes", "requests"} {
		f.answers[name] = v1.List[v1.Rollup]{Incomplete: []string{"a file could not be read"}}
	}
	return f
}

// hostileAPI has texts that try to break out of a page.
func hostileAPI() *fakeAPI {
	evil := `"><script>alert(1)</script><img src=x onerror=alert(2)>'` + "\x00\x1b[0m\u202e</script><!--" + strings.Repeat("x", 5000)
	f := plainAPI()
	records := sampleRecords(10, testNow())
	for i := range records {
		r := &records[i]
		r.Service = evil
		for _, key := range []string{keyName, keyPath, keyFunction, keyFile, keyDirectory, keySignal, keyError, keyCgroup} {
			r.Attributes[key] = evil
		}
		r.Attributes[keyArgs] = []string{evil, evil}
		r.ContainerID, r.TraceID = evil, evil
		r.Stack = []v1.Frame{{Func: evil, File: evil, Line: -1}}
		r.Findings = []v1.Finding{{Rule: evil, Severity: evil, Evidence: evil, Remedy: evil}}
	}
	w := sampleWaterfall(5, testNow())
	for i := range w.Bars {
		w.Bars[i].Label, w.Bars[i].Detail, w.Bars[i].Outcome, w.Bars[i].Href = evil, evil, evil, "javascript:alert(3)"
	}
	w.Incomplete = []string{evil}
	process := v1.Process{PID: 1, Exe: evil, GoVersion: evil, Version: evil, Service: evil, Revision: evil}
	group := map[string]string{keyFunction: evil, keyFile: evil, keyLine: evil, keyName: evil, keyRole: evil, keyPeer: evil, keyPort: evil, keyEvent: evil}
	f.answers["events"] = v1.List[v1.Record]{Items: records, Next: evil, Incomplete: []string{evil}}
	f.answers["events/"+records[0].ID] = records[0]
	f.answers["waterfall"] = w
	f.answers["services"] = v1.List[v1.Service]{Items: []v1.Service{{Name: evil, Processes: []v1.Process{process}}}}
	f.answers["services/shop"] = v1.Service{Name: "shop", Processes: []v1.Process{process}}
	f.answers["rollups by group exec"] = v1.List[v1.Rollup]{Items: []v1.Rollup{{Count: 1, Group: group}}}
	f.answers["rollups by group tcp"] = v1.List[v1.Rollup]{Items: []v1.Rollup{{Count: 1, Group: group}}}
	requests := sampleRequests(12, testNow())
	for i := range requests {
		r := &requests[i]
		r.Service, r.TraceID = evil, evil
		for _, key := range []string{keyMethod, keyRoute, keyTemplate, keyURLPath, keyServer, keyError, keyHTTPEnd} {
			r.Attributes[key] = evil
		}
		r.Stack = []v1.Frame{{Func: evil, File: evil}}
		f.answers["events/"+r.ID] = *r
	}
	f.answers["events http"] = v1.List[v1.Record]{Items: requests, Next: evil}
	trace := sampleTrace(testNow())
	trace.Above = []v1.Bar{{Label: evil, Detail: evil, Outcome: evil, Href: "javascript:alert(4)"}}
	for i := range trace.Bars {
		b := &trace.Bars[i]
		b.Label, b.Detail, b.Outcome, b.Kind, b.Href = evil, evil, evil, evil, "javascript:alert(5)"
		b.Caller = &v1.Frame{Func: evil, File: evil}
	}
	f.answers["waterfall http"] = trace
	routes := sampleRoutes()
	for i := range routes {
		for key := range routes[i].Group {
			if key != keyRole {
				routes[i].Group[key] = evil + fmt.Sprint(i)
			}
		}
	}
	f.answers["routes"] = v1.List[v1.Rollup]{Items: routes}
	f.answers["upgrades"], f.answers["drains"] = hostileUpgrades(evil)
	f.answers["slos"] = v1.List[v1.SLO]{Items: hostileSLOs(evil), Incomplete: []string{evil}}
	bad := hostileTrace(evil)
	f.answers["traces"], f.answers["traces/"+sampleTraceID] = v1.List[v1.TraceSummary]{Items: []v1.TraceSummary{bad.Summary()}}, bad
	for i, o := range sampleSLOs(testNow()) {
		bad := hostileSLOs(evil)[i]
		f.answers["slos/"+o.Name], f.answers["slos/"+bad.Name+"/history"] = bad, hostileHistory(evil)
	}
	return f
}

func TestPages_areWellFormed(t *testing.T) {
	for name, api := range map[string]func() *fakeAPI{"plain": plainAPI, "empty": emptyAPI, "hostile": hostileAPI} {
		f := api()
		h := serve(f)
		for _, address := range pages(plainAPI()) {
			if address == "/gallery" && name != "plain" {
				continue // it does not ask the API
			}
			w := get(t, h, address)
			if w.status >= 500 {
				t.Errorf("%s %s answers %d: %s", name, address, w.status, w.body.String())
				continue
			}
			for _, problem := range checkPage(w.body.String()) {
				t.Errorf("%s %s: %s", name, address, problem)
			}
		}
	}
}

// checkPage returns what is wrong with a page.
func checkPage(page string) []string {
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		return []string{err.Error()}
	}
	var problems []string
	say := func(s string) { problems = append(problems, clip(s, 200)) }
	ids := map[string]int{}
	count := map[string]int{}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		count[n.Data]++
		if id := attribute(n, "id"); id != "" {
			ids[id]++
			if strings.ContainsAny(id, " \t\n\"'<>") {
				say("the id " + id + " is none")
			}
		}
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" {
				say("the attribute " + a.Key + " of <" + n.Data + "> is code or style of a page")
			}
		}
		checkElement(n, say)
	}
	for id, n := range ids {
		if n > 1 {
			say("the id " + id + " is there twice")
		}
	}
	for n := range root.Descendants() {
		for _, key := range []string{"aria-labelledby", "list"} {
			if id := attribute(n, key); id != "" && ids[id] == 0 {
				say(key + " names " + id + ", which is not there")
			}
		}
	}
	for tag, want := range map[string]int{"h1": 1, "main": 1, "title": 1} {
		if count[tag] < want || tag != "title" && count[tag] > want {
			say("there are not as many <" + tag + "> as there should be")
		}
	}
	return problems
}

func checkElement(n *html.Node, say func(string)) {
	switch n.Data {
	case "a":
		if name(n) == "" {
			say("a link to " + attribute(n, "href") + " has no name")
		}
		if href := attribute(n, "href"); strings.HasPrefix(strings.ToLower(strings.TrimSpace(href)), "javascript:") {
			say("a link leads to " + href)
		}
	case "button":
		if name(n) == "" {
			say("a button has no name")
		}
	case "input", "select", "textarea":
		if attribute(n, "type") != "hidden" && !within(n, "label") && attribute(n, "aria-label") == "" {
			say("the field " + attribute(n, "name") + " has no label")
		}
	case "table":
		if !has(n, "caption") || !has(n, "th") {
			say("a table has no caption or no head")
		}
	case "svg":
		if attribute(n, "aria-hidden") == "" && attribute(n, "aria-label") == "" {
			say("a picture has no name")
		}
	case "script":
		// The policy names the hash of the early one, which the browser's tests
		// hold it to.
		early := n.Parent.Data == "head" && n.FirstChild != nil && strings.Contains(n.FirstChild.Data, "Runs before the page is drawn")
		if attribute(n, "src") == "" && attribute(n, "type") != "application/json" && !early {
			say("a script is in the page")
		}
	case "img", "iframe", "object", "embed", "base":
		say("there is a <" + n.Data + ">")
	}
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// name is the text of an element, or what stands for it.
func name(n *html.Node) string {
	if label := attribute(n, "aria-label"); label != "" {
		return label
	}
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return strings.TrimSpace(b.String())
}

func has(n *html.Node, tag string) bool {
	for d := range n.Descendants() {
		if d.Type == html.ElementNode && d.Data == tag {
			return true
		}
	}
	return false
}

func within(n *html.Node, tag string) bool {
	for p := range n.Ancestors() {
		if p.Data == tag {
			return true
		}
	}
	return false
}

func TestPages_sayWhatMatters(t *testing.T) {
	f := plainAPI()
	h := serve(f)
	id := f.answers["events"].(v1.List[v1.Record]).Items[4].ID
	f.answers["events/"+id] = f.answers["events"].(v1.List[v1.Record]).Items[4]
	for address, texts := range map[string][]string{
		"/":                   {"shop", "registry", "worker", "1.83 s of CPU", "partly up", "use Linux 5.8 or newer", "killed-without-grace", "312 MiB", "of at most 2 GiB or 3 d", "data-hint=\"overview\""},
		"/commands":           {"gzip -c", "SIGKILL", "ENOENT", "shell-wrapper", "data-live=\"/api/v1/events/stream?probe=exec\"", "rel=\"next\"", "goshawk-chart"},
		"/commands?view=tree": {"<goshawk-waterfall", "src=\"/api/v1/waterfall?from=-1h&amp;probe=exec\"", "compile"},
		"/commands/" + id:     {"sleep", "SIGKILL", "by its parent, process 4711", "checkStock", "What to do:", "4bf92f3577b34da6a3ce929d0e0e4736", "peak memory"},
		"/services/shop":      {"renderInvoice", "code.line.number%3D57", "10.0.0.7:5432", "[2001:db8::1]:5432", "stripped", "replaced"},
		"/events?probe=tcp":   {"TCP events", "Round trip"},
	} {
		body := get(t, h, address).body.String()
		for _, text := range texts {
			if !strings.Contains(body, text) {
				t.Errorf("%s does not say %q", address, text)
			}
		}
	}
	empty := get(t, serve(emptyAPI()), "/").body.String()
	if !strings.Contains(empty, "goshawk up --demo") {
		t.Error("the empty overview does not say what to do")
	}
}

func TestPages_carryNoHostileText(t *testing.T) {
	h := serve(hostileAPI())
	for _, address := range pages(plainAPI()) {
		if address == "/gallery" {
			continue // its texts are its own
		}
		for _, suffix := range []string{"", "save"} {
			if suffix == "save" {
				separator := "?"
				if strings.Contains(address, "?") {
					separator = "&"
				}
				address += separator + "save=1"
			}
			body := get(t, h, address).body.String()
			for _, text := range []string{"<script>alert", "<img", "\x00", "\x1b", "\u202e"} {
				if strings.Contains(body, text) {
					t.Errorf("%s has %q", address, text)
				}
			}
		}
	}
}

func TestPages_neverShowTheEnvironment(t *testing.T) {
	f := plainAPI()
	record := f.answers["events"].(v1.List[v1.Record]).Items[0]
	record.Attributes["process.environment"] = "SECRET=hunter2"
	f.answers["events/"+record.ID] = record
	if body := get(t, serve(f), "/commands/"+record.ID).body.String(); strings.Contains(body, "hunter2") {
		t.Error("the page of a command shows an attribute that it does not know")
	}
}

func TestBlocks_answerHtmxWithThemselvesOnly(t *testing.T) {
	h := serve(plainAPI())
	for address, id := range map[string]string{"/": "services", "/commands": "rows", "/events?probe=tcp": "rows", "/services/shop": "now"} {
		body := strings.TrimSpace(get(t, h, address, "HX-Request", "true", "HX-Target", id).body.String())
		if !strings.Contains(body[:min(len(body), 60)], `id="`+id+`"`) || strings.Contains(body, "<html") {
			t.Errorf("%s answers with %.80q", address, body)
		}
		whole := get(t, h, address).body.String()
		// What is swapped beside the block is elsewhere in the page.
		for part := range strings.SplitSeq(strings.ReplaceAll(body, ` hx-swap-oob="true"`, "\x00"), "<div id=") {
			part, _, _ = strings.Cut(part, "\x00")
			if !strings.Contains(whole, part[:min(len(part), 200)]) {
				t.Errorf("the block of %s is not what the page holds: %.200q", address, part)
			}
		}
	}
	if body := get(t, h, "/", "HX-Request", "true", "HX-Target", "nothing").body.String(); !strings.Contains(body, "<html") {
		t.Error("a block that is not there does not answer with the page")
	}
}

func TestErrors_keepTheFrameAndTheHint(t *testing.T) {
	for status, heading := range map[int]string{404: "Nothing is kept", 503: "Goshawk is starting", 500: "cannot be shown", 400: "asks for something", 507: "cannot be shown"} {
		f := plainAPI()
		f.status = status
		w := get(t, serve(f), "/commands")
		body := w.body.String()
		if w.status != status || !strings.Contains(body, heading) || !strings.Contains(body, "look at its disk") || !strings.Contains(body, "the store does not answer") {
			t.Errorf("%d: status %d, body %.300q", status, w.status, body)
		}
		for _, problem := range checkPage(body) {
			t.Errorf("%d: %s", status, problem)
		}
	}
}

func TestService_thatEndedIsShownByWhatItDid(t *testing.T) {
	f := plainAPI()
	delete(f.answers, "services/shop")
	if w := get(t, serve(f), "/services/shop"); w.status != 200 || !strings.Contains(w.body.String(), "No process of it runs now") {
		t.Errorf("status %d", w.status)
	}
	f = emptyAPI()
	delete(f.answers, "services/shop")
	if w := get(t, serve(f), "/services/shop"); w.status != 404 {
		t.Errorf("a service that nobody knows answers %d", w.status)
	}
}

func TestCommand_ofAnotherProbeIsAnEvent(t *testing.T) {
	f := plainAPI()
	f.answers["events/tcp-1-1-1"] = v1.Record{ID: "tcp-1-1-1", Weight: 1, Event: v1.Event{Probe: "tcp", Service: "shop", Attributes: v1.Attributes{keyEvent: "connect_failed", keyError: "ECONNREFUSED", "goshawk.tcp.srtt_ns": int64(42_000)}}}
	h := serve(f)
	if w := get(t, h, "/commands/tcp-1-1-1"); w.status != http.StatusSeeOther || w.header.Get("Location") != "/events/tcp-1-1-1" {
		t.Errorf("status %d, location %q", w.status, w.header.Get("Location"))
	}
	body := get(t, h, "/events/tcp-1-1-1").body.String()
	for _, text := range []string{"connect failed", "ECONNREFUSED", "42 µs", "Round trip time."} {
		if !strings.Contains(body, text) {
			t.Errorf("the event does not say %q", text)
		}
	}
	for _, problem := range checkPage(body) {
		t.Error(problem)
	}
}

func TestHeaders_forbidWhatAPageDoesNotNeed(t *testing.T) {
	a, _, err := load()
	if err != nil {
		t.Fatal(err)
	}
	policy := policy(a.early())
	for _, address := range []string{"/", "/nowhere", "/commands?view=tree"} {
		w := get(t, serve(plainAPI()), address)
		if w.header.Get("Content-Security-Policy") != policy || w.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: headers %v", address, w.header)
		}
	}
	if slices.ContainsFunc([]string{"unsafe", "http:", "https:", "*"}, func(s string) bool { return strings.Contains(policy, s) }) {
		t.Errorf("the policy %q allows more than this server", policy)
	}
}

func TestPages_arePackedForWhoUnpacks(t *testing.T) {
	h := serve(plainAPI())
	plain := get(t, h, "/").body.String()
	w := get(t, h, "/", "Accept-Encoding", "br, gzip;q=0.5")
	if w.header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("headers %v", w.header)
	}
	r, err := gzip.NewReader(strings.NewReader(w.body.String()))
	if err != nil {
		t.Fatal(err)
	}
	if unpacked, err := io.ReadAll(r); err != nil || len(unpacked) < len(plain)/2 {
		t.Errorf("%d of %d bytes: %v", len(unpacked), len(plain), err)
	}
	if w := get(t, h, "/", "Accept-Encoding", "gzip;q=0"); w.header.Get("Content-Encoding") != "" {
		t.Error("gzip is sent to who refuses it")
	}
}
