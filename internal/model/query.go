package model

import "time"

// Order is the order of the records in an answer.
type Order uint8

const (
	// NewestFirst orders by the end of the events, the latest first.
	NewestFirst Order = iota
	// SlowestFirst orders by their duration, the longest first.
	SlowestFirst
)

// Match asks for a field's value: its text, or for another kind the text that
// JSON has for it (an integer in decimal, true or false, a duration in
// nanoseconds). A list matches when one of its texts does.
type Match struct {
	Key, Value string
}

// Query selects events. The zero value selects all, the newest first.
type Query struct {
	// Probe and Service must equal the event's, when not empty.
	Probe, Service string
	// PID must equal the event's, when not 0.
	PID int32
	// From and To select events that ended at From or later and began before
	// To; a zero time is no bound.
	From, To time.Time
	// Where must all match.
	Where []Match
	// Text must be part of one of the event's texts, letters in either case.
	Text string
	// Failed selects only events that failed, Findings only those with
	// findings, and Rule those with a finding of this rule.
	Failed, Findings bool
	Rule             string
	// MinDuration selects events that took as long or longer.
	MinDuration time.Duration
	// Order is the order of the answer.
	Order Order
	// After continues where the page with this Next ended; empty begins.
	After string
	// Limit bounds the page; 0 means the reader's default.
	Limit int
}

// Record is an event as it was kept.
type Record struct {
	// Event is shared and must not be changed.
	Event *Event
	// Weight is how many events of its kind it stands for: 1 when all were
	// emitted and kept, more when some were left out. It is the event's own
	// Weight multiplied by how many of those emitted this one stands for, so
	// that the weights of all records add up to about the number of events.
	Weight float64
}

// Page is a part of the records that a query selects.
type Page struct {
	Records []Record
	// Next is the After of the next page, empty when this is the last.
	Next string
	// Incomplete says, in sentences, what the answer lacks: a file that could
	// not be read, a search that was cut off. Empty when it lacks nothing.
	Incomplete []string
}

// RollupBy is what rollups are told apart by.
type RollupBy uint8

const (
	// ByService tells probes and services apart.
	ByService RollupBy = iota
	// ByGroup tells also the values of the schema's Groups apart.
	ByGroup
)

// RollupQuery selects rollups.
type RollupQuery struct {
	// Probe and Service must equal the events', when not empty.
	Probe, Service string
	// From and To bound the time at which the events ended, To excluded.
	// A reader widens them to the steps that it keeps.
	From, To time.Time
	// Step is the length of one rollup in time, a multiple of RollupStep; 0
	// makes one of the whole time.
	Step time.Duration
	// By tells the rollups apart.
	By RollupBy
}

// RollupStep is the finest step for which rollups are kept.
const RollupStep = 10 * time.Second

// Rollup sums up the events that ended in one step of time. It counts all of
// them, also those that were not kept.
type Rollup struct {
	// Time is the begin of the step.
	Time time.Time
	// Probe and Service are those of the events.
	Probe, Service string
	// Group holds the texts of the fields that Schema.Groups names; nil when
	// groups are not told apart, or for the events of too many groups.
	Group []string
	// Count, Failed and Findings count the events, those that failed, and
	// those that have findings. Of a schema that is Tallied, Count and Failed
	// are as the tallies say, and Findings counts the events that were emitted
	// with findings, whatever their weight.
	Count, Failed, Findings uint64
	// Durations distributes the events' durations; events without one are not
	// in it.
	Durations Distribution
}

// Add adds the counts and durations of other to r.
func (r *Rollup) Add(other *Rollup) {
	r.Count += other.Count
	r.Failed += other.Failed
	r.Findings += other.Findings
	r.Durations.Merge(&other.Durations)
}

// Rollups is the answer to a [RollupQuery], in the order of time.
type Rollups struct {
	Items []Rollup
	// Incomplete says, in sentences, what the answer lacks.
	Incomplete []string
}
