package v1

// Hook is what was measured of one function of a running process.
type Hook struct {
	Func  string `json:"func"`
	Tier  string `json:"tier"`
	Calls uint64 `json:"calls"`
	// Errors is null when it cannot be told which calls failed.
	Errors  *uint64 `json:"errors"`
	PerSec  float64 `json:"rate_per_s"`
	P50     int64   `json:"p50_ns"`
	P90     int64   `json:"p90_ns"`
	P99     int64   `json:"p99_ns"`
	Max     int64   `json:"max_ns"`
	Mean    int64   `json:"mean_ns"`
	Lost    uint64  `json:"lost"`
	Open    uint64  `json:"unfinished"`
	Cost    int64   `json:"cost_ns_per_call"`
	Took    int64   `json:"duration_ns"`
	Refused string  `json:"refused,omitempty"`
	// Detached says that the function was given up before the end, and Reason
	// why.
	Detached bool   `json:"detached,omitempty"`
	Reason   string `json:"reason,omitempty"`
	// Samples are some of the calls with their arguments, when these were asked
	// for.
	Samples []HookSample `json:"samples,omitzero"`
}

// HookSample is one call of a hooked function.
type HookSample struct {
	Time      Time   `json:"time"`
	Goroutine uint64 `json:"goroutine_id"`
	// Args has a boolean, a number or a string for each argument, null for nil
	// and for what could not be read.
	Args map[string]any `json:"args"`
	// Duration is null when the call did not return while it was waited for.
	Duration *int64 `json:"duration_ns"`
	// Error is the text of the error in quotes, or the name of its type; empty
	// when the call did not fail, or its end is not known.
	Error string `json:"error,omitempty"`
}

// Valid returns h with texts that JSON can hold.
func (h Hook) Valid() Hook {
	h.Func, h.Refused, h.Reason = text(h.Func), text(h.Refused), text(h.Reason)
	for i := range h.Samples {
		s := &h.Samples[i]
		s.Error = text(s.Error)
		for name, value := range s.Args {
			if t, ok := value.(string); ok {
				s.Args[name] = text(t)
			}
		}
	}
	return h
}
