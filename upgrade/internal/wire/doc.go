// Package wire is what the old and the new process of an upgrade say to each other.
//
// What comes in are the two ends of a pair of sockets ([Pair]). Each message is one
// packet of JSON. The old process writes [Hello] before the new one exists, so that it
// can be read even if the old process is gone by then; the new one answers
// with what it has reached. Either end learns from the end of the stream
// that the other process is gone.
//
// What goes out are messages that have been checked: of a kind that is known, in
// bounds. What it refuses: packets that are no message, and a [Hello] of a protocol
// that this process does not speak ([ErrVersion]).
package wire
