package upgrade

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/upgrade/internal/sealed"
)

// memory makes what was handed over, with these bytes for a head.
func memory(t *testing.T, head []byte, rest string) int {
	t.Helper()
	w, err := sealed.Create("test", 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(append(head, rest...)); err != nil {
		t.Fatal(err)
	}
	f, err := w.Seal()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

func head(text string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)
}

// keeper is a program's state.
type keeper struct {
	save func(io.Writer) error
	got  []byte
	load error
}

func (k *keeper) Save(w io.Writer) error { return k.save(w) }

func (k *keeper) Load(r io.Reader) (err error) {
	if k.got, err = io.ReadAll(r); err != nil {
		return err
	}
	return k.load
}

func quiet() Options { return Options{Log: slog.New(slog.DiscardHandler)} }

// TestUnpack_whatCannotBeUsed begins without it, and says why.
func TestUnpack_whatCannotBeUsed(t *testing.T) {
	t.Parallel()
	plain := func(t *testing.T) int {
		f, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			t.Fatal(err)
		}
		return fd
	}
	of := func(head []byte, rest string) func(*testing.T) int {
		return func(t *testing.T) int { return memory(t, head, rest) }
	}
	const has = `{"has_handover":true}`
	for _, c := range []struct {
		name    string
		fd      func(*testing.T) int
		version uint32
		load    error
		want    string
	}{
		{"is used", of(head(has), "state"), 1, nil, ""},
		{"is no memory", plain, 1, nil, "not sealed"},
		{"is empty", of(nil, ""), 1, nil, "EOF"},
		{"ends in its head", of(head(has)[:10], ""), 1, nil, "unexpected EOF"},
		{"has a head without end", of([]byte{255, 255, 255, 255}, has), 1, nil, "its head has 4294967295 bytes"},
		{"has a head that is no JSON", of(head("{"), ""), 1, nil, "unexpected EOF"},
		{"is of another version", of(head(has), "state"), 2, nil, "it is of version 1, this process reads 2"},
		{"is refused", of(head(has), "state"), 1, errors.New("too old"), "too old"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := &keeper{load: c.load}
			u := &Upgrader{options: quiet()}
			u.options.Handover, u.options.HandoverVersion = k, c.version
			u.unpack(c.fd(t))
			u.load()
			if c.want == "" {
				if u.missing != nil || string(k.got) != "state" {
					t.Errorf("%q, %v", k.got, u.missing)
				}
				return
			}
			if !errors.Is(u.missing, ErrHandover) || !strings.Contains(u.missing.Error(), c.want) {
				t.Errorf("%v; want %q", u.missing, c.want)
			}
			if c.load == nil && k.got != nil {
				t.Errorf("%q is loaded", k.got)
			}
		})
	}
}

// TestPack_whatIsAborted has a program write on when nobody waits for it any more.
func TestPack_whatIsAborted(t *testing.T) {
	t.Parallel()
	begun, late := make(chan struct{}), make(chan error, 1)
	u := &Upgrader{options: quiet()}
	u.options.Handover = &keeper{save: func(w io.Writer) error {
		close(begun)
		for {
			if _, err := w.Write([]byte("x")); err != nil {
				late <- err
				return err
			}
			time.Sleep(time.Microsecond)
		}
	}}
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-begun
		cancel(errors.New("aborted"))
	}()
	f, err := u.pack(ctx, true)
	if f != nil || err == nil || !strings.Contains(err.Error(), "aborted") {
		t.Errorf("%v, %v", f, err)
	}
	if err := <-late; !strings.Contains(err.Error(), "too late") {
		t.Errorf("%v", err)
	}
	u.options.Handover = &keeper{save: func(io.Writer) error { panic("oops") }}
	if f, err := u.pack(t.Context(), true); f != nil || err == nil || !strings.Contains(err.Error(), "oops") {
		t.Errorf("%v, %v", f, err)
	}
}

