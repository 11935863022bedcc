package waterfall

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/model"
)

func schema() *model.Schema {
	s := &model.Schema{Probe: "exec", Failure: keyError}
	for key, kind := range map[string]model.Kind{
		keyName: model.KindString, keyArgs: model.KindStrings, keyParentPID: model.KindInt, keyParentName: model.KindString,
		keyCreation: model.KindTime, keyOutcome: model.KindString, keyExitCode: model.KindInt, keySignal: model.KindString,
		keyError: model.KindString, keyReplacedBy: model.KindString, keyUser: model.KindDuration, keySystem: model.KindDuration,
		keyRunDelay: model.KindDuration, keyPipe: model.KindDuration, keyUnreaped: model.KindDuration,
	} {
		s.Fields = append(s.Fields, model.Field{Key: key, Kind: kind})
	}
	return s
}

func epoch() time.Time { return time.Unix(1_800_000_000, 0).UTC() }

// command is an event in short; times are in milliseconds.
type command struct {
	name          string
	pid, parent   int
	start, length int
	more          func(set func(key string, v model.Value), e *model.Event)
}

func (c command) record(s *model.Schema) model.Record {
	e := new(model.Event)
	e.Reset(s)
	e.PID, e.Service = int32(c.pid), "shop"
	e.Time = epoch().Add(time.Duration(c.start) * time.Millisecond)
	e.Duration = time.Duration(c.length) * time.Millisecond
	set := func(key string, v model.Value) { e.Values[s.Index(key)] = v }
	set(keyName, model.StringValue(c.name))
	if c.parent != 0 {
		set(keyParentPID, model.IntValue(int64(c.parent)))
		set(keyParentName, model.StringValue("server"))
	}
	if c.more != nil {
		c.more(set, e)
	}
	return model.Record{Event: e, Weight: 1}
}

func records(commands []command) []model.Record {
	s := schema()
	var list []model.Record
	for _, c := range commands {
		list = append(list, c.record(s))
	}
	return list
}

// text draws a waterfall: a line for each bar with start, duration and label in
// milliseconds.
func text(w v1.Waterfall) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d..%d\n", time.Time(w.From).Sub(epoch()).Milliseconds(), time.Time(w.To).Sub(epoch()).Milliseconds())
	for _, bar := range w.Bars {
		fmt.Fprintf(&b, "%s%d+%d %s\n", strings.Repeat("  ", bar.Depth), bar.StartNS/1e6, bar.DurationNS/1e6, bar.Label)
	}
	for _, s := range w.Incomplete {
		b.WriteString(s + "\n")
	}
	return b.String()
}

// at sets when the process of a command was forked.
func at(ms int) func(func(string, model.Value), *model.Event) {
	return func(set func(string, model.Value), _ *model.Event) {
		set(keyCreation, model.TimeValue(epoch().Add(time.Duration(ms)*time.Millisecond)))
	}
}

