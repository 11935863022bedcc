package storetest

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
)

// base is a full minute, so that tests know where steps begin.
func base() time.Time { return time.Date(2026, 11, 21, 22, 58, 0, 0, time.UTC) }

// commandSchema has a field of each kind.
func commandSchema() *model.Schema {
	return &model.Schema{
		Probe:   "command",
		Failure: "error.type",
		Groups:  []string{"name", "line"},
		Fields: []model.Field{
			{Key: "name", Kind: model.KindString, Column: "NAME", Width: 3},
			{Key: "args", Kind: model.KindStrings},
			{Key: "line", Kind: model.KindInt},
			{Key: "cut", Kind: model.KindBool},
			{Key: "cpu_ns", Kind: model.KindDuration, Unit: "ns"},
			{Key: "created", Kind: model.KindTime},
			{Key: "outcome", Kind: model.KindString, Outcome: true},
			{Key: "error.type", Kind: model.KindString},
		},
		Metrics: []model.Metric{{Name: "commands", Unit: "{command}", Labels: []model.Label{{Name: "outcome", Field: "outcome"}}, Buckets: []float64{0.1, 1}}},
		Span:    &model.Span{Kind: model.SpanClient, Name: "name"},
	}
}

// peerSchema has groups of a list, and nothing that fails.
func peerSchema() *model.Schema {
	return &model.Schema{
		Probe:  "peer",
		Groups: []string{"addresses", "not.there"},
		Fields: []model.Field{
			{Key: "addresses", Kind: model.KindStrings},
			{Key: "name", Kind: model.KindString},
		},
	}
}

// maker makes random events of a few services.
type maker struct {
	*rand.Rand
	command, peer *model.Schema
	frames        [][]model.Frame
}

func newMaker(seed uint64) *maker {
	m := &maker{Rand: rand.New(rand.NewPCG(seed, 1)), command: commandSchema(), peer: peerSchema()}
	for i := range 5 {
		var stack []model.Frame
		for j := range i {
			stack = append(stack, model.Frame{Func: fmt.Sprintf("main.(*Shop).f%d", j), File: fmt.Sprintf("shop/f%d.go", i), Line: 10*i + j})
		}
		m.frames = append(m.frames, stack)
	}
	return m
}

func (m *maker) pick(texts ...string) string { return texts[m.IntN(len(texts))] }

func (m *maker) maybe(share float64) bool { return m.Float64() < share }

// event returns an event that began within the minutes after base. Many have
// the same times and durations.
func (m *maker) event() *model.Event {
	e := new(model.Event)
	schema := m.command
	if m.maybe(0.3) {
		schema = m.peer
	}
	e.Reset(schema)
	e.Time = base().Add(time.Duration(m.IntN(300)) * time.Second).Add(time.Duration(m.IntN(3)))
	if m.maybe(0.9) {
		e.Duration = time.Duration(m.IntN(20)) * time.Duration(m.IntN(5)) * time.Second
	}
	e.PID = int32(1 + m.IntN(20))
	e.Service = m.pick("shop", "shop", "cart", "pay", "", "Größe", "bad\xff")
	if schema == m.peer {
		e.Values[0] = model.StringsValue(m.pick("10.0.0.1\x00", "10.0.0.1\x00::1\x00", ""))
		e.Values[1] = model.StringValue(m.pick("a", "B", ""))
		return e
	}
	e.GoroutineID = uint64(m.IntN(3))
	e.ContainerID, e.PodUID = m.pick("", "c1", "c2"), m.pick("", "p1")
	if m.maybe(0.5) {
		e.TraceID[3], e.SpanID[7], e.ParentSpanID[0] = byte(m.IntN(3)), 2, 1
	}
	e.Stack = m.frames[m.IntN(len(m.frames))]
	e.Values[0] = model.StringValue(m.pick("git", "curl", "cat", "Äpfel", "x\xfe"))
	e.Values[1] = model.StringsValue(m.pick("git\x00", "curl\x00", "cat\x00") + m.pick("--All\x00", "\x00", "a b\x00", "last", fmt.Sprintf("n%d\x00", m.IntN(100))))
	e.Values[2] = model.IntValue(int64(m.IntN(4)))
	if m.maybe(0.5) {
		e.Values[3] = model.BoolValue(m.maybe(0.5))
		e.Values[4] = model.DurationValue(time.Duration(m.IntN(1000)))
		e.Values[5] = model.TimeValue(e.Time.Add(-time.Millisecond))
	}
	e.Values[6] = model.StringValue(m.pick("exited", "signaled", "failed"))
	if m.maybe(0.2) {
		e.Values[7] = model.StringValue(m.pick("1", "SIGKILL", "ENOENT", ""))
	}
	for m.maybe(0.1) {
		e.Findings = append(e.Findings, model.Finding{
			Rule: m.pick("zombie", "killed-without-grace"), Severity: model.Severity(m.IntN(3)),
			Evidence: fmt.Sprintf("waited %d s", m.IntN(9)), Remedy: "Wait for it.",
		})
	}
	return e
}

