package otlp

import (
	"testing"

	"github.com/goshawk-io/goshawk/internal/model"
)

func TestQueue_bounds(t *testing.T) {
	for _, tt := range []struct {
		name  string
		sizes []int
		want  []bool
	}{
		{"by number", []int{1, 1, 1, 1, 1}, []bool{true, true, true, true, false}},
		{"by size", []int{60, 50, 40, 1}, []bool{true, false, true, false}},
		{"an item over the limit never fits", []int{101, 1}, []bool{false, true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := newQueue(4, 100, 2, 50)
			for i, size := range tt.sizes {
				if room := q.hasRoom(size); room != tt.want[i] {
					t.Errorf("item %d: hasRoom = %v, want %v", i, room, tt.want[i])
				}
				if put := q.put(item{size: size}); put != tt.want[i] {
					t.Errorf("item %d: put = %v, want %v", i, put, tt.want[i])
				}
			}
		})
	}
}

func TestQueue_batches(t *testing.T) {
	for _, tt := range []struct {
		name  string
		sizes []int
		want  []int // length of each batch
		more  []bool
	}{
		{"by number", []int{1, 1, 1, 1, 1}, []int{2, 2, 1}, []bool{true, false, false}},
		{"by size", []int{30, 30, 10, 10}, []int{1, 2, 1}, []bool{true, false, false}},
		{"a large item goes alone", []int{1, 70, 1}, []int{1, 1, 1}, []bool{true, false, false}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := newQueue(10, 1000, 2, 50)
			for _, size := range tt.sizes {
				q.put(item{event: &model.Event{}, size: size})
			}
			for i, want := range tt.want {
				batch, more := q.take()
				if len(batch) != want || more != tt.more[i] {
					t.Errorf("batch %d: %d items, more %v; want %d, %v", i, len(batch), more, want, tt.more[i])
				}
			}
			if batch, _ := q.take(); len(batch) != 0 || !q.isEmpty() || q.bytes != 0 {
				t.Errorf("%d items and %d bytes are left", len(batch), q.bytes)
			}
		})
	}
}

func TestQueue_closedTakesNothing(t *testing.T) {
	q := newQueue(10, 1000, 2, 50)
	q.put(item{size: 1})
	q.close()
	if q.hasRoom(1) || q.put(item{size: 1}) {
		t.Error("a closed queue took an item")
	}
	if batch, _ := q.take(); len(batch) != 1 {
		t.Errorf("got %d items that were there before, want 1", len(batch))
	}
}
