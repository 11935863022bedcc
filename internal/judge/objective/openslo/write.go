package openslo

import (
	"fmt"
	"io"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/sli"
)

// Loss is what OpenSLO cannot say of an objective, so that others who read the file
// do not know it. Goshawk does: it is in annotations, unless the cause says other.
type Loss struct {
	// SLO is the objective's name, and Field the field of it.
	SLO, Field string
	Cause      string
}

// The documents as they are written.
type (
	outDocument struct {
		APIVersion string      `yaml:"apiVersion"`
		Kind       string      `yaml:"kind"`
		Metadata   outMetadata `yaml:"metadata"`
		Spec       outSpec     `yaml:"spec"`
	}
	outMetadata struct {
		Name        string            `yaml:"name"`
		DisplayName string            `yaml:"displayName,omitempty"`
		Labels      map[string]string `yaml:"labels,omitempty"`
		Annotations map[string]string `yaml:"annotations,omitempty"`
	}
	outSpec struct {
		Description     string       `yaml:"description,omitempty"`
		Service         string       `yaml:"service"`
		Indicator       outIndicator `yaml:"indicator"`
		TimeWindow      []outWindow  `yaml:"timeWindow,omitempty"`
		BudgetingMethod string       `yaml:"budgetingMethod"`
		Objectives      []outGoal    `yaml:"objectives"`
		AlertPolicies   *[]outPolicy `yaml:"alertPolicies,omitempty"`
	}
	outIndicator struct {
		Metadata outMetadata `yaml:"metadata"`
		Spec     outMetrics  `yaml:"spec"`
	}
	outMetrics struct {
		Threshold *outMetric `yaml:"thresholdMetric,omitempty"`
		Ratio     *outRatio  `yaml:"ratioMetric,omitempty"`
	}
	outRatio struct {
		Counter bool       `yaml:"counter"`
		Good    *outMetric `yaml:"good,omitempty"`
		Bad     *outMetric `yaml:"bad,omitempty"`
		Total   *outMetric `yaml:"total,omitempty"`
		RawType string     `yaml:"rawType,omitempty"`
		Raw     *outMetric `yaml:"raw,omitempty"`
	}
	outMetric struct {
		Source outSource `yaml:"metricSource"`
	}
	outSource struct {
		Type string `yaml:"type"`
		Spec any    `yaml:"spec"`
	}
	outQuery struct {
		Query  string   `yaml:"query"`
		Server string   `yaml:"server,omitempty"`
		By     []string `yaml:"by,omitempty"`
	}
	outWindow struct {
		Duration string       `yaml:"duration"`
		Rolling  bool         `yaml:"isRolling"`
		Calendar *outCalendar `yaml:"calendar,omitempty"`
	}
	outCalendar struct {
		Start string `yaml:"startTime"`
		Zone  string `yaml:"timeZone"`
	}
	outGoal struct {
		DisplayName string  `yaml:"displayName,omitempty"`
		Op          string  `yaml:"op,omitempty"`
		Value       float64 `yaml:"value,omitempty"`
		Target      float64 `yaml:"target"`
		SliceTarget float64 `yaml:"timeSliceTarget,omitempty"`
		SliceWindow string  `yaml:"timeSliceWindow,omitempty"`
	}
)

// Write writes objectives as documents, and returns what these cannot say. What is
// written and read again is the same, but for its origin. It fails when w does, or
// when an objective is not valid.
func Write(w io.Writer, slos []objective.SLO) ([]Loss, error) {
	var all []Loss
	dumper, err := yaml.NewDumper(w, yaml.WithIndent(2), yaml.WithLineWidth(-1))
	if err != nil {
		return nil, fmt.Errorf("write OpenSLO: %w", err)
	}
	for i := range slos {
		s := &slos[i]
		if err := objective.Errors(s.Validate()); err != nil {
			return all, fmt.Errorf("write OpenSLO: %s: %w", s.Name, err)
		}
		p := &printer{slo: s}
		document, err := p.document()
		if err == nil {
			err = dumper.Dump(document)
		}
		if err != nil {
			return all, fmt.Errorf("write OpenSLO: %s: %w", s.Name, err)
		}
		all = append(all, p.losses...)
	}
	if err := dumper.Close(); err != nil {
		return all, fmt.Errorf("write OpenSLO: %w", err)
	}
	return all, nil
}

// printer makes the document of an objective.
type printer struct {
	slo    *objective.SLO
	notes  map[string]string
	losses []Loss
}

func (p *printer) lose(field, format string, args ...any) {
	p.losses = append(p.losses, Loss{p.slo.Name, field, fmt.Sprintf(format, args...)})
}

// note writes an annotation of Goshawk's.
func (p *printer) note(name, text string) {
	if p.notes == nil {
		p.notes = make(map[string]string)
	}
	p.notes[prefix+name] = text
}

