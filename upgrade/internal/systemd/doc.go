// Package systemd speaks both ends of the two protocols that systemd has with services:
// passing sockets, and being told how a service does.
//
// Sockets (socket activation). What comes in to [Listeners] is the environment that a
// process was started with: LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES. What goes out are
// descriptors and their names. The other end is [Environment], which says the same to a
// child, and [WithPID], which the child itself has to do before it executes the program:
// its process number is not known before.
//
// Notifications. A [Notifier] sends what a service has to tell to the socket that
// NOTIFY_SOCKET names; without one it does nothing. A [Receiver] is such a socket, for a
// process that stands where systemd does for a child. The kernel tells it who has sent a
// message; nobody but root can pass for another process.
//
// What it refuses: sockets that are announced but not there, numbers that are none, names
// that would be read as two, a notification socket that is no unix socket, and messages
// that are not what the protocol has ([ErrMessage]): too long, of too many fields, not of
// text. Descriptors that come with a message are closed, which is also the answer to a
// barrier.
//
// Nothing of the environment of this process is read or changed but by argument.
package systemd
