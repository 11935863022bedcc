// Package pipeline moves events from probes to sinks.
//
//	source (probe) ---emit---> direct sinks          on the source's goroutine
//	                      \--> queue -> queued sink  on a goroutine of its own
//
// What comes in are events, borrowed, each source on its own goroutine. Direct
// sinks see them in place and must be quick and safe for concurrent use; they
// aggregate. A queued sink gets a copy through a bounded queue; what does not
// fit is dropped and counted, so that a slow terminal or network never holds
// up the ring buffer behind the source. A part of each queue is there for
// tallies alone: a storm of events does not push out what counts them.
//
// When the context of [Pipeline.Run] ends, sources drain, then the queues,
// then Run returns. The package refuses to wait for a sink beyond the drain
// time, and says what it left behind.
package pipeline
