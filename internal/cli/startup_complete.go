package cli

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/internal/observe/startup"
)

// complete adds what the probe does not know, and takes away what the program did
// when we ended it. enough is when we had seen enough.
func (r *recorder) complete(s *startup.Start, o startOptions, reason startup.Ended, enough time.Time) {
	s.Command, s.Exe = o.Command, r.path
	if absolute, err := filepath.Abs(r.path); err == nil {
		s.Exe = absolute
	}
	if reason != startup.EndedExit && s.Ended == startup.EndedExit {
		// The command was ended by us: how says nothing about it.
		s.Ended, s.Exit = reason, nil
		s.Cut(seenUntil(s, enough.Sub(s.Time)))
	}
	env := o.Env
	if env == nil {
		env = os.Environ()
	}
	addFacts(s, env)
}

// seenUntil returns when what was waited for happened, after exec; where that is
// not known, late, which is when we knew of it.
func seenUntil(s *startup.Start, late time.Duration) time.Duration {
	phases := map[startup.Ended]string{
		startup.EndedMain: startup.Main, startup.EndedListen: startup.FirstListen, startup.EndedAccept: startup.FirstAccept, startup.EndedResponse: startup.FirstResponse,
	}
	p := s.Phase(phases[s.Ended])
	switch {
	case p == nil:
		return late
	case s.Ended == startup.EndedResponse:
		return min(late, p.End())
	}
	return min(late, p.Begin)
}

// addFacts adds what follows from the environment that a program is started with.
// Of several values of a variable the last counts.
func addFacts(s *startup.Start, env []string) {
	s.Facts.CPUs = runtime.NumCPU()
	variables := make(map[string]string, len(env))
	for _, pair := range env {
		if name, value, ok := strings.Cut(pair, "="); ok {
			variables[name] = value
		}
	}
	s.Facts.GoDebug = variables["GODEBUG"]
	s.Facts.GoMaxProcs, _ = strconv.Atoi(variables["GOMAXPROCS"])
	s.Facts.GoProxy = nil
	if filepath.Base(s.Exe) == "go" {
		s.Facts.GoProxy = startup.GoProxies(goProxySetting(s.Exe, variables))
	}
}
