package v1

// KeptTrace is a trace that a server analysed, by its id.
type KeptTrace struct {
	ID string `json:"id"`
	// Analysed is when its analysis ended.
	Analysed Time `json:"analysed"`
	Trace
}

// TraceSummary is a line of the list of such traces.
type TraceSummary struct {
	ID         string    `json:"id"`
	Analysed   Time      `json:"analysed"`
	File       string    `json:"file"`
	GoVersion  string    `json:"go_version"`
	DurationNS int64     `json:"duration_ns"`
	Events     uint64    `json:"events"`
	Complete   bool      `json:"complete"`
	Findings   []Finding `json:"findings"`
}

// Summary returns the line about a trace.
func (t *KeptTrace) Summary() TraceSummary {
	return TraceSummary{
		ID: t.ID, Analysed: t.Analysed, File: t.File, GoVersion: t.GoVersion,
		DurationNS: t.DurationNS, Events: t.Events, Complete: t.Complete, Findings: t.Findings,
	}
}
