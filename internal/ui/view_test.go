package ui

import (
	"slices"
	"testing"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/model"
)

func TestOutcome_ofEachEnd(t *testing.T) {
	for name, c := range map[string]struct {
		event       v1.Event
		class, text string
	}{
		"ended well":     {v1.Event{Probe: "exec", Attributes: v1.Attributes{keyExitCode: int64(0)}}, "ok", "exit 0"},
		"exit code":      {v1.Event{Probe: "exec", Attributes: v1.Attributes{keyExitCode: int64(3), keyError: "3"}}, "bad", "exit 3"},
		"signal":         {v1.Event{Probe: "exec", Attributes: v1.Attributes{keySignal: "SIGTERM"}}, "bad", "SIGTERM"},
		"refused":        {v1.Event{Probe: "exec", Attributes: v1.Attributes{keyOutcome: "failed", keyError: "EACCES"}}, "bad", "EACCES"},
		"replaced":       {v1.Event{Probe: "exec", Attributes: v1.Attributes{keyReplaced: "/bin/x", keyExitCode: int64(0)}}, "neutral", "replaced"},
		"running":        {v1.Event{Probe: "exec", Phase: "start"}, "neutral", "running"},
		"not seen":       {v1.Event{Probe: "exec"}, "neutral", "unknown"},
		"connect":        {v1.Event{Probe: "tcp", Attributes: v1.Attributes{keyEvent: "connect"}}, "ok", "ok"},
		"connect failed": {v1.Event{Probe: "tcp", Attributes: v1.Attributes{keyEvent: "connect_failed", keyError: "ECONNREFUSED"}}, "bad", "ECONNREFUSED"},
		"reset":          {v1.Event{Probe: "tcp", Attributes: v1.Attributes{keyEvent: "reset_sent"}}, "neutral", unknown},
	} {
		if o := outcomeOf(&c.event); o.Class != c.class || o.Text != c.text || o.Title == "" {
			t.Errorf("%s: %+v, want %s %q", name, o, c.class, c.text)
		}
	}
}

func TestStack_foldsTheStandardLibraryAndMarksOwnCode(t *testing.T) {
	s := newStack(sampleStack())
	if len(s.Groups) != 3 || s.Groups[0].Own || !s.Groups[1].Own || s.Groups[2].Own {
		t.Fatalf("groups %+v", s.Groups)
	}
	if first := s.Groups[1].Frames[0]; !first.First || first.Func != "stock.(*shop).checkStock" || first.Path != "github.com/example/shop/internal/" {
		t.Errorf("first own frame %+v", first)
	}
	if want := "5 frames of the standard library: syscall, os, os/exec"; s.Groups[0].Label != want {
		t.Errorf("label %q, want %q", s.Groups[0].Label, want)
	}
	for function, std := range map[string]bool{
		"main.main": false, "runtime.goexit": true, "shop.run": false, "example.com/x.F": false, "net/http.(*conn).serve": true,
		"slices.SortFunc[go.shape.[]example.com/x.T,go.shape.int]": true, "internal/poll.(*FD).Read": true, "": false,
	} {
		if model.StandardLibrary(function) != std {
			t.Errorf("standard(%q) = %v", function, !std)
		}
	}
}

func TestWaterfall_partsStayWithinTheirBarAndTheAxis(t *testing.T) {
	for _, n := range []int{0, 1, 40, 1000} {
		view := newWaterfall("w", "label", "", sampleWaterfall(n, testNow()), "")
		if len(view.Table.Rows) != min(n, maxFallback) || (view.Left != "") != (n > maxFallback) {
			t.Errorf("%d bars: %d rows, left %q", n, len(view.Table.Rows), view.Left)
		}
		for _, row := range view.Table.Rows {
			x := -1.0
			for _, r := range row.Cells[3].Bar.Rects {
				if r.X < x || r.X < -0.01 || r.X+r.W > 1003 || r.W < 0 {
					t.Fatalf("%d bars: part %+v after %g", n, r, x)
				}
				x = r.X
			}
		}
	}
	long := v1.Waterfall{Bars: []v1.Bar{{Parent: -1, Label: "x", DurationNS: 10, Parts: []v1.Part{{Kind: "cpu", NS: 1 << 60}}}}}
	if r := newWaterfall("w", "", "", long, "").Table.Rows[0].Cells[3].Bar.Rects[0]; r.W > 1000 {
		t.Errorf("more CPU than time makes %+v", r)
	}
}

