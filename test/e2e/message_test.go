package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// The types below are what the tests read of OTLP's JSON encoding, in which
// 64-bit integers are strings and ids are hexadecimal.

type otlpMessage struct {
	ResourceSpans   []otlpResource
	ResourceMetrics []otlpResource
}

type otlpResource struct {
	Resource     struct{ Attributes []otlpAttribute }
	ScopeSpans   []otlpScope
	ScopeMetrics []otlpScope
}

type otlpScope struct {
	Scope   struct{ Name, Version string }
	Spans   []otlpSpan
	Metrics []otlpMetric
}

type otlpSpan struct {
	TraceID, SpanID, ParentSpanID, Name string
	Kind                                int
	StartTimeUnixNano, EndTimeUnixNano  string
	Attributes                          []otlpAttribute
	Events                              []otlpEvent
	Status                              struct {
		Message string
		Code    int
	}
}

type otlpEvent struct {
	Name       string
	Attributes []otlpAttribute
}

type otlpMetric struct {
	Name, Description, Unit              string
	Sum, Histogram, ExponentialHistogram *otlpPoints
}

type otlpPoints struct {
	AggregationTemporality int
	IsMonotonic            bool
	DataPoints             []otlpPoint
}

type otlpPoint struct {
	Attributes []otlpAttribute
	AsDouble   float64
	Count      string
	Sum        float64
}

type otlpAttribute struct {
	Key   string
	Value json.RawMessage
}

// render writes a message for golden files.
func (m otlpMessage) render() []byte {
	var b bytes.Buffer
	for _, r := range append(m.ResourceSpans, m.ResourceMetrics...) {
		fmt.Fprintf(&b, "resource%s\n", renderAttributes(r.Resource.Attributes, " "))
		for _, scope := range append(r.ScopeSpans, r.ScopeMetrics...) {
			fmt.Fprintf(&b, "  scope %s %s\n", scope.Scope.Name, scope.Scope.Version)
			for _, s := range scope.Spans {
				s.render(&b)
			}
			for _, metric := range scope.Metrics {
				metric.render(&b)
			}
		}
	}
	return b.Bytes()
}

func (s otlpSpan) render(b *bytes.Buffer) {
	fmt.Fprintf(b, "    span %q kind=%d trace=%s span=%s parent=%s start=%s end=%s status=%d %q%s\n", s.Name, s.Kind, s.TraceID, s.SpanID,
		s.ParentSpanID, s.StartTimeUnixNano, s.EndTimeUnixNano, s.Status.Code, s.Status.Message, renderAttributes(s.Attributes, "\n      "))
	for _, e := range s.Events {
		fmt.Fprintf(b, "      event %s%s\n", e.Name, renderAttributes(e.Attributes, "\n        "))
	}
}

func (m otlpMetric) render(b *bytes.Buffer) {
	for kind, points := range map[string]*otlpPoints{"sum": m.Sum, "histogram": m.Histogram, "exponential histogram": m.ExponentialHistogram} {
		if points == nil {
			continue
		}
		fmt.Fprintf(b, "    %s %s unit=%q temporality=%d monotonic=%v %q\n", kind, m.Name, m.Unit, points.AggregationTemporality, points.IsMonotonic, m.Description)
		for _, p := range points.DataPoints {
			fmt.Fprintf(b, "      value=%g count=%s sum=%g%s\n", p.AsDouble, p.Count, p.Sum, renderAttributes(p.Attributes, " "))
		}
	}
}

func renderAttributes(list []otlpAttribute, separator string) string {
	var b strings.Builder
	for _, a := range list {
		var value bytes.Buffer
		if err := json.Compact(&value, a.Value); err != nil {
			return err.Error()
		}
		fmt.Fprintf(&b, "%s%s=%s", separator, a.Key, value.String())
	}
	return b.String()
}
