package recent

import (
	"strings"
	"testing"

	"github.com/goshawk-io/goshawk/internal/model"
)

func event(probe, service string, pid int32, findings int) *model.Event {
	return &model.Event{
		Schema: &model.Schema{Probe: probe}, Service: service, PID: pid,
		Findings: make([]model.Finding, findings),
	}
}

func TestAdd_boundsTheBytes(t *testing.T) {
	s := New(100)
	schema := &model.Schema{Probe: "exec", Fields: []model.Field{{Key: "args", Kind: model.KindStrings}}}
	for i := range 300 {
		e := new(model.Event)
		e.Reset(schema)
		e.PID = int32(i)
		e.Values[0] = model.StringsValue(strings.Repeat("x", 1<<20))
		s.Add(e)
	}
	got := s.Select(Query{})
	if len(got) < 6 || len(got) > 8 || got[0].PID != 299 {
		t.Errorf("%d events of 1 MiB are kept, want about 7, the newest first", len(got))
	}
	if s.bytes > maxBytes {
		t.Errorf("%d bytes are kept", s.bytes)
	}
}

func TestSelect(t *testing.T) {
	s := New(4)
	if got := s.Select(Query{}); len(got) != 0 {
		t.Fatalf("an empty store has %d events", len(got))
	}
	s.Add(event("exec", "a", 1, 0)) // pushed out by the fifth
	s.Add(event("exec", "b", 2, 1))
	s.Add(event("tcp", "a", 3, 0))
	s.Add(event("exec", "a", 4, 2))
	s.Add(event("exec", "b", 5, 0))
	tests := []struct {
		name  string
		query Query
		want  []int32
	}{
		{"all, newest first, oldest forgotten", Query{}, []int32{5, 4, 3, 2}},
		{"of a probe", Query{Probe: "tcp"}, []int32{3}},
		{"of a service", Query{Service: "a"}, []int32{4, 3}},
		{"of a process", Query{PID: 2}, []int32{2}},
		{"with findings", Query{Findings: true}, []int32{4, 2}},
		{"limited", Query{Limit: 2}, []int32{5, 4}},
		{"limited after the selection", Query{Service: "b", Limit: 1}, []int32{5}},
		{"nothing", Query{Service: "c"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := s.Select(tt.query)
			if len(got) != len(tt.want) {
				t.Fatalf("%d events, want %d", len(got), len(tt.want))
			}
			for i, e := range got {
				if e.PID != tt.want[i] {
					t.Errorf("event %d is of pid %d, want %d", i, e.PID, tt.want[i])
				}
			}
		})
	}
}
