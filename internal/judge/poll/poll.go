package poll

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/prometheus/client_golang/api"
	prometheus "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/judge/rules"
	"github.com/goshawk-io/goshawk/sli"
)

const (
	// countersEvery is how often counters are read.
	countersEvery = 30 * time.Second
	// timeout bounds a question to a server.
	timeout = 10 * time.Second
	// behind is how far back the moment of a question lies: servers scrape and
	// evaluate a little late.
	behind = 10 * time.Second
	// maxSeries bounds the answer to a query.
	maxSeries = 20_000
	// retryEvery is how often a server is asked that does not answer.
	retryEvery = time.Minute
	// shareError is by how much a share may be below 0 or above 1 that was computed from
	// rates.
	shareError = 1e-3
	// atOnce is how many servers are asked at a time.
	atOnce = 8
)

// errNotYet is the state of an objective that nobody was asked about yet.
var errNotYet = errors.New("its server was not asked yet")

// Options configures [New].
type Options struct {
	// Count takes the events of an objective. It must be set, must not block, and is
	// called by several goroutines.
	Count func(name string, events sli.Counts)
	// Transport asks the servers; nil means [http.DefaultTransport].
	Transport http.RoundTripper
	// Every is how often counters are read, 0 means every 30 s; Behind how far back,
	// 0 means 10 s.
	Every, Behind time.Duration
	// Log hears when a server does not answer, and when it does again; nil discards
	// it.
	Log *slog.Logger
	// Now is the clock; nil means [time.Now].
	Now func() time.Time
}

// Poller asks servers about objectives. It may be used by several goroutines.
type Poller struct {
	options Options

	mu    sync.Mutex
	tasks map[string]*task // by the objective's name
}

