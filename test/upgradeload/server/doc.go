// Command server is the upgradable server that upgradeload measures: the library of
// this repository as a program uses it.
//
// What comes in are an address, a protocol (http, tls, h2, h2c or grpc) and, for TLS,
// the files of a certificate. Each request takes -delay to handle; its answer is the id
// of the process and the body of the request. SIGUSR2 upgrades, SIGTERM ends it.
//
// What goes out on standard output are lines of JSON: "serving" when a process has
// become the one to upgrade next, "upgraded" when its upgrade is over, "failed" when it
// was refused or rolled back. All processes share that output, so its end is the end
// of the last of them.
//
// It refuses nothing else, and adds nothing to the library that would keep a request
// from being lost.
package main
