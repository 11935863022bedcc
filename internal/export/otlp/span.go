package otlp

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/goshawk-io/goshawk/internal/model"
)

// scopePrefix and a probe's name are the instrumentation scope of its events.
const scopePrefix = "github.com/goshawk-io/goshawk/probe/"

// converter turns events into spans. It keeps no state.
type converter struct {
	resources resources
	// version is Goshawk's, which the scopes carry.
	version string
}

// spans groups the events by service and by probe, each in the order of its
// first event. The result refers to the events.
func (c converter) spans(batch []item) []*tracepb.ResourceSpans {
	type scopeKey struct{ service, probe string }
	var list []*tracepb.ResourceSpans
	services := map[string]*tracepb.ResourceSpans{}
	scopes := map[scopeKey]*tracepb.ScopeSpans{}
	for _, i := range batch {
		key := scopeKey{i.event.Service, i.event.Schema.Probe}
		scope := scopes[key]
		if scope == nil {
			service := services[key.service]
			if service == nil {
				service = &tracepb.ResourceSpans{Resource: &resourcepb.Resource{Attributes: keyValues(c.resources.of(key.service))}}
				services[key.service] = service
				list = append(list, service)
			}
			scope = &tracepb.ScopeSpans{Scope: &commonpb.InstrumentationScope{Name: scopePrefix + key.probe, Version: c.version}}
			scopes[key] = scope
			service.ScopeSpans = append(service.ScopeSpans, scope)
		}
		scope.Spans = append(scope.Spans, toSpan(i))
	}
	return list
}

// toSpan renders one event. An event whose duration is not known becomes a
// span without one.
func toSpan(i item) *tracepb.Span {
	e, schema := i.event, i.event.Schema
	start := unixNano(e.Time)
	end := max(start, unixNano(i.end))
	s := &tracepb.Span{
		TraceId:           e.TraceID[:],
		SpanId:            e.SpanID[:],
		Name:              schema.Probe,
		Kind:              spanKind(schema.Span.KindOf(e)),
		StartTimeUnixNano: start,
		EndTimeUnixNano:   end,
		Attributes:        attributes(e),
	}
	if e.ParentSpanID != (model.SpanID{}) {
		s.ParentSpanId = e.ParentSpanID[:]
	}
	if name := spanName(e); name != "" {
		s.Name = name
	}
	if message, failed := fieldText(e, schema.Failure); failed {
		s.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR, Message: message}
	}
	for _, f := range e.Findings {
		s.Events = append(s.Events, &tracepb.Span_Event{
			TimeUnixNano: end,
			Name:         "goshawk.finding",
			Attributes: keyValues([][2]string{
				{"goshawk.finding.rule", f.Rule},
				{"goshawk.finding.severity", f.Severity.String()},
				{"goshawk.finding.evidence", f.Evidence},
				{"goshawk.finding.remedy", f.Remedy},
			}),
		})
	}
	return s
}

// spanName returns the texts of the fields that name the span, those that are
// not empty.
func spanName(e *model.Event) string {
	name, _ := fieldText(e, e.Schema.Span.Name)
	for _, key := range e.Schema.Span.Names {
		if more, _ := fieldText(e, key); name == "" {
			name = more
		} else if more != "" {
			name += " " + more
		}
	}
	return name
}

func spanKind(k model.SpanKind) tracepb.Span_SpanKind {
	switch k {
	case model.SpanServer:
		return tracepb.Span_SPAN_KIND_SERVER
	case model.SpanClient:
		return tracepb.Span_SPAN_KIND_CLIENT
	}
	return tracepb.Span_SPAN_KIND_INTERNAL
}

