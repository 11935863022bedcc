// Package propose writes objectives that a service keeps already, for people to
// accept.
//
//	Baseline ---> For ---> Folder.Add ---> NAME.yaml, marked as a proposal
//	                                            |  Folder.Accept
//	                       Folder.Load <--- NAME.yaml, in force
//
// What comes in are baselines: how many events of a service there were in some
// time, how many failed, how long they took. [For] answers with the strictest
// target of a short list that the service has kept with some confidence, and, for
// requests, with the shortest round threshold. A [Folder] keeps each as a file of
// OpenSLO that anybody may read, change and copy. Whoever accepts one takes the
// mark away; who dismisses one leaves a file that keeps it from coming back.
//
// What it refuses: to propose from little, or for a service that keeps no target
// of the list; to change a proposal later, because what was counted for it would
// no longer be about the same; and to write over a file.
package propose
