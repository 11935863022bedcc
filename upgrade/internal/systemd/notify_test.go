package systemd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// ends returns a receiver and a notifier that sends to it.
func ends(t testing.TB) (*Receiver, *Notifier) {
	t.Helper()
	// The path of a socket is short.
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	r, err := NewReceiver(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	n, err := NewNotifier(r.Environment([]string{"NOTIFY_SOCKET=/other"}))
	if err != nil {
		t.Fatal(err)
	}
	return r, n
}

func receive(t testing.TB, r *Receiver) Message {
	t.Helper()
	m, err := r.Receive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestNotifier_tellsTheReceiver(t *testing.T) {
	self := os.Getpid()
	for name, test := range map[string]struct {
		tell func(*Notifier) error
		want map[string]string
	}{
		"ready":                    {func(n *Notifier) error { return n.Ready(0) }, map[string]string{"READY": "1"}},
		"ready itself":             {func(n *Notifier) error { return n.Ready(self) }, map[string]string{"READY": "1"}},
		"another is ready":         {func(n *Notifier) error { return n.Ready(1) }, map[string]string{"READY": "1", "MAINPID": "1"}},
		"stopping":                 {(*Notifier).Stopping, map[string]string{"STOPPING": "1"}},
		"a status":                 {func(n *Notifier) error { return n.Status("all is well = fine") }, map[string]string{"STATUS": "all is well = fine"}},
		"a status of two lines":    {func(n *Notifier) error { return n.Status("a\nMAINPID=1\x00\x7f") }, map[string]string{"STATUS": "a MAINPID=1  "}},
		"a status that is no text": {func(n *Notifier) error { return n.Status("a\xffb") }, map[string]string{"STATUS": "ab"}},
		"a long status":            {func(n *Notifier) error { return n.Status(strings.Repeat("é", 5000)) }, map[string]string{"STATUS": strings.Repeat("é", 1024)}},
		"no status":                {func(n *Notifier) error { return n.Status("") }, map[string]string{"STATUS": ""}},
		"the main process":         {func(n *Notifier) error { return n.MainPID(self) }, map[string]string{"MAINPID": strconv.Itoa(self)}},
		"more time":                {extend(90 * time.Second), map[string]string{"EXTEND_TIMEOUT_USEC": "90000000"}},
		"a moment":                 {extend(1), map[string]string{"EXTEND_TIMEOUT_USEC": "1"}},
		"more than a moment":       {extend(time.Microsecond + 1), map[string]string{"EXTEND_TIMEOUT_USEC": "2"}},
		"a day":                    {extend(24 * time.Hour), map[string]string{"EXTEND_TIMEOUT_USEC": "3600000000"}},
		"as long as there is":      {extend(math.MaxInt64), map[string]string{"EXTEND_TIMEOUT_USEC": "3600000000"}},
		"the watchdog":             {(*Notifier).Watchdog, map[string]string{"WATCHDOG": "1"}},
	} {
		t.Run(name, func(t *testing.T) {
			r, n := ends(t)
			if err := test.tell(n); err != nil {
				t.Fatal(err)
			}
			m := receive(t, r)
			if !maps.Equal(m.Fields, test.want) || m.PID != self || m.UID != os.Getuid() {
				t.Errorf("got %v", m)
			}
		})
	}
}

func extend(d time.Duration) func(*Notifier) error {
	return func(n *Notifier) error { return n.ExtendTimeout(d) }
}

func TestNotifier_doesNotAskForNoTime(t *testing.T) {
	_, n := ends(t)
	for _, d := range []time.Duration{0, -1, math.MinInt64} {
		if err := n.ExtendTimeout(d); err == nil || !strings.Contains(err.Error(), d.String()+" more: is not above 0") {
			t.Errorf("%v: %v", d, err)
		}
	}
}

func TestNotifier_saysWhenItReloads(t *testing.T) {
	monotonic := func() int64 {
		var now unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
			t.Fatal(err)
		}
		return now.Nano() / 1000
	}
	r, n := ends(t)
	before := monotonic()
	if err := n.Reloading(); err != nil {
		t.Fatal(err)
	}
	after := monotonic()
	m := receive(t, r)
	if at, err := strconv.ParseInt(m.Fields["MONOTONIC_USEC"], 10, 64); err != nil || at < before || at > after || !m.Is("RELOADING") {
		t.Errorf("got %v, want between %d and %d", m, before, after)
	}
}

func TestNotifier_withoutAManager(t *testing.T) {
	for _, env := range [][]string{nil, {"NOTIFY_SOCKET="}} {
		n, err := NewNotifier(env)
		if err != nil || n.Active() {
			t.Fatalf("%v, %v", n, err)
		}
		err = errors.Join(n.Ready(1), n.Reloading(), n.Stopping(), n.Status("x"), n.MainPID(1), n.Watchdog(), n.ExtendTimeout(1), n.Barrier(t.Context()))
		if err != nil {
			t.Error(err)
		}
	}
}

func TestNotifier_ofAnAbstractSocket(t *testing.T) {
	name := fmt.Sprintf("@goshawk-test-%d", os.Getpid())
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	n, err := NewNotifier([]string{"NOTIFY_SOCKET=" + name})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Ready(0); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	if got, err := c.Read(b); string(b[:got]) != "READY=1" || err != nil {
		t.Errorf("%q, %v", b[:got], err)
	}
}

func TestNewNotifier_refuses(t *testing.T) {
	for _, socket := range []string{"relative", "vsock:2:1234", "/", "@", "/" + strings.Repeat("x", 107), "@" + strings.Repeat("x", 107)} {
		if n, err := NewNotifier([]string{"NOTIFY_SOCKET=" + socket}); err == nil || !strings.Contains(err.Error(), "NOTIFY_SOCKET=") {
			t.Errorf("%s: %v, %v", socket, n, err)
		}
	}
}

func TestNotifier_ofAManagerThatIsGone(t *testing.T) {
	r, n := ends(t)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	err := n.Ready(0)
	if !errors.Is(err, fs.ErrNotExist) || strings.Count(err.Error(), r.path) != 1 {
		t.Error(err)
	}
	if err := n.Barrier(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	// One that is started anew hears it.
	again, err := NewReceiver(filepath.Dir(r.path))
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if err := n.Ready(0); err != nil {
		t.Error(err)
	}
	if m := receive(t, again); !m.Is("READY") {
		t.Error(m)
	}
}

func TestBarrier_waitsForAllBefore(t *testing.T) {
	r, n := ends(t)
	if err := n.Status("first"); err != nil {
		t.Fatal(err)
	}
	passed := make(chan error, 1)
	go func() { passed <- n.Barrier(t.Context()) }()
	if m := receive(t, r); m.Fields["STATUS"] != "first" {
		t.Error(m)
	}
	// The manager reads on, and answers while it waits for what comes next.
	next := make(chan Message, 1)
	go func() {
		m, _ := r.Receive(t.Context())
		next <- m
	}()
	if err := <-passed; err != nil {
		t.Error(err)
	}
	if err := n.Stopping(); err != nil {
		t.Fatal(err)
	}
	if m := <-next; !m.Is("STOPPING") {
		t.Error(m)
	}
}

func TestBarrier_endsWithItsContext(t *testing.T) {
	_, n := ends(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("enough")
	cancel(reason)
	// There is room for a few before the manager reads; then the send ends, too.
	for range 5000 {
		if err := n.Barrier(ctx); !errors.Is(err, reason) {
			t.Fatal(err)
		}
	}
}

func TestBarrier_thatIsWrittenTo(t *testing.T) {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "s")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	failed := make(chan error, 1)
	go func() {
		control := make([]byte, 100)
		_, n, _, _, err := c.ReadMsgUnix(make([]byte, 100), control)
		if err != nil {
			failed <- err
			return
		}
		list, err := unix.ParseSocketControlMessage(control[:n])
		if err != nil {
			failed <- err
			return
		}
		fds, err := unix.ParseUnixRights(&list[0])
		if err != nil {
			failed <- err
			return
		}
		_, err = unix.Write(fds[0], []byte("x"))
		failed <- errors.Join(err, unix.Close(fds[0]))
	}()
	n, err := NewNotifier([]string{"NOTIFY_SOCKET=" + path})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Barrier(t.Context()); err == nil || !strings.Contains(err.Error(), "wrote to the barrier") {
		t.Error(err)
	}
	if err := <-failed; err != nil {
		t.Error(err)
	}
}

func TestWatchdogInterval(t *testing.T) {
	self := "WATCHDOG_PID=" + strconv.Itoa(os.Getpid())
	for name, test := range map[string]struct {
		env  []string
		want time.Duration
		says string
	}{
		"none":                        {nil, 0, ""},
		"for all":                     {[]string{"WATCHDOG_USEC=3000000"}, 3 * time.Second, ""},
		"for this process":            {[]string{"WATCHDOG_USEC=1", self}, time.Microsecond, ""},
		"for another":                 {[]string{"WATCHDOG_USEC=1", "WATCHDOG_PID=1"}, 0, ""},
		"only a process":              {[]string{self}, 0, ""},
		"no number":                   {[]string{"WATCHDOG_USEC=3s"}, 0, `WATCHDOG_USEC="3s": not a number`},
		"no time":                     {[]string{"WATCHDOG_USEC=0"}, 0, `WATCHDOG_USEC="0"`},
		"longer than all time":        {[]string{"WATCHDOG_USEC=9223372036854776"}, 0, `WATCHDOG_USEC="9223372036854776"`},
		"the longest":                 {[]string{"WATCHDOG_USEC=9223372036854775"}, 9223372036854775 * time.Microsecond, ""},
		"a process that is no number": {[]string{"WATCHDOG_USEC=1", "WATCHDOG_PID=x"}, 0, `WATCHDOG_PID="x"`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := WatchdogInterval(test.env)
			if got != test.want || (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, %v, want %v, %q", got, err, test.want, test.says)
			}
		})
	}
}

func TestReceiver_knowsTheChildThatSends(t *testing.T) {
	r, _ := ends(t)
	c := command("ready", r.Environment(os.Environ()))
	if err := c.Run(); err != nil {
		t.Fatal(err)
	}
	m := receive(t, r)
	main, err := m.MainPID()
	if m.PID != c.Process.Pid || main != os.Getpid() || err != nil || !m.Is("READY") {
		t.Errorf("got %v, %d, %v; the child was %d", m, main, err, c.Process.Pid)
	}
}

func TestReceiver_environment(t *testing.T) {
	r, _ := ends(t)
	got := r.Environment([]string{"A=1", "NOTIFY_SOCKET=/x", "WATCHDOG_USEC=5", "WATCHDOG_PID=9"})
	if want := []string{"A=1", "NOTIFY_SOCKET=" + r.path}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNewReceiver(t *testing.T) {
	socket := func(path string) error {
		c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
		if err != nil {
			return err
		}
		return c.Close()
	}
	for name, test := range map[string]struct {
		make func(path string) error
		says string
	}{
		"nothing there":        {func(string) error { return nil }, ""},
		"the socket of a dead": {socket, ""},
		"a file":               {func(p string) error { return os.WriteFile(p, nil, 0o600) }, "something else is there"},
		"no folder":            {func(p string) error { return os.Remove(filepath.Dir(p)) }, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, err := os.MkdirTemp("", "")
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(dir)
			path := filepath.Join(dir, "notify")
			if err := test.make(path); err != nil {
				t.Fatal(err)
			}
			r, err := NewReceiver(dir)
			if (err == nil) != (test.says == "") || err != nil && (!strings.Contains(err.Error(), test.says) || strings.Count(err.Error(), path) != 1) {
				t.Fatalf("got %v, want %q", err, test.says)
			}
			if err != nil {
				return
			}
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%v, %v", info.Mode(), err)
			}
			if second, err := NewReceiver(dir); err == nil || !strings.Contains(err.Error(), "another process receives there") {
				t.Errorf("a second one: %v, %v", second, err)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the socket is left: %v", err)
			}
		})
	}
}

