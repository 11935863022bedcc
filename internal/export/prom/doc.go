// Package prom aggregates events to Prometheus metrics and serves them.
//
// What comes in are events and the health of the probes; what goes out are the
// series that the schemas declare, named by the OpenTelemetry to Prometheus
// mapping and labelled by service, as native histograms with classic buckets
// beside, and Goshawk's own. No probe is known here.
//
// The package bounds the services that it tells apart: beyond that they are
// counted together, under "_other".
package prom
