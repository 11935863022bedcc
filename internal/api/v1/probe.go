package v1

import "github.com/goshawk-io/goshawk/internal/model"

// Probe is the state of one probe.
type Probe struct {
	Name        string `json:"name"`
	Summary     string `json:"summary"`
	Up          bool   `json:"up"`
	Events      uint64 `json:"events"`
	Lost        uint64 `json:"lost"`
	LostRecords uint64 `json:"lost_records"`
	// Since is when it was attached.
	Since  *Time       `json:"since,omitempty"`
	CostNS *int64      `json:"cost_ns,omitempty"`
	Off    []ProbePart `json:"off,omitempty"`
	// Targets are the programs that a probe of functions is attached to.
	Targets []ProbeTarget `json:"targets,omitempty"`
	Fields  []Field       `json:"fields,omitempty"`
	// Groups are the keys of the fields by which rollups tell events apart.
	Groups []string `json:"groups,omitempty"`
	// Rules are those by which the probe judges its events.
	Rules []Rule `json:"rules,omitempty"`
	// Sampled says that the events are a sample of what the probe counts.
	Sampled bool `json:"sampled,omitempty"`
}

// Rule is what a probe finds wrong with an event.
type Rule struct {
	Name    string `json:"name"`
	Summary string `json:"summary"`
}

// ProbePart is a part of a probe that is off, with the reason.
type ProbePart struct {
	Part    string `json:"part,omitempty"`
	Cause   string `json:"cause"`
	Missing string `json:"missing"`
	Hint    string `json:"hint,omitempty"`
}

// ProbeTarget is a program that a probe is attached to.
type ProbeTarget struct {
	Exe       string  `json:"exe"`
	Service   string  `json:"service,omitempty"`
	GoVersion string  `json:"go_version"`
	PIDs      []int32 `json:"pids"`
	Points    int     `json:"points"`
	Off       int     `json:"off"`
	Assumed   string  `json:"assumed,omitempty"`
}

// Field describes one attribute of a probe's events.
type Field struct {
	Key     string `json:"key"`
	Type    string `json:"type"`
	Unit    string `json:"unit,omitempty"`
	Summary string `json:"summary"`
}

// NewProbe returns the wire form of a probe's state and schema.
func NewProbe(h model.ProbeHealth, summary string, schema *model.Schema) Probe {
	p := Probe{Name: h.Probe, Summary: summary, Up: h.Up, Events: h.Events, Lost: h.Lost, LostRecords: h.LostRecords, Groups: schema.Groups, Sampled: schema.Tallied}
	if !h.Since.IsZero() {
		since := Time(h.Since)
		p.Since = &since
	}
	if h.CostSeconds >= 0 {
		ns := int64(h.CostSeconds * 1e9)
		p.CostNS = &ns
	}
	for _, f := range h.Off {
		p.Off = append(p.Off, ProbePart{Part: f.Part, Cause: f.Cause, Missing: f.Missing, Hint: f.Hint})
	}
	for _, t := range h.Targets {
		p.Targets = append(p.Targets, ProbeTarget(t))
	}
	for _, r := range schema.Rules {
		p.Rules = append(p.Rules, Rule(r))
	}
	for _, f := range schema.Fields {
		p.Fields = append(p.Fields, Field{Key: f.Key, Type: f.Kind.String(), Unit: f.Unit, Summary: f.Summary})
	}
	return p
}

// Service is a service on this host: its processes under one name.
type Service struct {
	Name      string    `json:"name"`
	Processes []Process `json:"processes"`
}

// NewServices groups processes by the name of their service, in the order of
// the first of each.
func NewServices(processes []Process) []Service {
	services := []Service{}
	index := make(map[string]int)
	for _, p := range processes {
		i, ok := index[p.Service]
		if !ok {
			i = len(services)
			index[p.Service] = i
			services = append(services, Service{Name: p.Service})
		}
		services[i].Processes = append(services[i].Processes, p)
	}
	return services
}

// List is an answer of several items.
type List[T any] struct {
	Items []T `json:"items"`
	// Next is the parameter "after" of the next page, absent on the last.
	Next string `json:"next,omitempty"`
	// Incomplete says, in sentences, what the answer lacks; absent when
	// nothing.
	Incomplete []string `json:"incomplete,omitempty"`
}

// Error is the answer to a request that failed.
type Error struct {
	Error string `json:"error"`
	Hint  string `json:"hint,omitempty"`
}

// Status is the answer of the health end points.
type Status struct {
	Status string `json:"status"`
	Cause  string `json:"cause,omitempty"`
}
