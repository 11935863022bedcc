package cli

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/judge/series"
	"github.com/goshawk-io/goshawk/sli"
)

// askStatus runs slo status against a server that has these objectives.
func askStatus(t *testing.T, list []v1.SLO, args ...string) (out, errs string, code int) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer 0123456789abcdef" {
			http.Error(w, `{"error":"a token is needed","hint":"send one"}`, http.StatusUnauthorized)
			return
		}
		json.NewEncoder(w).Encode(v1.List[v1.SLO]{Items: list})
	}))
	defer server.Close()
	var stdout, stderr strings.Builder
	code = Main(t.Context(), Env{
		Stdout: &stdout, Stderr: &stderr, Width: func() int { return 0 }, Height: func() int { return 0 },
		Getenv: func(name string) string { return map[string]string{tokenVariable: "0123456789abcdef\n"}[name] },
	}, append([]string{"slo", "status", "--url", server.URL}, args...))
	return stdout.String(), stderr.String(), code
}

func slo(name string, verdict sli.Verdict) v1.SLO {
	share, burn := 0.9951, 4.9
	return v1.SLO{
		Name: name, Service: "shop", Objective: 0.999,
		SLOWindow: v1.SLOWindow{Window: "30d", Good: 995, Bad: 5, SLI: &share, BudgetRemainingRatio: -3.9, Verdict: verdict},
		Burn:      map[string]*float64{"1h": nil, "5m": &burn, "3d": &share},
		Alerts:    []v1.SLOAlert{{Severity: "page", Burn: 14.4, Firing: true}, {Severity: "ticket", Burn: 1}},
	}
}

// quiet is an objective without events.
func quiet(name string) v1.SLO {
	s := slo(name, sli.InsufficientData)
	s.Good, s.Bad, s.SLI, s.Alerts = 0, 0, nil, nil
	return s
}

func TestSLOStatus(t *testing.T) {
	proposal := slo("later", sli.Exhausted)
	proposal.Proposal = true
	unknown := slo("asked", sli.InsufficientData)
	unknown.Error, unknown.SLI, unknown.Alerts, unknown.Burn, unknown.Unjudged = "the server is silent", nil, nil, nil, 1
	timed := slo("timed", sli.OK)
	timed.UnitNS, timed.Good, timed.Bad = int64(time.Millisecond), 10_000_000, 50_000
	for _, test := range []struct {
		name string
		list []v1.SLO
		args []string
		out  []string
		errs string
		code int
	}{
		{"none", nil, nil, []string{"no objectives\n"}, "", 0},
		{"all are kept", []v1.SLO{slo("a", sli.OK)}, nil, []string{"VERDICT", "99.9 %", "99.51 %", "-390 %", "4.9x in 5m", "page 14.4x"}, "", 0},
		{"one burns", []v1.SLO{slo("a", sli.OK), slo("b\x1b", sli.Burning)}, nil, []string{"burning", `b\x1b`}, `slo status: not kept: b\x1b`, exitBad},
		{"a proposal is no promise", []v1.SLO{proposal}, nil, []string{"exhausted"}, "", 0},
		{"nobody can say", []v1.SLO{unknown}, nil, []string{"insufficient_data", "note: asked: the server is silent", "1 event is neither good nor bad"}, "", 0},
		{"time is counted", []v1.SLO{timed}, nil, []string{" 2h46m40s ", " 50s "}, "", 0},
		{"nothing happened", []v1.SLO{slo("a", sli.OK), quiet("b"), quiet("c")}, nil, []string{"note: no events in the window of b, c: goshawk ps"}, "", 0},
		{"nothing happened anywhere", []v1.SLO{quiet("b"), quiet("c"), quiet("d"), quiet("e"), quiet("f"), quiet("g"), quiet("h")}, nil, []string{"of b, c, d, e, f, 2 more: "}, "", 0},
		{"as JSON", []v1.SLO{slo("a", sli.Exhausted)}, []string{"--json"}, []string{`[{"name":"a"`, `"budget_remaining_ratio":-3.9`, `"verdict":"exhausted"`}, "not kept: a", exitBad},
		{"none as JSON", nil, []string{"--json"}, []string{"[]\n"}, "", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			out, errs, code := askStatus(t, test.list, test.args...)
			if strings.Contains(test.name, "nobody can say") && strings.Contains(out, "-390 %") {
				t.Errorf("figures that are not known are printed:\n%s", out)
			}
			for _, want := range test.out {
				if !strings.Contains(out, want) {
					t.Errorf("no %q in:\n%s", want, out)
				}
			}
			if !strings.Contains(errs, test.errs) || test.errs == "" && errs != "" || code != test.code {
				t.Errorf("code %d, stderr %q", code, errs)
			}
		})
	}
}

