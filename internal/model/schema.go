package model

// Schema describes the events of one probe completely enough for every
// renderer: the table, JSON, Prometheus, OTLP and the reference docs.
type Schema struct {
	// Probe is the probe's name, the same as every event's Probe.
	Probe string
	// Fields are the columns; Event.Values is indexed like it.
	Fields []Field
	// Metrics are the series aggregated from the events.
	Metrics []Metric
	// Failure is the key of the field whose presence says that what the event
	// reports failed, and whose text says how; empty when nothing can fail.
	Failure string
	// Span says how an event becomes a span; nil when it does not.
	Span *Span
	// Groups are the keys of the fields by which pages and rollups sum up the
	// events of a service, the most telling first. Together they must be of
	// low cardinality: a line of code, a peer, never a pid.
	Groups []string
	// Rules are those by which the probe judges its events.
	Rules []Rule
	// Tallied says that the probe counts its events in the kernel and emits
	// only some of them: metrics and rollups add up its tallies, not its
	// events. Findings are the exception: those of the events emitted count.
	Tallied bool
}

// Rule is what a probe finds wrong with an event.
type Rule struct {
	// Name is the rule's stable name, as in [Finding].
	Name string
	// Summary is one sentence for the reference docs.
	Summary string
}

// Field describes one value of an event.
type Field struct {
	// Key is the OpenTelemetry attribute name where the semantic conventions
	// have one, else a name below "goshawk.".
	Key string
	// Kind is the type of the value.
	Kind Kind
	// Unit is the UCUM unit of a number ("By", "ns"), empty when it has none.
	Unit string
	// Summary is one sentence for the reference docs.
	Summary string
	// Column is the header of the field's column in the default table. A field
	// without one is shown by --json only.
	Column string
	// Width is the column's preferred width in terminal cells; 0 means that
	// the column takes what the others leave.
	Width int
	// Outcome marks the field that says how it ended, which a table colours
	// when that is a failure.
	Outcome bool
}

// Index returns the position of the field named key, or -1.
func (s *Schema) Index(key string) int {
	for i := range s.Fields {
		if s.Fields[i].Key == key {
			return i
		}
	}
	return -1
}

// MetricKind says how events add up to a series.
type MetricKind uint8

const (
	// Counter counts events, or sums a field over them.
	Counter MetricKind = iota
	// Histogram distributes the events' durations, in seconds.
	Histogram
)

// Metric describes one series family that is aggregated from events. Every
// metric is also labelled by service.
type Metric struct {
	// Name is the OpenTelemetry metric name. The Prometheus name follows from
	// it and Unit by the OpenTelemetry to Prometheus mapping.
	Name string
	// Kind says how events add up.
	Kind MetricKind
	// Unit is the UCUM unit ("s", "{command}").
	Unit string
	// Summary is one sentence, the metric's help text.
	Summary string
	// Sum is the key of the field that a Counter sums; empty counts events. A
	// tallied schema has none: tallies carry no such fields.
	Sum string
	// Value is the key of the duration field that a Histogram distributes;
	// empty takes Event.Duration. A tallied schema has none either: its
	// histograms take Tally.Durations.
	Value string
	// Buckets are the upper bounds of a Histogram's classic buckets, in
	// seconds; nil takes those from a millisecond to minutes.
	Buckets []float64
	// Labels are the fields that tell the series apart. They must be of low
	// cardinality.
	Labels []Label
	// When, if not empty, is the key of a field that must be set for the
	// event to count.
	When string
	// Equals, if not empty, is the text that the field of When must have, which
	// is of KindString: one probe may have a metric for each of its roles.
	Equals string `json:",omitempty"`
}

// Label maps a field to a label of a metric.
type Label struct {
	// Name is the label's name, valid in Prometheus and OTLP alike. Where it is
	// Field with underscores for dots, OTLP gets the field's own key and type.
	Name string
	// Field is the key of the field that gives the label's value.
	Field string
}

// SpanKind is the OpenTelemetry kind of a span.
type SpanKind uint8

// The span kinds that probes use.
const (
	SpanInternal SpanKind = iota
	SpanServer
	SpanClient
)

// Span says how an event becomes an OpenTelemetry span: it starts at
// Event.Time, lasts Event.Duration and carries the set fields as attributes.
type Span struct {
	// Kind is the span's kind, but for ClientWhen.
	Kind SpanKind
	// Name is the key of the field that names the span.
	Name string
	// Names are the keys of fields whose texts follow that of Name, each after
	// a blank, where they are set: "GET /orders/{id}".
	Names []string `json:",omitempty"`
	// ClientWhen makes SpanClient the kind where the field, of KindString, has
	// this text. A zero Match is no exception from Kind.
	ClientWhen Match `json:",omitzero"`
}

// KindOf returns the kind of the span of e.
func (s *Span) KindOf(e *Event) SpanKind {
	if s.ClientWhen.Key != "" {
		if v := e.Get(s.ClientWhen.Key); v.IsSet() && v.Str() == s.ClientWhen.Value {
			return SpanClient
		}
	}
	return s.Kind
}