func TestRateChart_countsEachRollupOnce(t *testing.T) {
	now := testNow()
	w := newWindow(now.Add(-time.Hour), now)
	at := v1.Time(w.from.Add(3 * w.step))
	sums := []v1.Rollup{
		{Time: at, Count: 5, Failed: 1, P99NS: 7}, {Time: at, Count: 9, P99NS: 8},
		{Time: v1.Time(w.to), Count: 100}, {Time: v1.Time(w.from.Add(-1)), Count: 100},
	}
	p := points(sums, w)[3]
	if p.count != 14 || p.failed != 1 || p.p99 != 8 {
		t.Errorf("got %+v", p)
	}
	if c := newRateChart("c", "l", "", sums, w, now); len(c.Bars) != 2 || c.State.Title != "" || len(c.Numbers.Rows) != 1 {
		t.Errorf("got %d bars, %d rows", len(c.Bars), len(c.Numbers.Rows))
	}
	if c := newRateChart("c", "l", "", nil, w, now); c.State.Kind != "empty" {
		t.Errorf("a chart of nothing has the state %+v", c.State)
	}
}

func TestWindow_hasRoundStepsAndFewPoints(t *testing.T) {
	for _, span := range []time.Duration{0, time.Second, 5 * time.Minute, time.Hour, 72 * time.Hour, 24 * 400 * time.Hour} {
		w := newWindow(testNow().Add(-span), testNow())
		if n := w.len(); n < 1 || n > maxSteps+2 || w.step%(10*time.Second) != 0 {
			t.Errorf("%s: %d steps of %s", span, n, w.step)
		}
	}
}

func TestGroupFindings_putsTheWorstFirst(t *testing.T) {
	list := v1.List[v1.Record]{Items: []v1.Record{
		{Weight: 1, Event: v1.Event{Findings: []v1.Finding{{Rule: "i", Severity: "info", Evidence: "new"}, {Rule: "w", Severity: "warn"}}}},
		{Weight: 3, Event: v1.Event{Findings: []v1.Finding{{Rule: "i", Severity: "info", Evidence: "old"}}}},
		{Event: v1.Event{Findings: []v1.Finding{{Rule: "e", Severity: "error"}}}},
	}}
	got := groupFindings(list, func(rule string) string { return "/" + rule })
	rules := []string{}
	for _, f := range got {
		rules = append(rules, f.Rule)
	}
	if !slices.Equal(rules, []string{"e", "w", "i"}) || got[2].Count != "4 commands" || got[2].Evidence != "new" || got[0].Href != "/e" {
		t.Errorf("got %+v", got)
	}
}

func TestPeers_joinTheEventsOfOneEnd(t *testing.T) {
	got := peers(samplePeers())
	if len(got) != 2 || got[0].address != "10.0.0.7" || got[0].connects != 180 || got[0].failed != 6 || got[0].resets != 60 || got[0].resent != 40 || got[0].p99 != 1_900_000 {
		t.Errorf("got %+v", got)
	}
}

func TestProbe_costsAShareOfACore(t *testing.T) {
	now, cost := testNow(), int64(time.Second)
	since := v1.Time(now.Add(-100 * time.Second))
	for _, tt := range []struct {
		name  string
		probe v1.Probe
		want  string
	}{
		{"measured", v1.Probe{CostNS: &cost, Since: &since, Events: 1000}, "1 % of a core, 1 ms per event"},
		{"never attached", v1.Probe{CostNS: &cost}, "1 s of CPU"},
		{"not measured", v1.Probe{Since: &since}, "not measured"},
	} {
		if got := newProbe(tt.probe, now).Cost; got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestCommand_saysWhoEndedItAndWhatItStandsFor(t *testing.T) {
	r := sampleRecords(8, testNow())[4]
	r.Weight = 12
	c := newCommand(r, testNow())
	if c.Killer != "by its parent, process 4711" || c.Weight == "" || c.Outcome.Text != "SIGKILL" {
		t.Errorf("killer %q, weight %q, outcome %+v", c.Killer, c.Weight, c.Outcome)
	}
	var total float64
	for _, part := range c.Split {
		total += part.W
	}
	if total < 999.9 || total > 1000.1 {
		t.Errorf("the parts of the time are %g of 1000", total)
	}
}

func TestCommand_findsParentAndChildren(t *testing.T) {
	w := v1.Waterfall{Bars: []v1.Bar{{ID: "p", Parent: -1, Label: "make"}, {ID: "me", Parent: 0, Label: "go"}}}
	for range 25 {
		w.Bars = append(w.Bars, v1.Bar{ID: "c", Parent: 1, Label: "compile"})
	}
	var c Command
	c.relate(w, "me")
	if c.Parent == nil || c.Parent.Text != "make" || len(c.Children) != maxChildren || c.More != 5 {
		t.Errorf("got %+v", c)
	}
}
