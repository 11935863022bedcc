package otlp

import "log/slog"

// health logs when something begins to fail and when it works again, and
// nothing in between. One goroutine uses it at a time.
type health struct {
	log *slog.Logger
	// bad and good are the messages of the two changes.
	bad, good string
	failing   bool
}

// exportHealth watches the endpoint of a signal.
func exportHealth(log *slog.Logger, s signal) *health {
	return &health{
		log:  log.With("endpoint", s.String()),
		bad:  "OTLP export of " + s.name + " fails",
		good: "OTLP export of " + s.name + " works again",
	}
}

// report takes the outcome of one attempt.
func (h *health) report(err error) {
	switch {
	case err != nil && !h.failing:
		h.failing = true
		h.log.Warn(h.bad, "error", err)
	case err == nil && h.failing:
		h.failing = false
		h.log.Info(h.good)
	}
}