func TestBuild(t *testing.T) {
	second := func(s int) time.Time { return epoch().Add(time.Duration(s) * time.Second) }
	tests := []struct {
		name     string
		commands []command
		span     Span
		limit    int
		want     string
	}{
		{"nothing has the axis that was asked for", nil, Span{second(1), second(2)}, 10, "1000..2000\n"},
		{"children hang below their parent, in the order of their start", []command{
			{"late", 12, 10, 300, 50, nil}, {"grandchild", 13, 11, 150, 10, nil}, {"early", 11, 10, 100, 100, nil}, {"top", 10, 0, 0, 1000, nil},
		}, Span{}, 10, "0..1000\n0+1000 top\n  100+100 early\n    150+10 grandchild\n  300+50 late\n"},
		{"a parent that is no command is a bar of its own", []command{
			{"a", 11, 5, 100, 100, nil}, {"b", 12, 5, 400, 100, nil}, {"c", 13, 6, 200, 100, nil},
		}, Span{}, 10, "100..500\n0+400 server 5\n  0+100 a\n  300+100 b\n100+100 server 6\n  100+100 c\n"},
		{"a pid that was used again is another process", []command{
			{"first", 10, 0, 0, 100, nil}, {"second", 10, 0, 500, 100, nil}, {"of the first", 11, 10, 50, 10, nil}, {"of the second", 12, 10, 550, 10, nil}, {"of neither", 13, 10, 300, 10, nil},
		}, Span{}, 10, "0..600\n0+100 first\n  50+10 of the first\n300+10 server 10\n  300+10 of neither\n500+100 second\n  550+10 of the second\n"},
		{"images of one process are a chain, and a child hangs below the one that ran it", []command{
			{"sh", 10, 0, 0, 1000, nil}, {"env", 10, 0, 100, 900, nil}, {"app", 10, 0, 200, 800, nil}, {"of sh", 11, 10, 50, 10, nil}, {"of app", 12, 10, 500, 10, nil},
		}, Span{}, 10, "0..1000\n0+1000 sh\n  50+10 of sh\n  100+900 env\n    200+800 app\n      500+10 of app\n"},
		{"the fork counts, not the start of the image", []command{
			{"sh", 10, 0, 0, 1000, nil}, {"app", 10, 0, 200, 800, nil}, {"child", 11, 10, 205, 10, at(190)},
		}, Span{}, 10, "0..1000\n0+1000 sh\n  200+800 app\n  205+10 child\n"},
		{"an orphan outlives its parent", []command{
			{"parent", 10, 0, 0, 100, nil}, {"orphan", 11, 10, 50, 500, nil},
		}, Span{}, 10, "0..550\n0+100 parent\n  50+500 orphan\n"},
		{"two processes that claim to be each other's parent", []command{
			{"a", 10, 11, 0, 100, nil}, {"b", 11, 10, 0, 100, nil},
		}, Span{}, 10, "0..100\n0+100 server 11\n  0+100 a\n    0+100 b\n"},
		{"a process that claims to be its own parent", []command{{"a", 10, 10, 0, 100, nil}}, Span{}, 10, "0..100\n0+100 server 10\n  0+100 a\n"},
		{"what began before the axis does so, but for a bar of a parent", []command{{"a", 11, 5, 0, 3000, nil}}, Span{second(1), second(2)}, 10,
			"1000..2000\n0+1000 server 5\n  -1000+3000 a\n"},
		{"a command that could not be started", []command{{"a", 10, 0, 5, 0, nil}}, Span{}, 10, "5..5\n0+0 a\n"},
		{"of too many the last stay", []command{
			{"a", 11, 5, 100, 100, nil}, {"b", 12, 5, 400, 100, nil}, {"c", 13, 6, 600, 100, nil},
		}, Span{}, 4, "400..700\n0+100 server 5\n  0+100 b\n200+100 server 6\n  200+100 c\nOf 3 commands, the 2 that ended last are shown.\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := text(Build(records(tt.commands), tt.span, tt.limit)); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestBelow(t *testing.T) {
	list := records([]command{
		{"top", 10, 0, 0, 1000, nil}, {"sh", 11, 10, 100, 500, nil}, {"app", 11, 10, 200, 400, nil}, {"child", 12, 11, 300, 900, nil}, {"other", 13, 10, 300, 10, nil},
	})
	tests := []struct {
		name        string
		root, limit int
		end         int
		want        string
	}{
		{"all", 0, 10, 1200, "0..1200\n0+1000 top\n  100+500 sh\n    200+400 app\n      300+900 child\n  300+10 other\n"},
		{"from a later image", 2, 10, 1200, "200..1200\n0+400 app\n  100+900 child\n"},
		{"the first few", 0, 2, 1200, "0..1000\n0+1000 top\n  100+500 sh\nOf 5 commands, the first 2 are shown.\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, end := Below(list, list[tt.root].Event.ID(), tt.limit)
			if w == nil {
				t.Fatal("not found")
			}
			if got := text(*w); got != tt.want || end.Sub(epoch()).Milliseconds() != int64(tt.end) {
				t.Errorf("until %v:\n%s\nwant %d\n%s", end.Sub(epoch()), got, tt.end, tt.want)
			}
		})
	}
	if w, _ := Below(list, model.EventID{Probe: "exec", PID: 99}, 10); w != nil {
		t.Errorf("found what is not there: %v", w)
	}
}

func TestBuild_describesABar(t *testing.T) {
	list := records([]command{{"sort", 11, 5, 0, 100, func(set func(string, model.Value), e *model.Event) {
		set(keyArgs, model.StringsValue("sort\x00--key=2\x00it's here\x00\x00a\xffb\x00"))
		set(keyError, model.StringValue("1"))
		set(keyExitCode, model.IntValue(1))
		set(keyOutcome, model.StringValue("exited"))
		e.Findings = []model.Finding{{Rule: "zombie"}, {Rule: "orphaned"}, {Rule: "zombie"}}
	}}})
	w := Build(list, Span{}, 10)
	group, bar := w.Bars[0], w.Bars[1]
	if group.ID != "" || group.Parent != -1 || group.Detail != "ran what is below, for the service shop" || group.Href != "" {
		t.Errorf("bar of the parent: %+v", group)
	}
	id := list[0].Event.ID().String()
	if bar.ID != id || bar.Href != "/commands/"+id || bar.Parent != 0 || bar.Depth != 1 || !bar.Failed || bar.Outcome != "exit 1" ||
		fmt.Sprint(bar.Findings) != "[zombie orphaned]" || bar.Detail != `sort --key=2 'it'\''s here' '' a`+"\uFFFD"+`b` {
		t.Errorf("bar of the command: %+v", bar)
	}
}

func TestBuild_saysHowItEnded(t *testing.T) {
	for want, values := range map[string]map[string]model.Value{
		"exit 0":  {keyExitCode: model.IntValue(0), keyOutcome: model.StringValue("exited")},
		"SIGKILL": {keySignal: model.StringValue("SIGKILL"), keyError: model.StringValue("SIGKILL"), keyOutcome: model.StringValue("signaled")},
		"ENOENT":  {keyError: model.StringValue("ENOENT"), keyOutcome: model.StringValue("failed")},
		"":        {},
	} {
		list := records([]command{{"x", 1, 0, 0, 1, func(set func(string, model.Value), _ *model.Event) {
			for key, v := range values {
				set(key, v)
			}
		}}})
		if bar := Build(list, Span{}, 1).Bars[0]; bar.Outcome != want || bar.Failed != values[keyError].IsSet() {
			t.Errorf("outcome %q, failed %t; want %q", bar.Outcome, bar.Failed, want)
		}
	}
}

func TestBuild_dividesTheDuration(t *testing.T) {
	type spent map[string]int // by field, in milliseconds
	tests := []struct {
		name   string
		length int
		spent  spent
		next   int // when another image replaced it
		want   string
	}{
		{"what is left is a wait", 100, spent{keyUser: 20, keySystem: 10, keyRunDelay: 5, keyPipe: 15}, 0, "cpu 30 run_delay 5 pipe 15 wait 50"},
		{"several threads spend more than the time", 100, spent{keyUser: 300, keySystem: 0, keyRunDelay: 100}, 0, "cpu 75 run_delay 25"},
		{"nothing is known", 100, spent{}, 0, ""},
		{"nothing was spent", 100, spent{keyUser: 0, keySystem: 0, keyRunDelay: 0}, 0, "wait 100"},
		{"a zombie comes after", 100, spent{keyUser: 100, keyUnreaped: 5000}, 0, "cpu 100 zombie 5000"},
		{"negative amounts are nothing", 100, spent{keyUser: -50, keyRunDelay: -1, keyUnreaped: -5}, 0, "wait 100"},
		{"no duration, no parts", 0, spent{keyUser: 50}, 0, ""},
		{"a replaced image has the time until then", 100, spent{keyUser: 10, keyUnreaped: 5}, 40, "cpu 10 wait 30"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			commands := []command{{"x", 1, 0, 0, tt.length, func(set func(string, model.Value), _ *model.Event) {
				for key, ms := range tt.spent {
					set(key, model.DurationValue(time.Duration(ms)*time.Millisecond))
				}
				if tt.next > 0 {
					set(keyReplacedBy, model.StringValue("y"))
				}
			}}}
			if tt.next > 0 {
				commands = append(commands, command{"y", 1, 0, tt.next, tt.length - tt.next, nil})
			}
			var got []string
			for _, p := range Build(records(commands), Span{}, 10).Bars[0].Parts {
				got = append(got, fmt.Sprint(p.Kind, " ", p.NS/1e6))
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("parts %v, want %s", got, tt.want)
			}
		})
	}
	list := records([]command{{"x", 1, 0, 0, 100, func(set func(string, model.Value), _ *model.Event) {
		set(keyUser, model.DurationValue(time.Millisecond))
		set(keyReplacedBy, model.StringValue("not among the records"))
	}}})
	if parts := Build(list, Span{}, 10).Bars[0].Parts; len(parts) != 1 || parts[0].Kind != "cpu" {
		t.Errorf("parts %v, want no wait: nobody knows when the next image started", parts)
	}
}

