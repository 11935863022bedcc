package memory

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/store"
	"github.com/goshawk-io/goshawk/internal/store/storetest"
)

var _ store.Reader = (*Store)(nil)

func TestStore_conforms(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Store { return New(Options{}) })
}

func event(schema *model.Schema, pid int32, args int) *model.Event {
	e := new(model.Event)
	e.Reset(schema)
	e.PID, e.Time, e.Duration = pid, time.Unix(int64(pid)*100, 0), time.Second
	e.Values[0] = model.StringsValue(strings.Repeat("x", args))
	return e
}

func TestAdd_forgetsTheOldest(t *testing.T) {
	schema := &model.Schema{Probe: "exec", Fields: []model.Field{{Key: "args", Kind: model.KindStrings}}}
	tests := []struct {
		name    string
		options Options
		args    int
		min     int
		max     int
	}{
		{"when there are too many", Options{Events: 10}, 1, 10, 10},
		{"when they take too many bytes", Options{Bytes: 8 << 20}, 1 << 20, 6, 8},
		{"but keeps one that is too large", Options{Bytes: 1}, 100, 1, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := New(tt.options)
			for i := range 50 {
				s.Add(event(schema, int32(i), tt.args))
			}
			page, err := s.Events(context.Background(), model.Query{})
			if err != nil {
				t.Fatal(err)
			}
			if n := len(page.Records); n < tt.min || n > tt.max || page.Records[0].Event.PID != 49 {
				t.Errorf("%d events are kept, the newest of pid %d; want %d to %d", n, page.Records[0].Event.PID, tt.min, tt.max)
			}
			if len(page.Incomplete) != 1 {
				t.Errorf("the answer says that it lacks %q, want what was pushed out", page.Incomplete)
			}
			page, err = s.Events(context.Background(), model.Query{From: page.Records[len(page.Records)-1].Event.End()})
			if err != nil || len(page.Records) == 0 || page.Incomplete != nil {
				t.Errorf("what is kept whole: %d events, %v, lacks %q", len(page.Records), err, page.Incomplete)
			}
			rollups, err := s.Rollups(context.Background(), model.RollupQuery{})
			if err != nil || len(rollups.Items) != 1 || rollups.Items[0].Count != 50 {
				t.Errorf("rollups %+v, %v, want 50 events", rollups, err)
			}
		})
	}
}

func TestAdd_boundsTheRollups(t *testing.T) {
	schema := &model.Schema{Probe: "exec", Fields: []model.Field{{Key: "args", Kind: model.KindStrings}}}
	s := New(Options{Rollups: 20})
	for i := range 1000 {
		s.Add(event(schema, int32(i), 1))
		if s.sums.Len() > 20 {
			t.Fatalf("%d rollups", s.sums.Len())
		}
	}
}
