package pyrra

import (
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/judge/objective/draft"
	"github.com/goshawk-io/goshawk/internal/platform/yamldoc"
	"github.com/goshawk-io/goshawk/sli"
)

// Version is the apiVersion of the documents that are read.
const Version = "pyrra.dev/v1alpha1"

const kind = "ServiceLevelObjective"

// Format is what an objective's origin says.
const Format = "Pyrra"

// prefix begins the labels and annotations that Pyrra hands on to its rules.
const prefix = "pyrra.dev/"

// defaultAlert is what Pyrra calls its alerts.
const defaultAlert = "ErrorBudgetBurn"

// resource is a document that is being read.
type resource struct {
	*draft.Draft
	severities severities
	alertName  string
	disabled   bool
	burnrates  bool
	// annotations are those that go to the alerts.
	annotations map[string]string
	windowAt    yamldoc.Value
	alertingAt  yamldoc.Value
	targeted    bool
}

// severities are the labels of the four alerts.
type severities struct{ fast, medium, slow, long string }

// Document reads a document of [Version].
func Document(v yamldoc.Value) []*draft.Draft {
	r := &resource{Draft: draft.New(v, Format), alertName: defaultAlert, burnrates: true}
	v.Object([]yamldoc.Field{
		{Name: "apiVersion", Raw: true},
		{Name: "kind", Required: true, Sample: kind, Read: func(v yamldoc.Value) {
			name := ""
			if v.Text(&name, draft.MaxName) && name != kind {
				v.Fail("write kind: "+kind, "there is no such kind in %s", Version)
			}
		}},
		{Name: "metadata", Required: true, Sample: "{name: availability}", Fields: r.metadata()},
		{Name: "spec", Required: true, Sample: "below it, target, window and indicator", Fields: r.spec()},
		{Name: "status", Raw: true},
	})
	r.finish()
	return []*draft.Draft{r.Draft}
}

func (r *resource) metadata() []yamldoc.Field {
	s := &r.SLO
	return []yamldoc.Field{
		{Name: "name", Kind: "a name", Required: true, Sample: "availability", Read: func(v yamldoc.Value) {
			r.At("name", v)
			v.Text(&s.Name, draft.MaxName)
		}},
		{Name: "namespace", Nothing: true, Read: func(v yamldoc.Value) { r.Keep("metadata.namespace", v) }},
		{Name: "labels", Nothing: true, Read: func(v yamldoc.Value) {
			handed, others := split(draft.Texts(v))
			s.Labels = handed
			s.Service = handed["service"]
			if len(others) > 0 {
				r.Keep("metadata.labels", v)
			}
		}},
		{Name: "annotations", Nothing: true, Read: func(v yamldoc.Value) { r.annotations, s.Annotations = split(draft.Texts(v)) }},
	}
}

// split returns the entries that Pyrra hands on, without their prefix, and the
// others.
func split(all map[string]string) (handed, others map[string]string) {
	for name, text := range all {
		if short, ok := strings.CutPrefix(name, prefix); ok {
			handed = draft.Merge(handed, map[string]string{short: text})
		} else {
			others = draft.Merge(others, map[string]string{name: text})
		}
	}
	return handed, others
}

func (r *resource) spec() []yamldoc.Field {
	s := &r.SLO
	keep := func(name string) yamldoc.Field {
		return yamldoc.Field{Name: name, Nothing: true, Read: func(v yamldoc.Value) { r.Keep("spec."+name, v) }}
	}
	return []yamldoc.Field{
		{Name: "description", Nothing: true, Read: func(v yamldoc.Value) { v.Prose(&s.Description, draft.MaxProse) }},
		{Name: "target", Kind: `a text such as "99.9"`, Required: true, Sample: `"99.9"`, Read: r.readTarget},
		{Name: "window", Kind: "a length such as 4w", Required: true, Sample: "4w", Read: r.readWindow},
		{Name: "indicator", Required: true, Sample: "below it, ratio, latency, latencyNative or bool_gauge", Read: r.readIndicator},
		{Name: "alerting", Nothing: true, Read: r.readAlerting},
		keep("partial_response_strategy"), keep("performanceOverAccuracy"), keep("ruleOutput"),
	}
}

// readTarget reads a percentage, which is a text.
func (r *resource) readTarget(v yamldoc.Value) {
	r.At("target", v)
	text := ""
	if !v.Word(&text, draft.MaxName) {
		return
	}
	share, ok := draft.Percent(text)
	if !ok {
		v.Fail(`write a number in quotes such as "99.9"`, "is not a decimal number")
		return
	}
	if share > 0 && share < 0.01 {
		v.Warn("write per cent, such as 99.9", "is less than 1 %%: Pyrra's targets are from 0 to 100")
	}
	r.SLO.Target, r.targeted = share, true
}

