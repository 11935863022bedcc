package openslo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/judge/objective/draft"
	"github.com/goshawk-io/goshawk/internal/platform/yamldoc"
	"github.com/goshawk-io/goshawk/sli"
)

// The names of Goshawk's annotations, without their prefix.
const (
	noteWindows    = "windows"
	noteMinEvents  = "min-events"
	noteMinBad     = "min-bad"
	noteConfidence = "confidence"
	noteExclusions = "exclusions"
	noteReceivers  = "receivers"
	noteProposal   = "proposal"
	noteExtra      = "extra"
	noteShort      = "short-window"
	noteAlertName  = "alert-name"
)

// notes is what the annotations of an SLO say.
type notes struct {
	windows    []sli.Window
	windowsAt  yamldoc.Value
	minEvents  uint64
	minBad     uint64
	confidence float64
	guardAt    yamldoc.Value
	exclusions []objective.Exclusion
	excludedAt []yamldoc.Value
	receivers  []string
	// receiversAt is where they are written.
	receiversAt yamldoc.Value
	proposal    bool
	extra       map[string]string
}

// readNotes reads Goshawk's annotations of an SLO.
func (r *Reader) readNotes(p *promise, m *metadata) {
	n := &p.notes
	m.read([]note{
		{noteWindows, func(v yamldoc.Value) { n.windows, n.windowsAt = r.readWindows(v), v }},
		{noteMinEvents, func(v yamldoc.Value) { readCount(v, &n.minEvents) }},
		{noteMinBad, func(v yamldoc.Value) { readCount(v, &n.minBad) }},
		{noteConfidence, func(v yamldoc.Value) {
			number, ok := yamldoc.ParseDecimal(textOf(v))
			if !ok {
				v.Fail(`write a number such as "0.95"`, "is not a decimal number")
			}
			n.confidence, n.guardAt = number, v
		}},
		{noteExclusions, func(v yamldoc.Value) { v.Embedded(n.readExclusions) }},
		{noteReceivers, func(v yamldoc.Value) {
			if n.receivers, n.receiversAt = list(v), v; slices.Contains(n.receivers, allReceivers) {
				n.receivers = nil
			}
		}},
		{noteProposal, func(v yamldoc.Value) {
			written := textOf(v)
			if n.proposal = written == "true"; !n.proposal && written != "false" {
				v.Fail(`write "true", or remove the line`, "is neither true nor false")
			}
		}},
		{noteExtra, func(v yamldoc.Value) { n.extra = readExtra(v) }},
	})
}

// apply puts the notes into an objective.
func (n *notes) apply(d *draft.Draft) {
	s := &d.SLO
	s.MinEvents, s.MinBad, s.Confidence, s.Proposal = n.minEvents, n.minBad, n.confidence, n.proposal
	d.At("confidence", n.guardAt)
	s.Exclusions = n.exclusions
	for i, at := range n.excludedAt {
		d.At(fmt.Sprintf("exclusions[%d]", i), at)
	}
	s.Extra = draft.Merge(n.extra, s.Extra)
}

// textOf returns the text of an annotation.
func textOf(v yamldoc.Value) string {
	text := ""
	v.Prose(&text, draft.MaxProse)
	return text
}

// list returns the entries of a text, which commas divide.
func list(v yamldoc.Value) []string {
	var entries []string
	for entry := range strings.SplitSeq(textOf(v), ",") {
		switch entry = strings.TrimSpace(entry); {
		case entry == "":
			v.Fail("write entries with commas between them", "has an empty entry")
		case slices.Contains(entries, entry):
			v.Fail("write it once", "%s is there twice", yamldoc.Show(entry))
		case len(entries) == draft.MaxList:
			v.Fail("write at most 100", "has more entries")
			return entries
		default:
			entries = append(entries, entry)
		}
	}
	return entries
}

func readCount(v yamldoc.Value, to *uint64) {
	n, err := strconv.ParseUint(textOf(v), 10, 64)
	if err != nil {
		v.Fail(`write a whole number such as "100"`, "is not a whole number")
		return
	}
	*to = n
}

// readExclusions reads a list of times that do not count.
func (n *notes) readExclusions(v yamldoc.Value) {
	v.AnyItems(draft.MaxList, func(v yamldoc.Value) {
		e := objective.Exclusion{}
		v.Object([]yamldoc.Field{
			{Name: "from", Kind: "a time", Required: true, Sample: "2026-01-01T00:00:00Z", Read: func(v yamldoc.Value) { readInstant(v, &e.From) }},
			{Name: "to", Kind: "a time", Required: true, Sample: "2026-01-01T01:00:00Z", Read: func(v yamldoc.Value) { readInstant(v, &e.To) }},
			{Name: "reason", Kind: "a text", Read: func(v yamldoc.Value) { v.Prose(&e.Reason, draft.MaxProse) }},
			// It is about whatever the indicator is about.
			{Name: "select", Kind: "an object", Read: func(v yamldoc.Value) { e.Select = readSelector(v, "") }},
		})
		n.exclusions = append(n.exclusions, e)
		n.excludedAt = append(n.excludedAt, v)
	})
}

// readInstant reads a time with its zone. What is kept is in UTC.
func readInstant(v yamldoc.Value, to *time.Time) {
	text := ""
	if !v.Word(&text, draft.MaxName) {
		return
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		v.Fail("write a time with its zone, such as 2026-01-01T00:00:00Z", "is not a time")
		return
	}
	*to = t.UTC()
}

// readExtra reads what Write wrote of an objective's Extra.
func readExtra(v yamldoc.Value) map[string]string {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal([]byte(textOf(v)), &raw); err != nil {
		v.Named().Fail("leave it as it was written", "is not the JSON object that goshawk writes")
		return nil
	}
	var extra map[string]string
	for path, value := range raw {
		var compact bytes.Buffer
		if json.Compact(&compact, value) == nil {
			extra = draft.Merge(extra, map[string]string{path: compact.String()})
		}
	}
	return extra
}
