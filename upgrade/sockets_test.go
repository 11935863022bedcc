package upgrade_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/upgrade"
)

// terminated waits for the end of all versions after a signal to the one that serves.
func (r *rig) terminated() {
	r.t.Helper()
	r.signal(unix.SIGTERM)
	select {
	case <-r.ended:
	case <-time.After(patience):
		r.t.Fatalf("it does not end:\n%s", r.log)
	}
}

// TestUpgrade_files has the file of a unix socket and a PID file through good and bad
// upgrades: they are of the version that serves, and gone with the last one.
func TestUpgrade_files(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	socket, number := filepath.Join(folder, "web"), filepath.Join(folder, "pid")
	p := quick()
	p.Network, p.Address, p.PIDFile = "unix", socket, number
	r := newRig(t, p)
	before, err := os.Lstat(socket)
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, pid int) {
		t.Helper()
		r.answers(pid)
		if now, err := os.Lstat(socket); err != nil || !os.SameFile(before, now) {
			t.Errorf("%s: the socket is another one: %v", what, err)
		}
		// It is written just after the version has taken over.
		var text []byte
		for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
			if text, err = os.ReadFile(number); strings.TrimSpace(string(text)) == strconv.Itoa(pid) {
				return
			}
		}
		t.Errorf("%s: the PID file has %q, %v; want %d", what, text, err, pid)
	}
	first := r.serving()
	check("the first version", first)
	n := 0
	for _, harm := range []string{"refuse warm", "kill ready+0ms", "refuse gate"} {
		r.harm(harm)
		r.signal(unix.SIGUSR2)
		o := r.outcome(n)
		n++
		if o.Outcome != upgrade.RolledBack {
			t.Fatalf("%+v", o)
		}
		r.gone(o.PID)
		check(harm, first)
	}
	// One that is told to end in its probation leaves everything to the one before.
	r.harm("wait check")
	r.signal(unix.SIGUSR2)
	next := r.await("it is in probation", func(e upgrade.Event) bool {
		return e.State == upgrade.Probation && e.From == upgrade.Warming && isVictim(e.PID)
	})
	if err := unix.Kill(next.PID, unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if o := r.outcome(n); o.Outcome != upgrade.RolledBack || !strings.Contains(o.Reason, "it was told to end by a signal") {
		t.Fatalf("%+v", o)
	}
	n++
	r.harm("")
	r.gone(next.PID)
	check("one that was told to end", first)
	o := r.upgraded(n)
	r.entered(1, upgrade.Drained)
	check("the second version", o.PID)
	r.terminated()
	left, err := os.ReadDir(folder)
	if err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
}

// TestUpgrade_packets has packets answered: by the old version, by either while there are
// both, and by the new one alone. None is lost.
func TestUpgrade_packets(t *testing.T) {
	t.Parallel()
	p := quick()
	p.Packets = "127.0.0.1:0"
	r := newRig(t, p)
	c, err := net.Dial("udp", r.about().Packets)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	sent := 0
	ask := func() int {
		t.Helper()
		sent++
		_ = c.SetDeadline(time.Now().Add(patience))
		if _, err := fmt.Fprintf(c, "%d", sent); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 64)
		n, err := c.Read(b)
		var number, pid int
		if err == nil {
			_, err = fmt.Sscan(string(b[:n]), &number, &pid)
		}
		if err != nil || number != sent {
			t.Fatalf("packet %d: %q, %v", sent, b[:n], err)
		}
		return pid
	}
	first := r.serving()
	for n := range 3 {
		if pid := ask(); pid != r.serving() {
			t.Errorf("%d has answered", pid)
		}
		r.signal(unix.SIGUSR2)
		for over := false; !over; {
			ask()
			over = len(r.outcomes()) > n
		}
		o := r.outcome(n)
		for range 100 {
			if pid := ask(); pid != o.PID {
				t.Fatalf("%d has answered after the upgrade to %d", pid, o.PID)
			}
		}
	}
	// And by the old one alone when the new one did not pass.
	serving := r.serving()
	for n, harm := range []string{"kill ready+50ms", "refuse gate"} {
		r.harm(harm)
		r.signal(unix.SIGUSR2)
		if o := r.outcome(n + 3); n == 1 {
			// Its drain may take its time, as those before.
			r.logged(fmt.Sprintf("%d drains, replaced: true", o.PID))
		}
	}
	r.logged(fmt.Sprintf("%d drains, replaced: true", first))
	for range 100 {
		if pid := ask(); pid != serving || pid == first {
			t.Fatalf("%d has answered", pid)
		}
	}
	r.terminated()
	r.logged(fmt.Sprintf("%d drains, replaced: false", serving))
}

