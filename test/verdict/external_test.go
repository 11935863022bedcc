package verdict

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/judge/rules"
	"github.com/goshawk-io/goshawk/sli"
)

// unitLabel tells the services of a query apart.
const unitLabel = "unit"

// trial has a real server judge the histories of agents, while they happen.
type trial struct {
	t      *testing.T
	server *server
	agents []*agent
	// byName are the services, by what the rules call them.
	byName map[string]*service
	// phase is by how many milliseconds the evaluations of an objective's rules are
	// after the full second.
	phase map[string]int64
	// zero is the instant 0, but for the phase.
	zero time.Time
	// arrived is when each reading of a late service was there, as its history has
	// it.
	arrived map[*service]map[int]int
	// heard is what the server said.
	heard map[*service]*heard
	// evaluated are the instants at which the rules of an objective recorded
	// something; leftOut is how many evaluations of a group the server left out.
	evaluated map[string]*[instants]bool
	leftOut   map[string]float64
	// refused is how many samples the server refused, as it must.
	refused int
	// all counts the figures by kind of agent.
	all *[kinds]figures
}

// heard are what the rules recorded of a service at each instant.
type heard struct {
	windows [5][instants]counted
	firing  [2][instants]bool
	left    [instants]float64
	budget  [instants]bool
}

// id is what the rules call the objective of a service.
func (s *service) id() string {
	if s.own {
		return s.name
	}
	return fmt.Sprintf("profile-%d", s.profile)
}

// key tells a service by labels of its series.
func key(id, unit string) string { return id + "/" + unit }

func (s *service) key() string {
	if s.own {
		return key(s.id(), "")
	}
	return key(s.id(), s.name)
}

// ruleFile is what `goshawk slo rules` writes, but that budgets are counted each
// second as well.
func (r *trial) ruleFile() []byte {
	var slos []objective.SLO
	for p := range profiles {
		name := fmt.Sprintf("profile-%d", p)
		slo := promise(p, name)
		slo.Indicator = objective.Indicator{Signal: objective.SignalQuery, Query: objective.Query{
			Bad:   fmt.Sprintf(`requests_failed_total{profile="%d"}`, p),
			Total: fmt.Sprintf(`requests_total{profile="%d"}`, p), By: []string{unitLabel},
		}}
		slos = append(slos, slo)
	}
	for _, s := range r.services() {
		if s.own {
			slo := promise(s.profile, s.name)
			slo.Indicator = objective.Indicator{Signal: objective.SignalHTTP}
			slos = append(slos, slo)
		}
	}
	groups, _, err := rules.Groups(slos, rules.Options{Interval: time.Second})
	if err != nil {
		r.t.Fatal(err)
	}
	for i := range groups {
		groups[i].Interval = time.Second
	}
	var file bytes.Buffer
	if err := rules.WriteYAML(&file, groups); err != nil {
		r.t.Fatal(err)
	}
	return file.Bytes()
}

func (r *trial) services() []*service {
	var all []*service
	for _, a := range r.agents {
		all = append(all, a.services...)
	}
	return all
}

// run lives through the histories and compares. It takes a minute.
func (r *trial) run(program string) {
	r.byName = make(map[string]*service)
	for _, s := range r.services() {
		r.byName[s.key()] = s
	}
	file, inTime := r.ruleFile(), false
	for margin := 3 * time.Second; !inTime; margin *= 2 {
		if margin > time.Minute {
			r.t.Fatal("five servers did not record what they were sent in time")
		}
		if r.server != nil {
			r.server.end()
		}
		r.server = startServer(r.t, program, file)
		inTime = r.feed(margin)
	}
	defer r.server.end()
	r.stream()
	time.Sleep(time.Until(r.zero.Add(ms(end + 2*second))))
	r.listen()
	for _, s := range r.services() {
		if err := r.compare(s); err != nil {
			r.t.Errorf("%s (%v, own %v, shy %v): %v", s.key(), s.agent.kind, s.own, s.shy, err)
		}
	}
}

