package exec

import (
	"encoding/hex"
	"testing"

	"github.com/goshawk-io/goshawk/internal/model"
)

func TestParseTraceparent(t *testing.T) {
	for _, test := range []struct {
		name, text string
		ok         bool
	}{
		{"sampled", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true},
		{"not sampled", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", true},
		{"empty", "", false},
		{"upper case", "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false},
		{"another version", "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false},
		{"no trace", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", false},
		{"no span", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false},
		{"no hexadecimal digit in the trace", "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01", false},
		{"no hexadecimal digit in the span", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902bg-01", false},
		{"no hexadecimal digit in the flags", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x", false},
		{"short", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1", false},
		{"long", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-011", false},
		{"other separators", "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			trace, span, ok := parseTraceparent(test.text)
			if ok != test.ok {
				t.Fatalf("ok = %t, want %t", ok, test.ok)
			}
			if ok && (hex.EncodeToString(trace[:]) != test.text[3:35] || hex.EncodeToString(span[:]) != test.text[36:52]) {
				t.Errorf("trace %x, span %x", trace, span)
			}
		})
	}
}

func FuzzParseTraceparent(f *testing.F) {
	f.Add("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	f.Add("00-4BF92F3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		trace, span, ok := parseTraceparent(text)
		if !ok {
			return
		}
		if trace == (model.TraceID{}) || span == (model.SpanID{}) {
			t.Errorf("%q: zero ids are accepted", text)
		}
		if again := "00-" + hex.EncodeToString(trace[:]) + "-" + hex.EncodeToString(span[:]); text[:52] != again {
			t.Errorf("%q: read as %q", text, again)
		}
	})
}
