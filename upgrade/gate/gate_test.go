package gate_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/testutil"
	"github.com/goshawk-io/goshawk/upgrade"
	"github.com/goshawk-io/goshawk/upgrade/gate"
)

func TestMain(m *testing.M) { testutil.NoLeaks(m) }

// serve answers until the end of the test.
func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// says answers everything with a status and a text.
func says(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, text)
	}
}

// check compares an error with a part of its text; "" is none.
func check(t *testing.T, err error, want string) {
	t.Helper()
	if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
		t.Errorf("%v; want %q", err, want)
	}
}

const (
	good     = `{"name":"shop-good","verdict":"ok","alerts":[{"severity":"page","burn":14.4,"firing":false}]}`
	unsure   = `{"name":"shop-new","verdict":"insufficient_data","alerts":[]}`
	burning  = `{"name":"shop-slow","verdict":"burning","alerts":[]}`
	spent    = `{"name":"shop-spent","verdict":"exhausted"}`
	firing   = `{"name":"shop-loud","verdict":"ok","alerts":[{"severity":"ticket","burn":1,"firing":false},{"severity":"page","burn":14.4,"firing":true}]}`
	windows  = `{"name":"shop-week","verdict":"ok","alerts":[],"windows":[{"window":"1d","verdict":"ok"},{"window":"7d","verdict":"exhausted"}]}`
	proposal = `{"name":"shop-idea","verdict":"exhausted","proposal":true}`
	unknown  = `{"name":"shop-query","verdict":"insufficient_data","error":"prometheus: connection refused"}`
)

func list(items ...string) string { return `{"items":[` + strings.Join(items, ",") + `]}` }

func TestObjectives_verdicts(t *testing.T) {
	for _, test := range []struct {
		name, answer string
		names        []string
		says         string
	}{
		{"all are kept", list(good, unsure), nil, ""},
		{"one burns", list(good, burning), nil, "objectives are not kept: shop-slow is burning"},
		{"one is exhausted", list(spent, good), nil, "objectives are not kept: shop-spent is exhausted"},
		{"an alert fires", list(firing), nil, "objectives are not kept: shop-loud burns more than 14.4x (page)"},
		{"another window is exhausted", list(windows), nil, "objectives are not kept: shop-week is exhausted over 7d"},
		{"several are not kept", list(spent, good, burning), nil, "objectives are not kept: shop-spent is exhausted, shop-slow is burning"},
		{"a proposal does not count", list(good, proposal), nil, ""},
		{"the named ones are kept, another one burns", list(good, unsure, burning), []string{"shop-new", "shop-good"}, ""},
		{"a named one burns", list(good, burning), []string{"shop-good", "shop-slow"}, "shop-slow is burning"},
		{"a named one is not there", list(good), []string{"shop-gone"}, `has no objective "shop-gone"`},
		{"a named one is a proposal", list(good, proposal), []string{"shop-idea"}, `the objective "shop-idea" is a proposal that nobody has accepted`},
		{"there is none", list(), nil, "has no objectives"},
		{"there are proposals alone", list(proposal), nil, "has no objectives"},
		{"it is not known how one stands", list(good, unknown), nil, `how the objective "shop-query" stands is not known: prometheus: connection refused`},
		{"it is not known how another one stands", list(good, unknown), []string{"shop-good"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := gate.Objectives(gate.ObjectivesOptions{Agent: serve(t, says(200, test.answer)), Names: test.names})
			check(t, g(t.Context(), upgrade.Candidate{}), test.says)
		})
	}
}

