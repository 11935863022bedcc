package upgrade

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/upgrade/internal/wire"
)

// newRejected is a process that was started by u, and is rolled back: what it hears comes
// out of the connection.
func newRejected(t *testing.T, u *Upgrader) (*next, *wire.Conn) {
	t.Helper()
	conn, fd, err := wire.Pair()
	if err != nil {
		t.Fatal(err)
	}
	other, err := wire.New(fd)
	if err == nil {
		err = other.SetReceiveDeadline(time.Now().Add(patient))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	n := &next{conn: conn, messages: make(chan *wire.Message), died: make(chan struct{})}
	close(n.messages)
	a := &attempt{Upgrader: u, next: n, outcome: Outcome{Started: 1}}
	u.disinherit()
	a.dismiss("no")
	u.inherit()
	return n, other
}

func hears(t *testing.T, c *wire.Conn, want ...string) {
	t.Helper()
	for _, want := range want {
		m, err := c.Receive()
		got := fmt.Sprint(err)
		if err == nil {
			got = fmt.Sprintf("%s %q %v", m.Kind, m.Reason, m.Final)
		} else if errors.Is(err, io.EOF) {
			got = "the end"
		}
		if got != want {
			t.Errorf("it hears %s; want %s", got, want)
		}
	}
}

// TestDismiss_appointsOneThatIsLeft has two processes be rolled back, and the second one
// end: the first one has to see to a successor from then on, unless another upgrade goes
// on, or this process ends.
func TestDismiss_appointsOneThatIsLeft(t *testing.T) {
	t.Parallel()
	const condemned, heir, none = `rollback "no" false`, `rollback "" false`, `rollback "" true`
	for _, busy := range []bool{false, true} {
		t.Run(fmt.Sprintf("busy %v", busy), func(t *testing.T) {
			t.Parallel()
			u := &Upgrader{options: quiet().withDefaults()}
			first, hears1 := newRejected(t, u)
			hears(t, hears1, condemned, heir)
			second, hears2 := newRejected(t, u)
			hears(t, hears1, none)
			hears(t, hears2, condemned, heir)
			if busy {
				u.disinherit()
				hears(t, hears1, none)
				hears(t, hears2, none)
			}
			close(second.died)
			hears(t, hears2, "the end")
			if !busy {
				hears(t, hears1, heir)
			}
			close(first.died)
			hears(t, hears1, "the end")
		})
	}
}