func TestShorten_keepsTextsValidAndShort(t *testing.T) {
	for _, s := range []string{"", "short", strings.Repeat("x", 200), strings.Repeat("ü", 100), strings.Repeat("\xff", 99), strings.Repeat("a\xff", 99), "ab\xf0"} {
		got := shorten(s, 100)
		if len(got) > 100 || strings.ToValidUTF8(got, "") != got || len(s) <= 100 && !strings.Contains(s, "\xff") && !strings.Contains(s, "\xf0") && got != s {
			t.Errorf("%q became %q", s, got)
		}
	}
}

// TestBuild_properties holds what every waterfall promises against records that
// make no sense.
func TestBuild_properties(t *testing.T) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 1))
		list := randomRecords(r)
		limit := 1 + r.IntN(60)
		checkTree(t, seed, Build(list, Span{}, limit), limit)
		if root := list[r.IntN(len(list))].Event.ID(); true {
			w, _ := Below(list, root, limit)
			if w == nil || w.Bars[0].ID != root.String() {
				t.Fatalf("seed %d: the root is not first", seed)
			}
			checkTree(t, seed, *w, limit)
		}
		if all := Build(list, Span{}, 1000); countEvents(all) != len(list) {
			t.Fatalf("seed %d: %d of %d events have a bar", seed, countEvents(all), len(list))
		}
	}
}