// TestObjectives_withoutAVerdict has agents that do not say how objectives stand. A gate
// that is open passes then, and none that says that they are not kept.
func TestObjectives_withoutAVerdict(t *testing.T) {
	for _, test := range []struct {
		name  string
		agent http.HandlerFunc
		says  string
	}{
		{"it has no such objective", says(200, list()), "has no objective"},
		{"it judges none", says(404, `{"error":"no such end point"}`), "it judges no objectives: "},
		{"it wants a token", says(401, ""), "answers 401 Unauthorized"},
		{"it fails", says(500, `{"error":"closed"}`), "answers 500 Internal Server Error"},
		{"it answers with a status of its own", says(599, ""), "answers 599"},
		{"it is another server", says(200, "<html>"), "is no agent of Goshawk"},
		{"its answer is another one", says(200, `{"objectives":[]}`), "is no agent of Goshawk"},
		{"its answer is cut short", says(200, list(good)[:40]), "is no agent of Goshawk"},
		{"it answers nothing", says(200, ""), "is no agent of Goshawk"},
		{"it closes the connection", func(w http.ResponseWriter, _ *http.Request) { hangUp(w) }, "EOF"},
		{"it answers without an end", func(w http.ResponseWriter, _ *http.Request) {
			for block := strings.Repeat(" ", 1<<20); ; {
				if _, err := fmt.Fprint(w, block); err != nil {
					return
				}
			}
		}, "answers more than 8 MiB"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := gate.ObjectivesOptions{Agent: serve(t, test.agent), Names: []string{"shop-good"}}
			err := gate.Objectives(o)(t.Context(), upgrade.Candidate{})
			check(t, err, test.says)
			if !errors.Is(err, gate.ErrNoVerdict) {
				t.Error(err)
			}
			o.Open = true
			check(t, gate.Objectives(o)(t.Context(), upgrade.Candidate{}), "")
		})
	}
	o := gate.ObjectivesOptions{Agent: serve(t, says(200, list(burning))), Open: true}
	err := gate.Objectives(o)(t.Context(), upgrade.Candidate{})
	if check(t, err, "shop-slow is burning"); errors.Is(err, gate.ErrNoVerdict) {
		t.Error(err)
	}
}

func hangUp(w http.ResponseWriter) {
	c, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		err = c.Close()
	}
	if err != nil {
		panic(err)
	}
}

// TestObjectives_hidePasswords asks agents whose URL has a password.
func TestObjectives_hidePasswords(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	for _, test := range []struct{ url, says string }{
		{gone.URL, "connection refused"},
		{serve(t, says(200, list())), "has no objectives"},
		{serve(t, says(200, list(unknown))), "is not known"},
		{serve(t, says(200, "")), "is no agent"},
		{serve(t, says(403, "")), "answers 403"},
	} {
		g := gate.Objectives(gate.ObjectivesOptions{Agent: strings.Replace(test.url, "http://", "http://me:secret@", 1)})
		err := g(t.Context(), upgrade.Candidate{})
		check(t, err, test.says)
		check(t, err, "http://me:xxxxx@127.0.0.1:")
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Error(err)
		}
	}
}

func TestObjectives_whatIsAsked(t *testing.T) {
	for _, test := range []struct {
		name    string
		options gate.ObjectivesOptions
		path    string
		want    string
	}{
		{"all", gate.ObjectivesOptions{}, "", "GET /api/v1/slos, authorization , accept application/json"},
		{"an agent with a slash", gate.ObjectivesOptions{}, "/", "GET /api/v1/slos, authorization , accept application/json"},
		{"an agent below a path", gate.ObjectivesOptions{}, "/goshawk/", "GET /goshawk/api/v1/slos, authorization , accept application/json"},
		{"a service", gate.ObjectivesOptions{Service: "shop&cart"}, "", "GET /api/v1/slos?service=shop%26cart, authorization , accept application/json"},
		{"a token", gate.ObjectivesOptions{Token: "0123456789abcdef"}, "", "GET /api/v1/slos, authorization Bearer 0123456789abcdef, accept application/json"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := make(chan string, 1)
			test.options.Agent = serve(t, func(w http.ResponseWriter, r *http.Request) {
				got <- fmt.Sprintf("%s %s, authorization %s, accept %s", r.Method, r.RequestURI, r.Header.Get("Authorization"), r.Header.Get("Accept"))
				fmt.Fprint(w, list(good))
			}) + test.path
			check(t, gate.Objectives(test.options)(t.Context(), upgrade.Candidate{}), "")
			if asked := <-got; asked != test.want {
				t.Errorf("asked for %s, want %s", asked, test.want)
			}
		})
	}
}

