package sqlite

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/model"
)

// fakeWords gives every second text it has seen a number.
type fakeWords struct {
	dict *dictionary
	ids  map[string]uint64
}

func (w *fakeWords) text(s string) uint64 {
	if len(s)%2 == 0 {
		return 0
	}
	if w.ids[s] == 0 {
		w.dict.texts = append(w.dict.texts, s)
		w.ids[s] = uint64(len(w.dict.texts))
	}
	return w.ids[s]
}

func (w *fakeWords) stack(b []byte) uint64 {
	if len(b)%2 == 0 {
		return 0
	}
	d := decoder{rest: b}
	w.dict.stacks = append(w.dict.stacks, d.frames())
	return uint64(len(w.dict.stacks))
}

// roundTrip encodes e and decodes it.
func roundTrip(t *testing.T, e *model.Event) *model.Event {
	t.Helper()
	words := &fakeWords{dict: new(dictionary), ids: map[string]uint64{}}
	c := encoder{dict: words}
	body := c.body(e)
	got := new(model.Event)
	got.Reset(e.Schema)
	got.Time, got.Duration, got.PID, got.Service = e.Time, e.Duration, e.PID, e.Service
	d := decoder{rest: body, dict: words.dict}
	if err := d.body(got); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestBody_comesBackAsItWas(t *testing.T) {
	l := newLoad()
	for range 200 {
		e := l.event(time.Unix(1_800_000_000, 5))
		if got := roundTrip(t, e); string(v1.AppendEvent(nil, got)) != string(v1.AppendEvent(nil, e)) {
			t.Fatalf("got %s, want %s", v1.AppendEvent(nil, got), v1.AppendEvent(nil, e))
		}
	}
}

func FuzzBody_roundTrip(f *testing.F) {
	f.Add("text", "a\x00b\x00", int64(5), uint64(7), []byte{1, 2, 3}, 2)
	f.Add("", "", int64(-1), uint64(0), []byte{}, 0)
	f.Fuzz(func(t *testing.T, text, list string, number int64, goroutine uint64, id []byte, line int) {
		schema := &model.Schema{Probe: "p"}
		for _, kind := range []model.Kind{model.KindString, model.KindStrings, model.KindInt, model.KindBool, model.KindDuration, model.KindTime} {
			schema.Fields = append(schema.Fields, model.Field{Key: kind.String(), Kind: kind})
		}
		e := new(model.Event)
		e.Reset(schema)
		e.Time, e.GoroutineID, e.ContainerID, e.PodUID = time.Unix(0, number), goroutine, text, list
		copy(e.TraceID[:], id)
		copy(e.SpanID[:], id)
		copy(e.ParentSpanID[:], text)
		if line != 0 {
			e.Stack = []model.Frame{{Func: text, File: list, Line: line}, {Func: list}}
			e.Findings = []model.Finding{{Rule: text, Severity: model.Severity(number), Evidence: list, Remedy: text}}
		}
		all := []model.Value{model.StringValue(text), model.StringsValue(list), model.IntValue(number), model.BoolValue(number > 0), model.DurationValue(time.Duration(line)), model.TimeValue(time.Unix(0, int64(goroutine)))}
		for i, v := range all {
			if len(id) <= i || id[i]&1 == 0 {
				e.Values[i] = v
			}
		}
		got := roundTrip(t, e)
		if a, b := string(v1.AppendEvent(nil, got)), string(v1.AppendEvent(nil, e)); a != b {
			t.Errorf("got %s, want %s", a, b)
		}
	})
}

// FuzzBody_decode reads anything: damaged files must not end the agent.
func FuzzBody_decode(f *testing.F) {
	schema := execSchema()
	l := newLoad()
	for range 3 {
		words := &fakeWords{dict: new(dictionary), ids: map[string]uint64{}}
		c := encoder{dict: words}
		f.Add(c.body(l.event(time.Unix(1_800_000_000, 0))))
	}
	f.Add([]byte{255})
	f.Add([]byte{hasFindings, 255, 255, 255, 255, 15})
	f.Fuzz(func(t *testing.T, b []byte) {
		e := new(model.Event)
		e.Reset(schema)
		e.Time = time.Unix(1_800_000_000, 0)
		dict := &dictionary{texts: []string{"one", "two"}, stacks: [][]model.Frame{{{Func: "f"}}}}
		d := decoder{rest: b, dict: dict}
		if err := d.body(e); err != nil && !errors.Is(err, errBody) && !errors.Is(err, errUnknown) {
			t.Errorf("%v", err)
		}
		if _, err := decodeGroup(b); err != nil && !errors.Is(err, errBody) {
			t.Errorf("%v", err)
		}
		_ = e.Bytes()
	})
}

func TestBody_refusesWhatIsCut(t *testing.T) {
	words := &fakeWords{dict: new(dictionary), ids: map[string]uint64{}}
	c := encoder{dict: words}
	l := newLoad()
	l.Rand = rand.New(rand.NewPCG(3, 3))
	e := l.event(time.Unix(1_800_000_000, 0))
	e.Findings = []model.Finding{{Rule: "rule", Evidence: "even", Remedy: "text"}}
	body := c.body(e)
	head := 60 // the values may end anywhere between two of them
	for n := range head {
		got := new(model.Event)
		got.Reset(e.Schema)
		d := decoder{rest: body[:n:n], dict: words.dict}
		if err := d.body(got); err == nil {
			t.Errorf("%d of %d bytes: no error", n, len(body))
		}
	}
}

func TestSchema_comesBackAsItWas(t *testing.T) {
	s := execSchema()
	s.Fields[0].Unit, s.Fields[1].Column, s.Fields[1].Width = "By", "COLUMN", 7
	s.Metrics = []model.Metric{{Name: "m", Kind: model.Histogram, Labels: []model.Label{{Name: "a", Field: "b"}}, Buckets: []float64{0.5}}}
	s.Metrics[0].When, s.Metrics[0].Equals, s.Tallied = "role", "server", true
	s.Span = &model.Span{Kind: model.SpanServer, Name: "x", Names: []string{"y", "z"}, ClientWhen: model.Match{Key: "role", Value: "client"}}
	text, err := marshalSchema(s)
	if err != nil {
		t.Fatal(err)
	}
	got, err := unmarshalSchema(text)
	if err != nil || !reflect.DeepEqual(got, s) {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, bad := range []string{"", "{", `{"fields":[{"key":"a","kind":"complex"}]}`} {
		if _, err := unmarshalSchema(bad); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}
