// Package upgrade replaces a running server by a new version of itself without losing a
// request.
//
// The simple case is five lines more than a server has anyway:
//
//	up, err := upgrade.New(upgrade.Options{})
//	ln, err := up.Listen("web", "tcp", ":8080")
//	up.Add(upgrade.HTTP(&http.Server{Handler: h}, ln))
//	err = up.Run(ctx)
//
// From then on SIGUSR2 starts the program that lies where this one was started from, with
// the same arguments, environment and working directory, and hands over to it.
//
// What comes in are sockets, each under a name ([Upgrader.Listen],
// [Upgrader.ListenPacket]): handed over by the process before, passed by systemd, or
// opened. Servers ([Server]) accept from them. The stages of an upgrade are its states:
//
//   - Running: this process serves.
//   - Spawning: it has checked the program of the new version, holds it by a descriptor,
//     and starts it. The new process has the same sockets from its first moment.
//   - Warming: the new process prepares itself. It does not accept connections.
//   - BothAccept: the new process is ready and accepts; the old one stops to.
//   - Probation: the old process still answers the connections that it has, and holds
//     its sockets, but accepts nothing. The new one has to stay alive, to say that it is
//     well ([Options.Check]), and to pass a gate ([Options.Gate]).
//   - Committed: the old process drains, which is to finish what it has begun, and ends.
//   - RolledBack: the new process died, hung, did not get ready or did not pass. The old
//     one accepts again, with the very sockets that were open all the time, so that no
//     connection is refused; then it is Running again.
//
// In each state either process may be killed: whichever is left serves.
//
// What goes out are events ([Options.Events]), a [Status], and the end of
// [Upgrader.Run]: nil when a new version has taken over and all is drained.
//
// A drain never uses [net/http.Server.Shutdown] while connections are kept alive: that
// closes connections on which a request has just arrived. See [HTTP].
//
// What it refuses: an upgrade while another is going on or older processes still drain
// ([ErrBusy], and [Status] says so), a program that this machine cannot execute (before
// anything is started), and sockets under one name twice. It changes nothing of the
// process until [New] is called, and handles no signals but in [Upgrader.Run].
//
// The package is for Linux.
package upgrade
