// Package upgrades makes events of what servers that use package upgrade do: their
// upgrades, good and rolled back, and how they drain.
//
// What comes in are the Go processes of the host ([Options.Processes]). The stages: once
// a second each of them, from its eleventh second on each tenth, is looked for a control
// socket, in the folder of its user, as its own mount namespace has it; whoever has one is
// listened to until it ends, and is not asked anything meanwhile. Of the
// changes of state that the old process of an upgrade tells, one event is made for the
// upgrade, with an event below it for each part: spawning, warming, the hand-over, the
// probation, and later the drain.
//
// What goes out are events of [Schema], whose spans are one trace for each upgrade.
//
// What it refuses: to believe a process in anything but itself. What the process was,
// its service and its container are what the host knows; the numbers of processes that
// it names are of its own namespace. What happened before the agent started is left out,
// as it may have been told before.
package upgrades