func (r *resource) readWindow(v yamldoc.Value) {
	r.windowAt = v
	r.At("windows", v)
	text := ""
	if !v.Word(&text, draft.MaxName) {
		return
	}
	length, ok := draft.Length(text)
	if !ok {
		v.Fail("write a length such as 4w or 30d", "is not a length of time")
		return
	}
	r.SLO.Windows = []sli.Window{sli.Rolling(length)}
}

func (r *resource) readAlerting(v yamldoc.Value) {
	r.alertingAt = v
	r.At("alerts", v.Named())
	severity := func(name string, to *string) yamldoc.Field {
		return yamldoc.Field{Name: name, Nothing: true, Read: func(v yamldoc.Value) { v.Text(to, draft.MaxName) }}
	}
	flag := func(name string, to *bool) yamldoc.Field {
		return yamldoc.Field{Name: name, Nothing: true, Read: func(v yamldoc.Value) { v.Boolean(to) }}
	}
	keep := func(path string) func(yamldoc.Value) {
		return func(v yamldoc.Value) { r.Keep("spec.alerting."+path, v) }
	}
	v.Object([]yamldoc.Field{
		flag("disabled", &r.disabled),
		flag("burnrates", &r.burnrates),
		{Name: "absent", Nothing: true, Read: keep("absent")},
		{Name: "name", Nothing: true, Read: func(v yamldoc.Value) { v.Text(&r.alertName, draft.MaxName) }},
		{Name: "absentName", Nothing: true, Read: keep("absentName")},
		{Name: "severities", Nothing: true, Fields: []yamldoc.Field{
			severity("fastBurn", &r.severities.fast), severity("mediumBurn", &r.severities.medium),
			severity("slowBurn", &r.severities.slow), severity("longTermBurn", &r.severities.long),
			{Name: "absent", Nothing: true, Read: keep("severities.absent")},
		}},
	})
}

// finish makes what depends on several fields.
func (r *resource) finish() {
	s := &r.SLO
	s.Indicator.Name = s.Name
	if s.Service == "" {
		s.Service = s.Name
	}
	if len(s.Windows) > 0 && r.targeted {
		s.Alerts = []objective.Alert{}
		if r.disabled || !r.burnrates {
			r.keepSilent()
		} else {
			r.alert(s.Windows[0].Length())
		}
	}
	if s.Name != "" && r.targeted && len(s.Windows) > 0 && s.Indicator.Query.Total != "" {
		r.Check()
	}
}

// keepSilent keeps what is said with alerts that there are none of.
func (r *resource) keepSilent() {
	for _, path := range []string{"name", "severities", "disabled", "burnrates"} {
		if v, ok := r.alertingAt.Child(path); ok {
			r.Keep("spec.alerting."+path, v)
		}
	}
}

// alert makes the alerts that Pyrra generates, as parts of the window, to the
// minute.
func (r *resource) alert(window time.Duration) {
	s := &r.SLO
	part := func(hours, minutes time.Duration) time.Duration {
		share := hours*time.Hour + minutes*time.Minute
		return (window / (28 * 24 * time.Hour / share)).Round(time.Minute)
	}
	name := func(severity, standard string) string {
		if severity != "" {
			return severity
		}
		return standard
	}
	for _, a := range []struct {
		sli.Alert
		after time.Duration
	}{
		{sli.Alert{Severity: name(r.severities.fast, "critical"), Burn: 14, Long: part(1, 0), Short: part(0, 5)}, part(0, 2)},
		{sli.Alert{Severity: name(r.severities.medium, "critical"), Burn: 7, Long: part(6, 0), Short: part(0, 30)}, part(0, 15)},
		{sli.Alert{Severity: name(r.severities.slow, "warning"), Burn: 2, Long: part(24, 0), Short: part(2, 0)}, part(1, 0)},
		{sli.Alert{Severity: name(r.severities.long, "warning"), Burn: 1, Long: part(96, 0), Short: part(6, 0)}, part(3, 0)},
	} {
		if a.Short <= 0 || a.Long <= a.Short {
			r.windowAt.Fail("write 3d or more", "is too short: Pyrra's alert windows come out as %v and %v", a.Long, a.Short)
			return
		}
		if !objective.CanFire(s.Target, a.Alert) {
			r.Place("target").Warn("write a higher target", "the alert at %v times the allowed rate can never fire, and is left out", a.Burn)
			continue
		}
		s.Alerts = append(s.Alerts, objective.Alert{Alert: a.Alert, Name: r.alertName, For: a.after, Annotations: r.annotations})
	}
}
