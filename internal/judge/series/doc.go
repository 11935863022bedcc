// Package series keeps numbers over time, answers questions about them, and
// evaluates rules: the storage, query language and rules of Prometheus as
// libraries, in the agent's own process. No other package of Goshawk knows that;
// nothing exported here is a Prometheus type.
//
//	Series, Batch ---> guard     finite? not ahead of the clock? is there disk?
//	                     |
//	rules, each      ---> store  write-ahead log, head in memory, blocks of 2 h
//	interval             |       and more; one directory, one process
//	  ^                  v
//	  |                Query, Range, Series   limits of time, samples, number
//	  |                  |
//	SetRules <-----------+---> Alerts, Options.Notify
//
// What comes in: samples of series that the caller made a handle for
// ([Engine.NewSeries]), a [Batch] at a time, and groups of rules
// ([Engine.SetRules]). What goes out: vectors and matrices, the alerts that are
// active, what became of alerts ([Options.Notify]), and samples as they were stored
// ([Engine.Tail]), each once, however late it came.
//
// A commit that returned is in the write-ahead log: it survives the end of the
// process, SIGKILL included. It is not forced to the disk: when the power fails,
// what the kernel had not written back yet is lost, 30 s usually. A commit
// that failed may be stored in part.
//
// What it refuses, counts and says ([Engine.Stats]): samples that are no finite
// number; that are older than what is stored, as after a step of the clock back;
// that are ahead of a clock that may not step forward by more than
// [Options.MaxAhead], because one sample of the far future makes a store
// refuse all others; series and native histograms beyond their limits; all
// samples while the disk is full. A directory that another process has open is a
// [platform.LockedError].
//
// What is corrupt is set aside in the folder "quarantine" and never keeps the
// engine from starting: a block as a whole, a segment of the log from the damage
// to its end. Segments after it are kept; of them, samples of series that began
// in the lost part are gone as well.
//
// A write to the log that fails may leave half a record, and what follows half a
// record cannot be read again. So the store is closed after it and opened anew as
// soon as the disk takes writes; until then samples are refused.
package series