func (p *printer) document() (*outDocument, error) {
	s := p.slo
	p.names()
	d := &outDocument{APIVersion: Version, Kind: kindSLO}
	d.Metadata = outMetadata{Name: s.Name, DisplayName: s.Title, Labels: s.Labels}
	d.Spec = outSpec{Description: s.Description, Service: s.Service, BudgetingMethod: occurrences}
	goal := outGoal{Target: s.Target}
	if s.Slice.Width > 0 {
		d.Spec.BudgetingMethod = timeslices
		goal.SliceTarget, goal.SliceWindow = s.Slice.Target, p.shorthand("slice.width", s.Slice.Width)
		p.lose("slice", "that a slice without events is good")
	}
	d.Spec.Indicator = p.indicator(&goal)
	d.Spec.Objectives = []outGoal{goal}
	if err := p.windows(&d.Spec); err != nil {
		return nil, err
	}
	d.Spec.AlertPolicies = p.alerts()
	if err := p.annotations(); err != nil {
		return nil, err
	}
	for name, text := range s.Annotations {
		if _, ours := p.notes[name]; !ours {
			p.annotate(name, text)
		}
	}
	d.Metadata.Annotations = p.notes
	return d, nil
}

// annotate writes an annotation of the objective's own.
func (p *printer) annotate(name, text string) {
	if strings.HasPrefix(name, prefix) {
		p.lose("annotations", "the annotation %s, whose name is one of Goshawk's: it is left out", name)
		return
	}
	if p.notes == nil {
		p.notes = make(map[string]string)
	}
	p.notes[name] = text
}

// names says which names others may refuse.
func (p *printer) names() {
	s := p.slo
	if !isName(s.Name) {
		p.lose("name", "a name that is not of up to 63 lower-case letters, digits and -: others may refuse it")
	}
	if len(s.Description) > 1050 {
		p.lose("description", "more than 1050 bytes: others may refuse it")
	}
}

// indicator writes the indicator, and the comparison that goes with it.
func (p *printer) indicator(g *outGoal) outIndicator {
	i := &p.slo.Indicator
	out := outIndicator{Metadata: outMetadata{Name: i.Name}}
	if i.Name == "" {
		out.Metadata.Name = p.slo.Name
	}
	if i.Signal == objective.SignalQuery {
		out.Spec.Ratio = p.queries(&i.Query)
		return out
	}
	p.lose("indicator", "which events count: a metricSource of the type goshawk is Goshawk's own")
	m := &outMetric{outSource{typeGoshawk, p.counted()}}
	if i.Threshold > 0 {
		out.Spec.Threshold = m
		g.Op, g.Value = "lte", i.Threshold.Seconds()
	} else {
		out.Spec.Ratio = &outRatio{RawType: "success", Raw: m}
	}
	return out
}

// queries writes the queries of an indicator.
func (p *printer) queries(q *objective.Query) *outRatio {
	metric := func(text string) *outMetric {
		if text == "" {
			return nil
		}
		return &outMetric{outSource{typePrometheus, outQuery{text, q.Server, q.By}}}
	}
	if len(q.By) > 0 {
		p.lose("indicator.query.by", "that each value of %s has a budget of its own", strings.Join(q.By, ", "))
	}
	if q.Ratio != "" {
		return &outRatio{RawType: "failure", Raw: metric(q.Ratio)}
	}
	part, total := objective.Windowed(q.Good+q.Bad), objective.Windowed(q.Total)
	if part || total {
		p.lose("indicator.query", "what {{.window}} in a query stands for")
	}
	return &outRatio{Counter: !part || !total, Good: metric(q.Good), Bad: metric(q.Bad), Total: metric(q.Total)}
}

// windows writes the first window, and the others as an annotation.
func (p *printer) windows(spec *outSpec) error {
	for i, w := range p.slo.Windows {
		out, err := p.window(fmt.Sprintf("windows[%d]", i), w)
		if err != nil {
			return err
		}
		if i == 0 {
			spec.TimeWindow = []outWindow{out}
			continue
		}
		text := out.Duration
		if out.Calendar != nil {
			text += " from " + out.Calendar.Start + " " + out.Calendar.Zone
		}
		if p.notes[prefix+noteWindows] != "" {
			text = p.notes[prefix+noteWindows] + ", " + text
		}
		p.note(noteWindows, text)
		p.lose(fmt.Sprintf("windows[%d]", i), "a window besides the first")
	}
	return nil
}

func (p *printer) window(field string, w sli.Window) (outWindow, error) {
	if !w.IsCalendar() {
		return outWindow{Duration: p.shorthand(field, w.Length()), Rolling: true}, nil
	}
	start, months, days, ok := calendarOf(w)
	if !ok {
		return outWindow{}, fmt.Errorf("%s: %v has no start that can be written", field, w)
	}
	duration := fmt.Sprintf("%dd", days)
	if months > 0 {
		duration = fmt.Sprintf("%dM", months)
	}
	return outWindow{Duration: duration, Calendar: &outCalendar{Start: start.Format(time.DateTime), Zone: start.Location().String()}}, nil
}
