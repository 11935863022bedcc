package v1

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
)

// The bounds of the number of records in one answer.
const (
	// DefaultLimit holds for a query that names none.
	DefaultLimit = 100
	// MaxLimit is the most that a query may ask for.
	MaxLimit = 1000
)

// MaxWhere is how many attributes one query may ask for.
const MaxWhere = 16

// Order is the order of the records in an answer.
type Order string

const (
	// OrderNewest, the default, puts what ended last first. A URL may spell it
	// "newest".
	OrderNewest Order = ""
	// OrderSlowest puts what took longest first.
	OrderSlowest Order = "slowest"
)

// By is what rollups are told apart by: one of the constants, or the keys of
// some of the attributes that make the probe's groups, with commas between them.
type By string

const (
	// ByService, the default, tells probes and services apart. A URL may spell
	// it "service".
	ByService By = ""
	// ByGroup tells also the groups of a service's events apart.
	ByGroup By = "group"
)

// ByKeys tells the values of these attributes apart.
func ByKeys(keys ...string) By { return By(strings.Join(keys, ",")) }

// Keys returns the attributes that b names; none for the constants.
func (b By) Keys() []string {
	if b == ByService || b == ByGroup {
		return nil
	}
	return strings.Split(string(b), ",")
}

// Match asks for the value of an attribute, as text: a list matches when one
// of its texts does.
type Match struct {
	Key, Value string
}

// EventQuery selects events. The zero value selects all, the newest first.
type EventQuery struct {
	// Probe and Service must equal the event's, when not empty.
	Probe, Service string
	// PID must equal the event's, when not 0.
	PID int32
	// From and To select events that ended at From or later and began before
	// To; the zero Moment is no bound.
	From, To Moment
	// Where must all match.
	Where []Match
	// Text must be part of one of the event's texts, letters in either case.
	Text string
	// Failed selects only events that failed, Findings only those with
	// findings, Rule only those with a finding of this rule.
	Failed, Findings bool
	Rule             string
	// MinDuration selects events that took as long or longer.
	MinDuration time.Duration
	// Order is the order of the answer.
	Order Order
	// After is the Next of the page before; empty begins.
	After string
	// Limit bounds the page, from 1 to MaxLimit; 0 means DefaultLimit.
	Limit int
}

// ParseEventQuery reads the parameters of a request for events. An empty value
// counts as absent, since a form sends the fields that nobody filled in. The
// error is a *[ParameterError].
func ParseEventQuery(values url.Values) (EventQuery, error) {
	return parseEvents(values, eventParameters())
}

// ParseFeedQuery reads the parameters of a request for live events, which has
// no bounds in time, no order and no pages.
func ParseFeedQuery(values url.Values) (EventQuery, error) {
	return parseEvents(values, without(eventParameters(), "from", "to", "order", "after", "limit"))
}

// ParseWaterfallQuery reads the parameters of a request for a waterfall, which
// has no order and no pages. root is the id of the event below which it
// descends, and then q is zero; it is empty for all that q selects.
func ParseWaterfallQuery(values url.Values) (q EventQuery, root string, err error) {
	parameters := append(without(eventParameters(), "order", "after", "limit"),
		parameter[EventQuery]{"root", func(_ *EventQuery, value string) *ParameterError {
			if _, err := model.ParseEventID(value); err != nil {
				return &ParameterError{Cause: "is not the id of an event", Hint: "write the id of an event, as /api/v1/events gives it"}
			}
			root = value
			return nil
		}})
	q, err = parseEvents(values, parameters)
	if others := q.Values(); err == nil && root != "" && len(others) > 0 {
		err = &ParameterError{"root", root, "goes with no other parameter", "leave out " + strings.Join(slices.Sorted(maps.Keys(others)), ", ")}
	}
	return q, root, err
}

// EventParameters, FeedParameters and WaterfallParameters are the names that
// the parse functions know.
func EventParameters() []string { return names(eventParameters()) }

// FeedParameters returns the names that [ParseFeedQuery] knows.
func FeedParameters() []string {
	return names(without(eventParameters(), "from", "to", "order", "after", "limit"))
}

// WaterfallParameters returns the names that [ParseWaterfallQuery] knows.
func WaterfallParameters() []string {
	return append(names(without(eventParameters(), "order", "after", "limit")), "root")
}

func parseEvents(values url.Values, parameters []parameter[EventQuery]) (EventQuery, error) {
	var q EventQuery
	if err := parse(&q, values, parameters); err != nil {
		return EventQuery{}, err
	}
	return q, checkSpan(q.From, q.To)
}

func eventParameters() []parameter[EventQuery] {
	type query = EventQuery
	return []parameter[query]{
		{"probe", func(q *query, s string) *ParameterError { return setText(&q.Probe, s) }},
		{"service", func(q *query, s string) *ParameterError { return setText(&q.Service, s) }},
		{"pid", func(q *query, s string) *ParameterError { return setPID(&q.PID, s) }},
		{"from", func(q *query, s string) *ParameterError { return setMoment(&q.From, s) }},
		{"to", func(q *query, s string) *ParameterError { return setMoment(&q.To, s) }},
		{"where", func(q *query, s string) *ParameterError { return addMatch(&q.Where, s) }},
		{"text", func(q *query, s string) *ParameterError { return setText(&q.Text, s) }},
		{"failed", func(q *query, s string) *ParameterError { return setBool(&q.Failed, s) }},
		{"findings", func(q *query, s string) *ParameterError { return setBool(&q.Findings, s) }},
		{"rule", func(q *query, s string) *ParameterError { return setText(&q.Rule, s) }},
		{"min_duration", func(q *query, s string) *ParameterError { return setDuration(&q.MinDuration, s) }},
		{"order", func(q *query, s string) *ParameterError { return setOrder(&q.Order, s) }},
		{"after", func(q *query, s string) *ParameterError { return setText(&q.After, s) }},
		{"limit", func(q *query, s string) *ParameterError { return setLimit(&q.Limit, s) }},
	}
}

