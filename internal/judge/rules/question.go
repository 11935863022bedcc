package rules

import (
	"errors"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
)

// Question is how a server is asked for the events of a query by whoever counts
// them.
type Question struct {
	// Server is the URL of the server.
	Server string
	// Part and Total are expressions: Total of all events, Part of the good ones
	// among them if Good is set, else of the bad ones. Where Total is empty, Part is
	// the share of bad events, and how many there are cannot be known.
	Part, Total string
	Good        bool
	// Window is the time before the moment of asking in which the values say how
	// many events there were; 0 means that the values are counters.
	Window time.Duration
}

// NewQuestion returns how to ask for the events of an objective. The error says why
// they cannot be counted from outside of the server.
func NewQuestion(s *objective.SLO) (Question, error) {
	q := query{s.Indicator.Query}
	question := Question{Server: q.Server, Good: q.Good != ""}
	part, total := parseTemplate(q.part()), parseTemplate(q.Total)
	switch {
	case len(q.By) > 0:
		return question, errors.New("each " + strings.Join(q.By, ", ") + " has a budget of its own")
	case q.Server == "":
		return question, errors.New("it names no server")
	case q.Ratio == "" && part.plain() && total.plain():
		question.Part, question.Total = bare(q.part()), bare(q.Total)
		return question, nil
	}
	part, total = part.open(), total.open()
	if q.Ratio != "" || part.perWindow() == 0 || total.perWindow() == 0 {
		question.Part, question.Good = wrap("avg ", parseTemplate(q.badShare()).open().fill(tileLength)), false
		return question, nil
	}
	question.Window = tileLength
	question.Part, question.Total = part.count("sum", tileLength), total.count("sum", tileLength)
	return question, nil
}

// Share reports whether the answer is a share alone.
func (q *Question) Share() bool { return q.Total == "" }

// bare returns the counters that an expression sums, or the expression.
func bare(expr string) string {
	if x, ok := bareSelector(expr); ok {
		return x
	}
	return expr
}