// TestGates_thatWait have servers that do not answer while anybody waits.
func TestGates_thatWait(t *testing.T) {
	asked, enough := make(chan struct{}, 10), errors.New("the upgrade is aborted")
	silent := func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	}
	// It says that all is well, and does not end.
	half := func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(200)
		w.(http.Flusher).Flush()
		silent(w, r)
	}
	for name, h := range map[string]http.HandlerFunc{"silent": silent, "half an answer": half} {
		t.Run(name, func(t *testing.T) {
			at := serve(t, h)
			const short = 20 * time.Millisecond
			check(t, gate.Objectives(gate.ObjectivesOptions{Agent: at, Timeout: short})(t.Context(), upgrade.Candidate{}), "no answer within 20ms")
			check(t, gate.Objectives(gate.ObjectivesOptions{Agent: at, Timeout: short, Open: true})(t.Context(), upgrade.Candidate{}), "")
			check(t, gate.URL(at, short, nil)(t.Context(), upgrade.Candidate{}), at+": no answer within 20ms")
			for len(asked) > 0 {
				<-asked
			}
			for name, g := range map[string]gate.Gate{
				"URL": gate.URL(at, time.Hour, nil),
				// That the upgrade is over is no answer of the agent.
				"Objectives": gate.Objectives(gate.ObjectivesOptions{Agent: at, Timeout: time.Hour, Open: true}),
			} {
				ctx, cancel := context.WithCancelCause(t.Context())
				go func() {
					<-asked
					cancel(enough)
				}()
				if err := g(ctx, upgrade.Candidate{}); !errors.Is(err, enough) {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
}

func TestURL_statuses(t *testing.T) {
	for _, test := range []struct {
		status int
		says   string
	}{
		{200, ""}, {204, ""}, {299, ""}, {300, "answers 300 Multiple Choices"}, {404, "answers 404 Not Found"},
		{500, "answers 500 Internal Server Error"}, {503, "answers 503 Service Unavailable"},
	} {
		at := serve(t, says(test.status, ""))
		check(t, gate.URL(at+"/healthz", 0, nil)(t.Context(), upgrade.Candidate{}), test.says)
	}
	check(t, gate.URL("http://%", 0, nil)(t.Context(), upgrade.Candidate{}), "invalid URL escape")
}

// TestURL_asksAnew asks over a connection of its own each time: one of before may lead to
// the old process.
func TestURL_asksAnew(t *testing.T) {
	var from []string
	at := serve(t, func(_ http.ResponseWriter, r *http.Request) { from = append(from, r.RemoteAddr) })
	g := gate.URL(at, 0, nil)
	for range 2 {
		check(t, g(t.Context(), upgrade.Candidate{}), "")
	}
	if len(from) != 2 || from[0] == from[1] {
		t.Errorf("asked from %v", from)
	}
}

func TestAll_asksInOrderUntilOneRefuses(t *testing.T) {
	asked, refused := "", errors.New("b refuses")
	one := func(name string, err error) gate.Gate {
		return func(_ context.Context, next upgrade.Candidate) error {
			asked += fmt.Sprint(name, next.PID, " ")
			return err
		}
	}
	err := gate.All(one("a", nil), one("b", refused), one("c", nil))(t.Context(), upgrade.Candidate{PID: 7})
	if asked != "a7 b7 " || !errors.Is(err, refused) {
		t.Errorf("asked %s, %v", asked, err)
	}
	check(t, gate.All()(t.Context(), upgrade.Candidate{}), "")
}