func randomRecords(r *rand.Rand) []model.Record {
	s := schema()
	var list []model.Record
	for range 1 + r.IntN(50) {
		c := command{name: "x", pid: 1 + r.IntN(8), parent: r.IntN(9), start: r.IntN(100), length: r.IntN(60) - 1}
		c.more = func(set func(string, model.Value), _ *model.Event) {
			for _, key := range []string{keyUser, keySystem, keyRunDelay, keyPipe, keyUnreaped} {
				if r.IntN(2) == 0 {
					set(key, model.DurationValue(time.Duration(r.Int64N(1<<uint(1+r.IntN(62)))-1000)))
				}
			}
			if r.IntN(3) == 0 {
				at(c.start-r.IntN(5)+1)(set, nil)
			}
			if r.IntN(5) == 0 {
				set(keyReplacedBy, model.StringValue("y"))
			}
		}
		list = append(list, c.record(s))
	}
	return list
}

func countEvents(w v1.Waterfall) int {
	n := 0
	for _, b := range w.Bars {
		if b.ID != "" {
			n++
		}
	}
	return n
}

func checkTree(t *testing.T, seed uint64, w v1.Waterfall, limit int) {
	t.Helper()
	if len(w.Bars) > limit {
		t.Fatalf("seed %d: %d bars, want at most %d", seed, len(w.Bars), limit)
	}
	if time.Time(w.To).Before(time.Time(w.From)) {
		t.Fatalf("seed %d: an axis from %v to %v", seed, time.Time(w.From), time.Time(w.To))
	}
	for i, b := range w.Bars {
		depth := 0
		if b.Parent >= 0 {
			if b.Parent >= i {
				t.Fatalf("seed %d: bar %d comes before its parent %d", seed, i, b.Parent)
			}
			depth = w.Bars[b.Parent].Depth + 1
		}
		if b.Depth != depth || b.Parent < -1 {
			t.Fatalf("seed %d: bar %d has depth %d, want %d", seed, i, b.Depth, depth)
		}
		// A subtree is contiguous: the bar before has at least the parent's depth.
		if i > 0 && w.Bars[i-1].Depth < b.Depth-1 {
			t.Fatalf("seed %d: bar %d jumps to depth %d", seed, i, b.Depth)
		}
		var sum int64
		for _, p := range b.Parts {
			if p.NS <= 0 {
				t.Fatalf("seed %d: part %+v", seed, p)
			}
			if p.Kind != "zombie" {
				sum += p.NS
			}
		}
		if sum > b.DurationNS || b.DurationNS < 0 {
			t.Fatalf("seed %d: parts of %d ns in a duration of %d ns", seed, sum, b.DurationNS)
		}
	}
}

func BenchmarkBuild(b *testing.B) {
	s := schema()
	var list []model.Record
	for i := range 9_000 {
		list = append(list, command{"x", 100 + i, 100 + i/3, i, 1000, nil}.record(s))
	}
	b.ReportAllocs()
	for b.Loop() {
		Build(list, Span{}, 10_000)
	}
}
