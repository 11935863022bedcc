// Package poll counts the events that a Prometheus server knows of, for objectives
// that are about a query.
//
// What comes in are objectives ([Poller.Set]) and the answers of their servers:
// every 30 s the values of counters, or every five minutes how many events there
// were in the five minutes before. The stages: both queries of an objective are
// asked for the same moment; of counters the growth of each series is taken, a
// value that went down being a counter that began anew; the sum is handed on
// ([Options.Count]) as events, good and bad. A query that says a share alone is asked
// every 30 s as well, and the time since it was asked last is handed on, split by that
// share.
//
// What goes out are counts, and for each objective why they are not known
// ([Poller.Err]).
//
// What it refuses: to guess what happened while nobody asked. What a counter grew by
// while the server could not be asked, it counts as soon as it answers; what
// happened before the agent started, or in the five minutes of a window that nobody
// answered for, it does not know.
package poll