// attributes are the fields that are set, in the order of the schema, then
// what every event may have.
func attributes(e *model.Event) []*commonpb.KeyValue {
	list := make([]*commonpb.KeyValue, 0, len(e.Values)+7)
	add := func(key string, value *commonpb.AnyValue) {
		list = append(list, &commonpb.KeyValue{Key: key, Value: value})
	}
	for i := range e.Schema.Fields {
		if f := &e.Schema.Fields[i]; e.Values[i].IsSet() {
			add(f.Key, anyValue(f.Kind, e.Values[i]))
		}
	}
	if e.Weight > 1 {
		add("goshawk.weight", intValue(int64(min(e.Weight, math.MaxInt64))))
	}
	if e.PID != 0 && !e.Get("process.pid").IsSet() {
		add("process.pid", intValue(int64(e.PID)))
	}
	if e.GoroutineID != 0 {
		add("goshawk.goroutine_id", intValue(int64(e.GoroutineID)))
	}
	if e.ContainerID != "" {
		add("container.id", stringValue(e.ContainerID))
	}
	if e.PodUID != "" {
		add("k8s.pod.uid", stringValue(e.PodUID))
	}
	if len(e.Stack) > 0 {
		add("code.stacktrace", stringValue(stackText(e)))
	}
	if e.Phase == model.PhaseUnfinished {
		add("goshawk.unfinished", boolValue(true))
	}
	return list
}

func anyValue(kind model.Kind, v model.Value) *commonpb.AnyValue {
	switch kind {
	case model.KindStrings:
		array := &commonpb.ArrayValue{}
		for text := range v.Strings() {
			array.Values = append(array.Values, stringValue(text))
		}
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: array}}
	case model.KindInt:
		return intValue(v.Int())
	case model.KindBool:
		return boolValue(v.Bool())
	case model.KindDuration:
		return intValue(v.Duration().Nanoseconds())
	}
	return stringValue(text(kind, v))
}

// fieldText returns the value of the field named key as text, and whether it
// is set.
func fieldText(e *model.Event, key string) (string, bool) {
	i := e.Schema.Index(key)
	if i < 0 || !e.Values[i].IsSet() {
		return "", false
	}
	return valid(text(e.Schema.Fields[i].Kind, e.Values[i])), true
}

// text renders a value for people.
func text(kind model.Kind, v model.Value) string {
	switch kind {
	case model.KindStrings:
		var words []string
		for word := range v.Strings() {
			words = append(words, word)
		}
		return strings.Join(words, " ")
	case model.KindInt:
		return strconv.FormatInt(v.Int(), 10)
	case model.KindBool:
		return strconv.FormatBool(v.Bool())
	case model.KindDuration:
		return v.Duration().String()
	case model.KindTime:
		return v.Time().Format(time.RFC3339Nano)
	}
	return v.Str()
}

// stackText renders the stack as Go's runtime prints one. Arguments and
// offsets were not observed; the runtime leaves them out of inlined calls too.
func stackText(e *model.Event) string {
	var b strings.Builder
	if e.GoroutineID != 0 {
		fmt.Fprintf(&b, "goroutine %d [running]:\n", e.GoroutineID)
	}
	for _, f := range e.Stack {
		name, file := f.Func, f.File
		if name == "" {
			name = "?"
		}
		if file == "" {
			file = "?"
		}
		fmt.Fprintf(&b, "%s(...)\n\t%s:%d\n", name, file, f.Line)
	}
	return b.String()
}

func keyValues(pairs [][2]string) []*commonpb.KeyValue {
	list := make([]*commonpb.KeyValue, len(pairs))
	for i, pair := range pairs {
		list[i] = &commonpb.KeyValue{Key: valid(pair[0]), Value: stringValue(pair[1])}
	}
	return list
}

func stringValue(s string) *commonpb.AnyValue {
	return &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: valid(s)}}
}

func intValue(n int64) *commonpb.AnyValue {
	return &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: n}}
}

func boolValue(b bool) *commonpb.AnyValue {
	return &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: b}}
}

// unixNano is 0 for what OTLP cannot say: times before 1970, the zero Time
// among them.
func unixNano(t time.Time) uint64 {
	if t.Unix() < 0 {
		return 0
	}
	return uint64(t.UnixNano())
}
