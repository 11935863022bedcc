package symbol_test

import (
	"slices"
	"testing"

	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

func TestBinary_Inlinings_sayWhatTheFramesOfAllAddressesSay(t *testing.T) {
	for _, toolchain := range toolchains() {
		t.Run("toolchain "+toolchain, func(t *testing.T) {
			b, _ := openStacks(t, testutil.BuildOptions{Toolchain: toolchain, Flags: []string{"-ldflags=-s -w"}})
			compareInlinings(t, b)
		})
	}
}

// compareInlinings looks into a part of the functions, address by address. Frames
// spell generic functions otherwise, so these are left out.
func compareInlinings(t *testing.T, b *symbol.Binary) {
	t.Helper()
	in := b.Inlinings(1 << 20)
	code := map[string]bool{}
	checked := 0
	i := 0
	for f := range b.Functions() {
		code[f.Name] = true
		if i++; i%5 != 0 || f.Wrapper {
			continue
		}
		want := map[string]bool{}
		for pc := f.Entry; pc < f.End; pc++ {
			frames := b.AppendFrames(nil, pc, false)
			for _, frame := range frames[:max(len(frames)-1, 0)] {
				want[frame.Func] = true
			}
		}
		for name := range want {
			callers, total := in.Into(name)
			if slices.Contains([]byte(name), '[') {
				continue
			}
			checked++
			if !slices.Contains(callers, f.Name) || total != len(callers) {
				t.Errorf("%s is inlined into %s, which is not among %d of %d", name, f.Name, len(callers), total)
			}
		}
	}
	if checked < 500 {
		t.Errorf("only %d inlined calls", checked)
	}
	for _, name := range in.Alone() {
		if code[name] {
			t.Errorf("%s has code", name)
		}
	}
	if len(in.Alone()) < 100 || !slices.IsSorted(in.Alone()) {
		t.Errorf("%d functions without code", len(in.Alone()))
	}
}

func TestBinary_InlinedInto_agreesWithInlinings(t *testing.T) {
	b, _ := openStacks(t, testutil.BuildOptions{})
	all, few := b.Inlinings(1<<20), b.Inlinings(2)
	for _, name := range []string{"sync.(*Mutex).Lock", "unsafe.String", "internal/abi.(*Type).Kind", "main.main", "no.such"} {
		want, total := all.Into(name)
		want = slices.Compact(want)
		if got := b.InlinedInto(name)[name]; !slices.Equal(got, want) {
			t.Errorf("%s: InlinedInto has %d callers, Inlinings %d", name, len(got), len(want))
		}
		if got, fewTotal := few.Into(name); fewTotal != total || len(got) != min(2, total) {
			t.Errorf("%s: two of %d are %q of %d", name, total, got, fewTotal)
		}
	}
	if n := len(b.InlinedInto("sync.(*Mutex).Lock")["sync.(*Mutex).Lock"]); n < 5 {
		t.Errorf("sync.(*Mutex).Lock is inlined into %d functions", n)
	}
}
