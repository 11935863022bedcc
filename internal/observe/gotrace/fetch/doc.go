// Package fetch gets execution traces of Go from net/http/pprof endpoints.
//
// What comes in is a URL, or the id of a process of this host. The stages: the URL
// is completed to that of the trace ([Endpoint]); for a process, each address that
// it listens on is asked for the index of pprof ([Client.Find]); the answer is read
// as far as its first bytes, which say whether it is a trace ([Client.Open]); the
// rest is a stream that the caller reads. [Client.Owner] tells which process of this
// host is behind a URL.
//
// What goes out is a stream of a trace that ends with [io.EOF] when it is whole, and
// with an [Error] that says what is wrong, and what to do, otherwise.
//
// It refuses to wait for ever: for the connection, for the answer, for the next byte
// and for all of it there is a limit each. It refuses answers that are not traces,
// redirects to another host, and to ask anything of a process but GET of pprof's own
// pages. It keeps nothing of a trace in memory but its first bytes.
package fetch
