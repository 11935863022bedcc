// Package keep decides which events are kept, and sums up all of them.
//
//	event --> Groups.Of      which group: probe, service, values of Schema.Groups
//	      --> Sums.Add       rollups of 10 s, of all events, or of all tallies
//	      --> Sample.Add     failed, findings, slow: kept with weight 1
//	                         the rest: a reservoir per group
//	commit -> Sample.Take    each group's fair share of what the budget allows
//	      --> Sums.Take      what was added to the rollups
//
// What comes in are complete events, tallies and the time; what goes out are the
// events to keep, each with the number of events that it stands for, and
// rollups. The weights of a group sum up to the number of its events, so that
// rates and shares that are computed from a sample are right on average.
// Everything here is computed: no clock is read, nothing is written. What the
// package refuses is to leave out an event that failed, has findings or is slow.
//
// Where a schema is Tallied its events are a sample already. Tallies count, and
// are not kept; an event adds to the rollups only what was found. Its weight is
// its own one multiplied by how many of those that came it stands for: the
// weights of what is kept sum up to the count of the tallies on average, rather
// than exactly, since an event of any weight is as likely to be left out.
//
// No type here is safe for concurrent use.
package keep
