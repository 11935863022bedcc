package swap_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/upgrade"
	"github.com/goshawk-io/goshawk/upgrade/control"
	"github.com/goshawk-io/goshawk/upgrade/swap"
)

func TestRun_endsAsTheServerDoes(t *testing.T) {
	t.Parallel()
	send := func(sig unix.Signal) func(*rig) {
		return func(r *rig) { _ = unix.Kill(r.running(1).PID, sig) }
	}
	stop := func(r *rig) { r.running(1); r.stop() }
	for _, test := range []struct {
		name, harm string
		act        func(*rig)
		exit       int
	}{
		{"by itself, at once", "exit 5", func(*rig) {}, 5},
		{"by itself, later", "", send(unix.SIGHUP), 42},
		{"by a signal", "", send(unix.SIGKILL), 128 + 9},
		{"by a signal that others send", "careless", send(unix.SIGTERM), 128 + 15},
		{"by this process", "", stop, 0},
		{"by this process, without a handler", "careless", stop, 0},
		{"by this process, and by another one's signal", "stubborn", func(r *rig) {
			r.at(upgrade.Draining, func() { send(unix.SIGKILL)(r) })
			stop(r)
		}, 128 + 9},
		{"while an upgrade goes on", "", func(r *rig) {
			r.running(1)
			r.at(upgrade.Probation, r.stop)
			if o, err := r.upgrade(); !errors.Is(err, upgrade.ErrRolledBack) || o.Reason != "this process ends" {
				r.t.Errorf("%+v %v", o, err)
			}
		}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := options(t)
			long(&o)
			write(t, o.Command[2], test.harm)
			r := newRig(t, o)
			test.act(r)
			select {
			case <-r.ended:
			case <-time.After(patience):
				t.Fatal("it does not end")
			}
			if r.err != nil || r.exit != test.exit {
				t.Errorf("exit %d, %v; want %d", r.exit, r.err, test.exit)
			}
			if !slices.ContainsFunc(r.events, func(e upgrade.Event) bool { return e.State == upgrade.Drained && e.Generation == 1 && e.Reason != "" }) {
				t.Errorf("nothing tells of its end: %+v", r.events)
			}
			if pids, err := control.List(o.ControlFolder); len(pids) > 0 || err != nil {
				t.Errorf("control sockets %v, %v", pids, err)
			}
		})
	}
}

func TestRun_whoDoesNotEndIsKilled(t *testing.T) {
	t.Parallel()
	o := options(t)
	o.Drain = 100 * time.Millisecond
	write(t, o.Command[2], "stubborn")
	r := newRig(t, o)
	r.running(1)
	r.end()
	if r.err != nil || r.exit != 128+9 {
		t.Errorf("exit %d, %v", r.exit, r.err)
	}
	if last := r.events[len(r.events)-1]; last.State != upgrade.Drained || last.Reason != "it had not ended within 100ms, and was killed: signal: killed" {
		t.Errorf("%+v", last)
	}
}

func TestRun_aFirstVersionThatIsNotReady(t *testing.T) {
	t.Parallel()
	o := options(t)
	write(t, o.Command[2], "mute")
	r := newRig(t, o, func(r *rig) { r.at(upgrade.Warming, func() { r.engine.SetTimeout(20 * time.Millisecond) }) })
	<-r.ended
	if r.err == nil || !strings.Contains(r.err.Error(), "did not say that it is ready") {
		t.Errorf("exit %d, %v", r.exit, r.err)
	}
}

func TestRun_sockets(t *testing.T) {
	t.Parallel()
	o := options(t)
	path := filepath.Join(t.TempDir(), "web.sock")
	// One that nobody listens on any more.
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	o.Listeners = []swap.Listener{
		{Name: "web", Network: "tcp", Address: "127.0.0.1:0"}, {Name: "local", Network: "unix", Address: path}, {Name: "dns", Network: "udp", Address: "127.0.0.1:0"},
	}
	r := newRig(t, o)
	serving := r.running(1).PID
	for range 2 {
		r.answers(serving)
		if pid, err := ask("unix", path); err != nil || pid != serving {
			t.Errorf("%d answers at %s, %v", pid, path, err)
		}
		if pid := askPacket(t, r.address(2)); pid != serving {
			t.Errorf("%d answers packets", pid)
		}
		outcome, err := r.upgrade()
		if err != nil {
			t.Fatal(err)
		}
		r.drained(serving)
		serving = outcome.PID
	}
	r.end()
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file of the socket stays: %v", err)
	}
}

func askPacket(t *testing.T, address string) int {
	t.Helper()
	c, err := net.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("?")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	n, err := c.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	pid, _ := strconv.Atoi(string(b[:n]))
	return pid
}
