// Package gate has gates for package upgrade: functions that decide whether a new
// version stays.
//
// What comes in is where to ask: an agent of Goshawk how the objectives of a service
// stand ([Objectives]), or any URL ([URL]). Each gate asks once, when it is called, within
// a bounded time, and reads a bounded answer.
//
// What goes out is nil, or an error that says why the new version is refused, which an
// upgrade has for its reason. [All] asks several.
//
// What it refuses: a verdict of burning or exhausted, an alert that fires, an answer
// that is none; and, unless [ObjectivesOptions.Open] is set, an agent that does not
// answer or does not know how the objectives stand. A gate that asks about a service
// that burns already refuses its mend as well: that is for a person to decide, who
// upgrades without.
package gate
