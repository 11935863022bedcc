package swap

import "time"

// SetTimeout sets [Options.Timeout] of an engine that tells of an event.
func (e *Engine) SetTimeout(d time.Duration) { e.options.Timeout = d }
