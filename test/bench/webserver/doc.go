// Command webserver is the HTTP server that bench puts a load on: small
// handlers behind the patterns of a ServeMux, so that what observes it is most
// of what a request costs.
//
// It listens on a free port of the loopback address and prints that address as
// its first line. It answers each line of standard input with a line of JSON,
// [usage]: how many requests it has begun to serve, and the CPU time it has
// used. It ends when standard input does.
package main
