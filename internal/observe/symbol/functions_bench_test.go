package symbol_test

import (
	"testing"

	"github.com/goshawk-io/goshawk/internal/observe/symbol"
)

// BenchmarkLookupNames searches a program for 20 functions at once.
func BenchmarkLookupNames(b *testing.B) {
	bin, err := symbol.Open(benchBinary(b))
	if err != nil {
		b.Fatal(err)
	}
	defer bin.Close()
	names := []string{
		"net/http.(*conn).serve", "net/http.serverHandler.ServeHTTP", "net/http.(*response).finishRequest", "net/http.(*conn).hijackLocked",
		"net/http.(*Transport).roundTrip", "net/http.(*http2serverConn).runHandler", "net/http.(*http2responseWriter).handlerDone",
		"runtime.gopanic", "runtime.newproc1", "runtime.newproc.func1", "runtime.runqput", "runtime.goexit1", "os/exec.(*Cmd).Start",
		"crypto/tls.(*Conn).Read", "crypto/tls.(*Conn).Write", "database/sql.(*DB).queryDC", "google.golang.org/grpc.(*Server).handleStream",
		"github.com/go-chi/chi/v5.(*Mux).routeHTTP", "github.com/gin-gonic/gin.(*Context).Next", "main.main",
	}
	b.ReportAllocs()
	b.ReportMetric(float64(len(bin.Lookup(names...))), "found")
	for b.Loop() {
		if len(bin.Lookup(names...)) < 5 {
			b.Fatal("not found")
		}
	}
}

// BenchmarkEntryPoint finds the entry of one function after the other.
func BenchmarkEntryPoint(b *testing.B) { benchCode(b, func(c *symbol.Code) { c.EntryPoint() }) }

// BenchmarkReturnPoints decodes one function after the other as a whole.
func BenchmarkReturnPoints(b *testing.B) { benchCode(b, func(c *symbol.Code) { c.ReturnPoints() }) }

func benchCode(b *testing.B, ask func(*symbol.Code)) {
	b.Helper()
	bin, err := symbol.Open(benchBinary(b))
	if err != nil {
		b.Fatal(err)
	}
	defer bin.Close()
	var functions []symbol.Function
	for f := range bin.Functions() {
		functions = append(functions, f)
	}
	i := 0
	for b.Loop() {
		if c, err := bin.Code(functions[i%len(functions)]); err == nil {
			ask(c)
		}
		i++
	}
}

// BenchmarkInlinings reads where all calls are inlined.
func BenchmarkInlinings(b *testing.B) {
	bin, err := symbol.Open(benchBinary(b))
	if err != nil {
		b.Fatal(err)
	}
	defer bin.Close()
	b.ReportAllocs()
	for b.Loop() {
		if len(bin.Inlinings(8).Alone()) == 0 {
			b.Fatal("nothing is inlined")
		}
	}
}
