// Command webload puts exactly counted requests on the server of
// test/bench/webserver, and prints what became of them as a line of JSON,
// [report].
//
// What comes in are an address, a kind of load and how much of it:
//
//	keepalive  requests one after the other, each connection used for all
//	pipelined  sixteen requests at once, then their replies
//	aborted    connections that the client gives up: in the middle of a
//	           request, after one, and while it is served
//	panics     requests whose handler panics: the server closes the connection
//	taken      requests whose handler takes over the connection
//	rate       requests at even intervals over all connections together
//
// It speaks HTTP/1.1 over plain sockets instead of through net/http: so nothing
// retries or hides a request, and a probe of Go's HTTP client sees none.
//
// It refuses to guess: a reply that it does not understand is an error.
package main
