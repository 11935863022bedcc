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
