// Package console is the live view of `goshawk up` on a terminal: call sites,
// findings and the last events, redrawn once a second.
//
// What comes in are finished events, shared and never changed, on any
// goroutine; what goes out is a screen, a pure function of the state, the size
// and the time. The view shows what is worth a glance and keeps no history:
// the API has the events. It shows commands; of requests and whatever else is
// counted by tallies it shows what was found.
package console
