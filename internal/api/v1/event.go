package v1

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"math"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
)

// Time renders as RFC 3339 with nanoseconds, in UTC.
type Time time.Time

// timeLayout keeps trailing zeros, so that all times have the same length and
// sort as text.
const timeLayout = "2006-01-02T15:04:05.000000000Z"

// MarshalText renders t.
func (t Time) MarshalText() ([]byte, error) {
	return time.Time(t).UTC().AppendFormat(nil, timeLayout), nil
}

// UnmarshalText reads any RFC 3339 time.
func (t *Time) UnmarshalText(text []byte) error {
	v, err := time.Parse(time.RFC3339Nano, string(text))
	*t = Time(v)
	return err
}

// Event is one event of a probe.
type Event struct {
	// Time is when it began.
	Time Time `json:"time"`
	// Probe is the probe's name.
	Probe string `json:"probe"`
	// Phase is "start" for an event that announces what is going on, else
	// absent.
	Phase string `json:"phase,omitempty"`
	// PID is the process that the event is about.
	PID int32 `json:"pid"`
	// Service is the service that caused it, empty when none is known.
	Service string `json:"service"`
	// DurationNS is how long it took.
	DurationNS *int64 `json:"duration_ns,omitempty"`
	// TraceID, SpanID and ParentSpanID are W3C ids in hex.
	TraceID      string `json:"trace_id,omitempty"`
	SpanID       string `json:"span_id,omitempty"`
	ParentSpanID string `json:"parent_span_id,omitempty"`
	// GoroutineID is the goroutine that caused it.
	GoroutineID uint64 `json:"goroutine_id,omitempty"`
	// ContainerID and PodUID say where the process runs.
	ContainerID string `json:"container_id,omitempty"`
	PodUID      string `json:"k8s_pod_uid,omitempty"`
	// Attributes are the fields that were observed, by their keys, and
	// goshawk.weight where the event is one of a sample.
	Attributes Attributes `json:"attributes"`
	// Stack is the call stack that caused the event, innermost first.
	Stack []Frame `json:"stack,omitempty"`
	// Findings are what the probe has to say about the event.
	Findings []Finding `json:"findings,omitempty"`
}

// weightKey is the attribute that says how many events one stands for whose
// probe emits only some; absent for one that stands for itself alone.
const weightKey = "goshawk.weight"

// Attributes are values by their keys: a string, a []string, a bool, an int64,
// or a [Time]. A decoded time is a string, as its type is not in the JSON.
type Attributes map[string]any

// UnmarshalJSON keeps whole numbers exact, however large.
func (a *Attributes) UnmarshalJSON(text []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var read map[string]any
	if err := decoder.Decode(&read); err != nil {
		return err
	}
	for key, value := range read {
		read[key] = plain(value)
	}
	*a = read
	return nil
}

// plain returns a decoded value in the types that NewEvent uses, where there
// is one.
func plain(value any) any {
	switch v := value.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		if f, err := v.Float64(); err == nil {
			return f
		}
	case []any:
		list := make([]string, 0, len(v))
		for _, item := range v {
			s, ok := item.(string)
			if !ok {
				return v
			}
			list = append(list, s)
		}
		return list
	}
	return value
}

// Frame is one call of a stack.
type Frame struct {
	Func string `json:"func"`
	File string `json:"file"`
	Line int    `json:"line"`
}

// Finding is a judgement, with what was seen and what to do.
type Finding struct {
	Rule     string `json:"rule"`
	Severity string `json:"severity"`
	Evidence string `json:"evidence"`
	Remedy   string `json:"remedy"`
}

// NewEvent returns the wire form of e.
func NewEvent(e *model.Event) Event {
	v := Event{
		Time:        Time(e.Time),
		Probe:       e.Schema.Probe,
		PID:         e.PID,
		Service:     text(e.Service),
		GoroutineID: e.GoroutineID,
		ContainerID: e.ContainerID,
		PodUID:      e.PodUID,
		Attributes:  attributes(e),
	}
	if e.Phase == model.PhaseStart {
		v.Phase = "start"
	}
	if e.Duration >= 0 {
		ns := int64(e.Duration)
		v.DurationNS = &ns
	}
	if e.TraceID != (model.TraceID{}) {
		v.TraceID = hex.EncodeToString(e.TraceID[:])
	}
	if e.SpanID != (model.SpanID{}) {
		v.SpanID = hex.EncodeToString(e.SpanID[:])
	}
	if e.ParentSpanID != (model.SpanID{}) {
		v.ParentSpanID = hex.EncodeToString(e.ParentSpanID[:])
	}
	for _, f := range e.Stack {
		v.Stack = append(v.Stack, Frame{Func: text(f.Func), File: text(f.File), Line: f.Line})
	}
	for _, f := range e.Findings {
		v.Findings = append(v.Findings, Finding{Rule: f.Rule, Severity: f.Severity.String(), Evidence: text(f.Evidence), Remedy: f.Remedy})
	}
	return v
}

func attributes(e *model.Event) Attributes {
	m := make(Attributes, len(e.Values))
	for i, value := range e.Values {
		if !value.IsSet() {
			continue
		}
		field := &e.Schema.Fields[i]
		m[field.Key] = attribute(field.Kind, value)
	}
	if e.Weight > 1 {
		m[weightKey] = int64(min(e.Weight, math.MaxInt64))
	}
	return m
}

func attribute(kind model.Kind, v model.Value) any {
	switch kind {
	case model.KindString:
		return text(v.Str())
	case model.KindStrings:
		list := []string{}
		for s := range v.Strings() {
			list = append(list, text(s))
		}
		return list
	case model.KindBool:
		return v.Bool()
	case model.KindTime:
		return Time(v.Time())
	}
	return v.Int()
}

// text copies s as valid UTF-8.
func text(s string) string { return strings.Clone(strings.ToValidUTF8(s, "\uFFFD")) }
