package http

import (
	"errors"
	"time"

	"github.com/cilium/ebpf"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probe"
)

const (
	// nameAfter is for how many readings a series is held back whose route no
	// record has told yet: its first record is on the way.
	nameAfter = 3
	// slowAfter is how many requests a series must have before their
	// distribution says which are slow, and slowEvery how often it is asked.
	slowAfter = 200
	slowEvery = 30 * time.Second
	// slowQuantile is which part of the requests of a series is not slow.
	slowQuantile = 0.99
	// other is the name of all routes, or hosts, past the limit.
	other = "(other)"
)

// tallies reads what the programs counted and emits the differences.
type tallies struct {
	host    probe.Host
	schema  *model.Schema
	series  map[bpfSeriesKey]*counted
	routes  map[routeKey]routeName
	owners  map[uint32]*owner
	event   model.Event
	tally   model.Tally
	took    model.Distribution
	buckets []uint64
	last    time.Time
	slowAt  time.Time
	// limits are those of the last reading, changed the indices at which this
	// reading finds another: what was counted there is of both.
	limits  [probe.MaxLimits]time.Duration
	changed uint32
	over    []model.Over
}

// counted is what is known of one series.
type counted struct {
	total bpfTally // as it was read last
	held  int
	// since is from when on the series was held back; zero when it is not.
	since time.Time
	// recent distributes the requests since the threshold was last set.
	recent model.Distribution
	// mixed are the indices of limits that changed since the last reading.
	mixed uint32
}

type routeKey struct {
	route uint64
	tgid  uint32
	kind  uint8
}

// routeName is the text of a route and the field that it goes into, and for a
// route that takes all paths below it the template of the path.
type routeName struct {
	text     string
	field    int
	template string
}

// set sets the fields that tell the route.
func (n routeName) set(v []model.Value) {
	if n.text != "" {
		v[n.field] = model.StringValue(n.text)
	}
	if n.template != "" {
		v[fieldTemplate] = model.StringValue(n.template)
	}
}

// owner is a process whose requests are counted.
type owner struct {
	process *model.Process
	gone    bool
}

func newTallies(host probe.Host) *tallies {
	t := &tallies{
		host: host, schema: Schema(),
		series: make(map[bpfSeriesKey]*counted), routes: make(map[routeKey]routeName), owners: make(map[uint32]*owner),
		buckets: make([]uint64, model.KernelBuckets), last: time.Now(), slowAt: time.Now().Add(slowEvery),
	}
	if host.Limits != nil {
		t.limits = host.Limits()
	}
	return t
}

// learn takes from a record whose series it is and what its route is called.
func (t *tallies) learn(r *bpfHttpRecord, p *model.Process) {
	if o, ok := t.owners[r.Key.Tgid]; !ok || o.process.ID != p.ID || o.process.Service != p.Service {
		t.owners[r.Key.Tgid] = &owner{process: p}
	}
	k := routeKey{r.Key.Route, r.Key.Tgid, r.Key.RouteKind}
	kind := bpfRouteKind(r.Key.RouteKind)
	// Where a text was there may be another one by now: a process can execute
	// another program.
	told := kind == bpfRouteKindROUTE_TEXT || kind == bpfRouteKindROUTE_BELOW
	if name, ok := t.routes[k]; ok && (!told || name.text == routeText(r)) {
		return
	}
	path := template(string(probe.Bytes(r.Path[:r.PathBytes])))
	switch kind {
	case bpfRouteKindROUTE_TEXT:
		if text := routeText(r); text != "" {
			t.routes[k] = routeName{text: text, field: fieldRoute}
		}
	case bpfRouteKindROUTE_BELOW:
		if text := routeText(r); text != "" {
			t.routes[k] = routeName{text: text, field: fieldRoute, template: path}
		}
	case bpfRouteKindROUTE_TEMPLATE:
		t.routes[k] = routeName{text: path, field: fieldTemplate}
	case bpfRouteKindROUTE_OTHER:
		t.routes[k] = routeName{text: other, field: fieldTemplate}
	case bpfRouteKindROUTE_HOST:
		host, _ := splitPort(string(probe.Bytes(r.Host[:r.HostBytes])))
		if r.Key.Route == 0 {
			host = other
		}
		t.routes[k] = routeName{text: host, field: fieldServerAddress}
	}
}

// route returns what the route of a series is called, if that is known.
func (t *tallies) route(k *bpfSeriesKey) routeName {
	return t.routes[routeKey{k.Route, k.Tgid, k.RouteKind}]
}

// named reports whether all is known that a tally of the series says.
func (t *tallies) named(k *bpfSeriesKey) bool {
	if _, ok := t.owners[k.Tgid]; !ok {
		return false
	}
	if bpfRouteKind(k.RouteKind) == bpfRouteKindROUTE_NONE {
		return true
	}
	_, ok := t.routes[routeKey{k.Route, k.Tgid, k.RouteKind}]
	return ok
}

// emit reads all series and emits what they counted since the last reading. The
// last reading of all holds nothing back.
func (t *tallies) emit(now time.Time, last bool, emit func(*model.Event)) {
	t.readLimits()
	var key bpfSeriesKey
	var total bpfTally
	all := t.host.Object.Maps["series"].Iterate()
	for all.Next(&key, &total) {
		if !last && t.hold(&key) {
			continue
		}
		t.count(key, &total, now, emit)
	}
	if err := all.Err(); err != nil && !errors.Is(err, ebpf.ErrIterationAborted) {
		t.host.Log.Debug("not all requests were read", "probe", t.schema.Probe, "error", err)
	}
	t.last = now
	if now.After(t.slowAt) {
		t.slowAt = now.Add(slowEvery)
		t.setSlow()
	}
	t.forget()
}

