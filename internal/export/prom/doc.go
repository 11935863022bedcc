// Package prom aggregates events to Prometheus metrics and serves them.
//
// What comes in are events and the health of the probes; what goes out are the
// series that the schemas declare, named by the OpenTelemetry to Prometheus
// mapping and labelled by service, as native histograms with classic buckets
// beside, and Goshawk's own. No probe is known here.
//
//	event that ended       --> counter, histogram     one by one
//	tally (schema.Tallied) --> sums and distributions --> both at a scrape
//
// Of a tallied schema only the tallies count, exactly, as long as the process
// lives; its events are a sample and are not looked at. A tally's durations
// come in the buckets of [model.Distribution], and are taken to be spread
// evenly in them where a bucket of Prometheus ends in between: a count can be
// off by what is in that one bucket, and none ever goes down.
//
// The package bounds the services that it tells apart: beyond that they are
// counted together, under "_other". For a tallied schema it bounds the label
// sets too: those of a service beyond are counted with "_other" in each label.
package prom
