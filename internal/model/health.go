package model

import "time"

// ProbeHealth is the state of one probe on this host.
type ProbeHealth struct {
	// Probe is the probe's name.
	Probe string
	// Up says that the probe delivers events, perhaps fewer than it could.
	Up bool
	// Since is when it was attached; zero when it never was.
	Since time.Time
	// Events and Lost count what was delivered and what is known to be lost.
	Events, Lost uint64
	// LostRecords counts the kernel's records below them that did not arrive
	// or could not be decoded.
	LostRecords uint64
	// CostSeconds is the CPU time spent in the probe's programs; negative when
	// the kernel does not account for it.
	CostSeconds float64
	// Off lists the parts of the probe that do not run.
	Off []ProbeFault
	// Targets lists the programs that the probe is attached to, for a probe of
	// functions of Go programs.
	Targets []ProbeTarget
}

// ProbeTarget is an executable that a probe is attached to.
type ProbeTarget struct {
	// Exe is its path, as one of the processes sees it.
	Exe string
	// Service and GoVersion are those of the processes.
	Service, GoVersion string
	// PIDs are the processes that run it, in order.
	PIDs []int32
	// Points is at how many instructions the probe is attached, Off how many
	// parts of the probe do not work there.
	Points, Off int
	// Assumed is the release whose layout of structs is taken for the
	// program's, because the program's own is not known; empty else.
	Assumed string
}

// ProbeFault is a part of a probe that is off.
type ProbeFault struct {
	// Part names the attach point, or the whole probe when empty.
	Part string
	// Cause is the kernel's or the loader's answer.
	Cause string
	// Missing says what users do not see because of it.
	Missing string
	// Hint says what would help.
	Hint string
}