// outcomes returns those of the upgrades that have ended.
func (r *rig) outcomes() []upgrade.Outcome {
	var list []upgrade.Outcome
	for _, e := range r.all() {
		if e.Outcome != nil {
			list = append(list, *e.Outcome)
		}
	}
	return list
}

// TestUpgrade_connections has a server of another protocol: connections are told of the
// drain, and have its time to end.
func TestUpgrade_connections(t *testing.T) {
	t.Parallel()
	p := quick()
	p.Raw, p.Drain = "127.0.0.1:0", 4*time.Second
	r := newRig(t, p)
	dial := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", r.about().Raw)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		_ = c.SetDeadline(time.Now().Add(patience))
		echo(t, c, 'a')
		return c
	}
	ends, stays := dial(), dial()
	r.upgraded(0)
	for _, c := range []net.Conn{ends, stays} {
		b := make([]byte, 1)
		if _, err := io.ReadFull(c, b); err != nil || b[0] != '!' {
			t.Fatalf("%q, %v", b, err)
		}
		echo(t, c, 'b')
	}
	ends.Close()
	if _, err := stays.Read(make([]byte, 1)); err == nil {
		t.Error("it says more")
	}
	if e := r.entered(1, upgrade.Drained); e.Reason != "1 connections were cut: it took more than 4s" {
		t.Errorf("%q", e.Reason)
	}
	echo(t, dial(), 'c')
	// A version that has no use for it accepts for nobody: whoever connects is refused, once
	// nothing can be rolled back.
	address := r.about().Raw
	r.harm("drop raw")
	o := r.upgraded(1)
	r.entered(2, upgrade.Drained)
	r.refuses(address)
	// The next one has it again.
	r.harm("")
	r.answers(o.PID)
	r.upgraded(2)
	r.entered(3, upgrade.Drained)
	echo(t, dial(), 'd')
}

func echo(t *testing.T, c net.Conn, b byte) {
	t.Helper()
	got := make([]byte, 1)
	_, err := c.Write([]byte{b})
	if err == nil {
		_, err = io.ReadFull(c, got)
	}
	if err != nil || got[0] != b {
		t.Fatalf("%q, %v", got, err)
	}
}

// TestRun_endsBySignals has a process with a request that would take too long: the first
// signal lets it be finished, the second one does not. Nobody can connect meanwhile.
func TestRun_endsBySignals(t *testing.T) {
	t.Parallel()
	p := quick()
	p.Drain = patience
	for _, c := range []struct {
		name     string
		upgraded bool
		signals  int
	}{
		{"one that serves", false, 2},
		// It drains already, so that one signal tells it nothing.
		{"one that was replaced", true, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, p)
			first := r.serving()
			client := r.rawClient()
			defer client.close()
			failed := make(chan error, 1)
			go func() {
				_, err := client.ask("/?wait=1h")
				failed <- err
			}()
			r.connected(first)
			if c.upgraded {
				r.upgraded(0)
			}
			for range c.signals - 1 {
				if err := unix.Kill(first, unix.SIGTERM); err != nil {
					t.Fatal(err)
				}
			}
			if !c.upgraded {
				r.entered(1, upgrade.Draining)
				r.refuses(r.address)
			}
			select {
			case err := <-failed:
				t.Fatalf("the first signal cuts: %v", err)
			case <-time.After(300 * time.Millisecond):
			}
			if err := unix.Kill(first, unix.SIGINT); err != nil {
				t.Fatal(err)
			}
			if err := <-failed; err == nil {
				t.Error("it is answered")
			}
			e := r.entered(1, upgrade.Drained)
			if want := "1 connections of HTTP were cut: the signal interrupt came"; e.Reason != want {
				t.Errorf("%q", e.Reason)
			}
		})
	}
}

// connected waits until a process has a connection open.
func (r *rig) connected(pid int) {
	r.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		// The one that asks is one as well.
		if a := r.about(); a.PID == pid && a.Status.Listeners[0].Connections > 1 {
			return
		}
	}
	r.t.Fatalf("%d has no connection", pid)
}

// refuses waits until nobody can connect to an address.
func (r *rig) refuses(address string) {
	r.t.Helper()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		var c net.Conn
		if c, err = net.DialTimeout("tcp", address, time.Second); err == nil {
			c.Close()
			continue
		}
		if errors.Is(err, unix.ECONNREFUSED) {
			return
		}
	}
	r.t.Fatalf("one can still connect: %v", err)
}
