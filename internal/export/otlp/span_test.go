package otlp

import (
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

func startTime() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 5, time.UTC) }

// querySchema has a field of every kind.
func querySchema() *model.Schema {
	return &model.Schema{
		Probe: "query",
		Fields: []model.Field{
			{Key: "query.text", Kind: model.KindString},
			{Key: "query.args", Kind: model.KindStrings},
			{Key: "query.rows", Kind: model.KindInt, Unit: "{row}"},
			{Key: "query.cached", Kind: model.KindBool},
			{Key: "query.wait_ns", Kind: model.KindDuration, Unit: "ns"},
			{Key: "query.planned", Kind: model.KindTime},
			{Key: "error.type", Kind: model.KindString},
		},
		Failure: "error.type", Span: &model.Span{Kind: model.SpanServer, Name: "query.text"},
	}
}

// newEvent returns a complete event of s with ids made of n.
func newEvent(s *model.Schema, n byte) *model.Event {
	e := &model.Event{}
	e.Reset(s)
	e.Time, e.Duration = startTime(), 1500*time.Millisecond
	e.TraceID, e.SpanID = model.TraceID{15: n}, model.SpanID{7: n}
	e.Service = "shop"
	return e
}

func newQuery(n byte) *model.Event {
	e := newEvent(querySchema(), n)
	e.Values[0] = model.StringValue("select 1")
	return e
}

func TestSpans(t *testing.T) {
	for _, tt := range []struct {
		name   string
		events func() []*model.Event
	}{
		{"every-kind-of-field", func() []*model.Event {
			e := newQuery(1)
			e.ParentSpanID = model.SpanID{0: 9}
			e.Values[1] = model.StringsValue("-v\x00\x00last arg\x00")
			e.Values[2] = model.IntValue(-7)
			e.Values[3] = model.BoolValue(true)
			e.Values[4] = model.DurationValue(1234567 * time.Nanosecond)
			e.Values[5] = model.TimeValue(startTime().Add(-time.Minute))
			return []*model.Event{e}
		}},
		{"zero-values-are-not-unset", func() []*model.Event {
			e := newEvent(querySchema(), 1)
			e.Values[0] = model.StringValue("")
			e.Values[1] = model.StringsValue("")
			e.Values[2] = model.IntValue(0)
			e.Values[3] = model.BoolValue(false)
			e.Values[4] = model.DurationValue(0)
			e.Values[6] = model.StringValue("")
			return []*model.Event{e}
		}},
		{"common-fields-stack-and-findings", func() []*model.Event {
			e := newQuery(2)
			e.PID, e.GoroutineID = 4711, 42
			e.ContainerID, e.PodUID = "abc123", "0f1e-22"
			e.Stack = []model.Frame{
				{Func: "main.(*server).query", File: "shop/db.go", Line: 12},
				{Func: "net/http.HandlerFunc.ServeHTTP", File: "net/http/server.go", Line: 2286},
				{},
			}
			e.Findings = []model.Finding{
				{Rule: "slow-query", Severity: model.SeverityWarn, Evidence: "took 1.5 s", Remedy: "add an index"},
				{Rule: "bare", Severity: model.SeverityInfo},
			}
			return []*model.Event{e}
		}},
		{"failed", func() []*model.Event {
			e := newQuery(3)
			e.Values[6] = model.StringValue("deadlock")
			return []*model.Event{e}
		}},
		{"unfinished-and-unknown-duration", func() []*model.Event {
			going, unknown, future := newQuery(4), newQuery(5), newQuery(6)
			going.Phase, going.Duration = model.PhaseUnfinished, -1
			unknown.Duration = -1
			future.Phase, future.Time = model.PhaseUnfinished, startTime().Add(48*time.Hour)
			return []*model.Event{going, unknown, future}
		}},
		{"grouped-by-service-and-probe", func() []*model.Event {
			other := &model.Schema{
				Probe:  "lock",
				Fields: []model.Field{{Key: "process.pid", Kind: model.KindInt}, {Key: "lock.count", Kind: model.KindInt}},
				Span:   &model.Span{Name: "lock.count"},
			}
			a, b, c, d := newQuery(1), newEvent(other, 2), newQuery(3), newEvent(other, 4)
			b.PID, d.PID = 12, 13
			b.Values[0] = model.IntValue(12)
			b.Values[1] = model.IntValue(3)
			c.Service = ""
			d.Service = ""
			return []*model.Event{a, b, c, d, newQuery(5)}
		}},
		{"invalid-utf8-everywhere", func() []*model.Event {
			const bad = "a\xff\xfeb\x00c"
			e := newQuery(7)
			e.Service, e.ContainerID, e.PodUID = bad, bad, bad
			e.Values[0] = model.StringValue(bad)
			e.Values[1] = model.StringsValue("ok\x00\xc3\x28\x00")
			e.Values[6] = model.StringValue(bad)
			e.Stack = []model.Frame{{Func: bad, File: bad, Line: 1}}
			e.Findings = []model.Finding{{Rule: bad, Evidence: bad, Remedy: bad}}
			return []*model.Event{e}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tr := &traces{now: func() time.Time { return startTime().Add(24 * time.Hour) }}
			var batch []item
			for _, e := range tt.events() {
				batch = append(batch, item{event: e, end: tr.end(e)})
			}
			c := converter{
				resources: newResources("node-1", "linux", "v1.2.3", [][2]string{{"deployment.environment.name", "test\xff"}}, ""),
				version:   "v1.2.3",
			}
			spans := c.spans(batch)
			if _, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans}); err != nil {
				t.Fatalf("marshal: %v", err)
			}
			testutil.Golden(t, "spans/"+tt.name+".txt", renderSpans(spans))
		})
	}
}

func TestSpans_timesBeforeTheEpochAreZero(t *testing.T) {
	e := newQuery(1)
	e.Time, e.Duration = time.Time{}, time.Second
	s := toSpan(item{event: e, end: e.Time.Add(e.Duration)})
	if s.StartTimeUnixNano != 0 || s.EndTimeUnixNano != 0 {
		t.Errorf("got %d to %d, want 0 to 0", s.StartTimeUnixNano, s.EndTimeUnixNano)
	}
}