// Values returns the parameters that [ParseEventQuery] reads as q, without
// those that are zero. Equal queries have equal parameters.
func (q EventQuery) Values() url.Values {
	v := make(url.Values)
	put(v, "probe", q.Probe)
	put(v, "service", q.Service)
	if q.PID != 0 {
		put(v, "pid", strconv.Itoa(int(q.PID)))
	}
	put(v, "from", q.From.String())
	put(v, "to", q.To.String())
	for _, m := range q.Where {
		v.Add("where", m.Key+"="+m.Value)
	}
	put(v, "text", q.Text)
	putBool(v, "failed", q.Failed)
	putBool(v, "findings", q.Findings)
	put(v, "rule", q.Rule)
	if q.MinDuration > 0 {
		put(v, "min_duration", formatDuration(q.MinDuration))
	}
	put(v, "order", string(q.Order))
	put(v, "after", q.After)
	if q.Limit != 0 {
		put(v, "limit", strconv.Itoa(q.Limit))
	}
	return v
}

// Model returns the query that a store answers, as of now.
func (q EventQuery) Model(now time.Time) model.Query {
	m := model.Query{
		Probe: q.Probe, Service: q.Service, PID: q.PID,
		From: q.From.Resolve(now), To: q.To.Resolve(now),
		Text: q.Text, Failed: q.Failed, Findings: q.Findings, Rule: q.Rule,
		MinDuration: q.MinDuration, After: q.After, Limit: q.Limit,
	}
	for _, w := range q.Where {
		m.Where = append(m.Where, model.Match{Key: w.Key, Value: w.Value})
	}
	if q.Order == OrderSlowest {
		m.Order = model.SlowestFirst
	}
	if m.Limit == 0 {
		m.Limit = DefaultLimit
	}
	return m
}

// RollupQuery selects rollups. The zero value makes one for each probe and
// service, of all that is kept.
type RollupQuery struct {
	// Probe and Service must equal the events', when not empty.
	Probe, Service string
	// From and To bound the time at which the events ended, To excluded; the
	// zero Moment is no bound. They are widened to the steps that are kept.
	From, To Moment
	// Step is the length of one rollup in time, a multiple of 10 s; 0 makes one
	// of the whole time.
	Step time.Duration
	// By tells the rollups apart.
	By By
	// Where selects by attributes that make the groups of a probe; all must
	// match.
	Where []Match
	// Buckets asks for the distributions of the durations.
	Buckets bool
}

// ParseRollupQuery reads the parameters of a request for rollups. An empty
// value counts as absent. The error is a *[ParameterError].
func ParseRollupQuery(values url.Values) (RollupQuery, error) {
	var q RollupQuery
	if err := parse(&q, values, rollupParameters()); err != nil {
		return RollupQuery{}, err
	}
	return q, checkSpan(q.From, q.To)
}

// RollupParameters returns the names that [ParseRollupQuery] knows.
func RollupParameters() []string { return names(rollupParameters()) }

func rollupParameters() []parameter[RollupQuery] {
	type query = RollupQuery
	return []parameter[query]{
		{"probe", func(q *query, s string) *ParameterError { return setText(&q.Probe, s) }},
		{"service", func(q *query, s string) *ParameterError { return setText(&q.Service, s) }},
		{"from", func(q *query, s string) *ParameterError { return setMoment(&q.From, s) }},
		{"to", func(q *query, s string) *ParameterError { return setMoment(&q.To, s) }},
		{"step", func(q *query, s string) *ParameterError { return setStep(&q.Step, s) }},
		{"by", func(q *query, s string) *ParameterError { return setBy(&q.By, s) }},
		{"where", func(q *query, s string) *ParameterError { return addMatch(&q.Where, s) }},
		{"buckets", func(q *query, s string) *ParameterError { return setBool(&q.Buckets, s) }},
	}
}

// Values returns the parameters that [ParseRollupQuery] reads as q, without
// those that are zero.
func (q RollupQuery) Values() url.Values {
	v := make(url.Values)
	put(v, "probe", q.Probe)
	put(v, "service", q.Service)
	put(v, "from", q.From.String())
	put(v, "to", q.To.String())
	if q.Step > 0 {
		put(v, "step", formatDuration(q.Step))
	}
	put(v, "by", string(q.By))
	for _, m := range q.Where {
		v.Add("where", m.Key+"="+m.Value)
	}
	putBool(v, "buckets", q.Buckets)
	return v
}

// Model returns the query that a store answers, as of now. Where, and the keys
// of By, are for the one who asks it: the answer has all groups.
func (q RollupQuery) Model(now time.Time) model.RollupQuery {
	m := model.RollupQuery{
		Probe: q.Probe, Service: q.Service,
		From: q.From.Resolve(now), To: q.To.Resolve(now), Step: q.Step,
	}
	if q.By != ByService || len(q.Where) > 0 {
		m.By = model.ByGroup
	}
	return m
}

func put(v url.Values, name, value string) {
	if value != "" {
		v.Set(name, value)
	}
}

func putBool(v url.Values, name string, value bool) {
	if value {
		v.Set(name, "true")
	}
}
