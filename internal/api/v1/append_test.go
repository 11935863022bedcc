package v1

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
)

// asJSON checks that AppendEvent and NewEvent say the same.
func asJSON(t *testing.T, e *model.Event) {
	t.Helper()
	want, err := json.Marshal(NewEvent(e))
	if err != nil {
		t.Fatal(err)
	}
	var a, b any
	got := AppendEvent(nil, e)
	if err := json.Unmarshal(got, &a); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	if err := json.Unmarshal(want, &b); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(a, b) {
		t.Errorf("AppendEvent\n%s\nNewEvent\n%s", got, want)
	}
	if bytes.ContainsRune(got, '\n') {
		t.Errorf("%s is more than a line", got)
	}
}

func fullEvent(text string) *model.Event {
	schema := &model.Schema{
		Probe: "exec",
		Fields: []model.Field{
			{Key: "text", Kind: model.KindString}, {Key: "list", Kind: model.KindStrings}, {Key: "int", Kind: model.KindInt},
			{Key: "bool", Kind: model.KindBool}, {Key: "span_ns", Kind: model.KindDuration}, {Key: "when", Kind: model.KindTime},
			{Key: "unseen", Kind: model.KindInt},
		},
	}
	e := new(model.Event)
	e.Reset(schema)
	e.Time, e.PID, e.Service, e.Duration = time.Unix(1, 2), 7, text, 42
	e.TraceID[15], e.SpanID[7], e.ParentSpanID[7] = 1, 2, 3
	e.GoroutineID, e.ContainerID, e.PodUID = 9, "c", "p"
	e.Stack = []model.Frame{{Func: text, File: "f.go", Line: 3}, {Func: "g"}}
	e.Findings = []model.Finding{{Rule: "r", Severity: model.SeverityWarn, Evidence: text, Remedy: "m"}, {Rule: "s"}}
	e.Values[0] = model.StringValue(text)
	e.Values[1] = model.StringsValue("a\x00\x00b\x00")
	e.Values[2], e.Values[3] = model.IntValue(-1), model.BoolValue(true)
	e.Values[4], e.Values[5] = model.DurationValue(time.Second), model.TimeValue(time.Unix(5, 0))
	return e
}

func TestAppendEvent_saysWhatNewEventSays(t *testing.T) {
	for _, text := range []string{"", "plain", "quote\" back\\ <&>", "\x00\x1b\n\r\t\x7f", "\xff\xfe\xffx\xc3", "grün \u2028\u2029 \U0001F985", "\uFFFD"} {
		asJSON(t, fullEvent(text))
	}
	started := new(model.Event)
	started.Reset(&model.Schema{Probe: "p"})
	started.Phase = model.PhaseStart
	asJSON(t, started)
	none := fullEvent("x")
	none.Values[1] = model.StringsValue("")
	asJSON(t, none)
}

func FuzzAppendEvent(f *testing.F) {
	f.Add("a\xffb\"\\\n")
	f.Fuzz(func(t *testing.T, text string) { asJSON(t, fullEvent(text)) })
}

func BenchmarkAppendEvent(b *testing.B) {
	e := fullEvent("some text of usual length, as in arguments")
	b.ReportAllocs()
	var dst []byte
	for b.Loop() {
		dst = AppendEvent(dst[:0], e)
	}
}

func BenchmarkMarshalEvent(b *testing.B) {
	e := fullEvent("some text of usual length, as in arguments")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := json.Marshal(NewEvent(e)); err != nil {
			b.Fatal(err)
		}
	}
}
