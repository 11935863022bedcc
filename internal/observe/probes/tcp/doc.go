// Package tcp is the probe that sees what happens to TCP connections: which
// process connected where and how long that took, which connects failed and
// why, resets, retransmits.
//
// What comes in is one kind of record from tcp.bpf.c, which is one event:
//
//	connect         an outgoing connection is there: its latency
//	connect failed  it is not: the error, or that the program gave up
//	reset           the peer, or this host, broke a connection off
//	retransmit      segments had to be sent again: how many since the last
//	                event of this connection, told at once for the first, then
//	                at most once a second, and at the end of the connection
//
// The kernel side remembers a connection with its socket. Whose it is, is the
// process that connected; for an accepted one the process that listens there,
// or that has the socket open. An iterator over open files tells that of
// sockets that are older than the probe, and of those that changed hands.
//
// The only stage here is the decoder, which names the process and its service.
// Lost counts events: a record that does not fit the ring, and a connect that
// there was no memory to remember.
//
// The package refuses to look at packets and system calls: an accepted
// connection without trouble is no event, and neither is a connect that the
// kernel refused before it sent anything (no route, no free port is seen as
// _OTHER). A reset that answers a segment to a port where nobody listens has
// no process and is not told.
package tcp
