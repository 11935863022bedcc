package probe

import (
	"errors"
	"fmt"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// Shared holds what several probes use: maps, by name, and, while they start, the
// kernel's types. Its zero value is empty and ready; the caller must call Close
// when no probe runs any more.
type Shared struct {
	mu    sync.Mutex
	maps  map[string]*ebpf.Map
	types *btf.Cache
}

// ReadTypes reads the kernel's types, in the background: some 10 ms, once for all
// probes that start before [Shared.ForgetTypes]. Without it each reads its own.
func (s *Shared) ReadTypes() {
	types := btf.NewCache()
	s.mu.Lock()
	s.types = types
	s.mu.Unlock()
	// Who loads a probe has the error again.
	go func() { _, _ = types.Kernel() }()
}

// ForgetTypes frees the kernel's types.
func (s *Shared) ForgetTypes() {
	s.mu.Lock()
	s.types = nil
	s.mu.Unlock()
}

// kernelTypes returns the kernel's types, nil where nobody has asked for them.
func (s *Shared) kernelTypes() *btf.Cache {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.types
}

// replacements returns the maps of object that are shared, made anew if no
// probe has asked for them yet.
func (s *Shared) replacements(object *ebpf.CollectionSpec, names []string) (map[string]*ebpf.Map, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := make(map[string]*ebpf.Map, len(names))
	for _, name := range names {
		spec, ok := object.Maps[name]
		if !ok {
			return nil, fmt.Errorf("no map named %q to share", name)
		}
		m, ok := s.maps[name]
		if !ok {
			var err error
			if m, err = ebpf.NewMap(spec); err != nil {
				return nil, fmt.Errorf("make the shared map %s: %w", name, err)
			}
			if s.maps == nil {
				s.maps = make(map[string]*ebpf.Map)
			}
			s.maps[name] = m
		}
		found[name] = m
	}
	return found, nil
}

// Close lets go of the maps.
func (s *Shared) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, m := range s.maps {
		errs = append(errs, m.Close())
	}
	s.maps = nil
	return errors.Join(errs...)
}
