package http

import (
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probe"
	"github.com/goshawk-io/goshawk/internal/observe/target"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

// counting is a tallies with the maps of the object, which the test fills.
type counting struct {
	*tallies
	t    *testing.T
	maps map[string]*ebpf.Map
	now  time.Time
	out  []string
}

func newCounting(t *testing.T) *counting {
	t.Helper()
	testutil.RequireBPF(t)
	object, err := loadBpf()
	if err != nil {
		t.Fatal(err)
	}
	object.Programs = nil
	collection, err := ebpf.NewCollection(object)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(collection.Close)
	host := probe.Host{
		Object: collection, Log: slog.New(slog.DiscardHandler),
		Processes: target.NewTable(target.TableOptions{}),
	}
	return &counting{tallies: newTallies(host), t: t, maps: collection.Maps, now: time.Now()}
}

// set writes what a series counts: so many requests in each of some buckets.
func (c *counting) set(k bpfSeriesKey, sum, longest uint64, buckets map[int]uint32) {
	c.t.Helper()
	total := bpfTally{Sum: sum, Longest: longest}
	for b, n := range buckets {
		total.Buckets[b] = n
	}
	if err := c.maps["series"].Put(k, total); err != nil {
		c.t.Fatal(err)
	}
}

// tick reads the series, a second after the last time, and returns the tallies
// as text, in the order of their text.
func (c *counting) tick(last bool) []string {
	c.now = c.now.Add(time.Second)
	c.out = nil
	c.emit(c.now, last, func(e *model.Event) {
		v := e.Values
		c.out = append(c.out, fmt.Sprintf("%d %s %s%s%s %s: %d in %s, max %s, of %s", e.PID, text(e, fieldMethod),
			v[fieldRoute].Str(), v[fieldTemplate].Str(), v[fieldServerAddress].Str(), text(e, fieldStatus),
			e.Tally.Count, time.Duration(e.Tally.Durations.Sum()), e.Tally.Durations.Max(), e.Duration.Round(time.Second)))
	})
	slices.Sort(c.out)
	return c.out
}

func (c *counting) expect(last bool, want ...string) {
	c.t.Helper()
	if got := c.tick(last); !slices.Equal(got, want) {
		c.t.Errorf("tallies:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// self returns this process, which is alive.
func self(t *testing.T) *model.Process {
	t.Helper()
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+2:]))
	start, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return &model.Process{ID: model.ProcessID{PID: int32(os.Getpid()), Start: start}, Service: "self"}
}

// routed returns a record that tells of a series and what its route is called.
func routed(k bpfSeriesKey, route string) *bpfHttpRecord {
	r := &bpfHttpRecord{Key: k, RouteParts: 1}
	r.RouteBytes[0] = uint16(fill(r.Route[0][:], route, -1))
	return r
}

func textSeries(pid int32) bpfSeriesKey {
	return bpfSeriesKey{
		Route: 7, Tgid: uint32(pid), Status: 200, Method: uint8(bpfMethodMETHOD_GET),
		Role: uint8(bpfRoleROLE_SERVER), RouteKind: uint8(bpfRouteKindROUTE_TEXT),
	}
}

func TestTalliesAreDifferences(t *testing.T) {
	c := newCounting(t)
	p := self(t)
	k := textSeries(p.ID.PID)
	c.learn(routed(k, "GET /a"), p)
	c.set(k, 30_000_000, 20_000_000, map[int]uint32{60: 1, 61: 2})
	name := fmt.Sprintf("%d GET /a 200: ", p.ID.PID)
	c.expect(false, name+"3 in 30ms, max 20ms, of 1s")
	c.expect(false)
	c.set(k, 30_100_000, 20_000_000, map[int]uint32{60: 6, 61: 2})
	// The longest was before: of these it is known to within their bucket.
	c.expect(false, name+"5 in 100µs, max "+(boundOf(60)-1).String()+", of 1s")
	// Counts wrap.
	c.set(k, 30_100_000, 20_000_000, map[int]uint32{60: 1<<32 - 2, 61: 2})
	c.tick(false)
	c.set(k, 40_100_000, 50_000_000, map[int]uint32{60: 3, 61: 2})
	c.expect(false, name+"5 in 10ms, max 50ms, of 1s")
	c.expect(true)
}

// boundOf returns what a bucket's durations are below.
func boundOf(bucket int) time.Duration {
	var d model.Distribution
	counts := make([]uint64, bucket+1)
	counts[bucket] = 1
	d.AddBuckets(counts, 0, 0)
	var bound time.Duration
	d.EachBucket(func(_, high, _ uint64) { bound = time.Duration(high) })
	return bound
}

func TestTalliesWaitForTheirNames(t *testing.T) {
	c := newCounting(t)
	p := self(t)
	k := textSeries(p.ID.PID)
	c.learn(&bpfHttpRecord{Key: bpfSeriesKey{Tgid: k.Tgid}}, p)
	c.set(k, 1000, 1000, map[int]uint32{0: 1})
	c.expect(false)
	c.learn(routed(k, "/late"), p)
	c.expect(false, fmt.Sprintf("%d GET /late 200: 1 in 1µs, max 1µs, of 2s", p.ID.PID))

	// One whose record was lost waits for three readings.
	k.Route = 8
	c.set(k, 1000, 1000, map[int]uint32{0: 1})
	for range nameAfter {
		c.expect(false)
	}
	c.expect(false, fmt.Sprintf("%d GET  200: 1 in 1µs, max 1µs, of 4s", p.ID.PID))

	// At the end nothing waits.
	k.Route = 9
	c.set(k, 1000, 1000, map[int]uint32{0: 2})
	c.expect(true, fmt.Sprintf("%d GET  200: 2 in 1µs, max 1µs, of 1s", p.ID.PID))
}

func TestTalliesOfADeadProcess(t *testing.T) {
	c := newCounting(t)
	living := self(t)
	dead := &model.Process{ID: model.ProcessID{PID: living.ID.PID, Start: living.ID.Start + 1}, Service: "dead"}
	dead.ID.PID = 1 << 22 // more than any process has
	for _, p := range []*model.Process{living, dead} {
		k := textSeries(p.ID.PID)
		c.learn(routed(k, "/a"), p)
		c.set(k, 1000, 1000, map[int]uint32{0: 1})
		for _, name := range []string{"slow", "templates", "requests"} {
			var err error
			switch name {
			case "slow":
				err = c.maps[name].Put(k, uint64(1))
			case "templates":
				err = c.maps[name].Put(k.Tgid, uint64(1))
			case "requests":
				err = c.maps[name].Put(bpfGoroutine{G: 1, Tgid: uint64(k.Tgid)}, bpfRequest{})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := c.tick(false); len(got) != 2 {
		t.Fatalf("tallies = %q", got)
	}
	// What it counted between the last reading and its end counts.
	c.set(textSeries(dead.ID.PID), 3000, 1000, map[int]uint32{0: 3})
	c.expect(false, fmt.Sprintf("%d GET /a 200: 2 in 2µs, max 1µs, of 1s", dead.ID.PID))
	c.tick(false)
	left := map[string][]uint32{}
	var key bpfSeriesKey
	var total bpfTally
	for all := c.maps["series"].Iterate(); all.Next(&key, &total); {
		left["series"] = append(left["series"], key.Tgid)
	}
	var threshold uint64
	for all := c.maps["slow"].Iterate(); all.Next(&key, &threshold); {
		left["slow"] = append(left["slow"], key.Tgid)
	}
	var pid uint32
	for all := c.maps["templates"].Iterate(); all.Next(&pid, &threshold); {
		left["templates"] = append(left["templates"], pid)
	}
	var goroutine bpfGoroutine
	var request bpfRequest
	for all := c.maps["requests"].Iterate(); all.Next(&goroutine, &request); {
		left["requests"] = append(left["requests"], uint32(goroutine.Tgid))
	}
	for _, name := range slices.Sorted(maps.Keys(left)) {
		if !slices.Equal(left[name], []uint32{uint32(living.ID.PID)}) {
			t.Errorf("%s holds what processes %d had, want the living one alone", name, left[name])
		}
	}
	if len(left) != 4 || len(c.owners) != 1 || len(c.routes) != 1 || len(c.series) != 1 {
		t.Errorf("%v are left; %d owners, %d routes, %d series", left, len(c.owners), len(c.routes), len(c.series))
	}
}

// TestSlowIsLearned checks that the slowest of a series are told of once it has
// had enough requests to tell.
func TestSlowIsLearned(t *testing.T) {
	c := newCounting(t)
	p := self(t)
	k := textSeries(p.ID.PID)
	c.learn(routed(k, "/a"), p)
	c.set(k, 1000, 1_000_000, map[int]uint32{0: slowAfter - 2, 60: 1})
	c.now = c.now.Add(slowEvery)
	c.tick(false)
	var threshold uint64
	if err := c.maps["slow"].Lookup(k, &threshold); err == nil {
		t.Errorf("the threshold of %d requests is %d", slowAfter-1, threshold)
	}
	c.set(k, 1000, 1_700_000, map[int]uint32{0: 2 * slowAfter, 60: 40})
	c.now = c.now.Add(slowEvery)
	c.tick(false)
	if err := c.maps["slow"].Lookup(k, &threshold); err != nil || threshold < uint64(boundOf(59)) || threshold > uint64(boundOf(60)) {
		t.Errorf("the threshold is %d: %v, want one of the slowest tenth", threshold, err)
	}
}