// feed finds out when rules are evaluated, and sends all that is not sent late. It
// reports whether that was there before it was to happen.
func (r *trial) feed(margin time.Duration) bool {
	const pilot = 6 * time.Second
	start := time.Now()
	var zeros []counter
	for p := range profiles {
		zeros = append(zeros, r.pilot(start, pilot, "requests_total", "profile", fmt.Sprint(p), unitLabel, "pilot"))
	}
	for _, s := range r.services() {
		if s.own {
			for _, result := range []string{"bad", "good"} {
				zeros = append(zeros, r.pilot(start, pilot, rules.CounterName, "result", result, "service", s.name, "slo", s.name))
			}
		}
	}
	r.server.mustWrite(zeros)
	for r.phase = nil; r.phase == nil; time.Sleep(200 * time.Millisecond) {
		if time.Since(start) > pilot+ms(lookback) {
			return false // there is nothing left to count
		}
		r.observe(len(zeros), start)
	}
	begin := time.Now()
	if after := start.Add(pilot); begin.Before(after) {
		begin = after
	}
	r.zero = begin.Truncate(time.Second).Add(-ms(born) + time.Second + margin)
	r.refused = 0
	// Of no series the server takes what is an hour before the newest of all.
	for _, old := range []bool{true, false} {
		for _, s := range r.services() {
			if s.agent.kind != late {
				r.send(s, slices.DeleteFunc(s.sends(), func(e sent) bool { return (s.agent.kind == absent && e.label < born) != old }))
			}
		}
	}
	return time.Now().Before(r.zero)
}

// pilot returns a counter at 0 for some time.
func (r *trial) pilot(start time.Time, length time.Duration, name string, pairs ...string) counter {
	out := counter{labels: labels(name, pairs...)}
	for at := start; at.Before(start.Add(length)); at = at.Add(500 * time.Millisecond) {
		out.points = append(out.points, point{at: at.UnixMilli()})
	}
	return out
}

// labels returns labels in their order, pairs being in it.
func labels(name string, pairs ...string) []string {
	return append([]string{"__name__", name}, pairs...)
}

// observe notes the phases of all objectives once rules recorded something of each.
func (r *trial) observe(pilots int, start time.Time) {
	phase := make(map[string]int64)
	want := profiles + (pilots-profiles)/2
	for _, row := range r.server.samples("slo:sli_events:growth1s", time.Now().Add(time.Second), time.Since(start)+2*time.Second) {
		for _, p := range row.Values {
			phase[row.Metric["sloth_id"]] = p.at % second
		}
	}
	if len(phase) == want {
		r.phase = phase
	}
}

// at returns when something of a history happens.
func (r *trial) at(s *service, t int) time.Time {
	return r.zero.Add(ms(t) + time.Duration(r.phase[s.id()])*time.Millisecond)
}

// series returns the counters of a service, with samples of what is sent of it.
func (r *trial) series(s *service, all []sent) []counter {
	var good, bad counter
	if s.own {
		bad.labels = labels(rules.CounterName, "result", "bad", "service", s.name, "slo", s.name)
		good.labels = labels(rules.CounterName, "result", "good", "service", s.name, "slo", s.name)
	} else {
		good.labels = labels("requests_total", "profile", fmt.Sprint(s.profile), unitLabel, s.name)
		bad.labels = labels("requests_failed_total", "profile", fmt.Sprint(s.profile), unitLabel, s.name)
	}
	for _, e := range all {
		at := r.at(s, e.label).UnixMilli()
		first := e.raw.Good
		if !s.own {
			first = e.raw.Total()
		}
		good.points = append(good.points, point{at, float64(first)})
		if !s.shy || e.raw.Bad > 0 {
			bad.points = append(bad.points, point{at, float64(e.raw.Bad)})
		}
	}
	if len(bad.points) == 0 {
		return []counter{good}
	}
	return []counter{good, bad}
}