// New returns a poller without objectives.
func New(o Options) *Poller {
	if o.Transport == nil {
		o.Transport = http.DefaultTransport
	}
	if o.Every == 0 {
		o.Every = countersEvery
	}
	if o.Behind == 0 {
		o.Behind = behind
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Poller{options: o, tasks: make(map[string]*task)}
}

// Unit is what is counted as an event of a query that says a share alone: a part of
// the time of which it is the share.
const Unit = time.Millisecond

// Counts returns what is counted of an objective: events if unit is 0, else time, in
// that unit. The error says why nothing can be counted.
func Counts(s *objective.SLO) (unit time.Duration, err error) {
	question, err := rules.NewQuestion(s)
	if err == nil && question.Share() {
		unit = Unit
	}
	return unit, err
}

// task is an objective that is asked about.
type task struct {
	name     string
	question rules.Question
	client   prometheus.API

	due         time.Time
	part, total growth
	// carry is what was not a whole event yet, and others are the events of the whole
	// that were not of the part.
	carryPart, carryTotal, others float64
	// asked is the moment of the share that was counted last.
	asked time.Time

	mu  sync.Mutex
	err error
	// begun is set once the total had a counter.
	begun bool
}

// Set makes these the objectives that are asked about; those that are not about a
// query, or cannot be counted, are left out. One that asks what it asked before goes
// on.
func (p *Poller) Set(slos []objective.SLO) {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.tasks
	p.tasks = make(map[string]*task)
	for i := range slos {
		s := &slos[i]
		if s.Indicator.Signal != objective.SignalQuery {
			continue
		}
		question, err := rules.NewQuestion(s)
		if err != nil {
			continue
		}
		if t := old[s.Name]; t != nil && t.question == question {
			p.tasks[s.Name] = t
			continue
		}
		t := &task{name: s.Name, question: question, err: errNotYet}
		client, err := api.NewClient(api.Config{Address: question.Server, RoundTripper: p.options.Transport})
		if err != nil {
			t.err = err
		} else {
			t.client = prometheus.NewAPI(client)
		}
		p.tasks[s.Name] = t
	}
}

// Err returns why the events of an objective are not known now, nil when they are.
func (p *Poller) Err(name string) error {
	p.mu.Lock()
	t := p.tasks[name]
	p.mu.Unlock()
	if t == nil {
		return errNotYet
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

// Run asks until ctx is done.
func (p *Poller) Run(ctx context.Context) {
	tick := time.NewTicker(min(p.options.Every, time.Second))
	defer tick.Stop()
	for {
		p.round(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// round asks about all objectives that are due, and returns when all have answered.
func (p *Poller) round(ctx context.Context) {
	now := p.options.Now()
	p.mu.Lock()
	var due []*task
	for _, t := range p.tasks {
		if !now.Before(t.due) && t.client != nil {
			due = append(due, t)
			t.due = now.Add(p.every(t))
		}
	}
	p.mu.Unlock()
	var asking sync.WaitGroup
	room := make(chan struct{}, atOnce)
	for _, t := range due {
		room <- struct{}{}
		asking.Go(func() {
			defer func() { <-room }()
			err := t.ask(ctx, now.Add(-p.options.Behind), p.options)
			if err != nil {
				// What does not answer is not asked more often than once a minute, and a
				// window is asked for again soon.
				p.mu.Lock()
				t.due = now.Add(max(p.options.Every, min(p.every(t), retryEvery)))
				p.mu.Unlock()
			}
			p.tell(ctx, t, err)
		})
	}
	asking.Wait()
}

func (p *Poller) every(t *task) time.Duration {
	if t.question.Window > 0 {
		return t.question.Window
	}
	return p.options.Every
}

// tell keeps what became of a question, and says so when that is new.
func (p *Poller) tell(ctx context.Context, t *task, err error) {
	if ctx.Err() != nil {
		return
	}
	t.mu.Lock()
	before := t.err
	t.err = err
	t.mu.Unlock()
	failed := before != nil && !errors.Is(before, errNotYet)
	switch {
	case err != nil && !failed:
		p.options.Log.Warn("the events of an objective are not known", "slo", t.name, "error", err)
	case err == nil && failed:
		p.options.Log.Info("the events of an objective are known again", "slo", t.name)
	}
}

// ask asks the queries for the same moment, and hands the events on.
func (t *task) ask(ctx context.Context, at time.Time, o Options) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	part, err := t.query(ctx, t.question.Part, at)
	if err != nil {
		return err
	}
	var events [2]float64
	if t.question.Share() {
		if events, err = t.timeOf(part, at, o.Every); err != nil {
			return err
		}
	} else {
		total, err := t.query(ctx, t.question.Total, at)
		if err != nil {
			return err
		}
		events = t.eventsOf(part, total, at)
	}
	if c := t.counts(events[0], events[1]); c != (sli.Counts{}) {
		o.Count(t.name, c)
	}
	return nil
}

// eventsOf returns how many events there were since the last answer, the part first.
func (t *task) eventsOf(part, total model.Vector, at time.Time) [2]float64 {
	if t.question.Window > 0 {
		return [2]float64{sum(part), sum(total)}
	}
	// Until there are events at all nothing is known of how old counters are. Then
	// one that comes is that of a new process, or of the first failure.
	events := [2]float64{t.part.add(at, part, t.begun), t.total.add(at, total, t.begun)}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.begun = t.begun || len(total) > 0
	return events
}

// timeOf returns the time since the last answer, the bad share of it first, in units.
// Of a time in which nobody answered nothing is known.
func (t *task) timeOf(answer model.Vector, at time.Time, every time.Duration) ([2]float64, error) {
	passed := at.Sub(t.asked)
	if passed > 2*every {
		passed = every
	}
	t.asked = at
	if len(answer) == 0 || math.IsNaN(float64(answer[0].Value)) || passed <= 0 {
		return [2]float64{}, nil
	}
	share := float64(answer[0].Value)
	if share < -shareError || share > 1+shareError {
		return [2]float64{}, fmt.Errorf("ask %s: the query is %v, which is no share: it must be from 0 to 1", t.server(), share)
	}
	units := float64(passed / Unit)
	return [2]float64{min(max(share, 0), 1) * units, units}, nil
}

// counts makes whole events of what the queries say; what is left of one is added to
// the next. There are never more of a part than in all: where a part is told later
// than the whole, others take its place.
func (t *task) counts(part, total float64) sli.Counts {
	part, total = part+t.carryPart, total+t.carryTotal
	all := math.Floor(min(total, 1<<53))
	some := min(math.Floor(part), all)
	t.others += all - some
	// Of a part that is within the whole no more can be left than were taken for others.
	t.carryPart, t.carryTotal = min(part-some, t.others+2), total-all
	if t.question.Good {
		return sli.Counts{Good: uint64(some), Bad: uint64(all - some)}
	}
	return sli.Counts{Good: uint64(all - some), Bad: uint64(some)}
}

func sum(vector model.Vector) float64 {
	s := 0.0
	for _, sample := range vector {
		if v := float64(sample.Value); v > 0 && !math.IsInf(v, 0) {
			s += v
		}
	}
	return s
}

// query asks for the value of an expression.
func (t *task) query(ctx context.Context, expr string, at time.Time) (model.Vector, error) {
	value, _, _, err := t.client.Query(ctx, expr, at, prometheus.WithTimeout(timeout), prometheus.WithLimit(maxSeries))
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", t.server(), err)
	}
	switch v := value.(type) {
	case model.Vector:
		if len(v) >= maxSeries {
			return nil, fmt.Errorf("ask %s: the query has %d series or more: sum them", t.server(), maxSeries)
		}
		return v, nil
	case *model.Scalar:
		return model.Vector{{Value: v.Value, Timestamp: v.Timestamp}}, nil
	}
	return nil, fmt.Errorf("ask %s: the query is a %s, not a number for each series", t.server(), value.Type())
}

// server is the URL of the server without a password.
func (t *task) server() string {
	u, err := url.Parse(t.question.Server)
	if err != nil {
		return "the server"
	}
	return u.Redacted()
}
