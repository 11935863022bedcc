package swap_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/internal/testutil"
	"github.com/goshawk-io/goshawk/upgrade"
	"github.com/goshawk-io/goshawk/upgrade/internal/systemd"
	"github.com/goshawk-io/goshawk/upgrade/swap"
)

// The test's own program is the shim, the server, and the engine where that has to be a
// process of its own: by its first argument.
const (
	asShim   = "swap-test-shim"
	asServer = "swap-test-server"
	asEngine = "swap-test-engine"
	asChild  = "swap-test-child"
)

func TestMain(m *testing.M) {
	mode := ""
	if len(os.Args) > 1 {
		mode = os.Args[1]
	}
	// Without it the race detector makes each process end a second late.
	err := os.Setenv("GORACE", "atexit_sleep_ms=0")
	if err != nil {
		panic(err)
	}
	switch mode {
	case asShim:
		err = swap.Exec(os.Args[2:])
	case asServer:
		err = serve(os.Args[2])
	case asEngine:
		err = runEngine(os.Args[2])
	case asChild:
		err = notify()
	default:
		testutil.NoLeaks(m)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, os.Getpid(), err)
		os.Exit(1)
	}
}

// serve is a server that knows nothing of upgrades, and says that it is ready once it
// handles signals: SIGHUP makes it fail. The file says what is wrong with the versions
// that start from now on.
func serve(misfortune string) error {
	go endWithParent()
	text, err := os.ReadFile(misfortune)
	if err != nil {
		return err
	}
	what, detail, _ := strings.Cut(string(text), " ")
	if what == "exit" {
		code, _ := strconv.Atoi(detail)
		os.Exit(code)
	}
	if got := os.Getenv("LISTEN_PID"); got != strconv.Itoa(os.Getpid()) {
		return fmt.Errorf("LISTEN_PID is %q", got)
	}
	failed := make(chan error, 10)
	if err := serveSockets(failed); err != nil {
		return err
	}
	ended, hangUp := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(hangUp, unix.SIGHUP)
	if what != "careless" {
		signal.Notify(ended, unix.SIGTERM, unix.SIGINT)
	}
	if what == "stubborn" {
		ended = nil
	}
	if err := beReady(what, detail); err != nil {
		return err
	}
	select {
	case err := <-failed:
		return err
	case <-hangUp:
		os.Exit(42)
	case <-ended:
	}
	return nil
}

// serveSockets answers at the sockets that were passed with the number of this process.
func serveSockets(failed chan<- error) error {
	var answer http.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, os.Getpid()) })
	for i, name := range strings.Split(os.Getenv("LISTEN_FDNAMES"), ":") {
		f := os.NewFile(uintptr(3+i), name)
		if kind, err := unix.GetsockoptInt(3+i, unix.SOL_SOCKET, unix.SO_TYPE); err == nil && kind == unix.SOCK_DGRAM {
			c, err := net.FilePacketConn(f)
			if err != nil {
				return err
			}
			go echo(c)
			continue
		}
		l, err := net.FileListener(f)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		f.Close()
		go func() { failed <- http.Serve(l, answer) }()
	}
	return nil
}

// beReady says that the server is ready, as far as nothing is wrong with it.
func beReady(what, detail string) error {
	switch what {
	case "mute":
		return nil
	case "held":
		if err := hold(detail); err != nil {
			return err
		}
	case "slow":
		if err := tell(func(n *systemd.Notifier) error { return n.ExtendTimeout(time.Hour) }); err != nil {
			return err
		}
		if err := errors.Join(hold(detail), hold(detail+"-further")); err != nil {
			return err
		}
	case "child":
		return exec.Command(os.Args[0], asChild).Run()
	case "orphan":
		// The shell ends at once, and leaves its child to whoever is the reaper.
		if err := exec.Command("sh", "-c", "sh -c 'sleep 0.05; exit 3' & exit 0").Run(); err != nil {
			return err
		}
	}
	return notify()
}

// endWithParent ends this process when its parent does: a test that is cut short leaves
// nothing behind.
func endWithParent() {
	for parent := os.Getppid(); os.Getppid() == parent; {
		time.Sleep(100 * time.Millisecond)
	}
	os.Exit(9)
}

// hold waits until somebody writes to a pipe.
func hold(pipe string) error {
	f, err := os.Open(pipe)
	if err != nil {
		return err
	}
	return f.Close()
}

// notify says that this process is ready, or that which it belongs to.
func notify() error {
	return tell(func(n *systemd.Notifier) error { return errors.Join(n.Status("it is well"), n.Ready(0)) })
}

// tell tells something, and waits until that was heard: nobody can say what a process
// belongs to that is gone.
func tell(what func(*systemd.Notifier) error) error {
	n, err := systemd.NewNotifier(os.Environ())
	if err != nil {
		return err
	}
	if err := what(n); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return n.Barrier(ctx)
}

// echo answers packets with the number of this process.
func echo(c net.PacketConn) {
	for b := make([]byte, 100); ; {
		_, from, err := c.ReadFrom(b)
		if err != nil {
			return
		}
		c.WriteTo([]byte(strconv.Itoa(os.Getpid())), from)
	}
}

// plan is what an engine of its own is told of its options.
type plan struct {
	Command, Shim                    []string
	Listeners                        []swap.Listener
	Notify, Reap                     bool
	Ready, Timeout, Probation, Drain time.Duration
	ControlFolder                    string
}

