package verdict

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/sli"
)

// All times of a history are milliseconds since its first evaluation; the rules are
// evaluated every second from then on.
const (
	second = 1000
	// grain is what traffic is made of.
	grain = 200
	// instants is how many evaluations are looked at: the longest window passes.
	instants = 50
	end      = instants * second
	// born is when agents start.
	born = -3 * second
	// memory is how far back rules look for the last reading of a counter.
	memory = 3600 * second
	// lookback is how old a reading may be to stand for now.
	lookback = 5 * second
	// aheadAtOnce is how far the clock of an agent may step and be believed at once.
	aheadAtOnce = 5 * second
	// profiles is how many objectives there are, but for their names.
	profiles = 4
)

// period is the objective's window.
const period = 36 * time.Second

// promise is an objective whose windows pass within a test.
func promise(profile int, name string) objective.SLO {
	alert := func(severity string, burn float64, long, short time.Duration) objective.Alert {
		return objective.Alert{Alert: sli.Alert{Severity: severity, Burn: burn, Long: long, Short: short}}
	}
	return objective.SLO{
		Name: name, Service: name,
		Target:     []float64{0.9, 0.99, 0.995, 0.999}[profile],
		Confidence: []float64{0, 0.5, 0.99, 0.9}[profile],
		MinBad:     []uint64{0, 1, 20, 2}[profile],
		Windows:    []sli.Window{sli.Rolling(period)},
		Alerts: []objective.Alert{
			alert("page", []float64{4, 5, 3, 10}[profile], 6*time.Second, 2*time.Second),
			alert("ticket", 2, 12*time.Second, 4*time.Second),
		},
	}
}

// windows are the lengths of all windows of a promise, the period last.
func windows() []int {
	return []int{2 * second, 4 * second, 6 * second, 12 * second, int(period.Milliseconds())}
}

// kind is what happens to an agent.
type kind int

const (
	// steady agents are read when rules are evaluated.
	steady kind = iota
	// restarting agents end, by a crash or not, and come back later.
	restarting
	// unaligned agents are read between evaluations.
	unaligned
	// hidden agents are read, and the server does not hear of it for a while.
	hidden
	// late agents send what they read late, and some of it in the wrong order.
	late
	// stepping agents have a clock that is set forwards and back.
	stepping
	// absent agents are not read for about an hour.
	absent
	// mixed agents are unaligned, restarting and hidden.
	mixed
	kinds
)

func (k kind) String() string {
	return []string{"steady", "restarting", "unaligned", "hidden", "late", "stepping", "absent", "mixed"}[k]
}

// moment is when an agent reads its counters.
type moment struct {
	// wall is the true time, clock what the agent takes it for.
	wall, clock int
	// process numbers the lives of the agent; start marks the first moment of one.
	process int
	start   bool
	// delivered is whether the reading is sent to a server, at arrives; what is sent
	// before the first evaluation is there in time.
	delivered bool
	arrives   int
	// kept is whether the agent's own store takes the reading: one that is later than
	// all before it, by a clock that is believed.
	kept bool
}

// life is when a process of an agent ran: (from, to].
type life struct{ from, to int }

// agent is a process that counts for some services, again and again.
type agent struct {
	kind     kind
	lives    []life
	moments  []moment
	services []*service
}

// quantum are events that happened at one time.
type quantum struct {
	// at is the true time, clock what the agent took it for.
	at, clock int
	sli.Counts
	// reading is the first that has it, -1 when there is none: the process ended.
	reading int
	// forgotten is the first reading of the next process when the agent's own store
	// has none of this one, 0 otherwise.
	forgotten int
}

// reading is what the counters of a service said at a moment.
type reading struct {
	moment
	// raw counts since the process began, all goes on from what was kept.
	raw, all sli.Counts
}

// service is one whose events are counted: a series of verdicts.
type service struct {
	name    string
	number  int
	agent   *agent
	profile int
	// own services are judged by Goshawk's own counters, others by a query's.
	own bool
	// shy services have no counter of errors before there is one.
	shy      bool
	quanta   []quantum
	readings []reading
}