// known returns what is known of a series.
func (t *tallies) known(key *bpfSeriesKey) *counted {
	c, ok := t.series[*key]
	if !ok {
		c = &counted{mixed: t.changed}
		t.series[*key] = c
	}
	return c
}

// hold reports whether a series waits for the record that names it.
func (t *tallies) hold(key *bpfSeriesKey) bool {
	c := t.known(key)
	if t.named(key) || c.held >= nameAfter {
		return false
	}
	if c.held++; c.held == 1 {
		c.since = t.last
	}
	return true
}

// count emits by how much a series has grown.
func (t *tallies) count(key bpfSeriesKey, total *bpfTally, now time.Time, emit func(*model.Event)) {
	c := t.known(&key)
	var n uint64
	for b, count := range total.Buckets {
		// It may have wrapped.
		t.buckets[b] = uint64(count - c.total.Buckets[b])
		n += t.buckets[b]
	}
	if n == 0 {
		c.mixed = 0
		return
	}
	t.took.Reset()
	t.took.AddBuckets(t.buckets, total.Sum-c.total.Sum, 0)
	t.took.AddBuckets(nil, 0, longest(&t.took, total.Longest, c.total.Longest))
	c.recent.Merge(&t.took)
	t.tally = model.Tally{Count: n, Durations: &t.took, Over: t.countOver(c, total)}
	c.total = *total
	since := t.last
	if !c.since.IsZero() {
		since, c.since = c.since, time.Time{}
	}
	t.send(&key, since, now, emit)
}

// readLimits finds out which limits are others than at the last reading.
func (t *tallies) readLimits() {
	t.changed = 0
	if t.host.Limits == nil {
		return
	}
	now := t.host.Limits()
	for i := range now {
		if now[i] != t.limits[i] {
			t.changed |= 1 << i
		}
	}
	t.limits = now
	if t.changed == 0 {
		return
	}
	for _, c := range t.series {
		c.mixed |= t.changed
	}
}

// countOver returns by how much a series has grown past each limit. What is of
// two limits is left out.
func (t *tallies) countOver(c *counted, total *bpfTally) []model.Over {
	t.over = t.over[:0]
	for i, limit := range t.limits {
		if limit > 0 && c.mixed&(1<<i) == 0 {
			t.over = append(t.over, model.Over{Limit: limit, Count: uint64(total.Over[i] - c.total.Over[i])})
		}
	}
	c.mixed = 0
	return t.over
}

// longest returns how long the longest took of what d distributes, given the
// longest of all times, now and before: exactly if it is the new one, else as
// long as its bucket allows.
func longest(d *model.Distribution, now, before uint64) uint64 {
	if now > before {
		return now
	}
	d.EachBucket(func(_, high, _ uint64) { before = min(now, high-1) })
	return before
}

func (t *tallies) send(k *bpfSeriesKey, since, now time.Time, emit func(*model.Event)) {
	e := &t.event
	e.Reset(t.schema)
	e.Phase, e.Tally = model.PhaseTally, &t.tally
	e.Time, e.Duration = since, now.Sub(since)
	e.PID = int32(k.Tgid)
	if o, ok := t.owners[k.Tgid]; ok {
		e.Service, e.ContainerID, e.PodUID = o.process.Service, o.process.ContainerID, o.process.PodUID
	}
	setKind(e.Values, k)
	e.Values[fieldMethod] = model.StringValue(methodName(k.Method))
	t.route(k).set(e.Values)
	emit(e)
}

// methodName returns the text of enum method.
func methodName(method uint8) string {
	names := [...]string{"_OTHER", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"}
	if int(method) < len(names) {
		return names[method]
	}
	return names[0]
}

// setSlow tells the programs from when on a request of each series is slow.
func (t *tallies) setSlow() {
	thresholds := t.host.Object.Maps["slow"]
	for key, c := range t.series {
		if c.recent.Count() < slowAfter {
			continue
		}
		threshold := uint64(c.recent.Quantile(slowQuantile))
		if err := thresholds.Put(key, threshold); err != nil {
			t.host.Log.Debug("no threshold was set", "probe", t.schema.Probe, "error", err)
		}
		c.recent.Reset()
	}
}

// forget drops the series of processes that have ended, once all that they
// counted was read.
func (t *tallies) forget() {
	for pid, o := range t.owners {
		switch {
		case o.gone:
			t.drop(pid)
		case !t.host.Processes.Alive(o.process.ID):
			o.gone = true
		}
	}
}

func (t *tallies) drop(pid uint32) {
	for key := range t.series {
		if key.Tgid == pid {
			_ = t.host.Object.Maps["series"].Delete(key)
			_ = t.host.Object.Maps["slow"].Delete(key)
			delete(t.series, key)
		}
	}
	for k := range t.routes {
		if k.tgid == pid {
			delete(t.routes, k)
		}
	}
	var goroutine bpfGoroutine
	var ended []bpfGoroutine
	var request bpfRequest
	requests := t.host.Object.Maps["requests"]
	for all := requests.Iterate(); all.Next(&goroutine, &request); {
		if goroutine.Tgid == uint64(pid) {
			ended = append(ended, goroutine)
		}
	}
	for _, g := range ended {
		_ = requests.Delete(g)
	}
	_ = t.host.Object.Maps["templates"].Delete(pid)
	delete(t.owners, pid)
}