func TestNewReceiver_refusesALongPath(t *testing.T) {
	if r, err := NewReceiver("/" + strings.Repeat("x", 101)); err == nil || !strings.Contains(err.Error(), "109 bytes") {
		t.Error(r, err)
	}
}

func TestReceive_endsWithItsContext(t *testing.T) {
	r, n := ends(t)
	reason := errors.New("enough")
	for range 100 {
		ctx, cancel := context.WithCancelCause(t.Context())
		go cancel(reason)
		if m, err := r.Receive(ctx); !errors.Is(err, reason) {
			t.Fatalf("%v, %v", m, err)
		}
		// The next one is not ended with it.
		if err := n.Ready(0); err != nil {
			t.Fatal(err)
		}
		if m := receive(t, r); !m.Is("READY") {
			t.Fatal(m)
		}
	}
}

func TestReceive_endsAsAMessageComes(t *testing.T) {
	r, n := ends(t)
	for range 1000 {
		if err := n.Ready(0); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		m, err := r.Receive(ctx)
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			m = receive(t, r)
		}
		if !m.Is("READY") {
			t.Fatal(m)
		}
	}
}

// isWaiting is whether a goroutine waits for a descriptor in a function.
func isWaiting(function string) bool {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		if strings.Contains(stack, " [IO wait") && strings.Contains(stack, function) {
			return true
		}
	}
	return false
}

