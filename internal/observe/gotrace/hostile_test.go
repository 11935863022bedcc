package gotrace_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"reflect"
	"testing"

	"golang.org/x/exp/trace"

	"github.com/goshawk-io/goshawk/internal/observe/gotrace"
)

func TestACutTraceGivesTheEventsThatTheReaderGives(t *testing.T) {
	for _, toolchain := range []string{"go1.22.12", "go1.25.5", ""} {
		t.Run("toolchain "+toolchain, func(t *testing.T) {
			t.Parallel()
			whole := record(t, toolchain, "1200ms")
			random := rand.New(rand.NewPCG(1, 2))
			for range 20 {
				cut := 17 + random.IntN(len(whole)-17)
				r, err := gotrace.Analyse(context.Background(), bytes.NewReader(whole[:cut]), gotrace.Options{Workers: 2})
				want, readErr := countEvents(whole[:cut])
				if (err == nil) != (readErr == nil) {
					t.Errorf("cut at %d: error %v, the reader's %v", cut, err, readErr)
				}
				if r.Events != want {
					t.Errorf("cut at %d: %d events, the reader gave %d, then %v", cut, r.Events, want, readErr)
				}
			}
		})
	}
}

// countEvents counts what the plain reader gives before its first error.
func countEvents(data []byte) (uint64, error) {
	r, err := trace.NewReader(bytes.NewReader(data))
	for n := uint64(0); ; n++ {
		if err == nil {
			_, err = r.ReadEvent()
		}
		if err != nil {
			if err.Error() == "EOF" {
				err = nil
			}
			return n, err
		}
	}
}

func TestADamagedTraceIsReadUpToTheDamage(t *testing.T) {
	whole := record(t, "", "1200ms")
	intact := analyse(t, whole, gotrace.Options{})
	random := rand.New(rand.NewPCG(3, 4))
	for range 40 {
		data := bytes.Clone(whole)
		for range 1 + random.IntN(4) {
			data[random.IntN(len(data))] ^= byte(1 << random.IntN(8))
		}
		r, err := gotrace.Analyse(context.Background(), bytes.NewReader(data), gotrace.Options{Workers: 2})
		if err == nil && r.Events > 2*intact.Events {
			t.Errorf("%d events of %d", r.Events, intact.Events)
		}
		if r != nil && r.Complete != (err == nil) {
			t.Errorf("complete %v, error %v", r.Complete, err)
		}
	}
}

// FuzzAnalyse holds that no input ends the program, and that the number of parsers
// does not show.
func FuzzAnalyse(f *testing.F) {
	for _, toolchain := range []string{"go1.22.12", "go1.25.5", ""} {
		data := record(f, toolchain, "5ms")
		f.Add(data)
		f.Add(compress(f, data))
		f.Add(data[:len(data)/2])
		f.Add(append(bytes.Clone(data), data...))
	}
	f.Add([]byte("go 1.26 trace\x00\x00\x00\x34"))
	f.Fuzz(func(t *testing.T, data []byte) {
		one, err := gotrace.Analyse(context.Background(), bytes.NewReader(data), gotrace.Options{Workers: 1, MaxGeneration: 8 << 20})
		if err != nil {
			if one != nil && one.Complete {
				t.Error("complete in spite of", err)
			}
			return
		}
		three, err := gotrace.Analyse(context.Background(), bytes.NewReader(data), gotrace.Options{Workers: 3, MaxGeneration: 8 << 20})
		if err != nil || !reflect.DeepEqual(one, three) {
			t.Errorf("with three parsers: %v, or another report", err)
		}
	})
}
