package upgrade_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/upgrade"
)

// patience is for how long a test waits for what must come.
const patience = 60 * time.Second

// rig is a server with all its versions.
type rig struct {
	t          testing.TB
	first      *exec.Cmd
	address    string
	misfortune string
	plan       plan
	log        *lockedBuffer

	mu     sync.Mutex
	events []upgrade.Event
	news   chan struct{} // closed at the next event
	ended  chan struct{} // closed when no version has its output open any more
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// newRig starts the first version and waits until it serves. At the end of the test all
// versions have ended.
func newRig(t testing.TB, p plan) *rig {
	t.Helper()
	return startRig(t, p, exec.Command(os.Args[0]))
}

// programOf returns a program of its own that is the same as the test's.
func programOf(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "server")
	copyProgram(t, path)
	return path
}

// copyProgram puts another file with the test's program at a path, as an installation does.
func copyProgram(t testing.TB, path string) {
	t.Helper()
	content, err := os.ReadFile(os.Args[0])
	// What another test starts meanwhile would have the file open to write, until it
	// executes another program: then this one cannot be.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err == nil {
		err = os.WriteFile(path+".new", content, 0o755)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// startRig is newRig with a command of its own, to whose environment is added.
func startRig(t testing.TB, p plan, first *exec.Cmd) *rig {
	t.Helper()
	if p.Network == "" {
		p.Network, p.Address = "tcp", "127.0.0.1:0"
	}
	if p.ControlFolder == "" {
		p.ControlFolder = filepath.Join(t.TempDir(), "control")
	}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, misfortune: filepath.Join(t.TempDir(), "misfortune"), plan: p, first: first, log: new(lockedBuffer), news: make(chan struct{}), ended: make(chan struct{})}
	if first.Env == nil {
		first.Env = os.Environ()
	}
	r.first.Env = append(first.Env, planVariable+"="+string(text), misfortuneVariable+"="+r.misfortune, "GORACE=atexit_sleep_ms=0")
	r.first.Stderr = r.log
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.first.Stdout = in
	if err := r.first.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	go func() { r.first.Wait() }()
	listening := make(chan string, 1000)
	go r.read(out, listening)
	t.Cleanup(r.end)
	select {
	case r.address = <-listening:
	case <-time.After(patience):
		t.Fatalf("the server does not listen:\n%s", r.log)
	}
	r.await("it runs", func(e upgrade.Event) bool { return e.State == upgrade.Running })
	return r
}

// upgraded has the n-th upgrade happen, 0 the first, which must commit, and returns its
// outcome once the new version runs.
func (r *rig) upgraded(n int) upgrade.Outcome {
	r.t.Helper()
	r.signal(unix.SIGUSR2)
	o := r.outcome(n)
	if o.Outcome != upgrade.Committed {
		r.t.Fatalf("upgrade %d: %+v", n, o)
	}
	r.await("the new version runs", func(e upgrade.Event) bool { return e.PID == o.PID && e.State == upgrade.Running })
	return o
}

// all returns the events of before.
func (r *rig) all() []upgrade.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

// ask returns the answer of a new connection to a path.
func (r *rig) ask(path string) string {
	r.t.Helper()
	answer, err := r.client().Get(r.url(path))
	if err != nil {
		r.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		r.t.Fatalf("%s: %s %q %v", path, answer.Status, text, err)
	}
	return string(text)
}

func (r *rig) url(path string) string {
	scheme, host := "http", r.address
	if r.plan.TLS {
		scheme = "https"
	}
	if strings.HasPrefix(host, "/") {
		host = "unix"
	}
	return scheme + "://" + host + path
}

// read takes in what the versions say.
func (r *rig) read(out io.ReadCloser, listening chan<- string) {
	defer close(r.ended)
	defer out.Close()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var said struct {
			upgrade.Event
			Listening string
		}
		if err := json.Unmarshal(lines.Bytes(), &said); err != nil {
			r.log.Write(append(lines.Bytes(), '\n'))
			continue
		}
		if said.Listening != "" {
			listening <- said.Listening
			continue
		}
		r.mu.Lock()
		r.events = append(r.events, said.Event)
		close(r.news)
		r.news = make(chan struct{})
		r.mu.Unlock()
	}
}

// await waits for an event, also one of before, and returns it. It asks again from time to
// time, as what it waits for may be something else.
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
		case <-time.After(5 * time.Millisecond):
		case <-end:
			r.t.Fatalf("waiting in vain: %s:\n%s", what, r.log)
		}
	}
}

// entered waits until a version of a generation is in a state.
func (r *rig) entered(generation int, s upgrade.State) upgrade.Event {
	r.t.Helper()
	return r.await(string(s)+" of generation "+strconv.Itoa(generation), func(e upgrade.Event) bool {
		return e.Generation == generation && e.State == s
	})
}

