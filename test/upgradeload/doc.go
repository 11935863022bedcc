// Command upgradeload measures what clients notice of upgrades: it puts a load on an
// upgradable server, has it upgraded again and again meanwhile, and prints Markdown.
//
//	go build -o /tmp/server ./test/upgradeload/server
//	go run ./test/upgradeload -server /tmp/server -kind http -rate 1000 -duration 60s -every 1s -runs 5
//
// What comes in are the paths of built servers: the one that uses the library of this
// repository, and with -peer another one to compare with. A server takes the flags of
// test/upgradeload/server, upgrades at SIGUSR2, and prints the lines of JSON that are
// described there. The kinds of traffic are those of test/upgradeload/load; -busy keeps
// that many cores busy beside, with processes of their own.
//
// The stages of a run: the server is started, and answers a load without upgrades (the
// control), then the same load for -duration with an upgrade each -every, the first
// after half of that, then the control again. All is open loop, and no request is
// repeated; see test/upgradeload/load. SIGUSR2 goes to the process that was the last to
// say that it serves. A window is from a trigger until -window later. Its latencies are
// compared with those of the rest of the run, and with the controls:
//
//   - "in/out" is the p99 of all windows over the p99 of all that is outside of them.
//   - "paired" is the median of the ratios of each window to the rest of its period.
//   - "in/control" is the p99 of all windows over the p99 of both controls.
//
// With -tickets a client resumes its last session of TLS when it connects again, which
// works across processes only if they share the keys of tickets.
//
// What goes out is a row for each run, a line for each kind and server over its runs,
// and each loss with the time since the trigger before it. Processes are those that
// gave answers: one more than upgrades, or as many if the last one hands over late.
//
// It refuses to call a run good that lost a request of the server's (exit status 1), or
// in which no other process than the first one answered (exit status 2).
//
// The peer that stands beside it in docs/benchmarks.md uses github.com/cloudflare/tableflip.
// Its source is in testdata/tableflip. It is no part of this module, and is built outside
// of the tree against a checkout of that repository:
//
//	git clone https://github.com/cloudflare/tableflip "$CHECKOUT"
//	peer=$(mktemp -d) && cp test/upgradeload/testdata/tableflip/main.go "$peer" && cd "$peer"
//	go mod init peer
//	go mod edit -require github.com/cloudflare/tableflip@v0.0.0 -replace github.com/cloudflare/tableflip="$CHECKOUT"
//	go get google.golang.org/grpc@v1.83.2 && go mod tidy
//	go build -o "$peer/peer" .
package main
