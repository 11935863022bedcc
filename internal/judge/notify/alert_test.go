package notify

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/goshawk-io/goshawk/internal/testutil"
)

func TestMain(m *testing.M) { testutil.NoLeaks(m) }

// noon is when these tests happen where no clock says it.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// burning is an alert about an objective of this name.
func burning(slo string) Alert {
	return Alert{
		SLO: slo, Service: "shop", Name: "Burn", Severity: "page", State: Firing, StartsAt: noon.Add(-time.Minute),
		Labels: map[string]string{"team": "web"}, Annotations: map[string]string{"summary": "it burns 14.5 times"}, Value: 14.5,
		GeneratorURL: "http://goshawk.example/slo/" + slo,
	}
}

func ended(a Alert, at time.Time) Alert {
	a.State, a.EndsAt = Resolved, at
	return a
}

// TestAlert_Fingerprint holds it to what github.com/prometheus/common computes.
func TestAlert_Fingerprint(t *testing.T) {
	tests := []struct {
		name  string
		alert Alert
		want  string
	}{
		{"fields and labels", Alert{Name: "Burn", SLO: "checkout", Service: "shop", Severity: "page", Labels: map[string]string{"team": "ü"}}, "ed1e49136b3009d8"},
		{"labels alone", Alert{Labels: map[string]string{"alertname": "Burn", "slo": "checkout", "service": "shop", "severity": "page", "team": "ü", "empty": ""}}, "ed1e49136b3009d8"},
		{"a field wins", Alert{Name: "Burn", SLO: "checkout", Service: "shop", Severity: "page", Labels: map[string]string{"team": "ü", "slo": "other"}}, "ed1e49136b3009d8"},
		{"nothing", Alert{}, "1f61c70196c2bc78"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.alert.Fingerprint(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			tt.alert.Annotations, tt.alert.State, tt.alert.Value = map[string]string{"a": "b"}, Resolved, 5
			if got := tt.alert.Fingerprint(); got != tt.want {
				t.Errorf("what is no label makes it %s", got)
			}
			once := tt.alert.complete(noon)
			if twice := once.complete(noon); !reflect.DeepEqual(once, twice) || once.Fingerprint() != tt.want {
				t.Errorf("complete once %+v, twice %+v", once, twice)
			}
		})
	}
}

func TestAlert_completeIsWithinBounds(t *testing.T) {
	many := map[string]string{"slo": "kept"}
	for i := range 200 {
		many[fmt.Sprintf("l%03d", i)] = "x"
	}
	long := strings.Repeat("ü", 20_000)
	tests := []struct {
		name   string
		labels map[string]string
		want   map[string]string
	}{
		{"names that are none", map[string]string{"a.b/c": "1", "9x": "2", "": "3", "ü": "4"}, map[string]string{"a_b_c": "1", "_9x": "2", "_": "4"}},
		{"two become one", map[string]string{"a.b": "1", "a-b": "2"}, map[string]string{"a_b": "2"}},
		{"no UTF-8", map[string]string{"a": "x\xffy"}, map[string]string{"a": "x\ufffdy"}},
		{"a long value", map[string]string{"a": long}, map[string]string{"a": long[:maxLabelValue]}},
		{"nothing", nil, map[string]string{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Alert{Name: "Burn", Labels: tt.labels}.complete(noon)
			tt.want["alertname"] = "Burn"
			if !maps.Equal(got.Labels, tt.want) {
				t.Errorf("got %q, want %q", got.Labels, tt.want)
			}
		})
	}
	got := Alert{Name: "Burn", Severity: "page", Labels: many, Annotations: map[string]string{"summary": long, "e": "€" + long}}.complete(noon)
	if len(got.Labels) != maxLabels || got.Labels["alertname"] != "Burn" || got.Labels["severity"] != "page" {
		t.Errorf("%d labels: %v", len(got.Labels), got.Labels)
	}
	for name, text := range got.Annotations {
		if len(text) > maxAnnotation || len(text) < maxAnnotation-3 || !utf8.ValidString(text) {
			t.Errorf("%s has %d bytes, valid: %v", name, len(text), utf8.ValidString(text))
		}
	}
	name := labelOf("9" + strings.Repeat("x", 500))
	if len(name) != maxLabelName || labelOf(name) != cut(name, maxLabelName-1) {
		t.Errorf("a name of %d bytes", len(name))
	}
}

