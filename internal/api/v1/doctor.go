package v1

import (
	"slices"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/doctor"
)

// Doctor is what `goshawk doctor` found.
type Doctor struct {
	// Operand is what was asked about, as it was given; empty for the environment.
	Operand string `json:"operand,omitempty"`
	Time    Time   `json:"time"`
	// Environment, Binary and Process say what was looked at; each is absent when it
	// was not.
	Environment *DoctorEnvironment `json:"environment,omitempty"`
	Binary      *DoctorBinary      `json:"binary,omitempty"`
	Process     *DoctorProcess     `json:"process,omitempty"`
	// Rules are those that were asked.
	Rules    []string        `json:"rules"`
	Findings []DoctorFinding `json:"findings"`
	Unseen   []DoctorUnseen  `json:"unseen"`
}

// DoctorFinding is a finding with the place in the documentation that explains it.
type DoctorFinding struct {
	Finding
	Doc string `json:"doc"`
}

// DoctorUnseen is something that could not be seen.
type DoctorUnseen struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// DoctorEnvironment is what go commands in a folder work with.
type DoctorEnvironment struct {
	Directory     string               `json:"directory"`
	Installations []DoctorInstallation `json:"installations"`
	Module        string               `json:"module,omitempty"`
	GoLine        string               `json:"go_line,omitempty"`
	Toolchain     string               `json:"toolchain,omitempty"`
	Workspace     string               `json:"workspace,omitempty"`
	Proxies       []DoctorServer       `json:"proxies"`
	SumDB         *DoctorServer        `json:"sumdb,omitempty"`
	SumDBByProxy  string               `json:"sumdb_by_proxy,omitempty"`
}

// DoctorInstallation is a go command of PATH.
type DoctorInstallation struct {
	Path      string `json:"path"`
	Root      string `json:"root,omitempty"`
	GoVersion string `json:"go_version,omitempty"`
}

// DoctorServer is a server that was asked for a sign of life.
type DoctorServer struct {
	Host       string `json:"host"`
	Outcome    string `json:"outcome"`
	Status     int    `json:"status,omitempty"`
	DurationNS int64  `json:"duration_ns"`
}

// DoctorBinary is an executable.
type DoctorBinary struct {
	Path      string `json:"path"`
	GoVersion string `json:"go_version"`
	Module    string `json:"module,omitempty"`
}

// DoctorProcess is a process.
type DoctorProcess struct {
	PID             int32   `json:"pid"`
	IntervalNS      int64   `json:"interval_ns"`
	CPUs            int     `json:"cpus,omitempty"`
	QuotaCPUs       float64 `json:"quota_cpus,omitempty"`
	MemoryLimit     uint64  `json:"memory_limit_bytes,omitempty"`
	MemoryUsed      uint64  `json:"memory_used_bytes,omitempty"`
	Descriptors     uint64  `json:"descriptors"`
	DescriptorLimit uint64  `json:"descriptor_limit,omitempty"`
	Threads         int     `json:"threads"`
	CPUNS           int64   `json:"cpu_ns"`
	RunDelayNS      int64   `json:"run_delay_ns"`
	Goroutines      *int    `json:"goroutines,omitempty"`
}

// NewDoctor returns the wire form of what was gathered and found. It keeps nothing of
// e.
func NewDoctor(operand string, now time.Time, e *doctor.Evidence, findings []model.Finding) Doctor {
	v := Doctor{Operand: text(operand), Time: Time(now), Rules: []string{}, Findings: []DoctorFinding{}, Unseen: []DoctorUnseen{}}
	for _, r := range doctor.Rules() {
		if r.Applies(e) {
			v.Rules = append(v.Rules, r.Name)
		}
	}
	for _, f := range findings {
		v.Findings = append(v.Findings, DoctorFinding{
			Finding{Rule: f.Rule, Severity: f.Severity.String(), Evidence: text(f.Evidence), Remedy: text(f.Remedy)}, doctor.Doc(f.Rule),
		})
	}
	for _, u := range e.Unseen {
		v.Unseen = append(v.Unseen, DoctorUnseen{What: text(u.What), Why: text(u.Why)})
	}
	if e.Environment != nil {
		v.Environment = newDoctorEnvironment(e.Environment)
	}
	if b := e.Binary; b != nil {
		v.Binary = &DoctorBinary{Path: text(b.Path), GoVersion: text(b.GoVersion), Module: text(b.Module)}
	}
	if e.Process != nil {
		v.Process = newDoctorProcess(e.Process)
	}
	return v
}

// AddTrace adds what was found in an execution trace, and by which rules.
func (v *Doctor) AddTrace(rules []model.Rule, findings []model.Finding) {
	for _, r := range rules {
		v.Rules = append(v.Rules, r.Name)
	}
	for _, f := range findings {
		v.Findings = append(v.Findings, DoctorFinding{traceFinding(f), "docs/trace.md#findings"})
	}
	severities := []string{model.SeverityError.String(), model.SeverityWarn.String(), model.SeverityInfo.String()}
	slices.SortStableFunc(v.Findings, func(a, b DoctorFinding) int {
		return slices.Index(severities, a.Severity) - slices.Index(severities, b.Severity)
	})
}

func newDoctorEnvironment(e *doctor.Environment) *DoctorEnvironment {
	v := &DoctorEnvironment{Directory: text(e.Dir), Installations: []DoctorInstallation{}, Proxies: []DoctorServer{}, SumDBByProxy: text(e.SumDBByProxy)}
	for _, i := range e.Installations {
		v.Installations = append(v.Installations, DoctorInstallation{Path: text(i.Path), Root: text(i.Root), GoVersion: text(i.Version)})
	}
	if m := e.Module; m != nil {
		v.Module, v.GoLine, v.Toolchain, v.Workspace = text(m.Path), text(m.Go), text(m.Toolchain), text(m.Workspace)
	}
	for i := range e.Proxies {
		v.Proxies = append(v.Proxies, newDoctorServer(&e.Proxies[i]))
	}
	if e.SumDB != nil {
		v.SumDB = new(newDoctorServer(e.SumDB))
	}
	return v
}

func newDoctorServer(r *doctor.Reached) DoctorServer {
	return DoctorServer{Host: text(r.Host), Outcome: string(r.Outcome), Status: r.Status, DurationNS: int64(r.Took)}
}

func newDoctorProcess(p *doctor.Process) *DoctorProcess {
	v := &DoctorProcess{
		PID: p.PID, IntervalNS: int64(p.Interval), CPUs: p.CPUs, MemoryLimit: p.Memory.Limit, MemoryUsed: p.Memory.Used,
		Descriptors: p.Descriptors, DescriptorLimit: p.DescriptorLimit, Threads: p.Threads, CPUNS: int64(p.CPU), RunDelayNS: int64(p.RunDelay),
	}
	for _, g := range p.Groups {
		if v.QuotaCPUs == 0 || g.CPUs < v.QuotaCPUs {
			v.QuotaCPUs = g.CPUs
		}
	}
	if p.Goroutines != nil {
		v.Goroutines = new(p.Goroutines.Last)
	}
	return v
}
