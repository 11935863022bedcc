package model

import (
	"testing"
	"time"
)

func TestEventID_isReadAsItWasWritten(t *testing.T) {
	schema := &Schema{Probe: "exec"}
	for _, e := range []Event{
		{Schema: schema, Time: time.Unix(1700000000, 123456789), Duration: 1500, PID: 4711},
		{Schema: schema, Time: time.Unix(1700000000, 0), Duration: -1, PID: 1},
		{Schema: schema, Time: time.Unix(1, 0), Duration: 0, PID: 1<<31 - 1},
	} {
		got, err := ParseEventID(e.ID().String())
		if err != nil || got != e.ID() {
			t.Errorf("%s is read as %+v, %v; want %+v", e.ID(), got, err, e.ID())
		}
	}
}

func TestParseEventID_refusesWhatIsNone(t *testing.T) {
	for _, s := range []string{"", "exec", "exec-1-2", "-1-2-3", "exec-1-2-3-4", "exec-1-2-zzzzzzzz", "exec-é-2-3", "exec--1-2-3"} {
		if id, err := ParseEventID(s); err == nil {
			t.Errorf("%q is read as %+v", s, id)
		}
	}
}

func FuzzParseEventID(f *testing.F) {
	f.Add("exec-18d2f3-1f-3")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseEventID(s)
		if err != nil {
			return
		}
		if again, err := ParseEventID(id.String()); err != nil || again != id {
			t.Errorf("%q is %+v, and that again %+v, %v", s, id, again, err)
		}
	})
}
