// Package api serves Goshawk's HTTP side: health, metrics, /api/v1 and, for
// whatever else, the pages of the UI.
//
// What comes in are requests. [Guard] comes first: it refuses requests for
// another host or from another site, and asks for a token where other machines
// can reach the agent. Then the handler of [New] reads the parameters with
// package v1, asks a [Host] for what is there now, a [Reader] for what was
// kept and a [Judge] how objectives stand, and answers in the wire types of v1.
// A [Feed] sends what happens to who listens.
//
// [Traces] is apart from events: it has the execution traces analysed that clients
// send, one at a time, and keeps what they say in a folder.
//
// The package decides nothing about events and writes none: every request but a
// login, and those that add and remove a trace, is a GET. It refuses unknown
// parameters, listeners beyond a bound, and to wait for a listener that is slow.
package api