// runEngine is an engine as a process of its own, which tells its events. It exits as the
// server does.
func runEngine(text string) error {
	var p plan
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return err
	}
	o := swap.Options{
		Command: p.Command, Shim: p.Shim, Listeners: p.Listeners, Notify: p.Notify, Reap: p.Reap,
		Ready: p.Ready, Timeout: p.Timeout, Probation: p.Probation, Drain: p.Drain, ControlFolder: p.ControlFolder,
	}
	if o.Reap {
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
			return err
		}
	}
	go endWithParent()
	o.Events = func(e upgrade.Event) { _ = json.NewEncoder(os.Stdout).Encode(e) }
	o.Stdout = os.Stderr
	e, err := swap.New(o)
	if err != nil {
		return err
	}
	exit, err := e.Run(context.Background())
	if err != nil {
		return err
	}
	os.Exit(exit)
	return nil
}

// patience is for how long a test waits for what must come.
const patience = 60 * time.Second

// rig is an engine in this process with its server.
type rig struct {
	t          *testing.T
	engine     *swap.Engine
	program    string
	misfortune string
	stop       context.CancelFunc
	ended      chan struct{}
	exit       int
	err        error

	mu     sync.Mutex
	events []upgrade.Event
	news   chan struct{} // closed at the next event
	acts   map[upgrade.State]func()
}

// options are those of a server on a free port that says when it is ready: what it does
// with signals before it handles them is up to the machine.
func options(t *testing.T) swap.Options {
	t.Helper()
	dir := t.TempDir()
	program, misfortune := filepath.Join(dir, "server"), filepath.Join(dir, "misfortune")
	write(t, misfortune, "")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	return swap.Options{
		Command: []string{program, asServer, misfortune}, Shim: []string{os.Args[0], asShim},
		Listeners: []swap.Listener{{Name: "web", Network: "tcp", Address: "127.0.0.1:0"}},
		Notify:    true, Timeout: patience, Probation: 50 * time.Millisecond, Drain: patience, ControlFolder: filepath.Join(dir, "control"),
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// newRig runs an engine until the end of the test, after some preparation.
func newRig(t *testing.T, o swap.Options, prepare ...func(*rig)) *rig {
	t.Helper()
	r := &rig{
		t: t, program: o.Command[0], misfortune: o.Command[2], ended: make(chan struct{}), news: make(chan struct{}),
		acts: make(map[upgrade.State]func()),
	}
	o.Events = func(e upgrade.Event) {
		r.mu.Lock()
		r.events = append(r.events, e)
		close(r.news)
		r.news = make(chan struct{})
		act := r.acts[e.State]
		r.mu.Unlock()
		if act != nil {
			act()
		}
	}
	var err error
	if r.engine, err = swap.New(o); err != nil {
		t.Fatal(err)
	}
	for _, p := range prepare {
		p(r)
	}
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	go func() {
		defer close(r.ended)
		r.exit, r.err = r.engine.Run(ctx)
	}()
	t.Cleanup(r.end)
	return r
}

// at has something done when the engine tells of a state from now on, before it goes on.
func (r *rig) at(s upgrade.State, act func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.acts[s] = act
}

// end ends the server, if it runs.
func (r *rig) end() {
	r.stop()
	select {
	case <-r.ended:
	case <-time.After(patience):
		r.t.Error("the engine does not end")
	}
}

// await waits for an event, also one of before, and returns it.
func (r *rig) await(what string, is func(upgrade.Event) bool) upgrade.Event {
	r.t.Helper()
	end := time.After(patience)
	for {
		r.mu.Lock()
		news := r.news
		for _, e := range r.events {
			if is(e) {
				r.mu.Unlock()
				return e
			}
		}
		r.mu.Unlock()
		select {
		case <-news:
		case <-end:
			r.t.Fatalf("waiting in vain: %s: %+v", what, r.events)
		}
	}
}

// running waits until a version of a generation serves.
func (r *rig) running(generation int) upgrade.Event {
	r.t.Helper()
	return r.await(fmt.Sprintf("generation %d runs", generation), func(e upgrade.Event) bool {
		return e.State == upgrade.Running && e.Generation == generation
	})
}

// drained waits until a process has ended.
func (r *rig) drained(pid int) upgrade.Event {
	r.t.Helper()
	return r.await(fmt.Sprintf("%d has ended", pid), func(e upgrade.Event) bool { return e.State == upgrade.Drained && e.PID == pid })
}

// harm says what is wrong with the versions that start from now on.
func (r *rig) harm(text string) {
	r.t.Helper()
	write(r.t, r.misfortune, text)
}

// upgrade upgrades, and returns how that ended.
func (r *rig) upgrade() (upgrade.Outcome, error) {
	return r.engine.Upgrade(context.Background())
}

// ask returns which process answers a new connection.
func ask(network, address string) (int, error) {
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	answer, err := (&http.Client{Transport: transport, Timeout: patience}).Get("http://server/")
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	var pid int
	_, err = fmt.Fscan(answer.Body, &pid)
	return pid, err
}

// address returns where a socket listens.
func (r *rig) address(i int) string { return r.engine.Status().Listeners[i].Address }

// answers checks which process answers.
func (r *rig) answers(want int) {
	r.t.Helper()
	if pid, err := ask("tcp", r.address(0)); err != nil || pid != want {
		r.t.Errorf("%d answers, %v; want %d", pid, err, want)
	}
}
