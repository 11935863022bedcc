// Package netsocket opens sockets that outlive those who opened them, for servers that hand
// theirs over and for those whose sockets another process holds.
//
// What comes in are networks and addresses. What goes out are listeners and connections of
// packets ([Listen], [ListenPacket]), and further descriptors of them ([Duplicate]). The file
// of a unix socket that nobody listens on any more is replaced.
//
// What it refuses: to replace or to remove ([RemoveLeft]) a file that is no socket, or one
// that somebody listens on.
package netsocket
