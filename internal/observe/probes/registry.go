// Package probes lists the probes that Goshawk has. A probe is a folder here
// and one line of [All]; nothing else in the tree names it.
package probes

import (
	"github.com/goshawk-io/goshawk/internal/observe/probe"
	"github.com/goshawk-io/goshawk/internal/observe/probes/exec"
	"github.com/goshawk-io/goshawk/internal/observe/probes/http"
	"github.com/goshawk-io/goshawk/internal/observe/probes/startup"
	"github.com/goshawk-io/goshawk/internal/observe/probes/tcp"
)

// All returns every probe, in the order in which users read about them.
func All() []*probe.Spec {
	return []*probe.Spec{
		exec.Spec(),
		http.Spec(),
		tcp.Spec(),
		startup.Spec(),
	}
}

// Find returns the probe named name, nil when there is none.
func Find(name string) *probe.Spec {
	for _, spec := range All() {
		if spec.Name == name {
			return spec
		}
	}
	return nil
}