// send sends readings of a service. The server takes what is in order, and refuses
// each sample that is not.
func (r *trial) send(s *service, all []sent) {
	for len(all) > 0 {
		n := slices.IndexFunc(all, func(e sent) bool { return e.refused })
		switch n {
		case -1:
			r.server.mustWrite(r.series(s, all))
			return
		case 0:
			r.mustRefuse(s, all[0])
			all = all[1:]
		default:
			r.server.mustWrite(r.series(s, all[:n]))
			all = all[n:]
		}
	}
}

func (r *trial) mustRefuse(s *service, e sent) {
	if status, _, err := r.server.write(r.series(s, []sent{e})); err != nil || status != http.StatusBadRequest {
		r.t.Fatalf("%s: a sample of the past is answered with %d, %v", s.key(), status, err)
	}
	r.refused++
}

// stream sends what is late when it is to arrive, and notes when it was there.
func (r *trial) stream() {
	type letter struct {
		s *service
		sent
	}
	var all []letter
	r.arrived = make(map[*service]map[int]int)
	for _, s := range r.services() {
		if s.agent.kind != late {
			continue
		}
		r.arrived[s] = make(map[int]int)
		for _, e := range s.sends() {
			all = append(all, letter{s, e})
		}
	}
	slices.SortStableFunc(all, func(a, b letter) int { return a.arrives - b.arrives })
	for len(all) > 0 {
		due := int(time.Since(r.zero).Milliseconds())
		n := slices.IndexFunc(all, func(l letter) bool { return l.arrives > due })
		if n == 0 {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		if n < 0 {
			n = len(all)
		}
		batch, order := make(map[*service][]sent), []*service{}
		var refused []letter
		for _, l := range all[:n] {
			if l.refused {
				refused = append(refused, l)
				continue
			}
			if batch[l.s] == nil {
				order = append(order, l.s)
			}
			batch[l.s] = append(batch[l.s], l.sent)
		}
		var series []counter
		for _, s := range order {
			series = append(series, r.series(s, batch[s])...)
		}
		r.server.mustWrite(series)
		there := int(time.Since(r.zero).Milliseconds()) + 1
		for _, l := range all[:n] {
			r.arrived[l.s][l.number] = there - int(r.phase[l.s.id()])
		}
		for _, l := range refused {
			r.mustRefuse(l.s, l.sent)
		}
		all = all[n:]
	}
}

// listen reads what the rules recorded.
func (r *trial) listen() {
	r.heard = make(map[*service]*heard)
	for _, s := range r.services() {
		r.heard[s] = &heard{}
	}
	r.evaluated = make(map[string]*[instants]bool)
	for id := range r.phase {
		r.evaluated[id] = new([instants]bool)
	}
	until := r.zero.Add(ms(end + second))
	// Budgets are counted by a group with a phase of its own.
	read := func(name string, budget bool, take func(h *heard, k int, value float64, metric map[string]string)) {
		for _, row := range r.server.samples(name, until, until.Sub(r.zero)) {
			id := row.Metric["sloth_id"]
			zero := r.zero.UnixMilli() + r.phase[id]
			s := r.byName[key(id, row.Metric[unitLabel])]
			for _, p := range row.Values {
				k := int(p.at-zero) / second
				if p.at < zero || k >= instants {
					continue
				}
				if !budget {
					r.evaluated[id][k] = true
				}
				if s != nil {
					take(r.heard[s], k, p.value, row.Metric)
				}
			}
		}
	}
	read("slo:sli_events:growth1s", false, func(*heard, int, float64, map[string]string) {})
	for i, w := range windows() {
		name, budget := rules.Text(ms(w)), ms(w) == period
		read("slo:sli_events:count"+name, budget, func(h *heard, k int, value float64, metric map[string]string) {
			if metric["result"] == "good" {
				h.windows[i][k].Good = uint64(value)
			} else {
				h.windows[i][k].Bad = uint64(value)
			}
		})
		read("slo:sli_error:ratio_rate"+name, budget, func(h *heard, k int, value float64, _ map[string]string) {
			h.windows[i][k].share, h.windows[i][k].known = value, true
		})
	}
	read("slo:period_error_budget_remaining:ratio", true, func(h *heard, k int, value float64, _ map[string]string) {
		h.left[k], h.budget[k] = value, true
	})
	read(`ALERTS{alertstate="firing"}`, false, func(h *heard, k int, _ float64, metric map[string]string) {
		for i, long := range []string{"6s", "12s"} {
			if metric["long_window"] == long {
				h.firing[i][k] = true
			}
		}
	})
	r.leftOut = r.server.leftOut()
}

// missed returns at which instants the server evaluated nothing, for which there is
// its own count of them. Otherwise it said something wherever there was something to
// count.
func (r *trial) missed(s *service, a *account) ([]bool, error) {
	missed := make([]bool, instants+1)
	left := r.leftOut["goshawk-slo-"+s.id()]
	n, last := 0, instants-1
	for last >= 0 && !r.evaluated[s.id()][last] && left > 0 {
		last-- // these may still be evaluated when the answers are read
	}
	for k, g := range a.steps {
		if r.evaluated[s.id()][k] {
			continue
		}
		if g.counted && k <= last {
			n++
		}
		missed[k] = left > 0
	}
	if float64(n) > left && s.agent.kind != late {
		return nil, fmt.Errorf("nothing was counted at %d instants, and %v evaluations were left out", n, left)
	}
	return missed, nil
}

// compare compares what the server said of a service with what it must say, and
// with what happened.
func (r *trial) compare(s *service) error {
	h := r.heard[s]
	none := make([]bool, instants+1)
	a := newAccount(s, r.arrived[s], none)
	missed, err := r.missed(s, a)
	if err != nil {
		return err
	}
	if slices.Contains(missed, true) {
		a = newAccount(s, r.arrived[s], missed)
	}
	for k, off := range a.off {
		if off > 0 && len(s.agent.lives) == 1 && !s.shy {
			return fmt.Errorf("at %d s: %d events would be lost, and nothing began again", k, off)
		}
	}
	truth, err := truths(s)
	if err != nil {
		return err
	}
	slo := promise(s.profile, s.name)
	o := slo.Objectives()[0]
	for k := range instants {
		if missed[k] || !h.budget[k] && r.leftOut["goshawk-slo-"+s.id()+"-period"] > 0 {
			continue // nothing is said
		}
		said := h.claim(o, k)
		counts, doubt := make([]sli.Counts, len(windows())), make([]uint64, len(windows()))
		for i, w := range windows() {
			counts[i], doubt[i] = a.counts(k, w), a.doubt(s, k, w)
		}
		last := len(counts) - 1
		longest := windows()[last]
		exact := s.agent.kind != late && !slices.Contains(missed[max(k-longest/second, 0):k+1], true)
		unseen := r.unseen(s, k)
		if exact {
			unseen = a.unseen(k, longest, unseen, said.windows[last].Counts, &counts[last])
		}
		for i := range unseen {
			doubt[last] += a.at(s, k-i)
		}
		if exact {
			if err := said.exactly(of(o, counts)); err != nil {
				return fmt.Errorf("at %d s: %w", k, err)
			}
			r.all[s.agent.kind].exact++
		}
		if err := said.within(happened(truth[k]), doubt, &r.all[s.agent.kind]); err != nil {
			return fmt.Errorf("at %d s: what happened: %w", k, err)
		}
	}
	return nil
}

// unseen returns how many of the last steps the rules of the budget may not see yet,
// which are a group of their own. A group begins an evaluation less than a second
// after its time, or leaves it out, and ends the one before first. So all but the last
// two evaluations until an instant have ended by then.
func (r *trial) unseen(s *service, k int) int {
	n := 0
	for i := k; i >= 0; i-- {
		if r.evaluated[s.id()][i] {
			if n++; n == 2 {
				return k - i + 1
			}
		}
	}
	return k + 1
}

// claim returns what the server said at an instant.
func (h *heard) claim(o sli.Objective, k int) claim {
	said := claim{}
	for i := range h.windows {
		said.windows = append(said.windows, h.windows[i][k])
	}
	for i := range h.firing {
		said.firing = append(said.firing, h.firing[i][k])
	}
	said.verdict = verdictOf(o, said, h.left[k], h.budget[k])
	return said
}
