package probe

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/cilium/ebpf"
)

// Settings are what users can set of a probe. The zero value is the default.
type Settings struct {
	// PerSecond and FailedPerSecond are how many requests of each kind, and how
	// many slow or failed ones, become events; 0 means 10 and 100, less none but
	// the first of a kind.
	PerSecond, FailedPerSecond float64
	// Slow is from when on a request is slow; 0 takes the 99th percentile of
	// its kind.
	Slow time.Duration
	// Routes bounds the path templates that are kept apart in each process; 0
	// means 200.
	Routes int
	// PublishContexts publishes which span each thread is in, for other agents:
	// in the map otel/traces_ctx_v1 below [Settings.BPFFS].
	PublishContexts bool
	// Launcher, if not 0, is the process whose children alone are observed when
	// they start, until they end.
	Launcher int32
	// Joined, if not 0, is a process of which the rest of the start is observed.
	Joined int32
	// BPFFS is where the BPF file system is; empty means /sys/fs/bpf.
	BPFFS string
}

// The map of trace contexts: its name, its folder below the BPF file system and
// the constant that makes programs write it.
const (
	contextMap      = "traces_ctx_v1"
	contextFolder   = "otel"
	publishVariable = "publish"
)

// Apply makes what the settings say of sampling take effect, from now on. It
// may be called at any time and from any goroutine; PublishContexts is for
// [Start] alone.
func (p *Probe) Apply(s Settings) error {
	if p.spec.Tune == nil {
		return nil
	}
	if p.closed.Load() {
		return nil
	}
	for name, value := range p.spec.Tune(s) {
		if err := p.setVariable(name, value); err != nil {
			return err
		}
	}
	return nil
}

// setVariable sets a variable of the probe's programs, which run.
func (p *Probe) setVariable(name string, value any) error {
	v, ok := p.collection.Variables[name]
	if !ok {
		return fmt.Errorf("set %s of probe %s: it has no such variable", name, p.spec.Name)
	}
	if err := v.Set(value); err != nil {
		return fmt.Errorf("set %s of probe %s: %w", name, p.spec.Name, err)
	}
	return nil
}

// publish prepares object for publishing contexts. The result undoes what that
// left in the file system, and is nil when there is nothing to undo.
func (s *Settings) publish(object *ebpf.CollectionSpec, options *ebpf.CollectionOptions) (undo func(), err error) {
	m, ok := object.Maps[contextMap]
	if !ok || !s.PublishContexts {
		return nil, nil
	}
	root := s.BPFFS
	if root == "" {
		root = "/sys/fs/bpf"
	}
	folder := filepath.Join(root, contextFolder)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, fmt.Errorf("publish trace contexts: %w", err)
	}
	path := filepath.Join(folder, contextMap)
	_, err = os.Stat(path)
	made := errors.Is(err, os.ErrNotExist)
	m.Pinning = ebpf.PinByName
	options.Maps.PinPath = folder
	if err := object.Variables[publishVariable].Set(uint32(1)); err != nil {
		return nil, fmt.Errorf("publish trace contexts: %w", err)
	}
	if !made {
		return nil, nil
	}
	return func() {
		os.Remove(path)
		// It stays when another agent has a map in it.
		os.Remove(folder)
	}, nil
}
