package v1

import "github.com/goshawk-io/goshawk/internal/model"

// Version says which Goshawk this is.
type Version struct {
	Version   string `json:"version"`
	Revision  string `json:"vcs_revision,omitempty"`
	Modified  bool   `json:"vcs_modified,omitempty"`
	GoVersion string `json:"go_version"`
	OS        string `json:"os"`
	Arch      string `json:"arch"`
}

// Process is a Go process.
type Process struct {
	PID         int32  `json:"pid"`
	ParentPID   int32  `json:"parent_pid"`
	Exe         string `json:"exe"`
	Deleted     bool   `json:"exe_deleted,omitempty"`
	GoVersion   string `json:"go_version"`
	Path        string `json:"path"`
	Module      string `json:"module"`
	Version     string `json:"version"`
	Revision    string `json:"vcs_revision"`
	BuildID     string `json:"build_id"`
	Service     string `json:"service"`
	Static      bool   `json:"static"`
	PIE         bool   `json:"pie"`
	Cgo         bool   `json:"cgo"`
	Stripped    bool   `json:"stripped"`
	ContainerID string `json:"container_id"`
	PodUID      string `json:"k8s_pod_uid"`
	Hookable    bool   `json:"hookable"`
	StartTime   Time   `json:"start_time"`
}

// NewProcess returns the wire form of a Go process. hookable says whether its
// functions can be hooked.
func NewProcess(p *model.Process, hookable bool) Process {
	v := Process{
		PID: p.ID.PID, ParentPID: p.Parent.PID, Exe: text(p.Exe), Deleted: p.Deleted,
		Service: text(p.Service), ContainerID: p.ContainerID, PodUID: p.PodUID,
		Hookable: hookable, StartTime: Time(p.StartTime),
	}
	if b := p.Go; b != nil {
		v.GoVersion, v.Path, v.Module, v.Version, v.Revision = b.GoVersion, text(b.Path), text(b.Module), text(b.Version), text(b.Revision)
		v.BuildID, v.Static, v.PIE, v.Cgo, v.Stripped = text(b.BuildID), b.Static, b.PIE, b.Cgo, b.Stripped
	}
	return v
}
