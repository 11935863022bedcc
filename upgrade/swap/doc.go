// Package swap replaces a running server by a new version of itself where the server
// knows nothing of upgrades.
//
// What comes in is a command and the sockets that it serves ([Options]). The stages: the
// sockets are opened once, by this process, or taken from systemd. The program is held
// by a descriptor that was checked, and is executed by it, with the sockets as
// descriptors 3, 4... and LISTEN_FDS, LISTEN_FDNAMES and LISTEN_PID, as by systemd. As a
// process knows its number only when it is there, the start goes through a shim
// ([Options.Shim], [Exec]) that sets LISTEN_PID and executes the program in its own
// place. Asked for an upgrade, by SIGUSR2, by the control socket (package control) or by
// [Engine.Upgrade], the engine starts what lies at the path of the program by then
// beside the old process. Both accept, as nobody can tell an unmodified server to pause.
// When the new one dies before its probation is over, is not ready in time, or a gate
// refuses it, it is ended and the old one goes on; else the old one gets SIGTERM, and
// SIGKILL at the end of the drain. No connection is refused meanwhile; what becomes of
// those that are open is up to the server that gets SIGTERM.
//
// What goes out are the events and the status of package upgrade, and the exit code of
// the server ([Engine.Run]). The service manager of this process hears when the first
// version is ready, the time that it asks for until then (EXTEND_TIMEOUT_USEC), what the
// version that serves says of itself (STATUS), and that the server ends.
//
// What it refuses: to start again what has ended by itself, scripts and what else this
// machine cannot execute by a descriptor, an upgrade while another one goes on
// ([upgrade.ErrBusy]). It never starts a shell, and needs no rights that the server does
// not need.
//
// If this process is killed the server goes on, and nobody can upgrade it any more. The
// package is for Linux.
package swap
