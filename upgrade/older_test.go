package upgrade_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/upgrade"
)

// TestUpgrade_anOlderProcessEndsMeanwhile has the process before the old one end while an
// upgrade is in its probation: the old process does not take itself for the new one.
func TestUpgrade_anOlderProcessEndsMeanwhile(t *testing.T) {
	t.Parallel()
	r := newRig(t, quick())
	c, err := net.Dial("tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	// A request that has begun keeps the first process.
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n"); err != nil {
		t.Fatal(err)
	}
	// Connections are accepted in their order.
	r.answers(r.serving())
	r.signal(unix.SIGUSR2)
	r.entered(2, upgrade.Running)
	r.harm("wait gate")
	r.signal(unix.SIGUSR2)
	r.await("probation of generation 3, seen by the second", func(e upgrade.Event) bool {
		return e.Generation == 2 && e.State == upgrade.Probation && e.From == upgrade.BothAccept
	})
	if _, err := io.WriteString(c, "\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	r.entered(1, upgrade.Drained)
	r.harm("")
	r.entered(2, upgrade.Committed)
	running := 0
	for _, e := range r.all() {
		if e.Generation == 2 && e.State == upgrade.Running {
			running++
		}
	}
	if running != 1 {
		t.Errorf("the second process has entered running %d times", running)
	}
}
