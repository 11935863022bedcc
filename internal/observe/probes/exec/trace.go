package exec

import (
	"encoding/hex"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
)

// parentSpanFor is how long after its own start a command is used as the
// parent of the spans of its children. A server that runs for months would
// otherwise gather every command that it ever ran in one trace.
const parentSpanFor = time.Hour

// trace places a command in a trace. A TRACEPARENT that the parent did not
// have itself was set for this child: it is the remote parent. Otherwise the
// request that the parent's goroutine served is the parent, then the parent's
// command, and else the command begins a trace.
func (d *decoder) trace(p *process, i *image) {
	trace, span := d.host.NewIDs()
	i.trace, i.span = trace, span
	parent := d.parentImage(p, i)
	inherited := parent != nil && parent.traceparent == i.traceparent
	if i.traceparent != "" && !inherited {
		if trace, remote, ok := parseTraceparent(i.traceparent); ok {
			i.trace, i.parentSpan = trace, remote
			return
		}
	}
	if len(p.images) <= 1 && p.origin != (model.SpanID{}) {
		i.trace, i.parentSpan, i.requested = p.request, p.origin, true
		return
	}
	if parent == nil || time.Duration(i.start-parent.start) > parentSpanFor {
		return
	}
	i.trace, i.parentSpan, i.requested = parent.trace, parent.span, parent.requested
	parent.referenced = true
}

// parentImage returns the command that ran i: the image that it replaced, or
// the running image of the parent process. A parent that ended is exported or
// waits to be.
func (d *decoder) parentImage(p *process, i *image) *image {
	for n := range p.images {
		if &p.images[n] == i && n > 0 {
			return &p.images[n-1]
		}
	}
	parent, ok := d.processes[p.parent]
	if !ok {
		return nil
	}
	return parent.current()
}

// parseTraceparent reads a W3C trace context header of version 00, the form
// that the OpenTelemetry environment carrier puts into TRACEPARENT.
func parseTraceparent(s string) (trace model.TraceID, parent model.SpanID, ok bool) {
	if len(s) != 55 || s[:3] != "00-" || s[35] != '-' || s[52] != '-' {
		return trace, parent, false
	}
	for _, c := range []byte(s) {
		if c >= 'A' && c <= 'F' {
			return trace, parent, false
		}
	}
	if _, err := hex.Decode(trace[:], []byte(s[3:35])); err != nil {
		return trace, parent, false
	}
	if _, err := hex.Decode(parent[:], []byte(s[36:52])); err != nil {
		return trace, parent, false
	}
	var flags [1]byte
	if _, err := hex.Decode(flags[:], []byte(s[53:])); err != nil {
		return trace, parent, false
	}
	ok = trace != model.TraceID{} && parent != model.SpanID{}
	return trace, parent, ok
}