func TestAlert_completeHasTimesThatCanBeWritten(t *testing.T) {
	zero, far := time.Time{}, time.Date(20_000, 1, 1, 0, 0, 0, 0, time.UTC)
	before := time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		name                   string
		state                  State
		starts, ends, now      time.Time
		wantStarts, wantEndsAt time.Time
	}{
		{"as it is", Resolved, noon, noon.Add(time.Hour), noon.Add(2 * time.Hour), noon, noon.Add(time.Hour)},
		{"what has yet to come", Resolved, noon.Add(time.Hour), noon.Add(2 * time.Hour), noon, noon, noon},
		{"elsewhere on earth", Resolved, noon.In(time.FixedZone("", 3600)), noon.In(time.FixedZone("", -3600)), noon, noon, noon},
		{"one that fires has no end", Firing, noon, noon, noon, noon, zero},
		{"an unknown state fires", "pending", noon, noon, noon, noon, zero},
		{"no start", Firing, zero, zero, noon, noon, zero},
		{"no end", Resolved, noon.Add(-time.Hour), zero, noon, noon.Add(-time.Hour), noon},
		{"an end before the start", Resolved, noon, noon.Add(-time.Hour), noon, noon, noon},
		{"clocks of fantasy", Resolved, far, before, noon, noon, noon},
		{"now is fantasy", Resolved, zero, zero, far, time.Unix(0, 0).UTC(), time.Unix(0, 0).UTC()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := Alert{State: tt.state, StartsAt: tt.starts, EndsAt: tt.ends}.complete(tt.now)
			if a.StartsAt != tt.wantStarts || a.EndsAt != tt.wantEndsAt {
				t.Errorf("from %v to %v, want %v and %v", a.StartsAt, a.EndsAt, tt.wantStarts, tt.wantEndsAt)
			}
			if _, err := encodeWebhook("r", "", a); err != nil {
				t.Error(err)
			}
			if _, err := encodeAlerts([]Alert{a}, tt.now); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAlert_completeKeepsOnlyURLsOfTheWeb(t *testing.T) {
	for text, want := range map[string]string{
		"http://a/b?c#d": "http://a/b?c#d", "https://a": "https://a", "javascript:alert(1)": "", "/slo": "", "http://": "", "http://a\nb": "",
		"http://a/" + strings.Repeat("x", 2000): "",
	} {
		if got := (Alert{GeneratorURL: text}).complete(noon).GeneratorURL; got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

func TestPrepare(t *testing.T) {
	a, b := burning("a"), burning("b")
	labels := a.Labels
	list := prepare([]Alert{ended(a, noon), b, a, ended(b, noon)}, noon)
	if len(list) != 2 || list[0].alert.SLO != "a" || list[0].alert.State != Firing || list[1].alert.State != Firing {
		t.Errorf("one that fires does not count: %+v", list)
	}
	labels["team"] = "changed"
	if list[0].alert.Labels["team"] != "web" {
		t.Error("the labels are the caller's")
	}
}

func TestEncodeWebhook(t *testing.T) {
	body, err := encodeWebhook("pager", "http://goshawk.example", burning("checkout").complete(noon))
	if err != nil {
		t.Fatal(err)
	}
	labels := `{"alertname":"Burn","service":"shop","severity":"page","slo":"checkout","team":"web"}`
	annotations := `{"summary":"it burns 14.5 times","value":"14.5"}`
	want := `{"receiver":"pager","status":"firing","alerts":[{"status":"firing","labels":` + labels + `,"annotations":` + annotations +
		`,"startsAt":"2026-11-22T11:59:00Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://goshawk.example/slo/checkout","fingerprint":"` + burning("checkout").Fingerprint() +
		`"}],"groupLabels":` + labels + `,"commonLabels":` + labels + `,"commonAnnotations":` + annotations +
		`,"externalURL":"http://goshawk.example","version":"4","groupKey":"{}:{alertname=\"Burn\", service=\"shop\", severity=\"page\", slo=\"checkout\", team=\"web\"}","truncatedAlerts":0}`
	if string(body) != want {
		t.Errorf("got  %s\nwant %s", body, want)
	}
}

func TestEncode_leavesOutWhatIsNoNumber(t *testing.T) {
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		a := burning("a")
		a.Value = v
		body, err := encodeWebhook("r", "", a.complete(noon))
		if err != nil || strings.Contains(string(body), "value") {
			t.Errorf("%v: %v %s", v, err, body)
		}
	}
	a := burning("a")
	a.Annotations["value"] = "own"
	if body, _ := encodeWebhook("r", "", a.complete(noon)); !strings.Contains(string(body), `"value":"own"`) {
		t.Errorf("the alert's own annotation is lost: %s", body)
	}
}

func TestEncodeAlerts(t *testing.T) {
	body, err := encodeAlerts([]Alert{burning("a").complete(noon), ended(burning("b"), noon).complete(noon)}, noon.Add(4*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	var got []map[string]any
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0]["startsAt"] != "2026-11-22T11:59:00Z" || got[0]["endsAt"] != "2026-11-22T12:04:00Z" || got[1]["endsAt"] != "2026-11-22T12:00:00Z" {
		t.Errorf("got %s", body)
	}
	if labels, ok := got[0]["labels"].(map[string]any); !ok || labels["slo"] != "a" || labels["alertname"] != "Burn" {
		t.Errorf("got %s", body)
	}
}
