package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
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

	"github.com/goshawk-io/goshawk/internal/testutil"
)

const (
	patience = 60 * time.Second
	nobody   = 65534
	// askVariable makes the test's program a client: it asks at this socket.
	askVariable = "CONTROL_TEST_ASK"
)

func TestMain(m *testing.M) {
	if path, isClient := os.LookupEnv(askVariable); isClient {
		ctx := context.Background()
		c, err := Dial(ctx, path)
		if err == nil {
			time.Sleep(50 * time.Millisecond)
			_, err = c.Abort(ctx)
		}
		fmt.Println(err)
		os.Exit(0)
	}
	testutil.NoLeaks(m)
}

// process is what is asked.
type process struct {
	mu      sync.Mutex
	events  []string
	news    chan struct{}
	done    bool
	aborted int
	upgrade func(context.Context) (any, error)
}

func newProcess() *process { return &process{news: make(chan struct{})} }

func (p *process) Status() any { return map[string]int{"generation": 7} }

func (p *process) Upgrade(ctx context.Context) (any, error) { return p.upgrade(ctx) }

func (p *process) Abort() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.aborted++
	return p.aborted == 1
}

func (p *process) tell(event string, last bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events, p.done = append(p.events, event), last
	close(p.news)
	p.news = make(chan struct{})
}

func (p *process) Events(ctx context.Context, tell func(any) error) error {
	for n := 0; ; {
		p.mu.Lock()
		list, news, done := p.events[n:], p.news, p.done
		p.mu.Unlock()
		n += len(list)
		for _, e := range list {
			if err := tell(e); err != nil {
				return err
			}
		}
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-news:
		}
	}
}

