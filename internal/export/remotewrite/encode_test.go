package remotewrite

import (
	"fmt"
	"maps"
	"math"
	"strings"
	"testing"

	"github.com/klauspost/compress/snappy"
	writev2 "github.com/prometheus/client_golang/exp/api/remote/genproto/v2"
	"google.golang.org/protobuf/proto"

	"github.com/goshawk-io/goshawk/internal/judge/series"
)

// stale is the NaN by which Prometheus marks the end of a series.
func stale() float64 { return math.Float64frombits(0x7ff0000000000002) }

func someSeries() []series.Stored {
	return []series.Stored{
		{
			Name:    series.Name{Metric: "goshawk_slo_events_total", Labels: series.Labels{{Name: "Result", Value: "good"}, {Name: "job", Value: "own"}, {Name: "slo", Value: "größe \"1\""}}},
			Numbers: []series.Number{{At: 1, Value: 0}, {At: ms(0), Value: 1 << 53}, {At: ms(1), Value: stale()}},
		},
		{Name: series.Name{Metric: "ALERTS"}, Numbers: []series.Number{{At: ms(2), Value: math.Copysign(0, -1)}}},
	}
}

func TestEncode_isReadBack(t *testing.T) {
	external := series.Labels{{Name: "instance", Value: "node-1"}, {Name: "job", Value: "goshawk"}}
	want := []string{
		`goshawk_slo_events_total{Result="good", instance="node-1", job="own", slo="größe \"1\""}`, `ALERTS{instance="node-1", job="goshawk"}`,
	}
	for _, v := range []Protocol{V1, V2} {
		got, err := decode(v, encode(v, someSeries(), external))
		if err != nil || len(got) != 2 {
			t.Fatal(got, err)
		}
		for i, s := range got {
			if s.Name.String() != want[i] {
				t.Errorf("%s: got %s, want %s", v, s.Name, want[i])
			}
			wantSame(t, map[string][]series.Number{want[i]: s.Numbers}, map[string][]series.Number{want[i]: someSeries()[i].Numbers})
		}
	}
}

func TestEncode_sortsLabelsByTheirBytes(t *testing.T) {
	name := someSeries()[0].Name
	var got []string
	for _, l := range labelsOf(&name, series.Labels{{Name: "a", Value: "1"}, {Name: "slo", Value: "other"}}) {
		got = append(got, l.Name+"="+l.Value)
	}
	if want := `Result=good __name__=goshawk_slo_events_total a=1 job=own slo=größe "1"`; strings.Join(got, " ") != want {
		t.Errorf("got %s, want %s", strings.Join(got, " "), want)
	}
}

func TestEncode_version2HasTypesAndEachTextOnce(t *testing.T) {
	data, err := snappy.Decode(nil, encode(V2, someSeries(), series.Labels{{Name: "zone", Value: "good"}}))
	if err != nil {
		t.Fatal(err)
	}
	var request writev2.Request
	if err := proto.Unmarshal(data, &request); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, text := range request.Symbols {
		if seen[text] {
			t.Errorf("%q is there twice", text)
		}
		seen[text] = true
	}
	if request.Symbols[0] != "" || len(request.Symbols) != 11 {
		t.Errorf("symbols %q, want 11, the first one empty", request.Symbols)
	}
	got := fmt.Sprint(request.Timeseries[0].Metadata.Type, request.Timeseries[1].Metadata.Type)
	if got != "METRIC_TYPE_COUNTER METRIC_TYPE_GAUGE" {
		t.Errorf("types %s", got)
	}
	if len(request.ProtoReflect().GetUnknown()) > 0 {
		t.Error("it has fields that are not known")
	}
}

func TestExternal(t *testing.T) {
	for _, tt := range []struct {
		name string
		o    Options
		env  map[string]string
		want string
	}{
		{"by default", Options{}, nil, `instance="node-1" job="goshawk"`},
		{"without a host", Options{Host: "-"}, nil, `job="goshawk"`},
		{
			"of the resource", Options{},
			map[string]string{"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=prod,1st=a%20b,service.name=agent,service.namespace=eu,service.version=2,service.instance.id=i-1,__x=y"},
			`_1st="a b" deployment_environment_name="prod" instance="i-1" job="eu/agent"`,
		},
		{"of OTEL_SERVICE_NAME", Options{}, map[string]string{"OTEL_SERVICE_NAME": "hawk", "OTEL_RESOURCE_ATTRIBUTES": "service.name=agent"}, `instance="node-1" job="hawk"`},
		{"of a resource that cannot be read", Options{}, map[string]string{"OTEL_RESOURCE_ATTRIBUTES": "a=b,c"}, `instance="node-1" job="goshawk"`},
		{
			"of the options, which win", Options{Labels: map[string]string{"job": "", "instance": "x", "cluster": "c"}},
			map[string]string{"OTEL_RESOURCE_ATTRIBUTES": "cluster=d,team=t"}, `cluster="c" instance="x" team="t"`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.o.Getenv = func(name string) string { return tt.env[name] }
			switch tt.o.Host {
			case "":
				tt.o.Host = "node-1"
			case "-":
				tt.o.Host = ""
			}
			labels := maps.Clone(tt.o.Labels)
			list, _ := tt.o.external()
			var got []string
			for _, l := range list {
				got = append(got, fmt.Sprintf("%s=%q", l.Name, l.Value))
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("got %s, want %s", strings.Join(got, " "), tt.want)
			}
			if !maps.Equal(labels, tt.o.Labels) {
				t.Error("it changed the options")
			}
		})
	}
}

func TestCollector(t *testing.T) {
	list := []Stats{{Name: "a", Samples: 5, Dropped: 1, Requests: 2, Failed: 3, Lag: 1500e6}, {Name: "b"}}
	got := gather(t, Collector(func() []Stats { return list }))
	for _, want := range []string{
		`goshawk_remote_write_samples_total{receiver="a"} 5`, `goshawk_remote_write_samples_dropped_total{receiver="a"} 1`,
		`goshawk_remote_write_requests_total{receiver="a"} 2`, `goshawk_remote_write_failed_attempts_total{receiver="a"} 3`,
		`goshawk_remote_write_lag_seconds{receiver="a"} 1.5`, `goshawk_remote_write_lag_seconds{receiver="b"} 0`,
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("%s is not in\n%s", want, got)
		}
	}
}
