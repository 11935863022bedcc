package upgrade

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/upgrade/internal/systemd"
	"github.com/goshawk-io/goshawk/upgrade/internal/wire"
)

// newChild returns a process that follows another one, which is at the other end.
func newChild(t *testing.T) (*Upgrader, *wire.Conn) {
	t.Helper()
	conn, fd, err := wire.Pair()
	if err != nil {
		t.Fatal(err)
	}
	other, err := wire.New(fd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(conn.Close(), other.Close()) })
	u := &Upgrader{
		options: quiet().withDefaults(), state: Warming, generation: 2, attempt: make(chan struct{}, 1),
		draining: make(chan struct{}), succeeded: make(chan struct{}), condemned: make(chan struct{}),
		parent: &parent{conn: conn, pid: 1, gone: make(chan struct{})},
	}
	return u, other
}

// TestOffered says when a process takes over that is asked to: in its probation, if it
// does not end.
func TestOffered(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		is   func(*Upgrader)
		want wire.Kind
	}{
		{"in probation", func(u *Upgrader) { u.enter(Probation, Event{}) }, wire.Committed},
		{"before it", func(*Upgrader) {}, wire.Failed},
		{"it ends", func(u *Upgrader) { u.enter(Probation, Event{}); u.ending = true }, wire.Failed},
		{"it drains", func(u *Upgrader) { u.enter(Probation, Event{}); u.enter(Draining, Event{}) }, wire.Failed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			u, other := newChild(t)
			var err error
			if u.manager, err = systemd.NewNotifier(nil); err != nil {
				t.Fatal(err)
			}
			c.is(u)
			u.offered(nil)
			if m, err := other.Receive(); err != nil || m.Kind != c.want {
				t.Errorf("%+v, %v; want %s", m, err, c.want)
			}
			if u.is(Running) != (c.want == wire.Committed) || u.owns() != u.is(Running) {
				t.Errorf("%s, owns: %v", u.state, u.owns())
			}
		})
	}
}

// TestCondemned_doesNotTakeOver has the process before say that this one is not wanted, and
// end at once.
func TestCondemned_doesNotTakeOver(t *testing.T) {
	t.Parallel()
	u, other := newChild(t)
	u.enter(Probation, Event{})
	if err := errors.Join(other.Send(wire.Message{Kind: wire.Rollback, Reason: "no"}), other.Close()); err != nil {
		t.Fatal(err)
	}
	u.hearParent()
	if !u.is(Probation) || !u.condemnedNow() || u.owns() || u.reason != "no" || !u.parent.isGone() {
		t.Errorf("%s, %v, %q", u.state, u.owns(), u.reason)
	}
}

// TestAwait_lastWords has a process say why it ends, and end: what it has said is the
// reason, whatever is noticed first.
func TestAwait_lastWords(t *testing.T) {
	t.Parallel()
	for range 200 {
		a := &attempt{Upgrader: new(Upgrader), timeout: newSilence(time.Hour)}
		a.next = &next{messages: make(chan *wire.Message, 2), died: make(chan struct{}), how: "exit status 1"}
		a.next.messages <- &wire.Message{Kind: wire.Started}
		a.next.messages <- &wire.Message{Kind: wire.Failed, Reason: "the disk is full"}
		close(a.next.messages)
		close(a.next.died)
		if err := a.await(t.Context(), wire.Ready, "accept"); err == nil || err.Error() != "the disk is full" {
			t.Fatal(err)
		}
		a.timeout.stop()
	}
}

// TestSilence tells what is none.
func TestSilence(t *testing.T) {
	t.Parallel()
	messages := make(chan *wire.Message, 1)
	s := newSilence(time.Hour)
	defer s.stop()
	s.due = time.Now()
	if !s.over(messages) {
		t.Error("a silence is none")
	}
	s.due = time.Now().Add(-time.Hour)
	if s.over(messages) {
		t.Error("it was this process that did not run")
	}
	s.due = time.Now()
	messages <- nil
	if s.over(messages) {
		t.Error("something was said")
	}
	if time.Until(s.due) < 59*time.Minute {
		t.Error("it does not begin anew")
	}
}

func TestRemovePID(t *testing.T) {
	t.Parallel()
	for text, stays := range map[string]bool{strconv.Itoa(os.Getpid()): false, strconv.Itoa(os.Getpid()) + "\n": false, "1\n": true, "": true} {
		path := filepath.Join(t.TempDir(), "pid")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := removePID(path); err != nil {
				t.Error(err)
			}
		}
		if _, err := os.Stat(path); (err == nil) != stays {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestSockets_relativePaths has the program change its working directory.
func TestSockets_relativePaths(t *testing.T) {
	folder := t.TempDir()
	t.Chdir(folder)
	s := newSockets(t)
	if _, err := s.listen(t.Context(), "s", "unix", "relative"); err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	if err := s.giveBack(true); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(filepath.Join(folder, "relative")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its file stays: %v", err)
	}
}
