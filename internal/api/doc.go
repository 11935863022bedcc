// Package api serves Goshawk's HTTP side: health, metrics and /api/v1.
//
// What comes in are requests; what goes out are the wire types of package v1.
// Handlers ask a [Backend] and decide nothing. The package refuses requests
// that name another host than the one that listens: a page in a browser must
// not reach a local agent by a rebound name.
package api
