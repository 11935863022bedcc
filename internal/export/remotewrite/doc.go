// Package remotewrite sends the series of objectives to receivers of Prometheus
// remote write, versions 2.0 and 1.0.
//
// What comes in: the samples of the engine's store ([Source]), read at an interval,
// and nothing else: there is no queue in memory. The stages:
//
//	store -> slice of time -> batches in the order of time -> protobuf, snappy -> receiver
//	  ^                                                                             |
//	cursor, in a small file  <-------------------  acknowledged, or refused  <------+
//
// The cursor knows the last sample of each series that the receiver has
// acknowledged. As samples of a series are stored in order, and none later than
// [series.Lateness] behind the newest of all, a read that looks back that far finds
// each sample once: what came late, and what was stored while the receiver, or the
// agent, was down. The cursor is written after each acknowledgement, so that it
// outlives SIGKILL; what was under way then is sent again.
//
// What goes out: requests that are bounded in samples and bytes, one at a time. A
// receiver that is down, answers 408, 429 or 5xx, or redirects, gets the same batch
// again, after one to fifteen seconds, or after what Retry-After asks for. Another
// 4xx is final: those samples are dropped, counted and said. A receiver whose
// whole answer is 400 gets the samples of each time by themselves, and then half of
// them, so that one that it does not like, or has already, takes no other with it.
// One that takes nothing at all is asked less.
//
// Version 2.0 is tried first; a receiver that does not say how many samples it has
// written does not know it, whatever status it answers, and gets 1.0.
//
// What it refuses: to send samples that are older than [Options.MaxAge]; to send
// native histograms; to follow redirects; to hold more than a slice in memory.
package remotewrite
