package upgrades

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/upgrade"
)

// ids returns ids that count up.
func ids() func() (model.TraceID, model.SpanID) {
	n := byte(0)
	return func() (model.TraceID, model.SpanID) {
		n++
		return model.TraceID{n}, model.SpanID{n}
	}
}

// line writes an event as tests read it.
func line(e *model.Event, zero time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s +%v %v gen=%v", e.Get(KeyKind).Str(), e.Time.Sub(zero), e.Duration, e.Get(KeyGeneration).Int())
	for _, key := range []string{KeyOutcome, KeyFailure, KeyReason} {
		if v := e.Get(key); v.IsSet() {
			fmt.Fprintf(&b, " %s", v.Str())
		}
	}
	if e.ParentSpanID != (model.SpanID{}) {
		fmt.Fprintf(&b, " of %d", e.ParentSpanID[0])
	}
	return b.String()
}

func TestStory(t *testing.T) {
	zero := time.Unix(1000, 0)
	at := func(d time.Duration) time.Time { return zero.Add(d) }
	committed := &upgrade.Outcome{
		Outcome: upgrade.Committed, PID: 7, Generation: 2, Began: zero,
		Started: 10 * time.Millisecond, Ready: 30 * time.Millisecond, Passive: 31 * time.Millisecond, Ended: time.Second,
	}
	for _, test := range []struct {
		name   string
		events []upgrade.Event
		want   []string
	}{
		{
			"committed, and drained", []upgrade.Event{
				{State: upgrade.Spawning, Time: at(0)}, {State: upgrade.Probation, Time: at(time.Second)},
				{State: upgrade.Committed, Time: at(time.Second), Outcome: committed, Generation: 1}, {State: upgrade.Drained, Time: at(3 * time.Second), Generation: 1},
			},
			[]string{
				"upgrade +0s 1s gen=2 committed", "spawn +0s 10ms gen=2 of 1", "warm +10ms 20ms gen=2 of 1", "hand_over +30ms 1ms gen=2 of 1",
				"probation +31ms 969ms gen=2 of 1", "drain +1s 2s gen=1 of 1",
			},
		},
		{
			"rolled back while it warms", []upgrade.Event{{
				State: upgrade.RolledBack, Time: at(time.Second), Outcome: &upgrade.Outcome{
					Outcome: upgrade.RolledBack, Reason: "it died", PID: 7, Generation: 2, Began: zero, Started: 10 * time.Millisecond, Ended: 40 * time.Millisecond,
				},
			}},
			[]string{"upgrade +0s 40ms gen=2 rolled_back rolled_back it died", "spawn +0s 10ms gen=2 of 1", "warm +10ms 30ms gen=2 of 1"},
		},
		{
			"both versions accept until it is committed", []upgrade.Event{{
				State: upgrade.Committed, Time: at(time.Second), Outcome: &upgrade.Outcome{
					Outcome: upgrade.Committed, PID: 7, Generation: 2, Began: zero, Started: 10 * time.Millisecond, Ready: 30 * time.Millisecond, Passive: time.Second, Ended: time.Second,
				},
			}},
			[]string{"upgrade +0s 1s gen=2 committed", "spawn +0s 10ms gen=2 of 1", "warm +10ms 20ms gen=2 of 1", "probation +30ms 970ms gen=2 of 1"},
		},
		{
			"both versions accept until it is rolled back", []upgrade.Event{{
				State: upgrade.RolledBack, Time: at(time.Second), Outcome: &upgrade.Outcome{
					Outcome: upgrade.RolledBack, Reason: "it died", PID: 7, Generation: 2, Began: zero, Started: 10 * time.Millisecond, Ready: 30 * time.Millisecond, Ended: 40 * time.Millisecond,
				},
			}},
			[]string{"upgrade +0s 40ms gen=2 rolled_back rolled_back it died", "spawn +0s 10ms gen=2 of 1", "warm +10ms 20ms gen=2 of 1", "probation +30ms 10ms gen=2 of 1"},
		},
		{
			"nothing could be started", []upgrade.Event{{
				State: upgrade.Running, Time: at(0), Outcome: &upgrade.Outcome{Outcome: upgrade.Running, Reason: "no such file", Generation: 2, Began: zero, Ended: time.Millisecond},
			}},
			[]string{"upgrade +0s 1ms gen=2 running not_started no such file"},
		},
		{
			"a process that ends, whose connections are cut", []upgrade.Event{
				{State: upgrade.Draining, Time: at(time.Second), Generation: 3}, {State: upgrade.Drained, Time: at(4 * time.Second), Generation: 3, Reason: "2 were cut"},
			},
			[]string{"drain +1s 3s gen=3 connections_cut 2 were cut"},
		},
		{"the end alone was heard", []upgrade.Event{{State: upgrade.Drained, Time: at(time.Second), Generation: 1}}, []string{"drain +1s 0s gen=1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			s := &story{process: Process{PID: 5, Service: "shop"}, schema: Schema(), newIDs: ids(), emit: func(e *model.Event) {
				if e.PID != 5 || e.Service != "shop" || e.SpanID == (model.SpanID{}) || e.TraceID == (model.TraceID{}) {
					t.Errorf("%+v", e)
				}
				got = append(got, line(e, zero))
			}}
			for _, e := range test.events {
				s.hear(&e)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestStory_ofAServerThatIsRunForSomebody has a process tell of the versions that it runs:
// the events are theirs, and of the same server where one is not known.
func TestStory_ofAServerThatIsRunForSomebody(t *testing.T) {
	began := time.Unix(1, 0)
	var got []string
	s := &story{
		process: Process{PID: 5, Service: "goshawk"}, schema: Schema(), newIDs: ids(),
		version: func(pid int) (Process, bool) { return Process{PID: int32(pid), Service: "shop"}, pid < 100 },
		emit: func(e *model.Event) {
			got = append(got, fmt.Sprint(e.Service, " ", e.PID, " ", e.Get(KeyKind).Str()))
		},
	}
	for _, e := range []upgrade.Event{
		{State: upgrade.Drained, Time: began, PID: 500},
		{State: upgrade.Drained, Time: began, PID: 50},
		{State: upgrade.Drained, Time: began, PID: 500},
	} {
		s.hear(&e)
	}
	want := []string{"goshawk 500 drain", "shop 50 drain", "shop 500 drain"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// FuzzStory has a process say anything: no event is without a kind, or lasts for less than
// nothing.
func FuzzStory(f *testing.F) {
	text, err := json.Marshal(upgrade.Event{State: upgrade.Committed, Outcome: &upgrade.Outcome{Outcome: upgrade.Committed, PID: 1, Started: 5, Ready: 3}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text, []byte(`{"state":"drained"}`))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		s := &story{schema: Schema(), newIDs: ids(), emit: func(e *model.Event) {
			if e.Duration < 0 || e.Get(KeyKind).Str() == "" {
				t.Errorf("%+v", e)
			}
		}}
		for _, text := range [][]byte{first, second} {
			var e upgrade.Event
			if json.Unmarshal(text, &e) == nil {
				s.hear(&e)
			}
		}
	})
}