func TestNotifier_waitsForRoom(t *testing.T) {
	r, n := ends(t)
	raw, err := dial(t, r).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	sent := 0
	for full := false; !full; sent++ {
		var failed error
		err := raw.Write(func(fd uintptr) bool {
			failed = unix.Sendmsg(int(fd), []byte("WATCHDOG=1"), nil, nil, 0)
			return true
		})
		if full = errors.Is(failed, unix.EAGAIN); err != nil || failed != nil && !full {
			t.Fatal(err, failed)
		}
	}
	told := make(chan error, 1)
	go func() { told <- n.Ready(0) }()
	for !isWaiting("systemd.sendMessage") {
		select {
		case err := <-told:
			t.Fatalf("it does not wait: %v", err)
		default:
			runtime.Gosched()
		}
	}
	for range sent - 1 {
		if m := receive(t, r); !m.Is("WATCHDOG") {
			t.Fatal(m)
		}
	}
	if m := receive(t, r); !m.Is("READY") {
		t.Error(m)
	}
	if err := <-told; err != nil {
		t.Error(err)
	}
}

func TestReceive_endsWithTheReceiver(t *testing.T) {
	r, _ := ends(t)
	failed := make(chan error, 1)
	go func() { _, err := r.Receive(context.Background()); failed <- err }()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; !errors.Is(err, net.ErrClosed) || errors.Is(err, ErrMessage) {
		t.Error(err)
	}
}
