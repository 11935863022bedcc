package sealed

import (
	"io"
	"testing"
)

const benchSize = 64 << 20

func BenchmarkWriteAndSeal(b *testing.B) {
	data := random(1, benchSize)
	for name, part := range map[string]int{"64MiB_at_once": benchSize, "parts_of_4KiB": 4 << 10} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(benchSize)
			for b.Loop() {
				w, err := Create("bench", 1)
				if err != nil {
					b.Fatal(err)
				}
				for rest := data; len(rest) > 0; rest = rest[part:] {
					if _, err := w.Write(rest[:part]); err != nil {
						b.Fatal(err)
					}
				}
				f, err := w.Seal()
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				f.Close()
				b.StartTimer()
			}
		})
	}
}

func BenchmarkOpenAndFirstByte(b *testing.B) {
	f := seal(b, 1, random(1, benchSize))
	one := make([]byte, 1)
	for b.Loop() {
		r, err := Open(f)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.Read(one); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		r.Close()
		b.StartTimer()
	}
}

func BenchmarkBytes(b *testing.B) {
	f := seal(b, 1, random(1, benchSize))
	b.SetBytes(benchSize)
	for b.Loop() {
		r, err := Open(f)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.Bytes(); err != nil {
			b.Fatal(err)
		}
		r.Close()
	}
}

// BenchmarkRead reads all once more, which checks no chunk again.
func BenchmarkRead(b *testing.B) {
	r := mustOpen(b, seal(b, 1, random(1, benchSize)))
	buf := make([]byte, chunkSize)
	b.SetBytes(benchSize)
	b.ReportAllocs()
	for b.Loop() {
		for off := int64(0); off < r.Len(); off += chunkSize {
			if _, err := r.ReadAt(buf, off); err != nil && err != io.EOF {
				b.Fatal(err)
			}
		}
	}
}

func TestReadAt_allocatesNothing(t *testing.T) {
	const n = 20
	r := mustOpen(t, seal(t, 1, random(1, (n+1)*chunkSize)))
	buf := make([]byte, chunkSize)
	off := int64(0)
	// Each run reads a chunk for the first time.
	if got := testing.AllocsPerRun(n, func() {
		if _, err := r.ReadAt(buf, off); err != nil {
			t.Fatal(err)
		}
		off += chunkSize
	}); got != 0 {
		t.Errorf("%v allocations", got)
	}
}
