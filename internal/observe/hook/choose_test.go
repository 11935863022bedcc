package hook

import (
	"slices"
	"testing"
)

// TestNotesTakeOnePassOverTheCode asks about several names and patterns: each
// question about inlined calls reads the code of all functions.
func TestNotesTakeOnePassOverTheCode(t *testing.T) {
	for _, tt := range []struct {
		name  string
		asked []asked
		into  []string // the names that are asked about, at once
		alone int
		notes []string
	}{
		{"nothing", nil, nil, 0, nil},
		{"names", []asked{{"main.a", false}, {"main.b", false}, {"main.c", false}}, []string{"main.a", "main.b", "main.c"}, 0,
			[]string{"main.a: calls that are inlined are not seen: those in main.x, main.y", "main.c: calls that are inlined are not seen: those in main.z"}},
		{"patterns", []asked{{"main.s*", true}, {"none.*", true}, {"*.small", true}}, nil, 1,
			[]string{"main.s*: 2 more functions are inlined everywhere and not seen: main.single, main.small",
				"*.small: 1 more functions are inlined everywhere and not seen: main.small"}},
		{"both", []asked{{"*.small", true}, {"main.c", false}}, []string{"main.c"}, 1,
			[]string{"*.small: 1 more functions are inlined everywhere and not seen: main.small", "main.c: calls that are inlined are not seen: those in main.z"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := choice{asked: tt.asked}
			var names []string
			calls, alone := 0, 0
			c.note(func(of ...string) map[string][]string {
				calls++
				names = of
				return map[string][]string{"main.a": {"main.x", "main.y"}, "main.c": {"main.z"}}
			}, func() []string {
				alone++
				return []string{"main.large", "main.single", "main.small"}
			})
			if calls != min(len(tt.into), 1) || !slices.Equal(names, tt.into) || alone != tt.alone {
				t.Errorf("asked %d times, about %q, and %d times about all; want once about %q, and %d times", calls, names, alone, tt.into, tt.alone)
			}
			if !slices.Equal(c.notes, tt.notes) {
				t.Errorf("notes %q, want %q", c.notes, tt.notes)
			}
		})
	}
}
