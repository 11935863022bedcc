package ui

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/judge/objective/slofile"
)

func TestSLOPages_sayWhatMatters(t *testing.T) {
	h := serve(plainAPI())
	for address, texts := range map[string][]string{
		"/slos": {"checkout-latency", "exhausted", "burning", "insufficient data", "not known", "−287 %", "46.8 %", "page for 9 min", "99.947 %", "50.4×", "/ 14.4×",
			"Proposed", "goshawk slo accept accounts-availability", `href="/slos?verdict=burning"`, `<option value="warehouse">`, `hx-get="/slos"`},
		"/slos?service=shop&verdict=burning": {"checkout-latency", `href="/slos">Clear</a>`, `<option value="shop" selected>`, `name="verdict" value="burning"`},
		"/slos/checkout-latency": {"99.9 % of the requests are to be good in 30d", "46.8 %", "563 more requests may be bad", "fires for 9 min", `<goshawk-lines id="slo-budget"`, `id="slo-budget-data"`,
			`id="slo-burn-3-data"`, "fires above 14.4×", "/etc/goshawk/slo.yaml:12", "OpenSLO", `href="/services/shop"`, "data-limit=\"250000000\"", "slower than 250 ms", `hx-get="/slos/checkout-latency"`,
			"Alert history", "goshawk.role = server", "min_duration=250ms"},
		"/slos/checkout-latency?from=-6h":        {`aria-current="true">6h</a>`, "left at the time"},
		"/slos/checkout-latency?from=-6h&to=-2h": {"-6h to -2h"},
		"/slos/invoice-latency":                  {"requests too many were bad", "exhausted"},
		"/slos/stock-availability":               {"There was no event in the window", "Nothing was counted in this time", "too few events"},
		"/slos/thumbnail-success":                {"commands in the window", "process.executable.name = convert"},
		"/slos/login-latency":                    {"How it stands is not known: the rules of the last minute were not evaluated"},
		"/slos/accounts-availability":            {"This is a proposal", "goshawk slo accept accounts-availability"},
		"/services/shop":                         {`href="/slos/invoice-latency"`, "46.8 % left"},
		"/":                                      {`href="/slos?verdict=exhausted"`, "1 burning", "2 proposed"},
		"/commands":                              {`href="/slos" data-key="g s"`},
	} {
		w := get(t, h, address)
		for _, text := range texts {
			if !strings.Contains(w.body.String(), text) {
				t.Errorf("%s (%d) does not say %q", address, w.status, text)
			}
		}
	}
}

func TestSLOPages_refuseWhatThereIsNot(t *testing.T) {
	h := serve(plainAPI())
	for address, status := range map[string]int{"/slos?verdict=fine": 400, "/slos?probe=http": 400, "/slos/nothing": 404, "/slos/checkout-latency?from=x": 400, "/slos/checkout-latency?from=-1h&to=-2h": 400} {
		if w := get(t, h, address); w.status != status || !strings.Contains(w.body.String(), "hint:") {
			t.Errorf("%s answers %d", address, w.status)
		}
	}
}

func TestSLOs_withoutAnyExplainTheFirst(t *testing.T) {
	f := emptyAPI()
	page := get(t, serve(f), "/slos").body.String()
	for _, text := range []string{"There are no objectives yet", "apiVersion: openslo/v1", "type: goshawk", "signal: http", "service: shop", "route: /checkout", "threshold: 250ms", "goshawk slo check slo.yaml"} {
		if !strings.Contains(page, text) {
			t.Errorf("the page does not say %q", text)
		}
	}
	if overview := get(t, serve(f), "/").body.String(); !strings.Contains(overview, "write the first one") {
		t.Error("the overview does not lead there")
	}
	delete(f.answers, "slos")
	if w := get(t, serve(f), "/slos"); w.status != 200 || !strings.Contains(w.body.String(), "This agent judges no objectives.") {
		t.Errorf("without a judge the page answers %d", w.status)
	}
	if overview := get(t, serve(f), "/").body.String(); strings.Contains(overview, "write the first one") {
		t.Error("the overview leads to objectives that nobody judges")
	}
}

func TestSLOs_exampleIsAnObjective(t *testing.T) {
	set, problems := slofile.Load([]string{"templates/slo_example.yaml"}, slofile.Options{})
	if len(problems) > 0 || len(set.SLOs) != 1 {
		t.Fatalf("the example has %d objectives: %v", len(set.SLOs), problems)
	}
	o := &set.SLOs[0]
	if o.Name != "checkout-latency" || o.Service != "shop" || o.Target != 0.999 || o.Indicator.Signal != objective.SignalHTTP || o.Indicator.Threshold != 250*time.Millisecond || o.Windows[0].String() != "30d" {
		t.Errorf("the example is %+v", o)
	}
}

