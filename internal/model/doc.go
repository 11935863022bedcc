// Package model holds the nouns that cross Goshawk's rooms: an event, the
// schema that describes it, a process, a service, the health of a probe.
//
// It does no I/O and knows no probe. An [Event] is a row, its [Schema] names
// the columns; whoever renders events (the terminal table, JSON lines,
// Prometheus, OTLP, the reference docs) reads the schema and never a concrete
// event type, so a new kind of event needs no change outside its probe.
//
// A noun used by one room only lives in that room, not here.
package model