func TestSLOStatus_noAgent(t *testing.T) {
	_, errs, code := askStatus(t, nil, "--url", "http://127.0.0.1:1")
	if code != exitInternal || !strings.Contains(errs, "connection refused") || !strings.Contains(errs, "hint: start the agent") {
		t.Errorf("code %d, stderr %q", code, errs)
	}
	_, errs, code = askStatus(t, nil, "--token-file", "/nothing")
	if code != exitUsage || !strings.Contains(errs, "--token-file: open /nothing") {
		t.Errorf("code %d, stderr %q", code, errs)
	}
}

func TestSLOStatus_saysWhatIsWrongWithItsFlags(t *testing.T) {
	spaces := filepath.Join(t.TempDir(), "spaces")
	if err := os.WriteFile(spaces, []byte("one two"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		errs []string
		code int
	}{
		{[]string{"--url", "host:7788"}, []string{"--url: host:7788: is no URL of an agent", "hint: write a URL such as"}, exitUsage},
		{[]string{"--url", "ftp://host"}, []string{"--url: ftp://host: is no URL"}, exitUsage},
		{[]string{"--token-file", spaces}, []string{"has a character that no token has", "hint: write the token alone"}, exitUsage},
		{[]string{"--token-file", "/dev/zero"}, []string{"/dev/zero: is larger than 64 KiB"}, exitUsage},
		{[]string{"--token-file", "/dev/null"}, []string{"a token is needed", "hint: give the agent's token by --token-file or in GOSHAWK_TOKEN"}, exitInternal},
	} {
		_, errs, code := askStatus(t, nil, tt.args...)
		if code != tt.code {
			t.Errorf("%q: code %d, stderr %s", tt.args, code, errs)
		}
		for _, want := range tt.errs {
			if !strings.Contains(errs, want) {
				t.Errorf("%q: no %q in %s", tt.args, want, errs)
			}
		}
	}
	if out, _, code := askStatus(t, nil, "--service", "nobody"); code != 0 || out != "no objectives of the service nobody\n" {
		t.Errorf("code %d, %s", code, out)
	}
}

func TestSLOStatus_doesNotWaitForEver(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer server.Close()
	o := sloStatus{url: strings.Replace(server.URL, "//", "//me:secret@", 1), patience: time.Millisecond}
	err := o.run(t.Context(), Env{Getenv: func(string) string { return "" }})
	if exitCode(err) != exitInternal || !strings.Contains(err.Error(), "no answer within 1ms") || strings.Contains(err.Error(), "secret") {
		t.Errorf("error %v", err)
	}
}

func TestPercentText(t *testing.T) {
	for _, tt := range []struct {
		share  float64
		digits int
		want   string
	}{
		{0.999, 6, "99.9 %"}, {0.9999999, 6, "99.99999 %"}, {0.99999999, 6, "99.999999 %"}, {1, 6, "100 %"}, {0, 6, "0 %"},
		{-48.4, 3, "-4840 %"}, {-1234567.891, 3, "-123000000 %"}, {0.9999, 3, "99.99 %"}, {0.0000001, 3, "0.00001 %"}, {0.95058139, 6, "95.0581 %"},
	} {
		if got := percentText(tt.share, tt.digits); got != tt.want {
			t.Errorf("%v to %d digits is %s, want %s", tt.share, tt.digits, got, tt.want)
		}
	}
}

func TestNotifications(t *testing.T) {
	since := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	firing := series.Alert{
		Name: "SLOBudgetBurn", State: series.Firing, FiredAt: since, Value: 0.02,
		Labels:      series.Labels{{Name: "goshawk_receivers", Value: "mail,hook"}, {Name: "sloth_id", Value: "a b"}, {Name: "sloth_service", Value: "shop"}, {Name: "sloth_severity", Value: "page"}},
		Annotations: series.Labels{{Name: "summary", Value: "it burns"}},
	}
	pending := firing
	pending.State = series.Pending
	list := notifications([]series.Alert{pending, firing}, "http://host")
	if len(list) != 1 {
		t.Fatalf("%d notifications of one alert that fires", len(list))
	}
	n := list[0]
	if n.SLO != "a b" || n.Service != "shop" || n.Severity != "page" || !n.StartsAt.Equal(since) || n.Annotations["summary"] != "it burns" ||
		n.GeneratorURL != "http://host/slos/a%20b" || strings.Join(n.Receivers, " ") != "mail hook" {
		t.Errorf("%+v", n)
	}
	if list := notifications(nil, ""); list == nil {
		t.Error("that nothing fires is nil, which is not known")
	}
}
