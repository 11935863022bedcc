// Package upgradegrpc drains servers of grpc-go for package upgrade.
//
// What comes in are a server, with all its services, and a listener. The stages of a
// drain: the listener is closed; connections that were accepted just before get a moment
// to begin, as grpc-go closes those that have not when it is told to stop; then
// [google.golang.org/grpc.Server.GracefulStop] sends GOAWAY and waits for the calls that
// have begun. What has not ended at the deadline is cut.
//
// What goes out is an [upgrade.Server]. It refuses nothing: streams without end last
// until the deadline, so their handlers should watch [upgrade.Upgrader.Draining].
package upgradegrpc
