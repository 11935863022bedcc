package otlp

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/goshawk-io/goshawk/internal/testutil"
)

func TestMain(m *testing.M) { testutil.NoLeaks(m) }

// renderSpans writes spans as a text for golden files: the protobuf module's
// own formats differ between builds on purpose.
func renderSpans(list []*tracepb.ResourceSpans) []byte {
	var b bytes.Buffer
	for _, r := range list {
		fmt.Fprintf(&b, "resource%s\n", renderInline(r.Resource.Attributes))
		for _, scope := range r.ScopeSpans {
			fmt.Fprintf(&b, "  scope %s %s\n", scope.Scope.Name, scope.Scope.Version)
			for _, s := range scope.Spans {
				fmt.Fprintf(&b, "    span %q %s trace=%x span=%x parent=%x start=%d end=%d\n",
					s.Name, strings.TrimPrefix(s.Kind.String(), "SPAN_KIND_"), s.TraceId, s.SpanId, s.ParentSpanId, s.StartTimeUnixNano, s.EndTimeUnixNano)
				if s.Status != nil {
					fmt.Fprintf(&b, "      status %s %q\n", strings.TrimPrefix(s.Status.Code.String(), "STATUS_CODE_"), s.Status.Message)
				}
				for _, kv := range s.Attributes {
					fmt.Fprintf(&b, "      %s = %s\n", kv.Key, renderValue(kv.Value))
				}
				for _, e := range s.Events {
					fmt.Fprintf(&b, "      event %s at=%d%s\n", e.Name, e.TimeUnixNano, renderInline(e.Attributes))
				}
			}
		}
	}
	return b.Bytes()
}

// renderMetrics writes metrics likewise, without times.
func renderMetrics(list []*metricspb.ResourceMetrics) []byte {
	var b bytes.Buffer
	for _, r := range list {
		fmt.Fprintf(&b, "resource%s\n", renderInline(r.Resource.Attributes))
		for _, scope := range r.ScopeMetrics {
			fmt.Fprintf(&b, "  scope %s %s\n", scope.Scope.Name, scope.Scope.Version)
			for _, m := range scope.Metrics {
				fmt.Fprintf(&b, "    %s unit=%q %q\n", m.Name, m.Unit, m.Description)
				for _, p := range m.GetSum().GetDataPoints() {
					fmt.Fprintf(&b, "      sum %g%s\n", p.GetAsDouble(), renderInline(p.Attributes))
				}
				for _, p := range m.GetGauge().GetDataPoints() {
					fmt.Fprintf(&b, "      gauge %g%s\n", p.GetAsDouble(), renderInline(p.Attributes))
				}
				for _, p := range m.GetHistogram().GetDataPoints() {
					fmt.Fprintf(&b, "      histogram count=%d sum=%g bounds=%v buckets=%v%s\n",
						p.Count, p.GetSum(), p.ExplicitBounds, p.BucketCounts, renderInline(p.Attributes))
				}
				for _, p := range m.GetExponentialHistogram().GetDataPoints() {
					fmt.Fprintf(&b, "      exponential histogram count=%d sum=%g scale=%d%s\n",
						p.Count, p.GetSum(), p.Scale, renderInline(p.Attributes))
				}
			}
		}
	}
	return b.Bytes()
}

func renderInline(list []*commonpb.KeyValue) string {
	var b strings.Builder
	for _, kv := range list {
		fmt.Fprintf(&b, " %s=%s", kv.Key, renderValue(kv.Value))
	}
	return b.String()
}

func renderValue(v *commonpb.AnyValue) string {
	switch v := v.Value.(type) {
	case *commonpb.AnyValue_StringValue:
		return fmt.Sprintf("%q", v.StringValue)
	case *commonpb.AnyValue_IntValue:
		return fmt.Sprintf("int(%d)", v.IntValue)
	case *commonpb.AnyValue_BoolValue:
		return fmt.Sprintf("bool(%t)", v.BoolValue)
	case *commonpb.AnyValue_ArrayValue:
		words := make([]string, len(v.ArrayValue.Values))
		for i, e := range v.ArrayValue.Values {
			words[i] = renderValue(e)
		}
		return "[" + strings.Join(words, ", ") + "]"
	}
	return fmt.Sprintf("%T", v.Value)
}
