package probe

import (
	"fmt"
	"slices"
	"time"

	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/observe/target"
)

// attachFile attaches the probe to a file, and holds it from then on.
func (f *functions) attachFile(path string) error {
	e, err := f.holdFile(path, time.Now())
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	e.held = true
	f.asked = append(f.asked, path)
	return nil
}

// hold attaches the probe to the files that are to be held and are not yet, or
// have become others. It returns what is held now.
func (f *functions) hold(now time.Time) map[*executable]bool {
	f.mu.Lock()
	asked := slices.Clone(f.asked)
	f.mu.Unlock()
	if f.options.Files != nil {
		asked = append(asked, f.options.Files()...)
	}
	held, causes := make(map[*executable]bool, len(asked)), make(map[string]string)
	for _, path := range asked {
		e, err := f.holdFile(path, now)
		if err == nil {
			held[e] = true
			continue
		}
		causes[path] = err.Error()
		if f.causes[path] != causes[path] {
			f.host.Log.Warn("a probe is not attached to a file", "probe", f.spec.Name, "exe", path, "cause", err)
		}
	}
	f.causes = causes
	return held
}

// holdFile attaches the probe to a file unless it is. It is an error that the
// probe is not attached, for whatever reason.
func (f *functions) holdFile(path string, now time.Time) (*executable, error) {
	file, err := target.OpenFile(path)
	if err != nil {
		return nil, err
	}
	e, _, err := f.open(file, path, nil, now)
	if err != nil {
		return nil, err
	}
	refused, skipped := f.refusal(e)
	switch {
	case refused != nil:
		return nil, fmt.Errorf("%s: %w", path, refused)
	case skipped && e.program == nil:
		return nil, fmt.Errorf("%s: %w", path, symbol.ErrNotGo)
	case skipped:
		return nil, fmt.Errorf("%s: %w", path, ErrNoFunctions)
	}
	return e, nil
}

// letGoOfAwaited detaches from files that somebody wants to write to. No process
// runs them.
func (f *functions) letGoOfAwaited() {
	f.letGo(func(e *executable) bool {
		awaited := e.guard != nil && e.guard.Awaited()
		if awaited {
			f.host.Log.Info("a probe lets go of a file that is going to be written", "probe", f.spec.Name, "exe", e.path)
		}
		return awaited
	})
}
