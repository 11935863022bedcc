// Package http is the probe of the HTTP requests that Go programs serve and
// make: how many, by route and status, how long they took, and a record of
// some, with the trace that whatever they cause belongs to.
//
// What comes in, from http.bpf.c, are two things:
//
//	records   one request each: those that failed, were slow, were referred to
//	          by another event, and a sample of the others
//	tallies   how many requests of each kind there were, and how long they
//	          took: counted in the kernel for every request, read once a second
//
// The programs run at the entries of functions and at calls, which the kernel
// emulates, never at a return of what is called often: a request that is served
// hits three of them. A request begins at serverHandler.ServeHTTP and ends where
// its goroutine goes next. One that panics, or whose connection is taken over,
// ends with the goroutine.
//
// The stages: the layout of an executable's structs is looked up ([layoutOf])
// and given to the programs; a record is decoded and, where the layout is of
// another release, checked for sense; what a router calls the route is taken,
// else the path is reduced to a template ([template]); tallies are read,
// differences emitted, and from their distribution follows what counts as slow.
//
// What goes out: events of the OpenTelemetry HTTP conventions, server and
// client, and tallies.
//
// What it refuses: to guess. A program whose structs it cannot be sure of is
// let go with the reason, work that a goroutine pool does for a request is not
// linked to it, and what cannot be read is left out.
package http