// newAgents makes up as many services as are asked for, the first of which has a
// number.
func newAgents(seed uint64, first, services int) []*agent {
	const perAgent = 10
	var agents []*agent
	for n := first; n < first+services; n += perAgent {
		random := rand.New(rand.NewPCG(seed, uint64(n)))
		a := &agent{kind: kind(n / perAgent % int(kinds))}
		a.schedule(random)
		a.keep()
		for i := n; i < min(n+perAgent, first+services); i++ {
			s := &service{
				name: fmt.Sprintf("s%d", i), number: i, agent: a, profile: random.IntN(profiles),
				own: i%6 == 0 && a.kind != absent,
			}
			s.shy = !s.own && a.kind != late && random.IntN(4) == 0
			s.live(random)
			a.services = append(a.services, s)
		}
		agents = append(agents, a)
	}
	return agents
}

// tenths returns a time from low to high, of tenths of a second.
func tenths(random *rand.Rand, low, high int) int {
	return (low + random.IntN(high-low+1)) / 100 * 100
}

// schedule decides when the agent lives, and when it reads.
func (a *agent) schedule(random *rand.Rand) {
	every, phase := second, 0
	switch a.kind {
	case unaligned, mixed:
		every, phase = []int{500, 700, 1000, 1500, 3000}[random.IntN(5)], 100*(1+random.IntN(9))
	case late:
		every, phase = 500, 100*random.IntN(5)
	case absent:
		a.comeBack(random)
		return
	}
	a.lives = []life{{born, end}}
	graceful := map[int]bool{}
	if a.kind == restarting || a.kind == mixed || a.kind == stepping && random.IntN(2) == 0 {
		a.lives = nil
		for from := born; from < end; {
			to := tenths(random, max(from, 0)+1000, max(from, 0)+30_000)
			a.lives = append(a.lives, life{from, min(to, end)})
			graceful[len(a.lives)-1] = random.IntN(2) == 0
			from = to + tenths(random, 100, 8000)
		}
	}
	for process, l := range a.lives {
		heard := process == 0 || random.IntN(2) == 0
		a.moments = append(a.moments, moment{wall: l.from, clock: l.from, process: process, start: true, delivered: heard})
		next := l.from + 1 + ((phase-l.from-1)%every+every)%every
		for ; next <= l.to; next += every {
			a.moments = append(a.moments, moment{wall: next, clock: next, process: process, delivered: true})
		}
		if last := a.moments[len(a.moments)-1]; graceful[process] && last.wall < l.to {
			a.moments = append(a.moments, moment{wall: l.to, clock: l.to, process: process, delivered: true})
		}
	}
	switch a.kind {
	case hidden, mixed:
		a.hide(random)
	case late:
		a.delay(random)
	case stepping:
		a.step(random)
	}
}

// keep decides which readings the agent's own store takes.
func (a *agent) keep() {
	var t trust
	newest := math.MinInt
	for i := range a.moments {
		m := &a.moments[i]
		if m.start {
			t = trust{clock: m.clock, wall: m.wall}
		}
		if limit := t.limit(m); m.clock <= limit && m.clock > newest {
			m.kept, newest = true, m.clock
		}
	}
}

// comeBack has the agent read an hour ago, and then not for about as long as the
// rules remember.
func (a *agent) comeBack(random *rand.Rand) {
	ago := -memory + tenths(random, 2000, 30_000)
	a.lives = []life{{ago - 500, end}}
	a.moments = []moment{{wall: ago - 500, clock: ago - 500, start: true, delivered: true}, {wall: ago, clock: ago, delivered: true}}
	for wall := (1 + random.IntN(30)) * second; wall <= end; wall += second {
		a.moments = append(a.moments, moment{wall: wall, clock: wall, delivered: true})
	}
}

// hide keeps readings from the server, for less or more than it looks back.
func (a *agent) hide(random *rand.Rand) {
	for range 1 + random.IntN(3) {
		from := tenths(random, 0, end)
		to := from + tenths(random, 500, 4000)
		if random.IntN(2) == 0 {
			to = from + tenths(random, 6000, 20_000)
		}
		for i := range a.moments {
			if m := &a.moments[i]; m.wall >= from && m.wall < to {
				m.delivered = false
			}
		}
	}
}

// delay has readings arrive late, by a time that changes, in their order.
func (a *agent) delay(random *rand.Rand) {
	until, by, before := 0, 0, 0
	for i := range a.moments {
		m := &a.moments[i]
		if m.wall <= 0 {
			continue
		}
		if m.wall > until {
			until, by = m.wall+tenths(random, 1000, 10_000), 100+random.IntN(4000)
		}
		m.arrives = max(m.wall+by, before)
		before = m.arrives
	}
	// What is overtaken by the next is refused.
	for i := 10; i+1 < len(a.moments); i += 5 + random.IntN(30) {
		m, next := &a.moments[i], &a.moments[i+1]
		m.arrives = next.arrives + 1
	}
}