// serve answers for p until the end of the test.
func serve(t *testing.T, folder string, p *process) (*Server, string) {
	t.Helper()
	s, err := Serve(folder, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, Path(folder, os.Getpid())
}

func dial(t *testing.T, path string) *Client {
	t.Helper()
	c, err := Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestClient_asks(t *testing.T) {
	p := newProcess()
	ended := make(chan error, 1)
	p.upgrade = func(ctx context.Context) (any, error) {
		select {
		case err := <-ended:
			return map[string]string{"outcome": "rolled_back"}, err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	folder := filepath.Join(t.TempDir(), "a", "b")
	_, path := serve(t, folder, p)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	c := dial(t, path)
	if c.PID != os.Getpid() {
		t.Errorf("%d answers", c.PID)
	}
	var status struct{ Generation int }
	if err := c.Status(t.Context(), &status); err != nil || status.Generation != 7 {
		t.Errorf("%+v, %v", status, err)
	}
	for _, want := range []bool{true, false} {
		if got, err := c.Abort(t.Context()); err != nil || got != want {
			t.Errorf("%v, %v", got, err)
		}
	}
	ended <- errors.New("the gate refuses it")
	var outcome struct{ Outcome string }
	if err := c.Upgrade(t.Context(), &outcome); err == nil || !strings.Contains(err.Error(), "the gate refuses it") || outcome.Outcome != "rolled_back" {
		t.Errorf("%+v, %v", outcome, err)
	}
	ended <- nil
	if err := c.Upgrade(t.Context(), &outcome); err != nil {
		t.Error(err)
	}
	// One who does not wait any more.
	ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Millisecond, errors.New("tired"))
	defer cancel()
	if err := c.Upgrade(ctx, &outcome); err == nil || err.Error() != "tired" {
		t.Errorf("%v", err)
	}
	ended <- nil
}

// TestServer_anUpgradeGoesOn has the client that has asked for it go.
func TestServer_anUpgradeGoesOn(t *testing.T) {
	p := newProcess()
	begun, gone, result := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	p.upgrade = func(ctx context.Context) (any, error) {
		close(begun)
		<-gone
		result <- ctx.Err()
		return nil, nil
	}
	s, path := serve(t, t.TempDir(), p)
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, `{"do":"upgrade"}`+"\n"); err != nil {
		t.Fatal(err)
	}
	<-begun
	c.Close()
	time.Sleep(20 * time.Millisecond)
	close(gone)
	if err := <-result; err != nil {
		t.Errorf("it ends with who has asked: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestServer_events has the events of before come first, and the last one before the end.
func TestServer_events(t *testing.T) {
	p := newProcess()
	s, path := serve(t, t.TempDir(), p)
	p.tell("1", false)
	p.tell("2", false)
	var got []string
	seen := make(chan struct{}, 10)
	ended := make(chan error, 1)
	c := dial(t, path)
	go func() {
		ended <- c.Events(t.Context(), func(raw json.RawMessage) error {
			got = append(got, string(raw))
			seen <- struct{}{}
			return nil
		})
	}()
	<-seen
	<-seen
	p.tell("3", false)
	<-seen
	p.tell("last", true)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil || !slices.Equal(got, []string{`"1"`, `"2"`, `"3"`, `"last"`}) {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket stays: %v", err)
	}
}

// TestServer_closes has one that hears events without end, and one that does not read: the server
// closes all the same.
func TestServer_closes(t *testing.T) {
	p := newProcess()
	s, path := serve(t, t.TempDir(), p)
	for range 2 {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, `{"do":"events"}`+"\n"); err != nil {
			t.Fatal(err)
		}
	}
	p.tell(strings.Repeat("x", 1<<20), false)
	time.Sleep(50 * time.Millisecond)
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("it does not close")
	}
}

func TestServer_refuses(t *testing.T) {
	_, path := serve(t, t.TempDir(), newProcess())
	for _, c := range []struct{ name, line, want string }{
		{"what is no request", "{\n", `"?": is no request`},
		{"what it does not know", `{"do":"dance"}` + "\n", `"dance": is no request`},
		{"a line without end", strings.Repeat("x", maxLine+1), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, err := net.Dial("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, c.line); err != nil {
				t.Fatal(err)
			}
			_ = conn.SetDeadline(time.Now().Add(patience))
			var r Reply
			line, err := bufio.NewReader(conn).ReadBytes('\n')
			if c.want == "" {
				if len(line) > 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%q, %v", line, err)
				}
				return
			}
			if err == nil {
				err = json.Unmarshal(line, &r)
			}
			if err != nil || r.Error != c.want {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}

func TestMayUser(t *testing.T) {
	for _, c := range []struct {
		uid, of int
		may     bool
	}{{0, 0, true}, {0, 1000, true}, {1000, 1000, true}, {1000, 0, false}, {1000, 1001, false}} {
		if err := mayUser(c.uid, c.of); (err == nil) != c.may {
			t.Errorf("user %d asks one of %d: %v", c.uid, c.of, err)
		}
	}
}

// TestServer_anotherUser has nobody ask, with permission to connect and without.
func TestServer_anotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		return // nobody else can be
	}
	p := newProcess()
	folder, err := os.MkdirTemp("/tmp", "control")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(folder)
	_, path := serve(t, filepath.Join(folder, "s"), p)
	ask := func() string {
		t.Helper()
		client := exec.Command("/proc/self/exe")
		client.Env = []string{askVariable + "=" + path}
		client.Dir = "/"
		client.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody, NoSetGroups: false}}
		var out bytes.Buffer
		client.Stdout, client.Stderr = &out, &out
		if err := client.Run(); err != nil {
			t.Fatalf("%v: %s", err, &out)
		}
		return out.String()
	}
	if got := ask(); !strings.Contains(got, "permission denied") {
		t.Errorf("%q", got)
	}
	if err := errors.Join(os.Chmod(folder, 0o755), os.Chmod(filepath.Dir(path), 0o755), os.Chmod(path, 0o666)); err != nil {
		t.Fatal(err)
	}
	if got := ask(); !strings.Contains(got, "user 65534 may not ask a process of user 0") || strings.Contains(got, "aborted") {
		t.Errorf("%q", got)
	}
	if p.aborted > 0 {
		t.Error("nobody has aborted")
	}
}

func TestServe_refusesFolders(t *testing.T) {
	for _, c := range []struct {
		name, want string
		make       func(path string) error
	}{
		{"of another user", "belongs to user 65534", func(path string) error { return errors.Join(os.Mkdir(path, 0o700), os.Chown(path, nobody, nobody)) }},
		{"that others may write to", "others may write to it", func(path string) error { return errors.Join(os.Mkdir(path, 0o700), os.Chmod(path, 0o777)) }},
		{"that is a link", "is no folder", func(path string) error { return os.Symlink("/", path) }},
		{"that is a file", "not a directory", func(path string) error { return os.WriteFile(path, nil, 0o600) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "folder")
			if err := c.make(path); errors.Is(err, os.ErrPermission) && os.Geteuid() != 0 {
				return // only root can give it away
			} else if err != nil {
				t.Fatal(err)
			}
			s, err := Serve(path, newProcess())
			if err == nil {
				s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestServe_tidies has sockets of processes that are gone, of some whose number another process
// has by now, and of some that live.
func TestServe_tidies(t *testing.T) {
	folder := t.TempDir()
	left := func(pid int) string {
		t.Helper()
		path := Path(folder, pid)
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		l.SetUnlinkOnClose(false)
		l.Close()
		return path
	}
	live := func(pid int) string {
		t.Helper()
		path := Path(folder, pid)
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return path
	}
	const none = 1 << 22
	gone, reused, mine, elsewhere := left(none), left(1), left(os.Getpid()), live(none-1)
	if list, err := List(folder); err != nil || !slices.Contains(list, 1) || slices.Contains(list, none) {
		t.Errorf("%v, %v", list, err)
	}
	other := filepath.Join(folder, "notes.txt")
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s, path := serve(t, folder, newProcess())
	for file, stays := range map[string]bool{gone: false, reused: false, mine: true, elsewhere: true, other: true} {
		if _, err := os.Lstat(file); (err == nil) != stays {
			t.Errorf("%s: %v", filepath.Base(file), err)
		}
	}
	if path != mine {
		t.Error(path)
	}
	if list, err := List(folder); err != nil || !slices.Equal(list, []int{os.Getpid()}) {
		t.Errorf("%v, %v", list, err)
	}
	// One that answers is not pushed aside.
	if again, err := Serve(folder, newProcess()); err == nil || !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("%v", err)
		if again != nil {
			again.Close()
		}
	}
	var status map[string]int
	if err := dial(t, path).Status(t.Context(), &status); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestFolder(t *testing.T) {
	env := func(value string) func(string) string {
		return func(name string) string { return map[string]string{"XDG_RUNTIME_DIR": value}[name] }
	}
	for _, c := range []struct {
		uid       int
		xdg, want string
	}{
		{0, "/run/user/0", "/run/goshawk/upgrade"},
		{1000, "/run/user/1000", "/run/user/1000/goshawk/upgrade"},
		{1000, "", filepath.Join(os.TempDir(), "goshawk-upgrade-1000")},
		{1000, "relative", filepath.Join(os.TempDir(), "goshawk-upgrade-1000")},
	} {
		if got := Folder(c.uid, env(c.xdg)); got != c.want {
			t.Errorf("%s; want %s", got, c.want)
		}
	}
	if got := Path("/f", 7); got != "/f/"+strconv.Itoa(7)+".sock" {
		t.Error(got)
	}
	if list, err := List(filepath.Join(t.TempDir(), "none")); list != nil || err != nil {
		t.Errorf("%v, %v", list, err)
	}
}

// TestServer_answersAtItsEnd has the answer to one who asks be the reason for the end: it
// comes all the same.
func TestServer_answersAtItsEnd(t *testing.T) {
	p := newProcess()
	begun, closing := make(chan struct{}), make(chan struct{})
	p.upgrade = func(context.Context) (any, error) {
		close(begun)
		<-closing
		return map[string]string{"outcome": "committed"}, nil
	}
	s, path := serve(t, t.TempDir(), p)
	c := dial(t, path)
	answered := make(chan error, 1)
	go func() { answered <- c.Upgrade(t.Context(), new(map[string]string)) }()
	<-begun
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	time.Sleep(20 * time.Millisecond)
	close(closing)
	if err := errors.Join(<-answered, <-closed); err != nil {
		t.Error(err)
	}
}