// TestTickets_turn has a day go by, and then a week: new sessions have a new key, and the
// servers that have begun before use it. The clock of the machine does not matter.
func TestTickets_turn(t *testing.T) {
	t.Parallel()
	certificates := httptest.NewUnstartedServer(nil)
	certificates.StartTLS()
	t.Cleanup(certificates.Close)
	u := &Upgrader{options: quiet()}
	config := &tls.Config{Certificates: certificates.TLS.Certificates}
	if err := u.ShareTickets(config); err != nil {
		t.Fatal(err)
	}
	d := newServed(t, &http.Server{TLSConfig: config}, nil)
	old := &sessions{}
	if resumed(t, d, old) || !resumed(t, d, old) {
		t.Fatal("a session is not resumed as it should")
	}
	stored := old.state
	now := time.Now()
	turn := func(after time.Duration) {
		t.Helper()
		u.mu.Lock()
		defer u.mu.Unlock()
		now = now.Add(after)
		if err := u.turnTickets(now); err != nil {
			t.Fatal(err)
		}
	}
	first := u.tickets.keys[0]
	turn(23 * time.Hour)
	if len(u.tickets.keys) != 1 {
		t.Error("the key is changed before its time")
	}
	for day := range ticketKeys - 1 {
		turn(ticketEvery)
		if len(u.tickets.keys) != day+2 || u.tickets.keys[0] == first || u.tickets.keys[day+1] != first {
			t.Fatalf("day %d: %d keys", day, len(u.tickets.keys))
		}
		if !resumed(t, d, &sessions{state: stored}) {
			t.Fatalf("day %d: it is not resumed", day)
		}
	}
	turn(ticketEvery)
	if len(u.tickets.keys) != ticketKeys || resumed(t, d, &sessions{state: stored}) {
		t.Error("it is resumed after a week")
	}
	// What the next process gets is an age: it knows nothing of the clock of this one.
	u.tickets.since = time.Now().Add(-ticketEvery + time.Hour)
	f, err := u.pack(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	next := &Upgrader{options: quiet()}
	next.unpack(fd)
	if next.missing != nil || len(next.tickets.keys) != ticketKeys || next.tickets.keys[0] != u.tickets.keys[0] {
		t.Fatalf("%d keys, %v", len(next.tickets.keys), next.missing)
	}
	if err := next.ShareTickets(new(tls.Config)); err != nil || next.tickets.keys[0] != u.tickets.keys[0] {
		t.Errorf("the key is changed before its time: %v", err)
	}
	if err := next.turnTickets(time.Now().Add(2 * time.Hour)); err != nil || next.tickets.keys[1] != u.tickets.keys[0] {
		t.Errorf("the key is not changed at its time: %v", err)
	}
	if err := next.ShareTickets(&tls.Config{WrapSession: func(tls.ConnectionState, *tls.SessionState) ([]byte, error) { return nil, nil }}); err == nil {
		t.Error("a configuration with sessions of its own is taken")
	}
}

// sessions is a client's memory of one session.
type sessions struct {
	mu    sync.Mutex
	state *tls.ClientSessionState
}

func (s *sessions) Get(string) (*tls.ClientSessionState, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state, s.state != nil
}

func (s *sessions) Put(_ string, state *tls.ClientSessionState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = state
}

// resumed makes a connection and reports whether it resumes the session. A new one is
// remembered.
func resumed(t *testing.T, d *served, s *sessions) bool {
	t.Helper()
	c, err := net.Dial("tcp", d.address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	encrypted := tls.Client(c, &tls.Config{InsecureSkipVerify: true, ServerName: "test", ClientSessionCache: s, NextProtos: []string{"http/1.1"}})
	// The ticket comes with the answer.
	if _, err := io.WriteString(encrypted, "GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(encrypted); err != nil {
		t.Fatal(err)
	}
	return encrypted.ConnectionState().DidResume
}

// FuzzReadMeta has heads that another version has written.
func FuzzReadMeta(f *testing.F) {
	f.Add(append(head(`{"has_handover":true,"ticket_keys":[[1,2]],"tickets_age_ns":5}`), "state"...))
	f.Add([]byte{0, 0, 0, 2, '{'})
	f.Fuzz(func(t *testing.T, text []byte) {
		rest := bytes.NewReader(text)
		m, err := readMeta(rest)
		if err != nil {
			return
		}
		n := int(binary.BigEndian.Uint32(text))
		if rest.Len() != len(text)-4-n {
			t.Errorf("of %d bytes %d are left behind a head of %d: %+v", len(text), rest.Len(), n, m)
		}
	})
}
