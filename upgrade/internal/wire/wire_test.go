package wire

import (
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func pair(t *testing.T) (a, b *Conn) {
	t.Helper()
	a, fd, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	if b, err = New(fd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.Close()
		b.Close()
	})
	return a, b
}

func TestConn_messages(t *testing.T) {
	a, b := pair(t)
	for _, m := range []Message{
		{Kind: Hello, PID: 1, Program: "/p", Generation: 2, Ancestors: 3, State: 9, Previous: 10, Sockets: []Socket{{3, "web", "tcp", ":80", false}, {4, "api", "", "", true}}},
		{Kind: Rollback, Reason: "why", Final: true},
		{Kind: Beat},
	} {
		if err := a.Send(m); err != nil {
			t.Fatal(err)
		}
		got, err := b.Receive()
		if m.Kind == Hello {
			m.Version = Version
		}
		if err != nil || !reflect.DeepEqual(*got, m) {
			t.Errorf("%+v, %v; want %+v", got, err, m)
		}
	}
}

// TestConn_theEnd has a process end that has said something, and has not heard all: what it
// has said is heard, and then its end.
func TestConn_theEnd(t *testing.T) {
	a, b := pair(t)
	for range 3 {
		if err := b.Send(Message{Kind: Beat}); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(a.Send(Message{Kind: Rollback, Reason: "1"}), a.Send(Message{Kind: Rollback, Reason: "2"}), a.Close()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1", "2"} {
		if m, err := b.Receive(); err != nil || m.Reason != want {
			t.Fatalf("%+v, %v", m, err)
		}
	}
	for range 2 {
		if m, err := b.Receive(); !errors.Is(err, io.EOF) {
			t.Fatalf("%+v, %v", m, err)
		}
	}
	if err := b.Send(Message{Kind: Beat}); err == nil {
		t.Error("it is said to nobody")
	}
}

func TestConn_longReasons(t *testing.T) {
	a, b := pair(t)
	for _, reason := range []string{strings.Repeat("x", 1<<20), strings.Repeat("\x01", 1<<20), strings.Repeat("\xff", 1<<20), strings.Repeat("é", 1<<20)} {
		if err := a.Send(Message{Kind: Rollback, Reason: reason}); err != nil {
			t.Fatalf("%.3q: %v", reason, err)
		}
		if m, err := b.Receive(); err != nil || len(m.Reason) < 1000 {
			t.Errorf("%.3q: %v", reason, err)
		}
	}
	if err := a.Send(Message{Kind: Hello, Program: strings.Repeat("x", MaxPacket)}); err == nil {
		t.Error("a program of a name without end is told of")
	}
}

func TestConn_refuses(t *testing.T) {
	for _, c := range []struct{ name, packet, want string }{
		{"no JSON", "hello", "no message"},
		{"another kind", `{"kind":"dance"}`, "not known"},
		{"another protocol", `{"kind":"hello","version":2}`, "another protocol"},
		{"no protocol", `{"kind":"started"}`, "another protocol"},
		{"a number below 0", `{"kind":"ancestors","ancestors":-1}`, "below 0"},
		{"a descriptor of every process", `{"kind":"hello","version":1,"sockets":[{"fd":2,"name":"a"}]}`, "descriptor 2"},
		{"a name twice", `{"kind":"hello","version":1,"sockets":[{"fd":3,"name":"a"},{"fd":4,"name":"a"}]}`, "twice"},
		{"a descriptor twice", `{"kind":"hello","version":1,"sockets":[{"fd":3,"name":"a"},{"fd":3,"name":"b"}]}`, "twice"},
		{"too many sockets", `{"kind":"hello","version":1,"sockets":[` + strings.Repeat(`{"fd":3},`, MaxSockets) + `{"fd":3}]}`, "more than 200"},
		{"too much", `{"kind":"beat","reason":"` + strings.Repeat("x", MaxPacket) + `"}`, "more than 65536 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := pair(t)
			if _, err := a.socket.Write([]byte(c.packet)); err != nil {
				t.Fatal(err)
			}
			m, err := b.Receive()
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%+v, %v", m, err)
			}
			if strings.Contains(c.name, "protocol") != errors.Is(err, ErrVersion) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestNew_refuses(t *testing.T) {
	fds := make([]int, 2)
	if err := unix.Pipe2(fds, unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[1])
	if c, err := New(fds[0]); err == nil {
		t.Errorf("a pipe is taken: %v", c)
	}
	// It is closed as well, and so it is none now.
	if c, err := New(fds[0]); err == nil {
		t.Errorf("a closed descriptor is taken: %v", c)
	}
}

// FuzzParse has whatever is taken be said again, and be the same.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"kind":"hello","version":1,"pid":1,"sockets":[{"fd":3,"name":"a","network":"tcp"}],"state":4}`))
	f.Add([]byte(`{"kind":"rollback","reason":"\u0000","final":true}`))
	f.Add([]byte(`{"kind":"beat"}{}`))
	f.Fuzz(func(t *testing.T, packet []byte) {
		m, err := parse(packet)
		if err != nil {
			return
		}
		if m.Kind != Hello && m.Kind != Started {
			m.Version = 0
		}
		again, err := m.encode()
		if err != nil {
			// It was short because of fields that are not known.
			return
		}
		got, err := parse(again)
		if err != nil {
			t.Fatalf("%s: %v", again, err)
		}
		want, _ := json.Marshal(m)
		if text, _ := json.Marshal(got); len(m.Reason) <= MaxPacket/8 && string(text) != string(want) {
			t.Errorf("%s; want %s", text, want)
		}
	})
}
