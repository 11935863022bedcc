package v1

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/observe/startup"
)

func TestStartOf_readsWhatTheStoreKeeps(t *testing.T) {
	took := int64(9)
	record := func(kind, name, span, parent string, more Attributes) Record {
		a := Attributes{startup.KeyKind: kind, startup.KeyName: name, startup.KeyCPU: int64(5), startup.KeyBegin: int64(0)}
		for key, value := range more {
			a[key] = value
		}
		return Record{ID: name, Event: Event{Time: Time(time.Unix(1000, 0)), Probe: "startup", PID: 7, DurationNS: &took, TraceID: strings.Repeat("1a", 16), SpanID: span, ParentSpanID: parent, Attributes: a}}
	}
	const start, phase = "00000000000000a1", "00000000000000b2"
	records := []Record{
		record(startup.KindSyscall, "openat", "00000000000000c3", phase, Attributes{startup.KeyOperand: "/etc/hosts", startup.KeyResult: int64(-2)}),
		record(startup.KindPhase, startup.OSInit, phase, start, Attributes{startup.KeySyscalls: int64(1)}),
		record(startup.KindStart, "server", start, "", Attributes{startup.KeyArgs: []string{"server", "a\x00b"}, startup.KeyEnded: "exit", startup.KeyExitCode: int64(3), "odd": 1.5}),
	}
	s, err := StartOf(records)
	if err != nil {
		t.Fatal(err)
	}
	if s.PID != 7 || s.Ended != startup.EndedExit || s.Exit == nil || s.Exit.Code != 3 || !slices.Equal(s.Command, []string{"server", "a\uFFFDb"}) {
		t.Errorf("%+v", s)
	}
	if len(s.Phases) != 1 || s.Phases[0].CPU != 5 || s.Phases[0].Duration != 9 || !s.Phases[0].HasSyscalls || len(s.Phases[0].Calls) != 1 || s.Phases[0].Calls[0].Result != -2 {
		t.Errorf("%+v", s.Phases)
	}
	for _, tt := range []struct{ name, id, want string }{{"short", "12", "has not 8 bytes"}, {"no hex", "zzzzzzzzzzzzzzzz", "invalid byte"}} {
		bad := slices.Clone(records)
		bad[1].SpanID = tt.id
		if _, err := StartOf(bad); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	if _, err := StartOf(records[:2]); err == nil {
		t.Error("parts without their start are a start")
	}
}
