package api

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/api/v1/client"
	"github.com/goshawk-io/goshawk/internal/model"
)

// requestHost has a probe with groups that are more than one text.
type requestHost struct{ host }

func (*requestHost) Probes() []v1.Probe {
	return []v1.Probe{{Name: "http", Groups: []string{"goshawk.role", "http.route", "http.response.status_code"}}}
}

// requestSums are two minutes of requests by role, route and status.
func requestSums() []model.Rollup {
	sum := func(minute int, count, failed uint64, took time.Duration, group ...string) model.Rollup {
		r := model.Rollup{Time: noon().Add(time.Duration(minute) * time.Minute), Probe: "http", Service: "shop", Group: group, Count: count, Failed: failed}
		r.Durations.AddN(took, count)
		return r
	}
	return []model.Rollup{
		sum(0, 90, 0, time.Millisecond, "server", "/a", "200"), sum(0, 10, 10, time.Second, "server", "/a", "500"),
		sum(0, 5, 0, time.Millisecond, "server", "/b", "200"), sum(0, 7, 0, time.Millisecond, "client", "", "200"),
		sum(0, 3, 1, time.Millisecond), sum(1, 4, 0, time.Millisecond, "server", "/a", "200"),
	}
}

func TestRollups_areNarrowed(t *testing.T) {
	tests := []struct {
		name  string
		query v1.RollupQuery
		want  []string
		lacks string
	}{
		{"some attributes are told apart", v1.RollupQuery{By: v1.ByKeys("http.route", "goshawk.role")},
			[]string{"12:00 server /a 100 10", "12:00 server /b 5 0", "12:00 client  7 0", "12:00 rest 3 1", "12:01 server /a 4 0"}, ""},
		{"one group is chosen, and summed up by service", v1.RollupQuery{Where: []v1.Match{{Key: "goshawk.role", Value: "server"}}},
			[]string{"12:00 rest 105 10", "12:01 rest 4 0"}, "3 events are left out"},
		{"two conditions must both hold", v1.RollupQuery{Where: []v1.Match{{Key: "goshawk.role", Value: "server"}, {Key: "http.route", Value: "/b"}}}, []string{"12:00 rest 5 0"}, "3 events"},
		{"an empty text is a text", v1.RollupQuery{Where: []v1.Match{{Key: "http.route", Value: ""}}, By: v1.ByKeys("goshawk.role")}, []string{"12:00 client  7 0"}, "3 events"},
		{"all groups of those chosen", v1.RollupQuery{Where: []v1.Match{{Key: "http.route", Value: "/a"}}, By: v1.ByGroup},
			[]string{"12:00 server /a 90 0", "12:00 server /a 10 10", "12:01 server /a 4 0"}, "3 events"},
		{"nothing is chosen", v1.RollupQuery{Where: []v1.Match{{Key: "http.route", Value: "/nowhere"}}}, nil, "3 events"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			list := &events{sums: model.Rollups{Items: requestSums()}}
			c := client.New(client.Options{Transport: client.InProcess(New(Options{Host: &requestHost{}, Events: list, Now: noon}))})
			q := tt.query
			q.Probe = "http"
			got, err := c.Rollups(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			var lines []string
			for _, r := range got.Items {
				who := "rest"
				if r.Group != nil {
					who = r.Group["goshawk.role"] + " " + r.Group["http.route"]
				}
				lines = append(lines, time.Time(r.Time).Format("15:04")+" "+who+" "+fmt.Sprint(r.Count, " ", r.Failed))
			}
			if diff := cmp.Diff(tt.want, lines); diff != "" {
				t.Error(diff)
			}
			if said := strings.Join(got.Incomplete, " "); said != "" && tt.lacks == "" || !strings.Contains(said, tt.lacks) {
				t.Errorf("incomplete %q, want %q", said, tt.lacks)
			}
			if list.rollups.By != model.ByGroup {
				t.Error("the store was not asked for groups")
			}
		})
	}
}

func TestRollups_areAddedUpWithTheirDurations(t *testing.T) {
	kept := requestSums()
	list := &events{sums: model.Rollups{Items: kept}}
	c := client.New(client.Options{Transport: client.InProcess(New(Options{Host: &requestHost{}, Events: list, Now: noon}))})
	q := v1.RollupQuery{Probe: "http", Where: []v1.Match{{Key: "http.route", Value: "/a"}}, Buckets: true}
	for range 2 {
		got, err := c.Rollups(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		first := got.Items[0]
		if first.P50NS > 1_100_000 || first.P99NS < 900_000_000 || first.MaxNS != int64(time.Second) {
			t.Errorf("p50 %d, p99 %d, max %d of 90 requests of 1 ms and 10 of 1 s", first.P50NS, first.P99NS, first.MaxNS)
		}
		want := []v1.Bucket{{LowNS: 983_040, HighNS: 1_048_576, Count: 90}, {LowNS: 939_524_096, HighNS: 1_006_632_960, Count: 10}}
		if diff := cmp.Diff(want, first.Buckets); diff != "" {
			t.Error(diff)
		}
	}
	if kept[0].Count != 90 || kept[0].Durations.Count() != 90 {
		t.Error("what the store keeps was changed")
	}
	q.Buckets = false
	if got, err := c.Rollups(t.Context(), q); err != nil || got.Items[0].Buckets != nil {
		t.Errorf("buckets that nobody asked for: %v, %v", got, err)
	}
}

func TestRollups_refuseWhatCannotBeToldApart(t *testing.T) {
	for target, want := range map[string]string{
		"by=url.path":                             `parameter by=\"url.path\": is not what rollups are told apart by","hint":"they know goshawk.role, http.response.status_code, http.route`,
		"probe=exec&by=http.route":                `"hint":"/api/v1/probes has the groups of each probe`,
		"probe=http&where=url.path=/":             `parameter where=\"url.path\": is not what`,
		"where=http.route=/a&where=http.route=/b": `cannot hold together with http.route=/a`,
	} {
		h := New(Options{Host: &requestHost{}, Events: &events{}, Now: noon})
		if w := ask(t, h, "GET", "/api/v1/rollups?"+target); w.Code != 400 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d, %s; want %s", target, w.Code, w.Body, want)
		}
	}
}
