package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

// judge is a Judge that says what it is told, and notes what it was asked.
type judge struct {
	slos []v1.SLO
	err  error

	name     string
	from, to time.Time
	step     time.Duration
}

func (j *judge) SLOs(context.Context) ([]v1.SLO, error) { return j.slos, j.err }

func (j *judge) History(_ context.Context, name string, from, to time.Time, step time.Duration) (v1.SLOHistory, error) {
	j.name, j.from, j.to, j.step = name, from, to, step
	if name == "unreadable" {
		return v1.SLOHistory{}, errors.New("a block is damaged")
	}
	return v1.SLOHistory{From: v1.Time(from), To: v1.Time(to), StepNS: int64(step)}, nil
}

// objectives are of 30 days before noon.
func objectives(names ...string) []v1.SLO {
	var list []v1.SLO
	for _, name := range names {
		service, _, _ := strings.Cut(name, "-")
		o := v1.SLO{Name: name, Service: service, Objective: 0.999, Burn: map[string]*float64{}, Alerts: []v1.SLOAlert{}}
		o.Window, o.From, o.To = "30d", v1.Time(noon().Add(-usualWindow)), v1.Time(noon())
		list = append(list, o)
	}
	return list
}

func askJudge(t *testing.T, j Judge, target string) (status int, body string) {
	t.Helper()
	w := ask(t, New(Options{Host: &host{}, Events: &events{}, Judge: j, Now: noon}), "GET", target)
	if !json.Valid(w.Body.Bytes()) {
		t.Errorf("%s answers %s, which is no JSON", target, w.Body)
	}
	return w.Code, w.Body.String()
}

func TestSLO_answers(t *testing.T) {
	tests := []struct {
		name, target string
		slos         []v1.SLO
		err          error
		status       int
		body         string
	}{
		{"no objectives", "/api/v1/slos", nil, nil, 200, `{"items":[]}`},
		{"objectives", "/api/v1/slos", objectives("shop-a", "cart-b"), nil, 200, `{"items":[{"name":"shop-a","service":"shop","objective":0.999,`},
		{"objectives of a service", "/api/v1/slos?service=cart", objectives("shop-a", "cart-b"), nil, 200, `{"items":[{"name":"cart-b",`},
		{"objectives of nobody", "/api/v1/slos?service=x", objectives("shop-a"), nil, 200, `{"items":[]}`},
		{"a parameter that there is not", "/api/v1/slos?verdict=ok", nil, nil, 400, `"hint":"the parameters are service"`},
		{"objectives that cannot be judged", "/api/v1/slos", nil, errors.New("closed"), 500, `judge objectives: closed`},
		{"one", "/api/v1/slos/cart-b", objectives("shop-a", "cart-b"), nil, 200, `{"name":"cart-b",`},
		{"none of the name", "/api/v1/slos/x%2Fy", objectives("shop-a"), nil, 404, `"error":"objective \"x/y\": there is none of this name","hint":"/api/v1/slos lists the objectives"`},
		{"one that cannot be judged", "/api/v1/slos/a", nil, errors.New("closed"), 500, `judge the objective \"a\": closed`},
		{"a history", "/api/v1/slos/shop-a/history", objectives("shop-a"), nil, 200, `"points":[],"alerts":[]}`},
		{"a history of none", "/api/v1/slos/x/history", objectives("shop-a"), nil, 404, `there is none of this name`},
		{"a history that cannot be read", "/api/v1/slos/unreadable/history", objectives("unreadable"), nil, 500, `read the history of the objective \"unreadable\": a block is damaged`},
		{"steps that are none", "/api/v1/slos/shop-a/history?step=15s", objectives("shop-a"), nil, 400, `is not a multiple of 10s`},
		{"a time that is none", "/api/v1/slos/shop-a/history?from=x", objectives("shop-a"), nil, 400, `is neither a time nor a duration before now`},
		{"ends exchanged", "/api/v1/slos/shop-a/history?from=-1h&to=-2h", objectives("shop-a"), nil, 400, `"hint":"exchange them"`},
		{"a begin in the future", "/api/v1/slos/shop-a/history?from=2030-01-01T00:00:00Z", objectives("shop-a"), nil, 400, `is not before the end of the history`},
		{"too many points", "/api/v1/slos/shop-a/history?step=10s", objectives("shop-a"), nil, 400, `parameter step=\"10s\": makes more than 2000 points`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, body := askJudge(t, &judge{slos: tt.slos, err: tt.err}, tt.target)
			if status != tt.status || !strings.Contains(body, tt.body) {
				t.Errorf("status %d, body %s; want %d and %s", status, body, tt.status, tt.body)
			}
		})
	}
}

func TestSLO_withoutAJudgeNothingAnswers(t *testing.T) {
	for _, target := range []string{"/api/v1/slos", "/api/v1/slos/a", "/api/v1/slos/a/history"} {
		w := ask(t, New(Options{Host: &host{}, Events: &events{}}), "GET", target)
		if w.Code != http.StatusNotFound {
			t.Errorf("%s answers %d without a judge", target, w.Code)
		}
	}
}

func TestSLO_historyIsOfTheWindowUnlessATimeIsGiven(t *testing.T) {
	const day = 24 * time.Hour
	month := objectives("shop-a")
	month[0].From = v1.Time(noon().Add(-20*day - 12*time.Hour)) // a calendar's, since its begin
	unknown := objectives("shop-a")
	unknown[0].From, unknown[0].To = v1.Time{}, v1.Time{}
	before := func(d time.Duration) time.Time { return noon().Add(-d) }
	tests := []struct {
		name, query string
		slos        []v1.SLO
		from, to    time.Time
		step        time.Duration
	}{
		{"the window", "", objectives("shop-a"), before(30 * day), noon(), 2 * time.Hour},
		{"a calendar's window", "", month, before(20*day + 12*time.Hour), noon(), 2 * time.Hour},
		{"a window that is not known", "", unknown, before(30 * day), noon(), 2 * time.Hour},
		{"an hour", "?from=-1h", objectives("shop-a"), before(time.Hour), noon(), 10 * time.Second},
		{"a begin between steps", "?from=-65s&step=1m", objectives("shop-a"), before(2 * time.Minute), noon(), time.Minute},
		{"an end alone", "?to=-24h", objectives("shop-a"), before(31 * day), before(day), 2 * time.Hour},
		{"an end in the future", "?from=-1h&to=2030-01-01T00:00:00Z", objectives("shop-a"), before(time.Hour), noon(), 10 * time.Second},
		{"years", "?from=2016-11-20T00:00:00Z", objectives("shop-a"), time.Date(2016, 11, 13, 0, 0, 0, 0, time.UTC), noon(), 10 * day},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			j := &judge{slos: tt.slos}
			status, body := askJudge(t, j, "/api/v1/slos/shop-a/history"+tt.query)
			if status != 200 || j.name != "shop-a" || !j.from.Equal(tt.from) || !j.to.Equal(tt.to) || j.step != tt.step {
				t.Errorf("status %d %s: asked for %s from %s to %s by %s; want %s to %s by %s", status, body, j.name, j.from, j.to, j.step, tt.from, tt.to, tt.step)
			}
		})
	}
}

func TestHistoryStep_makesAFewHundredPoints(t *testing.T) {
	for span := time.Hour; span < 20*365*24*time.Hour; span = span * 5 / 4 {
		if n := span / historyStep(span); n < historyPoints/8 || n > historyPoints {
			t.Errorf("%s has %d points", span, n)
		}
	}
}