func TestSLOs_thatCannotBeJudgedFail(t *testing.T) {
	f := plainAPI()
	f.status = 500
	if w := get(t, serve(f), "/slos"); w.status != 500 || !strings.Contains(w.body.String(), "look at its disk") {
		t.Errorf("the page answers %d", w.status)
	}
}

func TestSLOBlocks_answerHtmxWithThemselvesOnly(t *testing.T) {
	h := serve(plainAPI())
	for address, id := range map[string]string{"/slos": "slos", "/slos/checkout-latency": "now", "/slos/checkout-latency?from=-6h": "now"} {
		body := strings.TrimSpace(get(t, h, address, "HX-Request", "true", "HX-Target", id).body.String())
		if !strings.Contains(body[:min(len(body), 60)], `id="`+id+`"`) || strings.Contains(body, "<html") || strings.Contains(body, "<goshawk-") {
			t.Errorf("%s answers with %.80q", address, body)
		}
		whole := get(t, h, address).body.String()
		root, err := html.Parse(strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for n := range root.Descendants() {
			if id := attribute(n, "id"); id != "" && !strings.Contains(whole, `id="`+id+`"`) {
				t.Errorf("%s: the block has #%s, which the page has not", address, id)
			}
		}
		if id == "now" && (strings.Count(body, `hx-swap-oob="true"`) != 3 || !strings.Contains(body, `id="slo-budget-data"`)) {
			t.Errorf("%s: the block does not bring the rest of the page up to date", address)
		}
	}
}

func TestSLO_blockAsksForNoRequests(t *testing.T) {
	f := plainAPI()
	get(t, serve(f), "/slos/checkout-latency", "HX-Request", "true", "HX-Target", "now")
	if slices.ContainsFunc(f.asked, func(s string) bool { return strings.Contains(s, "rollups") || strings.Contains(s, "events") }) {
		t.Errorf("asked %q", f.asked)
	}
}

func TestSLO_withoutItsHistorySaysHowItStands(t *testing.T) {
	f := plainAPI()
	for _, name := range []string{"checkout-latency", "login-latency"} {
		delete(f.answers, "slos/"+name+"/history")
		w := get(t, serve(f), "/slos/"+name)
		body := w.body.String()
		for _, text := range []string{"How it stood before cannot be shown: there is no slos/" + name + "/history", "Nothing was counted in this time", "promised"} {
			if !strings.Contains(body, text) {
				t.Errorf("%s (%d) does not say %q", name, w.status, text)
			}
		}
		for _, problem := range checkPage(body) {
			t.Errorf("%s: %s", name, problem)
		}
	}
}

func TestSLO_savedHasItsData(t *testing.T) {
	w := get(t, serve(plainAPI()), "/slos/checkout-latency?save=1")
	body := w.body.String()
	for _, text := range []string{`id="slo-budget-data"`, `id="slo-events-data"`, "goshawk/js/lines.js", "data-not-saved"} {
		if !strings.Contains(body, text) {
			t.Errorf("the file lacks %q", text)
		}
	}
	if strings.Contains(body, "hx-get") || strings.Contains(body, `src="/api`) {
		t.Error("the file asks a server")
	}
}

func TestSLO_thatIsYoungIsShownSinceItIsCounted(t *testing.T) {
	began := testNow().Add(-35 * time.Second).Truncate(10 * time.Second)
	o := sampleSLO("young", "shop", 0.999, 9000, 3, 1, testNow())
	var asked []string
	// Steps of a four hundredth of the time, as the API has.
	api := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := plainAPI()
		f.answers["slos/young"] = o
		if strings.HasSuffix(r.URL.Path, "/history") {
			asked = append(asked, r.URL.Query().Get("from"))
			from := testNow().Add(-sampleWindow)
			if len(asked) > 1 {
				from, _ = time.Parse(time.RFC3339, r.URL.Query().Get("from"))
			}
			step := max(testNow().Sub(from)/400, 10*time.Second).Truncate(10 * time.Second)
			h := sampleHistory(&o, testNow().Sub(from), step, testNow())
			for i := range h.Points {
				p := &h.Points[i]
				if p.Good, p.Bad = new(uint64), new(uint64); !time.Time(p.Time).After(began) {
					p.Good, p.Bad, p.BudgetRemainingRatio, p.Burn = nil, nil, nil, nil
				}
			}
			f.answers["slos/young/history"] = h
		}
		f.ServeHTTP(w, r)
	})
	l := loadOnce()
	s := &server{api: clientOf(api), now: testNow, assets: l.assets, views: l.views}
	r := httptest.NewRequest("GET", "/slos/young", nil)
	r.SetPathValue("name", "young")
	page, err := s.slo(r)
	if err != nil {
		t.Fatal(err)
	}
	v := page.Body.(SLOView)
	if len(asked) != 3 || asked[0] != "" || v.Counted.ISO != began.Format(time.RFC3339) || v.CountedFor != "35 s" || v.Budget.Data.From < seconds(began.Add(-time.Minute)) {
		t.Errorf("asked for the histories from %q; counted since %s, for %s, drawn from %v", asked, v.Counted.ISO, v.CountedFor, v.Budget.Begin)
	}
}

