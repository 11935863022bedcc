package v1

// Store is the state of the store of events.
type Store struct {
	// Kind is "sqlite", or "memory" when nothing is kept across a restart.
	Kind string `json:"kind"`
	// Directory is where the files are; absent when there are none.
	Directory string `json:"directory,omitempty"`
	// Files and SizeBytes say how much room they take.
	Files     int   `json:"files"`
	SizeBytes int64 `json:"size_bytes"`
	// LimitBytes and LimitAgeNS say when the oldest are removed; 0 means that
	// there is no such bound.
	LimitBytes int64 `json:"limit_bytes"`
	LimitAgeNS int64 `json:"limit_age_ns"`
	// Oldest is since when events are kept; absent when there are none.
	Oldest *Time `json:"oldest,omitempty"`
	// Kept counts the events that were written since the start, LeftOut those
	// of which others keep the weight, and Dropped, by reason, those that were
	// neither written nor summed up.
	Kept    uint64            `json:"kept"`
	LeftOut uint64            `json:"left_out"`
	Dropped map[string]uint64 `json:"dropped"`
	// Errors says, in sentences, what does not work now; absent when nothing.
	Errors []string `json:"errors,omitempty"`
}