func (m *maker) events(n int) naive {
	all := make(naive, n)
	for i := range all {
		all[i] = m.event()
	}
	return all
}

func (m *maker) time() time.Time {
	return base().Add(time.Duration(m.IntN(400)-20) * time.Second).Add(time.Duration(m.IntN(3)))
}

// query returns a random query that selects some of the events or none.
func (m *maker) query() model.Query {
	var q model.Query
	set := func(share float64, f func()) {
		if m.maybe(share) {
			f()
		}
	}
	set(0.3, func() { q.Probe = m.pick("command", "peer", "none") })
	set(0.3, func() { q.Service = m.pick("shop", "cart", "pay", "Größe", "bad\xff", "none") })
	set(0.1, func() { q.PID = int32(1 + m.IntN(21)) })
	set(0.3, func() { q.From = m.time() })
	set(0.3, func() { q.To = m.time() })
	set(0.1, func() { q.Failed = true })
	set(0.1, func() { q.Findings = true })
	set(0.1, func() { q.Rule = m.pick("zombie", "killed-without-grace", "none") })
	set(0.2, func() { q.MinDuration = time.Duration(m.IntN(30)) * time.Second })
	set(0.2, func() {
		q.Text = m.pick("GIT", "ALL", "größe", "äpfel", "shop", "main.(*shop)", "waited 3", "zombie", "nothing has this", "b")
	})
	set(0.5, func() { q.Order = model.SlowestFirst })
	for m.maybe(0.25) {
		q.Where = append(q.Where, m.match())
	}
	q.Limit = 1 + m.IntN(150)
	if m.maybe(0.1) {
		q.Limit = 0
	}
	return q
}

func (m *maker) match() model.Match {
	switch m.IntN(8) {
	case 0:
		return model.Match{Key: "name", Value: m.pick("git", "Äpfel", "x\uFFFD", "a", "", "none")}
	case 1:
		return model.Match{Key: "args", Value: m.pick("git", "--All", "", "last", "n7")}
	case 2:
		return model.Match{Key: "line", Value: m.pick("0", "3", "03", "x")}
	case 3:
		return model.Match{Key: "cut", Value: m.pick("true", "false", "1")}
	case 4:
		return model.Match{Key: "outcome", Value: m.pick("exited", "failed", "none")}
	case 5:
		return model.Match{Key: "addresses", Value: m.pick("::1", "10.0.0.1", "10.0.0.1 ::1")}
	case 6:
		return model.Match{Key: "created", Value: m.time().Add(-time.Millisecond).Format("2006-01-02T15:04:05.000000000Z")}
	}
	return model.Match{Key: m.pick("error.type", "not.there"), Value: m.pick("SIGKILL", "", "1")}
}
