package upgrades_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/change/upgrades"
)

func TestParts(t *testing.T) {
	for name, c := range map[string]struct {
		started, ready, passive, ended time.Duration
		want                           string
	}{
		"all":                              {10, 20, 25, 60, "spawn 0-10, warm 10-20, hand_over 20-25, probation 25-60"},
		"it did not start":                 {0, 0, 0, 60, "spawn 0-60"},
		"it did not get ready":             {10, 0, 0, 60, "spawn 0-10, warm 10-60"},
		"both accepted until the end":      {10, 20, 0, 60, "spawn 0-10, warm 10-20, probation 20-60"},
		"the old one ceased at the end":    {10, 20, 60, 60, "spawn 0-10, warm 10-20, probation 20-60"},
		"nothing took any time":            {0, 0, 0, 0, "spawn 0-0"},
		"times that go back and forth":     {30, 20, 40, 50, "spawn 0-30, warm 30-30, hand_over 30-40, probation 40-50"},
		"an end before it was ready":       {10, 70, 80, 60, "spawn 0-10, warm 10-60, probation 60-60"},
		"an end before it began":           {10, 20, 25, -5, "spawn 0-0, warm 0-0, probation 0-0"},
		"it was ready as soon as it began": {10, 10, 25, 60, "spawn 0-10, warm 10-10, hand_over 10-25, probation 25-60"},
	} {
		t.Run(name, func(t *testing.T) {
			var parts []string
			for _, p := range upgrades.Parts(c.started, c.ready, c.passive, c.ended) {
				parts = append(parts, fmt.Sprintf("%s %d-%d", p.Kind, p.From, p.To))
			}
			if got := strings.Join(parts, ", "); got != c.want {
				t.Errorf("%s; want %s", got, c.want)
			}
		})
	}
}
