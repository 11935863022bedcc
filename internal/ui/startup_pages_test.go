package ui

import (
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/api/v1/client"
	"github.com/goshawk-io/goshawk/internal/observe/startup"
)

const (
	startTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	startSpan  = "00f067aa0ba902b7"
)

// startRecords are the events of one start, and one of another start of the
// same process.
func startRecords() []v1.Record {
	record := func(id, kind, name string, begin, took time.Duration) v1.Record {
		ns := int64(took)
		return v1.Record{ID: id, Weight: 1, Event: v1.Event{
			Time: v1.Time(testNow().Add(begin - time.Hour)), Probe: probeStartup, PID: 4711, Service: "shop", DurationNS: &ns, TraceID: startTrace, ParentSpanID: startSpan,
			Attributes: v1.Attributes{startup.KeyKind: kind, startup.KeyName: name, startup.KeyBegin: int64(begin), startup.KeyCPU: ns},
		}}
	}
	const ms = time.Millisecond
	start := record("startup-1-1-4711", startup.KindStart, "shop", 0, 30*ms)
	start.ParentSpanID, start.SpanID = "", startSpan
	start.Findings = []v1.Finding{{Rule: "starved-start", Severity: "warn"}}
	maps.Copy(start.Attributes, v1.Attributes{
		startup.KeyExe: "/srv/shop", startup.KeyArgs: []string{"shop", "--x"}, startup.KeyGoVersion: "go1.26.8", startup.KeyPID: int64(4711), startup.KeyEnded: "first_listen",
	})
	listen := record("startup-5-1-4711", startup.KindPhase, startup.FirstListen, 25*ms, 0)
	listen.Attributes[startup.KeyAddress] = "127.0.0.1:8080"
	other := record("startup-6-1-4711", startup.KindPackage, "example.com/other", 2*ms, ms)
	other.TraceID = strings.Repeat("ab", 16)
	return []v1.Record{
		start, record("startup-2-1-4711", startup.KindPhase, startup.PackageInits, ms, 20*ms), record("startup-3-1-4711", startup.KindPackage, "example.com/slow", ms, 19*ms),
		record("startup-4-1-4711", startup.KindPhase, startup.Main, 21*ms, 9*ms), listen, other,
	}
}

// serveStarts returns the pages about starts over a fake.
func serveStarts(f *fakeAPI) http.Handler {
	l := loadOnce()
	if l.err != nil {
		panic(l.err)
	}
	views := maps.Clone(l.views)
	if err := addStartupViews(l.assets, views); err != nil {
		panic(err)
	}
	s := &server{api: client.New(client.Options{Transport: client.InProcess(f)}), version: "v0.0.0-test", now: testNow, assets: l.assets, views: views, policy: policy(l.assets.early())}
	mux := http.NewServeMux()
	s.startupPages(mux)
	return mux
}

func startsAPI() *fakeAPI {
	records := startRecords()
	return &fakeAPI{answers: map[string]any{"events": v1.List[v1.Record]{Items: records}, "events/" + records[0].ID: records[0]}}
}

func TestStarts_listsThemWithLinks(t *testing.T) {
	f := startsAPI()
	f.answers["events"] = v1.List[v1.Record]{Items: startRecords()[:1], Next: "more"}
	w := get(t, serveStarts(f), "/starts?service=shop")
	for _, want := range []string{"shop --x", `href="/starts/` + startTrace + `?event=startup-1-1-4711"`, "starved-start", "first listen", "30 ms", "after=more"} {
		if !strings.Contains(w.body.String(), want) {
			t.Errorf("status %d, the page lacks %q", w.status, want)
		}
	}
	if len(f.asked) != 1 || !strings.Contains(f.asked[0], "where="+strings.ReplaceAll(startup.KeyKind, "=", "")+"%3Dstart") || !strings.Contains(f.asked[0], "service=shop") {
		t.Errorf("asked %q", f.asked)
	}
	f.answers["events"] = v1.List[v1.Record]{}
	if w := get(t, serveStarts(f), "/starts"); w.status != 200 || !strings.Contains(w.body.String(), "goshawk startup -- ./server") {
		t.Errorf("status %d, no start is not said to be none", w.status)
	}
}

func TestStart_showsTheWaterfall(t *testing.T) {
	for _, address := range []string{"/starts/" + startTrace + "?event=startup-1-1-4711", "/starts/" + startTrace, "/starts/" + startTrace + "?event=gone"} {
		w := get(t, serveStarts(startsAPI()), address)
		body := w.body.String()
		for _, want := range []string{"<goshawk-waterfall", "example.com/slow", "127.0.0.1:8080", "to the first listen", "go1.26.8", `href="/services/shop"`} {
			if !strings.Contains(body, want) {
				t.Errorf("%s: status %d, the page lacks %q", address, w.status, want)
			}
		}
		// What the list says was found, and not what the events that are left say.
		if !strings.Contains(body, "starved-start") || strings.Contains(body, "slow-init-package") {
			t.Errorf("%s: the findings are not those of the list", address)
		}
		if strings.Contains(body, "example.com/other") {
			t.Errorf("%s: what another start did is in it", address)
		}
	}
}

func TestStart_canBeSaved(t *testing.T) {
	w := get(t, serveStarts(startsAPI()), "/starts/"+startTrace+"?save=1")
	if body := w.body.String(); w.status != 200 || !strings.Contains(body, "Saved on") || !strings.Contains(body, `<script type="application/json">`) || strings.Contains(body, `href="/`) {
		t.Errorf("status %d: %.300s", w.status, body)
	}
}

func TestStart_refuses(t *testing.T) {
	for address, want := range map[string]struct {
		status int
		text   string
	}{
		"/starts/nonsense":                      {400, "is not a trace id"},
		"/starts/" + strings.Repeat("00", 16):   {404, "there is no start with the trace"},
		"/starts?after=x&service=nobody-of-all": {200, "shop --x"},
	} {
		w := get(t, serveStarts(startsAPI()), address)
		if w.status != want.status || !strings.Contains(w.body.String(), want.text) {
			t.Errorf("%s: status %d, want %d and %q", address, w.status, want.status, want.text)
		}
	}
}
