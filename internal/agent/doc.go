// Package agent wires the rooms together on one host: it starts probes, fills
// the process table, and connects the probes to the sinks of a pipeline.
//
// It is the only package besides cli and hub that knows all rooms. What comes
// in are options; what goes out are events to the sinks that the caller adds,
// and the health of each probe. The order of the start matters and is here
// only: probes attach first, then /proc is read, then the rings are drained,
// so that no process is missed between.
package agent
