package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"sync/atomic"
	"time"

	"github.com/spf13/pflag"

	"github.com/goshawk-io/goshawk/internal/api"
	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/platform"
	"github.com/goshawk-io/goshawk/internal/store/memory"
	"github.com/goshawk-io/goshawk/internal/store/query"
	"github.com/goshawk-io/goshawk/internal/store/sqlite"
)

// defaultData is where root keeps events.
const defaultData = "/var/lib/goshawk"

// smallestData is the least room for events that is worth the files.
const smallestData = 16 << 20

// dataOptions are the flags that say where events are kept, and for how long.
type dataOptions struct {
	directory string
	// standard is the folder that serves when none is given.
	standard string
	size     string
	age      time.Duration
}

func (o *dataOptions) flags(f *pflag.FlagSet) {
	o.standard = defaultData
	f.StringVar(&o.directory, "data", "", "keep events in the folder `DIR` (default "+defaultData+"; with --demo one that is removed at the end)")
	f.StringVar(&o.size, "data-size", "2GiB", "remove the oldest events when they take more `BYTES`")
	f.DurationVar(&o.age, "data-age", 72*time.Hour, "remove events that are older than `D`")
}

// check returns the size in bytes.
func (o *dataOptions) check() (int64, error) {
	size, err := parseBytes(o.size)
	if err != nil {
		return 0, usageError("write a number with MiB or GiB, such as 2GiB", "up: --data-size %q: %w", o.size, err)
	}
	if size < smallestData {
		return 0, usageError("write a number with MiB or GiB, such as 2GiB", "up: --data-size %q: is less than 16MiB", o.size)
	}
	if o.age < time.Minute {
		return 0, usageError("write a duration such as 72h", "up: --data-age %s: is less than a minute", o.age)
	}
	return size, nil
}

// kept is the store of events, of whatever kind.
type kept struct {
	api.Reader
	add   func(*model.Event)
	state func() v1.Store
	close func() error
	// dir is the folder, empty when there is none.
	dir string
}

// openData opens the store. A folder that the user chose must work; the default
// one gives way to memory, unless another agent has it.
func openData(ctx context.Context, o dataOptions, size int64, demo bool, log *slog.Logger) (*kept, error) {
	const hint = "choose another folder with --data"
	dir, passing := o.directory, false
	switch {
	case dir != "":
	case demo:
		temporary, err := os.MkdirTemp("", "goshawk-demo-")
		if err != nil {
			return keepInMemory(log, err), nil
		}
		dir, passing = temporary, true
	case os.Geteuid() != 0:
		return keepInMemory(log, errors.New("only root has a default folder for events")), nil
	default:
		dir = o.standard
	}
	events, err := sqlite.Open(ctx, dir, sqlite.Options{MaxBytes: size, MaxAge: o.age, Logger: log})
	if err != nil && passing {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	var locked *platform.LockedError
	switch {
	case errors.As(err, &locked):
		return nil, usageError("stop that one, or "+hint, "up: %w", err)
	case err != nil && o.directory != "":
		return nil, usageError(hint, "up: --data %s: %w", dir, err)
	case err != nil:
		return keepInMemory(log, err), nil
	}
	k := keepInFiles(events, size, o.age)
	k.dir = dir
	if passing {
		k.close = func() error { return errors.Join(events.Close(), os.RemoveAll(dir)) }
	}
	return k, nil
}

// keepInFiles keeps events in a folder.
func keepInFiles(events *sqlite.Store, size int64, age time.Duration) *kept {
	return &kept{
		Reader: events, add: events.Add, close: events.Close,
		state: func() v1.Store {
			stats := events.Stats()
			state := v1.Store{
				Kind: "sqlite", Directory: stats.Dir, Files: stats.Files, SizeBytes: stats.Bytes,
				LimitBytes: size, LimitAgeNS: int64(age), Kept: stats.Kept, LeftOut: stats.LeftOut, Dropped: make(map[string]uint64),
			}
			maps.Copy(state.Dropped, stats.Dropped)
			if !stats.Oldest.IsZero() {
				oldest := v1.Time(stats.Oldest)
				state.Oldest = &oldest
			}
			if stats.Error != "" {
				state.Errors = []string{"Events cannot be written now: " + stats.Error + "."}
			}
			return state
		},
	}
}

// keepInMemory keeps the last events until the agent ends, because of cause.
func keepInMemory(log *slog.Logger, cause error) *kept {
	log.Warn("events are kept in memory only and are gone after a restart", "cause", cause)
	problem := "Events are kept in memory only and are gone after a restart: " + cause.Error() + "."
	events := memory.New(memory.Options{})
	var added atomic.Uint64
	return &kept{
		Reader: events,
		add: func(e *model.Event) {
			events.Add(e)
			if e.Phase == model.PhaseEnd {
				added.Add(1)
			}
		},
		state: func() v1.Store {
			return v1.Store{Kind: "memory", Kept: added.Load(), Dropped: make(map[string]uint64), Errors: []string{problem}}
		},
		close: func() error { return nil },
	}
}

// selects returns the filter of live events: a query selects the same ones
// live and stored.
func selects(q model.Query) (func(*model.Event) bool, error) {
	filter, err := query.New(q)
	if err != nil {
		return nil, fmt.Errorf("prepare a query: %w", err)
	}
	return filter.Matches, nil
}
