package calls

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
)

const functionKey = "code.function.name"

// question is what an objective asks of a process.
type question struct {
	// functions are names and patterns, one a line.
	functions string
	threshold time.Duration
	// slow says that only slow calls are bad.
	slow bool
}

// newQuestion returns what an objective asks, or why calls cannot be counted for it.
func newQuestion(s *objective.SLO) (question, error) {
	i := &s.Indicator
	q := question{threshold: i.Threshold, slow: i.Bad != nil}
	switch {
	case len(i.Exclude) > 0 || slices.ContainsFunc(i.Select.Attributes, func(a objective.Attribute) bool { return !slices.Equal(a.Keys, []string{functionKey}) }):
		return q, errors.New("calls are told apart by their function alone")
	case len(i.Select.Attributes) != 1:
		return q, errors.New("it names no function")
	case len(i.Bad) > 0:
		return q, errors.New("the errors of calls are not told apart: leave bad out, or write [] for slow calls alone")
	case q.slow && q.threshold == 0:
		return q, errors.New("no call can be bad: write a threshold")
	}
	q.functions = strings.Join(i.Select.Attributes[0].Patterns, "\n")
	return q, nil
}
