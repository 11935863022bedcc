// Package keep decides which events are kept, and sums up all of them.
//
//	event --> Groups.Of      which group: probe, service, values of Schema.Groups
//	      --> Sums.Add       rollups of 10 s, of all events
//	      --> Sample.Add     failed, findings, slow: kept with weight 1
//	                         the rest: a reservoir per group
//	commit -> Sample.Take    each group's fair share of what the budget allows
//	      --> Sums.Take      what was added to the rollups
//
// What comes in are complete events and the time; what goes out are those to
// keep, each with the number of events that it stands for, and rollups. The
// weights of a group sum up to the number of its events, so that rates and
// shares that are computed from a sample are right on average. Everything here
// is computed: no clock is read, nothing is written. What the package refuses
// is to leave out an event that failed, has findings or is slow.
//
// No type here is safe for concurrent use.
package keep
