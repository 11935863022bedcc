package v1

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
)

func TestNewEvent_rendersTheContract(t *testing.T) {
	schema := &model.Schema{
		Probe: "exec",
		Fields: []model.Field{
			{Key: "text", Kind: model.KindString}, {Key: "list", Kind: model.KindStrings}, {Key: "int", Kind: model.KindInt},
			{Key: "bool", Kind: model.KindBool}, {Key: "span_ns", Kind: model.KindDuration}, {Key: "when", Kind: model.KindTime},
			{Key: "unseen", Kind: model.KindInt},
		},
	}
	var e model.Event
	e.Reset(schema)
	at := time.Date(2026, 11, 21, 20, 0, 1, 500, time.FixedZone("", 3600))
	e.Time, e.PID, e.Service, e.Duration = at, 7, "a\xffb", 42
	e.TraceID[15], e.SpanID[7], e.ParentSpanID[7] = 1, 2, 3
	e.GoroutineID, e.ContainerID, e.PodUID = 9, "c", "p"
	e.Stack = []model.Frame{{Func: "main.f", File: "f.go", Line: 3}}
	e.Findings = []model.Finding{{Rule: "r", Severity: model.SeverityWarn, Evidence: "e", Remedy: "m"}}
	e.Values[0] = model.StringValue("x\xff\x1b<")
	e.Values[1] = model.StringsValue("a\x00\x00b\x00")
	e.Values[2], e.Values[3] = model.IntValue(-1), model.BoolValue(true)
	e.Values[4], e.Values[5] = model.DurationValue(time.Second), model.TimeValue(at)
	got, err := json.Marshal(NewEvent(&e))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"time":"2026-11-21T19:00:01.000000500Z","probe":"exec","pid":7,"service":"a�b","duration_ns":42,` +
		`"trace_id":"00000000000000000000000000000001","span_id":"0000000000000002","parent_span_id":"0000000000000003",` +
		`"goroutine_id":9,"container_id":"c","k8s_pod_uid":"p",` +
		`"attributes":{"bool":true,"int":-1,"list":["a","","b"],"span_ns":1000000000,"text":"x�\u001b\u003c","when":"2026-11-21T19:00:01.000000500Z"},` +
		`"stack":[{"func":"main.f","file":"f.go","line":3}],"findings":[{"rule":"r","severity":"warn","evidence":"e","remedy":"m"}]}`
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestNewEvent_leavesOutWhatIsNotKnown(t *testing.T) {
	var e model.Event
	e.Reset(&model.Schema{Probe: "p"})
	e.Phase = model.PhaseStart
	got, err := json.Marshal(NewEvent(&e))
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"time":"0001-01-01T00:00:00.000000000Z","probe":"p","phase":"start","pid":0,"service":"","attributes":{}}`; string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestNewEvent_saysWhatASampledOneStandsFor(t *testing.T) {
	var e model.Event
	for weight, want := range map[uint64]string{0: `{}`, 1: `{}`, 2: `{"goshawk.weight":2}`, math.MaxUint64: `{"goshawk.weight":9223372036854775807}`} {
		e.Reset(&model.Schema{Probe: "p", Fields: []model.Field{{Key: "a"}}})
		e.Weight = weight
		for range 2 {
			got, err := json.Marshal(NewEvent(&e).Attributes)
			if err != nil || string(got) != want {
				t.Errorf("weight %d: %s, %v; want %s", weight, got, err, want)
			}
			asJSON(t, &e)
			e.Values[0] = model.StringValue("b")
			want = strings.Replace(strings.Replace(want, "{", `{"a":"b",`, 1), ",}", "}", 1)
		}
	}
}

func TestNewProbe_saysWhetherItsEventsAreASample(t *testing.T) {
	for _, tallied := range []bool{false, true} {
		got, err := json.Marshal(NewProbe(model.ProbeHealth{Probe: "http", CostSeconds: -1}, "requests", &model.Schema{Probe: "http", Tallied: tallied}))
		if err != nil || strings.Contains(string(got), `"sampled":true`) != tallied {
			t.Errorf("tallied %t: %s, %v", tallied, got, err)
		}
	}
}

func TestNewServices_groupsProcesses(t *testing.T) {
	got := NewServices([]Process{{PID: 1, Service: "a"}, {PID: 2, Service: "b"}, {PID: 3, Service: "a"}})
	if len(got) != 2 || got[0].Name != "a" || len(got[0].Processes) != 2 || got[1].Processes[0].PID != 2 {
		t.Errorf("got %+v, want a with 1 and 3, b with 2", got)
	}
}
