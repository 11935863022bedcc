package v1

// Waterfall is a tree of things that took time, side by side on one time axis:
// commands below the process that ran them, or what a request caused.
type Waterfall struct {
	// From and To are the ends of the axis.
	From Time `json:"from"`
	To   Time `json:"to"`
	// Bars come in the order of display: a parent before its children,
	// siblings by their start.
	Bars []Bar `json:"bars"`
	// Above are what caused the first bar, the nearest first: the request that
	// a command ran for. Each is a bar without relatives; absent when nothing
	// is known.
	Above []Bar `json:"above,omitempty"`
	// Incomplete says, in sentences, what is not shown; absent when nothing.
	Incomplete []string `json:"incomplete,omitempty"`
}

// Bar is one row of a waterfall.
type Bar struct {
	// ID is the event's id, or empty for a bar that only groups.
	ID string `json:"id,omitempty"`
	// Kind is "command", "request" (served), "call" (a request that was made),
	// "connection", or empty for a bar that only groups. In pages alone it is also
	// "step" (of a start), "process" (one of the two of an upgrade) or "phase" (what
	// that process went through).
	Kind string `json:"kind,omitempty"`
	// Parent is the position of the parent in Bars, -1 at the top.
	Parent int `json:"parent"`
	// Depth is the number of ancestors.
	Depth int `json:"depth"`
	// Label is short, Detail whole: the name of a command and its arguments.
	Label  string `json:"label"`
	Detail string `json:"detail,omitempty"`
	// StartNS is when it began, in nanoseconds after From, negative when
	// before; DurationNS is how long it took.
	StartNS    int64 `json:"start_ns"`
	DurationNS int64 `json:"duration_ns"`
	// SelfNS is how much of the duration nothing below it covers; absent when
	// nothing is left.
	SelfNS int64 `json:"self_ns,omitempty"`
	// Parts divide the duration, each by what was spent, in no order of time;
	// what they leave was not accounted for. The part "zombie" comes after the
	// duration. Those of a "process" and a "phase" follow each other in time.
	Parts []Part `json:"parts,omitempty"`
	// Outcome says how it ended, such as "exit 1" or "SIGKILL"; Failed that
	// this is a failure.
	Outcome string `json:"outcome,omitempty"`
	Failed  bool   `json:"failed,omitempty"`
	// Findings are the rules of its findings.
	Findings []string `json:"findings,omitempty"`
	// Caller is the line of code that ran a command; absent when unknown.
	Caller *Frame `json:"caller,omitempty"`
	// Href is the page about it.
	Href string `json:"href,omitempty"`
}

// Part is a share of a bar's duration.
type Part struct {
	// Kind is "cpu", "run_delay" (ready, waiting for a CPU), "pipe" (blocked
	// on a full pipe), "wait" (asleep for any other reason) or "zombie". Of a
	// start it is also "throttled". Of an upgrade it is "old_accepts", "spawn",
	// "warm", "hand_over", "probation", "drain" or "new_accepts".
	Kind string `json:"kind"`
	NS   int64  `json:"ns"`
}
