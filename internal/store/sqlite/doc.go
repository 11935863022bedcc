// Package sqlite keeps events in files, one for each hour, and answers from
// them.
//
//	event --> Add      sums and sample (package keep), in memory
//	tally      |       each 500 ms, 2,000 events, or when somebody asks;
//	           |       the sums of tallies each 5 s, or when somebody asks
//	           v
//	        writer      one transaction: dictionaries, events, rollups
//	           |
//	           v
//	        events-20261121T23-1.db     WAL while it is written, then one file
//	           ^
//	           |       read-only, newest file first
//	        Events, Event, Rollups
//
// What comes in are complete events and tallies, shared and never changed; what
// goes out are answers as of any store. What is known again by a number is
// stored once for each file: texts that occur twice, stacks, schemas, services,
// groups. A file can be read without the others and without the probes that
// wrote it. A process that is killed takes with it what was not committed: the
// events of half a second, the tallies of five.
//
// A directory has one writer: [Open] refuses one that another process has open
// ([LockedError]). A file is never changed once its hour is over, only removed:
// when all are larger than the budget, or it is older than the limit. A file
// that turns out to be corrupt is renamed and left to the operator, and the
// store goes on with a new one. When the disk is full, events wait in memory,
// and what does not fit there is dropped and counted; nothing else is removed
// because of it, and writing goes on when there is room.
package sqlite
