// Package otlp sends events as OpenTelemetry spans, and the metrics that are
// aggregated from them, to an OTLP endpoint.
//
// What comes in are events, borrowed, a Prometheus gatherer, and the judge of
// objectives. The stages:
//
//	event -> copy -> bounded queue -> batch -> spans -> endpoint
//	gatherer -> OpenTelemetry names and units -> split by service -> endpoint
//	judge -> counters since the first kept reading, gauges ->^
//
// Spans and metrics are rendered from the event's schema alone. Where events
// are a sample of what a probe counts, a span has the attribute goshawk.weight,
// the number of events that it stands for, unless that is 1; the metrics count
// all of them. A batch goes
// out when it is long or large enough, or old enough. What cannot be sent is
// tried again for a minute, then dropped; what does not fit into the queue is
// dropped at once. Both are counted, so an endpoint that is down or hangs
// costs bounded memory and never holds up [Exporter.Consume].
//
// The standard variables decide: OTEL_EXPORTER_OTLP_ENDPOINT, _PROTOCOL (grpc,
// http/protobuf, and for traces http/json), _HEADERS, _TIMEOUT, _COMPRESSION,
// _CERTIFICATE, _CLIENT_CERTIFICATE, _CLIENT_KEY, _INSECURE, each also for one
// signal (OTEL_EXPORTER_OTLP_TRACES_ENDPOINT); OTEL_METRIC_EXPORT_INTERVAL and
// _TIMEOUT; OTEL_SDK_DISABLED; OTEL_TRACES_EXPORTER and OTEL_METRICS_EXPORTER
// (otlp or none). Without an endpoint variable nothing is sent. Metrics are
// always cumulative.
//
// There is a resource per observed service. Its service.name is the service of
// the event, or unknown_service:goshawk where none is known. The attributes of
// OTEL_RESOURCE_ATTRIBUTES are added to all resources, and win over host.name
// and os.type as they were detected, with an exception: service.name,
// service.version and service.instance.id there, and OTEL_SERVICE_NAME,
// describe the process that they were set for, Goshawk, and so appear only on
// the resource of Goshawk's own metrics.
//
// The package refuses to invent identity: an event without a trace id or a
// span id is dropped and counted. It sends nothing twice that an endpoint
// confirmed, and it writes no log line per batch, only when an endpoint's
// state changes.
package otlp
