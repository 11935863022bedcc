package gotrace

import (
	"strings"
	"testing"
)

func TestPlace(t *testing.T) {
	for _, c := range []struct{ name, stack, want string }{
		{"the program's own line", "runtime.chanrecv1 main.worker main.main", "main.worker:2"},
		{"a lock of the program", "sync.runtime_SemacquireMutex sync.(*Mutex).Lock github.com/a/b.(*T).Do main.main", "b.(*T).Do:3"},
		{"the standard library, for the program", "internal/poll.(*FD).Read net.(*netFD).Read net.(*conn).Read net/http.(*persistConn).Read main.fetch main.main", "main.fetch:5 (net.(*netFD).Read)"},
		{"the standard library alone", "internal/poll.(*FD).Read net.(*netFD).Read net.(*conn).Read net/http.(*connReader).backgroundRead", "http.(*connReader).backgroundRead:4 (net.(*netFD).Read)"},
		{"one package alone", "runtime.selectgo net/http.(*persistConn).writeLoop", "http.(*persistConn).writeLoop:2"},
		{"nobody but a timer", "net/http/pprof.sleep time.Sleep runtime.goexit", "pprof.sleep:1"},
		{"the runtime alone", "runtime.gopark runtime.bgsweep", "runtime.bgsweep"},
		{"a stack that was cut", "net.(*netFD).Read net.(*conn).Read " + deeper, "net.(*netFD).Read:1"},
		{"a module's major version", "example.com/shop/v2.Serve main.main", "shop/v2.Serve:1"},
		{"a frame without a name", "", "an unknown place"},
		{"nothing", "", "an unknown place"},
	} {
		var stack []Frame
		for _, f := range strings.Split(c.stack, " ") {
			if f != "" {
				stack = append(stack, Frame{Func: f, Line: len(stack) + 1})
			}
		}
		if c.name == "a stack that was cut" {
			stack = []Frame{{Func: "net.(*netFD).Read", Line: 1}, {Func: "net.(*conn).Read", Line: 2}, {Func: deeper}}
		}
		if c.name == "a frame without a name" {
			stack = []Frame{{}}
		}
		if got := Place(stack); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
