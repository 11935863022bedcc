package cli

import (
	"context"
	"reflect"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/objective/slofile"
)

// follow reads the files of objectives again and again until ctx is done. What has
// errors is not taken: the objectives that are in force stay.
func (j *judging) follow(ctx context.Context) {
	last, _ := j.load()
	said := ""
	tick := time.NewTicker(reloadEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		set, problems := j.load()
		text := ""
		if set == nil {
			text = problems.Error()
		}
		if text != said && text != "" {
			j.log.Warn("the files of objectives have errors; those before stay in force", "error", text)
		}
		said = text
		if set != nil && !reflect.DeepEqual(set, last) && j.take(set) {
			last = set
		}
	}
}

// take makes a set the one in force, and reports whether that worked.
func (j *judging) take(set *slofile.Set) bool {
	if err := j.set(set.SLOs); err != nil {
		j.log.Warn("objectives were not taken; those before stay in force", "error", err)
		return false
	}
	j.log.Info("objectives were read again", "objectives", len(set.SLOs))
	return true
}