// left reports whether a process has left the state that the i-th event is of: only then
// it can be asked for the next upgrade. The lock is held.
func (r *rig) left(e upgrade.Event, i int) bool {
	return slices.ContainsFunc(r.events[i:], func(later upgrade.Event) bool { return later.PID == e.PID && later.From == e.State })
}

// outcome waits for the end of the n-th upgrade, 0 the first.
func (r *rig) outcome(n int) upgrade.Outcome {
	r.t.Helper()
	end := time.After(patience)
	for {
		r.mu.Lock()
		news, seen := r.news, 0
		for i, e := range r.events {
			if e.Outcome == nil {
				continue
			}
			if seen == n && (e.State != upgrade.RolledBack || r.left(e, i)) {
				r.mu.Unlock()
				return *e.Outcome
			}
			seen++
		}
		r.mu.Unlock()
		select {
		case <-news:
		case <-end:
			r.t.Fatalf("upgrade %d does not end:\n%s", n, r.log)
		}
	}
}

// harm says what happens to the versions that start from now on.
func (r *rig) harm(text string) {
	r.t.Helper()
	if err := os.WriteFile(r.misfortune, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// answers checks which process answers new connections, once the others have drained.
func (r *rig) answers(want int) {
	r.t.Helper()
	c := r.client()
	var pid int
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if pid, err = r.get(c, "/"); err != nil || pid == want {
			break
		}
	}
	if err != nil || pid != want {
		r.t.Errorf("%d answers, %v; want %d", pid, err, want)
	}
}

// awaitChild waits until a process has a child that executes the next version: the
// runtime and the start itself have others.
func (r *rig) awaitChild(pid int) {
	r.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		tasks, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/children")
		for _, task := range tasks {
			text, _ := os.ReadFile(task)
			for _, child := range strings.Fields(string(text)) {
				if env, err := os.ReadFile("/proc/" + child + "/environ"); err == nil && bytes.Contains(env, []byte("GOSHAWK_UPGRADE_FD=")) {
					return
				}
			}
		}
	}
	r.t.Fatalf("%d has no child", pid)
}

// signal sends a signal to the process that serves.
func (r *rig) signal(s unix.Signal) {
	r.t.Helper()
	pid := r.serving()
	if pid == 0 {
		r.t.Fatalf("nobody serves:\n%s", r.log)
	}
	if err := unix.Kill(pid, s); err != nil {
		r.t.Fatal(err)
	}
}

// serving returns the process that entered running last of those that do not end.
func (r *rig) serving() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	var running []int
	for _, e := range r.events {
		switch e.State {
		case upgrade.Running, upgrade.Committed, upgrade.Draining, upgrade.Drained:
			running = slices.DeleteFunc(running, func(pid int) bool { return pid == e.PID })
		}
		if e.State == upgrade.Running {
			running = append(running, e.PID)
		}
	}
	if len(running) == 0 {
		return 0
	}
	return running[len(running)-1]
}

// versions returns all processes of the rig, also those that have not said anything yet.
func (r *rig) versions() []int {
	var list []int
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, f := range files {
		env, err := os.ReadFile(f)
		if err != nil || !bytes.Contains(env, []byte(misfortuneVariable+"="+r.misfortune+"\x00")) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f))); err == nil {
			list = append(list, pid)
		}
	}
	return list
}

// end ends all versions.
func (r *rig) end() {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	over := time.After(patience)
	for ended := false; !ended; {
		// All in one go: one that is left alone would take over. One may have been
		// started just then.
		pids := r.versions()
		for _, s := range []unix.Signal{unix.SIGSTOP, unix.SIGKILL} {
			for _, pid := range pids {
				_ = unix.Kill(pid, s)
			}
		}
		select {
		case <-r.ended:
			ended = true
		case <-tick.C:
		case <-over:
			r.t.Errorf("a version does not end:\n%s", r.log)
			ended = true
		}
	}
	if r.t.Failed() {
		r.t.Logf("log:\n%s", r.log)
	}
}

// gone waits for the end of a process.
func (r *rig) gone(pid int) {
	r.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if !isVictim(pid) {
			return
		}
	}
	r.t.Fatalf("%d does not end:\n%s", pid, r.log)
}

// isVictim reports whether a process runs the test's program with a plan: numbers are used
// again.
func isVictim(pid int) bool {
	env, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	return err == nil && bytes.Contains(env, []byte(planVariable+"="))
}

// client is without keep-alive, so that each request is a new connection.
func (r *rig) client() *http.Client {
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	if strings.HasPrefix(r.address, "/") {
		transport.DialContext = dialUnix(r.address)
	}
	return &http.Client{Transport: transport, Timeout: patience}
}

// get returns which process answers.
func (r *rig) get(c *http.Client, path string) (int, error) {
	answer, err := c.Get(r.url(path))
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(text))
}

// refused reports whether nobody accepted a connection.
func refused(err error) bool {
	var op *net.OpError
	return err != nil && asOp(err, &op) && op.Op == "dial"
}