func TestShortAge(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "1 s", 59 * time.Second: "59 s", 106 * time.Second: "1 min", 119 * time.Minute: "1 h", 47 * time.Hour: "1 d", 90 * 24 * time.Hour: "90 d"} {
		if got := shortAge(testNow().Add(-d), testNow()); got != want {
			t.Errorf("%s is %s, want %s", d, got, want)
		}
	}
}

// rollupAPI answers for rollups from groups of requests: one for each, with
// buckets when they are asked for.
func rollupAPI(groups []v1.Rollup, asked *[]string) http.Handler {
	f := plainAPI()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if r.URL.Path != "/api/v1/rollups" || q.Get("probe") != "http" {
			f.ServeHTTP(w, r)
			return
		}
		*asked = append(*asked, strings.Join(append(q["where"], "by="+q.Get("by"), "service="+q.Get("service")), " "))
		list := v1.List[v1.Rollup]{}
		for _, g := range groups {
			g.Time = v1.Time(testNow().Add(-10 * time.Minute).Truncate(10 * time.Second))
			g.Buckets = []v1.Bucket{{LowNS: 1 << 20, HighNS: 9 << 17, Count: g.Count}}
			list.Items = append(list.Items, g)
		}
		f := &fakeAPI{answers: map[string]any{"rollups": list, "requests": list, "routes": list}}
		f.ServeHTTP(w, r)
	})
}

func requestGroup(method, route, template string, n uint64) v1.Rollup {
	return v1.Rollup{Probe: "http", Service: "shop", Count: n, MaxNS: 1e6, Group: map[string]string{keyRole: roleServer, keyMethod: method, keyRoute: route, keyTemplate: template}}
}

func TestSLORequests_areThoseThatCount(t *testing.T) {
	called := requestGroup("GET", "", "", 3)
	called.Group[keyRole] = roleClient
	groups := []v1.Rollup{requestGroup("POST", "/checkout", "", 5), requestGroup("GET", "", "/checkout", 2), requestGroup("GET", "/cart", "", 7), requestGroup("GET", "/healthz", "", 9), called}
	attribute := func(patterns string, keys ...string) v1.SLOAttribute {
		return v1.SLOAttribute{Keys: keys, Patterns: strings.Split(patterns, " ")}
	}
	tests := []struct {
		name    string
		o       v1.SLO
		queries []string
		note    string
	}{
		{"a service", v1.SLO{Select: v1.SLOSelector{Service: []string{"shop"}}}, []string{"service=shop"}, ""},
		{"every service", v1.SLO{}, []string{"service="}, ""},
		{"a route", v1.SLO{Select: v1.SLOSelector{Service: []string{"shop"}, Attributes: []v1.SLOAttribute{attribute("/checkout", keyRoute)}}}, []string{"http.route=/checkout service=shop"}, ""},
		{"a route that may be a path", v1.SLO{Select: v1.SLOSelector{Service: []string{"shop"}, Attributes: []v1.SLOAttribute{attribute("/checkout", keyRoute, keyTemplate)}}},
			[]string{"http.route=/checkout url.template= service=shop", "http.route= url.template=/checkout service=shop"}, ""},
		{"all but one", v1.SLO{Select: v1.SLOSelector{Service: []string{"shop"}}, Exclude: []v1.SLOSelector{{Attributes: []v1.SLOAttribute{attribute("/healthz", keyRoute)}}}},
			[]string{"http.route=/checkout service=shop", "http.route= service=shop", "http.route=/cart service=shop"}, ""},
		{"all there are", v1.SLO{Select: v1.SLOSelector{Service: []string{"shop"}, Attributes: []v1.SLOAttribute{attribute("server client", keyRole)}}}, []string{"service=shop"}, ""},
		{"what was not seen", v1.SLO{Select: v1.SLOSelector{Service: []string{"shop"}, Attributes: []v1.SLOAttribute{attribute("/report", keyRoute)}}}, nil, ""},
		{"a role and any route", v1.SLO{Select: v1.SLOSelector{Service: []string{"shop"}, Attributes: []v1.SLOAttribute{attribute("server", keyRole), attribute("*", keyRoute, keyTemplate)}}}, []string{"goshawk.role=server service=shop"}, ""},
		{"what sums do not know", v1.SLO{Select: v1.SLOSelector{Service: []string{"shop"}, Attributes: []v1.SLOAttribute{attribute("10.*", "client.address")}}}, []string{"service=shop"}, "depends on client.address"},
		{"a route, and what sums do not know", v1.SLO{Select: v1.SLOSelector{Service: []string{"shop"}, Attributes: []v1.SLOAttribute{attribute("/check*", keyRoute), attribute("10.*", "client.address")}}}, []string{"http.route=/checkout service=shop"}, "depends on client.address"},
		{"a pattern for services", v1.SLO{Select: v1.SLOSelector{Service: []string{"sh*"}}}, []string{"service="}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var asked []string
			s := &server{api: clientOf(rollupAPI(groups, &asked)), now: testNow}
			tt.o.Signal, tt.o.Service = "http", "shop"
			c, err := s.choose(t.Context(), &tt.o, requestKeys().Keys(), v1.EventQuery{From: v1.Moment{Ago: time.Hour}})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			seen := map[string]bool{}
			if c.none {
				c.queries = nil
			}
			for _, q := range c.queries {
				var parts []string
				for _, m := range q.Where {
					parts = append(parts, m.Key+"="+m.Value)
				}
				text := strings.Join(append(parts, "service="+q.Service), " ")
				if !seen[text] {
					got = append(got, text)
				}
				seen[text] = true
			}
			if diff := cmp.Diff(tt.queries, got); diff != "" {
				t.Error(diff)
			}
			if notes := strings.Join(c.notes, " "); tt.note == "" && notes != "" || !strings.Contains(notes, tt.note) {
				t.Errorf("it notes %q", notes)
			}
		})
	}
}

