package config

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"time"
)

// Applier makes the resource named name be as new says; old is what holds
// now, nil for the default. It is called for each resource of its kind that is not as it was, one
// after the other, and again some time after an error. It must return soon
// after ctx is done. An error that is [ErrNeedsRestart] leaves all as it is.
type Applier func(ctx context.Context, name string, old, new *Config) error

// ErrNeedsRestart is returned by an [Applier] for what cannot be changed while
// the agent runs.
var ErrNeedsRestart = errors.New("takes effect when goshawk is started again")

// The states of a configuration and of a resource.
const (
	// StateOK: what the files say is in force.
	StateOK = "ok"
	// StateRejected: the files have errors; what they said before is in force.
	StateRejected = "rejected"
	// StateApplied: the resource is as the configuration says.
	StateApplied = "applied"
	// StatePendingRestart: it will be, when the agent is started again.
	StatePendingRestart = "pending-restart"
	// StateError: it is not.
	StateError = "error"
)

// Status is what a [Watcher] has to say.
type Status struct {
	// State is [StateOK] or [StateRejected].
	State string
	// Files, Hash, LoadedAt and Generation are of the configuration in force;
	// the first that was loaded has generation 1.
	Files      []string
	Hash       string
	LoadedAt   time.Time
	Generation uint64
	// Errors and RejectedAt are why and when the files were rejected; they are
	// zero unless they were.
	Errors     Errors
	RejectedAt time.Time
	// Resources are those of the configuration in force, and those that it
	// has no longer but that still hold.
	Resources []ResourceStatus
}

// ResourceStatus is what became of one resource.
type ResourceStatus struct {
	// Kind and Name say which it is.
	Kind, Name string
	// State is [StateApplied], [StatePendingRestart] or [StateError].
	State string
	// Message says more, empty when there is nothing to say.
	Message string
}

// OK reports whether what the files say is in force, but for what waits for a
// restart.
func (s *Status) OK() bool {
	return s.State == StateOK && !slices.ContainsFunc(s.Resources, func(r ResourceStatus) bool { return r.State == StateError })
}

func (s *Status) accept(c *Config, now time.Time) {
	s.correct()
	s.Files, s.Hash, s.LoadedAt = c.Files(), c.hash, now
	s.Generation++
}

func (s *Status) correct() {
	s.State, s.Errors, s.RejectedAt = StateOK, nil, time.Time{}
}

func (s *Status) clone() Status {
	copied := *s
	copied.Files, copied.Errors, copied.Resources = slices.Clone(s.Files), slices.Clone(s.Errors), slices.Clone(s.Resources)
	return copied
}

// reconcile applies each resource that is not as the configuration in force
// says: all of them when that is new, else those that failed before.
func (w *Watcher) reconcile(ctx context.Context, appliers map[string]Applier, fresh bool) {
	now := w.Config()
	before := w.Status().Resources
	var after []ResourceStatus
	failed := false
	for _, k := range w.concerned(now) {
		i := slices.IndexFunc(before, func(r ResourceStatus) bool { return r.Kind == k.kind && r.Name == k.name })
		if i >= 0 && !fresh && before[i].State != StateError {
			after = append(after, before[i])
			continue
		}
		status := w.apply(ctx, k, now, appliers[k.kind])
		failed = failed || status.State == StateError
		if _, there := now.specs[k]; there || status.State != StateApplied {
			after = append(after, status)
		}
	}
	w.retryAt = time.Time{}
	if failed {
		w.retryAt = w.o.Now().Add(retryEvery)
	}
	w.setStatus(func(s *Status) { s.Resources = after })
}

// concerned returns the resources of c, and then those that it has no longer
// but that still hold.
func (w *Watcher) concerned(c *Config) []key {
	var list []key
	for _, r := range c.resources {
		list = append(list, key{r.Kind, r.Name})
	}
	n := len(list)
	for k := range w.applied {
		if _, there := c.specs[k]; !there {
			list = append(list, k)
		}
	}
	slices.SortFunc(list[n:], func(a, b key) int { return slices.Compare([]string{a.kind, a.name}, []string{b.kind, b.name}) })
	return list
}

// apply applies one resource.
func (w *Watcher) apply(ctx context.Context, k key, now *Config, applier Applier) ResourceStatus {
	status := ResourceStatus{Kind: k.kind, Name: k.name, State: StateApplied}
	old := w.applied[k]
	var err error
	switch {
	case reflect.DeepEqual(old.spec(k), now.spec(k)):
	case applier == nil:
		err = ErrNeedsRestart
	default:
		err = applier(ctx, k.name, old, now)
	}
	if err == nil {
		if _, there := now.specs[k]; there {
			w.applied[k] = now
		} else {
			delete(w.applied, k)
		}
		return status
	}
	if _, known := w.applied[k]; !known {
		// The default holds, which the empty configuration says as well.
		w.applied[k] = nil
	}
	status.State, status.Message = StateError, err.Error()
	switch {
	case errors.Is(err, ErrNeedsRestart):
		status.State = StatePendingRestart
	case ctx.Err() == nil:
		w.o.Log.Error("a resource of the configuration is not applied", "kind", k.kind, "name", k.name, "error", err)
	}
	if _, there := now.specs[k]; !there {
		status.Message += "; it was removed"
	}
	return status
}