// step sets the clock of the agent.
func (a *agent) step(random *rand.Rand) {
	at, offset := tenths(random, 1000, 20_000), 0
	for i := range a.moments {
		m := &a.moments[i]
		if m.wall >= at {
			at = m.wall + tenths(random, 1000, 20_000)
			by := tenths(random, 300, 4000)
			if random.IntN(2) == 0 {
				by = tenths(random, 4000, 15_000)
			}
			if offset > 0 || offset > -10_000 && random.IntN(2) == 0 {
				by = -by
			}
			offset += by
		}
		m.clock += offset
	}
}

// live makes up the traffic of a service, and what the agent reads of it.
func (s *service) live(random *rand.Rand) {
	t := traffic{random: random, allowance: sli.Objective{Target: promise(s.profile, "").Target}.Allowance()}
	a := s.agent
	var raw, all, pending sli.Counts
	next, waiting := 0, 0
	read := func(until int) {
		for ; next < len(a.moments) && a.moments[next].wall < until; next++ {
			m := a.moments[next]
			if m.start {
				// What the process before did not read is lost.
				raw, pending, waiting = sli.Counts{}, sli.Counts{}, len(s.quanta)
				all = s.resume()
			}
			all, pending = all.Plus(pending), sli.Counts{}
			s.readings = append(s.readings, reading{m, raw, all})
			for ; waiting < len(s.quanta); waiting++ {
				s.quanta[waiting].reading = len(s.readings) - 1
			}
		}
	}
	from := 0
	if a.kind == absent {
		from = a.moments[0].wall
	}
	for at := from + grain; at <= end; at += grain {
		if at > a.moments[1].wall && at <= 0 {
			at = 0 // nothing happens in the hour of absence
			continue
		}
		counts := t.next(at)
		read(at)
		if counts == (sli.Counts{}) || !a.alive(at) {
			continue
		}
		s.quanta = append(s.quanta, quantum{at: at, clock: a.clockAt(at), Counts: counts, reading: -1})
		raw, pending = raw.Plus(counts), pending.Plus(counts)
	}
	read(math.MaxInt)
}

// resume returns what a new process goes on from: the last reading that is kept. It
// marks what is forgotten.
func (s *service) resume() sli.Counts {
	last := len(s.readings) - 1
	for last >= 0 && !s.readings[last].kept {
		last--
	}
	if last < 0 {
		return sli.Counts{}
	}
	for i := range s.quanta {
		if q := &s.quanta[i]; q.reading > last && q.forgotten == 0 {
			q.forgotten = len(s.readings)
		}
	}
	return s.readings[last].all
}

// alive reports whether a process of the agent lives at a time.
func (a *agent) alive(at int) bool {
	for _, l := range a.lives {
		if at > l.from && at <= l.to {
			return true
		}
	}
	return false
}

// clockAt returns what the agent takes a time for.
func (a *agent) clockAt(at int) int {
	offset := 0
	for _, m := range a.moments {
		if m.wall > at {
			break
		}
		offset = m.clock - m.wall
	}
	return at + offset
}

// traffic is what a service has to do, and how much of it goes wrong.
type traffic struct {
	random    *rand.Rand
	allowance float64
	until     int
	rate      float64
	share     float64
}

// next returns the events of a grain.
func (t *traffic) next(at int) sli.Counts {
	r := t.random
	if at > t.until {
		t.until = at + tenths(r, 0, 15_000)
		t.rate = []float64{0, 0, 0.05, 2, 20, 1000, 1000, 200_000}[r.IntN(8)]
		a := t.allowance
		t.share = min([]float64{0, 0, 0, 0, 0, 0, a / 2, a / 2, a, 2 * a, 3 * a, 5 * a, 10 * a, 20 * a, 0.3, 1}[r.IntN(16)], 1)
	}
	// Numbers of whole thousands have shares that are just at a threshold.
	events := t.rate
	if events < 1000 {
		events = math.Floor(t.rate*2*r.Float64() + r.Float64())
	}
	bad := min(math.Floor(events*t.share+1e-9+r.Float64()*0.999), events)
	if whole := math.Round(events * t.share); math.Abs(whole-events*t.share) < 1e-6 {
		bad = whole
	}
	return sli.Counts{Good: uint64(events - bad), Bad: uint64(bad)}
}