func TestSLORequests_ofManyGroupsAreOfAll(t *testing.T) {
	called := requestGroup("GET", "", "", 3)
	called.Group[keyRole] = roleClient
	var groups []v1.Rollup
	for i := range 9 {
		groups = append(groups, requestGroup("GET", fmt.Sprintf("/api/%d", i), "", 1))
	}
	groups = append(groups, requestGroup("GET", "/other", "", 1), called)
	var asked []string
	s := &server{api: clientOf(rollupAPI(groups, &asked)), now: testNow}
	o := v1.SLO{Signal: "http", Select: v1.SLOSelector{Service: []string{"shop"}, Attributes: []v1.SLOAttribute{{Keys: []string{keyRole}, Patterns: []string{roleServer}}, {Keys: []string{keyRoute}, Patterns: []string{"/api/*"}}}}}
	c, err := s.choose(t.Context(), &o, requestKeys().Keys(), v1.EventQuery{})
	if err != nil || len(c.queries) != 1 || len(c.queries[0].Where) != 1 || c.queries[0].Where[0].Value != roleServer || len(c.notes) != 1 || !strings.Contains(c.notes[0], "9 groups of 10") {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestSLORequests_sayWhyThereAreNone(t *testing.T) {
	f := plainAPI()
	query := sampleSLO("by-query", "shop", 0.99, 100, 1, 1, testNow())
	query.Signal, query.Query = "query", &v1.SLOQuery{Total: "sum(x_total)"}
	call := sampleSLO("by-call", "shop", 0.99, 100, 1, 1, testNow())
	call.Signal = "func"
	for _, o := range []v1.SLO{query, call} {
		f.answers["slos/"+o.Name], f.answers["slos/"+o.Name+"/history"] = o, sampleHistory(&o, sampleWindow, 2*time.Hour, testNow())
	}
	h := serve(f)
	for address, want := range map[string]string{"/slos/by-query": "A Prometheus server counts its events", "/slos/by-call": "The probe func is not there"} {
		if body := get(t, h, address).body.String(); !strings.Contains(body, want) || strings.Contains(body, "goshawk-heatmap") {
			t.Errorf("%s does not say %q", address, want)
		}
	}
	f = emptyAPI()
	o := sampleSLOs(testNow())[1]
	f.answers["slos/"+o.Name] = o
	f.answers["probes"] = plainAPI().answers["probes"]
	if body := get(t, serve(f), "/slos/"+o.Name).body.String(); !strings.Contains(body, "No request of it ended") && !strings.Contains(body, "No requests of it ended") {
		t.Error("it is not said that there were no requests")
	}
}

func BenchmarkSLOPage(b *testing.B) {
	h := serve(plainAPI())
	for b.Loop() {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/slos/checkout-latency", nil))
	}
}

func BenchmarkSLOBlock(b *testing.B) {
	h := serve(plainAPI())
	for b.Loop() {
		r := httptest.NewRequest("GET", "/slos/checkout-latency", nil)
		r.Header.Set("HX-Request", "true")
		r.Header.Set("HX-Target", "now")
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
}
