// Package control talks to processes that use package upgrade, from outside.
//
// What comes in are the sockets that such processes have in a folder ([Folder]), one for
// each process, called after its number. Each line that is sent is a [Request], and
// each answer is a line: the status, the outcome of an upgrade that was asked for,
// whether one was aborted, or events without end.
//
// What goes out is what the process says. What it refuses: to talk to a process of
// another user, from either side, unless that user is root. A socket whose process is
// gone is left out by [List], and removed by the next process of the same user.
package control
