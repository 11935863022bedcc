package v1

// SLOCheck is what `goshawk slo check` prints: what is in files of objectives, and
// what is wrong with them.
type SLOCheck struct {
	// State is "ok", or "rejected" when the files have errors: then there are no
	// objectives.
	State string `json:"state"`
	// Files are those that were read.
	Files []string `json:"files"`
	// Objectives are in the order of the files.
	Objectives []SLODefinition `json:"objectives"`
	// Errors are what is wrong, Warnings what is allowed and odd.
	Errors   []ConfigError `json:"errors"`
	Warnings []ConfigError `json:"warnings"`
}

// SLODefinition says what an objective is.
type SLODefinition struct {
	// Name is unique among all.
	Name string `json:"name"`
	// Title and Description are for people; absent when there are none.
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`
	// Service is whom the promise is about.
	Service string `json:"service"`
	// Signal is "http", "exec", "tcp", "func", or "query" for an expression that a
	// Prometheus server answers.
	Signal string `json:"signal"`
	// ThresholdNS is how long a good event takes at most; absent for no limit.
	ThresholdNS int64 `json:"threshold_ns,omitempty"`
	// Objective is the share of good events.
	Objective float64 `json:"objective"`
	// Windows are the times in which it is to be kept, "30d" or
	// "calendar 1M from 2026-01-01".
	Windows []string `json:"windows"`
	// Alerts is how many alerts there are.
	Alerts int `json:"alerts"`
	// Format is that of the file, "OpenSLO", "Sloth" or "Pyrra"; File and Line are
	// where the objective is.
	Format string `json:"format"`
	File   string `json:"file"`
	Line   int    `json:"line"`
	// Labels go to series and alerts; absent when there are none.
	Labels map[string]string `json:"labels,omitempty"`
}
