// Command bench measures the probes beside having no observer and beside other
// tools, on the machine it runs on, and prints Markdown.
//
// What comes in are the path of a built goshawk and the names of scenarios;
// what it needs is root, and for the rows of other tools those tools.
//
// The stages of a scenario of the exec probe: rounds, in each of which every
// observer runs once, in an order that turns round by round; the load is the
// program of test/targets/spawner, which says what it ran and what that cost.
// What an observer printed goes to a file and is read after the run, so that
// counting does not disturb. Ratios are formed within a round, between
// neighbours in time, and their median is printed with the lowest and the
// highest.
//
// Those of the http probe put wrk or webload on webserver. There a run without
// an agent comes before and after each run with one, and what the agent adds is
// the difference to the mean of the two. An agent of someone else is a command
// given by the flag -agent; its spans are counted by a receiver in here. A run
// is repeated when the probes of others were on the server.
//
// Those of startup start real programs, which they build from the Go module
// proxy or are given, alone and with goshawk startup, in turns. The truth about
// packages is what the runtime itself traces with GODEBUG=inittrace=1; the CPU
// time is what the kernel accounts to the program.
//
// It refuses to judge: targets and verdicts are written in docs/benchmarks.md.
// A scenario prints how busy the machine was with other things, which decides
// whether to believe it.
package main
