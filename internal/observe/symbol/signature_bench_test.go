package symbol_test

import (
	"testing"

	"github.com/goshawk-io/goshawk/internal/observe/symbol"
)

// BenchmarkSignatures reads how functions of a program with DWARF are called:
// that of GOSHAWK_BENCH_BINARY, or a small one.
func BenchmarkSignatures(b *testing.B) {
	path := signatureProgram(b)
	for _, tt := range []struct{ name, pattern string }{{"one", "main.main"}, {"all", "*"}} {
		b.Run(tt.name, func(b *testing.B) {
			bin, err := symbol.Open(path)
			if err != nil {
				b.Fatal(err)
			}
			defer bin.Close()
			functions, err := bin.Match(tt.pattern)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				s, err := bin.Signatures()
				if err != nil {
					b.Fatal(err)
				}
				n = 0
				for _, f := range functions {
					if f.Wrapper {
						continue
					}
					if _, err := s.Of(f); err == nil {
						n++
					}
				}
			}
			b.ReportMetric(float64(n), "signatures")
		})
	}
}
