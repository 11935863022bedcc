package load

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestQuantile(t *testing.T) {
	upTo := func(n int) Latencies {
		var l Latencies
		for i := range n {
			l = append(l, time.Duration(i+1))
		}
		return l
	}
	for _, tt := range []struct {
		name string
		of   Latencies
		q    float64
		want time.Duration
	}{
		{"nothing", nil, 0.99, 0},
		{"one", upTo(1), 0.5, 1},
		{"the lower of two", upTo(2), 0.5, 1},
		{"the middle of three", upTo(3), 0.5, 2},
		{"the 99th of 100", upTo(100), 0.99, 99},
		{"the 100th of 101", upTo(101), 0.99, 100},
		{"the 990th of 1000", upTo(1000), 0.99, 990},
		{"the lowest", upTo(10), 0, 1},
		{"the highest", upTo(10), 1, 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.of.Quantile(tt.q); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func TestSplit(t *testing.T) {
	r := merge([]Result{
		{Sent: 2, Samples: []Sample{{At: 30, Latency: 3}, {At: 10, Latency: 9}}},
		{Sent: 3, Samples: []Sample{{At: 20, Latency: 2}, {At: 0, Latency: 4}}, Losses: []Loss{{At: 5, Kind: Cut}}},
	})
	for _, tt := range []struct {
		name    string
		windows []Window
		in, out Latencies
	}{
		{"no window", nil, nil, Latencies{2, 3, 4, 9}},
		{"its beginning is in a window and its end is not", []Window{{10, 20}}, Latencies{9}, Latencies{2, 3, 4}},
		{"two windows", []Window{{0, 1}, {20, 31}}, Latencies{2, 3, 4}, Latencies{9}},
		{"windows that overlap count once", []Window{{0, 25}, {5, 100}}, Latencies{2, 3, 4, 9}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in, out := r.Split(tt.windows)
			if diff := cmp.Diff([]Latencies{tt.in, tt.out}, []Latencies{in, out}); diff != "" {
				t.Errorf("in and out (-want +got):\n%s", diff)
			}
		})
	}
	if r.Sent != 5 {
		t.Errorf("sent %d, want 5", r.Sent)
	}
	if diff := cmp.Diff(losses{Cut: 1}, r.Lost()); diff != "" {
		t.Errorf("lost (-want +got):\n%s", diff)
	}
}
