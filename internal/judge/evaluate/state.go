package evaluate

import (
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/sli"
)

// State is how an objective stands.
type State struct {
	SLO *objective.SLO
	// Statuses are those of its windows, in their order; the first has the alerts.
	Statuses []sli.Status
	// Since is since when each alert of the first fires, zero for one that does
	// not.
	Since []time.Time
	// Unit is set where time is counted, in this unit, in the place of events; slices
	// of time are not meant.
	Unit time.Duration
	// Unjudged is how many events were neither good nor bad since the agent
	// started.
	Unjudged uint64
	// Err says why the statuses are not known; there are none then.
	Err error
}
