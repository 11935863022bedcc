package main

import "testing"

func TestSample(t *testing.T) {
	tests := []struct {
		name   string
		values sample
		median float64
		text   string
	}{
		{"nothing", nil, 0, "-"},
		{"one value has no spread", sample{2}, 2, "2.0"},
		{"an even number takes the mean of the middle", sample{4, 1, 2, 3}, 2.5, "2.5 (1.0-4.0)"},
		{"an odd number takes the middle", sample{9, 1, 5}, 5, "5.0 (1.0-9.0)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.values.median(); got != tt.median {
				t.Errorf("median = %v, want %v", got, tt.median)
			}
			if got := tt.values.text("%.1f"); got != tt.text {
				t.Errorf("text = %q, want %q", got, tt.text)
			}
		})
	}
}

func TestOverPairsRounds(t *testing.T) {
	got := sample{2, 9, 1}.over(sample{1, 3, 0})
	if len(got) != 2 || got[0] != 2 || got[1] != 3 {
		t.Errorf("over = %v, want [2 3]", got)
	}
}
