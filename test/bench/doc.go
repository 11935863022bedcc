// Command bench measures the exec probe beside having no observer and beside
// other tools, on the machine it runs on, and prints Markdown.
//
// What comes in are the path of a built goshawk and the names of scenarios;
// what it needs is root, and for the rows of other tools those tools.
//
// The stages of a scenario: rounds, in each of which every observer runs once,
// in an order that turns round by round; the load is the program of
// test/targets/spawner, which says what it ran and what that cost. What an
// observer printed goes to a file and is read after the run, so that counting
// does not disturb. Ratios are formed within a round, between neighbours in
// time, and their median is printed with the lowest and the highest.
//
// It refuses to judge: targets and verdicts are written in docs/benchmarks.md.
// A scenario prints how busy the machine was with other things, which decides
// whether to believe it.
package main
