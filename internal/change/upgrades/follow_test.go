package upgrades

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/testutil"
	"github.com/goshawk-io/goshawk/upgrade"
	"github.com/goshawk-io/goshawk/upgrade/control"
)

func TestMain(m *testing.M) { testutil.NoLeaks(m) }

// teller tells events that a test gives it.
type teller chan any

func (t teller) Status() any                          { return nil }
func (t teller) Abort() bool                          { return false }
func (t teller) Upgrade(context.Context) (any, error) { return nil, errors.New("not now") }
func (t teller) Events(ctx context.Context, tell func(any) error) error {
	for {
		select {
		case e, ok := <-t:
			if !ok {
				return nil
			}
			if err := tell(e); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// host has one process, which is this one in another namespace, with a socket of its own.
func host(t *testing.T, uid int) (proc, folder string) {
	t.Helper()
	// The path of a socket has at most 107 bytes.
	top, err := os.MkdirTemp("", "u")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(top) })
	proc = filepath.Join(top, "p")
	dir := filepath.Join(proc, "42")
	root := filepath.Join(top, "r")
	for _, d := range []string{dir, root} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	files := map[string]string{
		"status": fmt.Sprintf("Name:\tx\nUid:\t1\t%d\t1\t1\nNSpid:\t42\t%d\n", uid, os.Getpid()), "environ": "A=b\x00XDG_RUNTIME_DIR=/x\x00",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(root, filepath.Join(dir, "root")); err != nil {
		t.Fatal(err)
	}
	return proc, filepath.Join(root, control.Folder(uid, func(string) string { return "/x" }))
}

func TestFollower(t *testing.T) {
	for _, uid := range []int{0, 1000} {
		t.Run(strconv.Itoa(uid), func(t *testing.T) {
			proc, folder := host(t, uid)
			tell := make(teller)
			server, err := control.Serve(folder, tell)
			if err != nil {
				t.Fatal(err)
			}
			now := time.Now()
			f := New(Options{
				Proc: proc, Every: time.Millisecond, NewIDs: ids(), Since: now,
				Processes: func() []Process { return []Process{{ID: model.ProcessID{PID: 42}, PID: 42, Service: "shop"}} },
			})
			ctx, stop := context.WithCancel(t.Context())
			events := make(chan string, 10)
			done := make(chan error, 1)
			go func() { done <- f.Run(ctx, func(e *model.Event) { events <- line(e, now) }) }()
			// What happened before is not told again.
			tell <- upgrade.Event{State: upgrade.Drained, Time: now.Add(-time.Second)}
			tell <- upgrade.Event{State: upgrade.Draining, Time: now}
			tell <- upgrade.Event{State: upgrade.Drained, Time: now.Add(time.Second)}
			if got, want := <-events, "drain +0s 1s gen=0"; got != want {
				t.Errorf("%s, want %s", got, want)
			}
			if h := f.Health(); h.Events != 1 || !h.Up || len(h.Off) > 0 {
				t.Errorf("%+v", h)
			}
			// One that says what is no event is not listened to any more, and that is said.
			tell <- "nonsense"
			for end := time.Now().Add(20 * time.Second); len(f.Health().Off) == 0; time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("nobody says that a process talks nonsense")
				}
			}
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
			if err := server.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestFollower_processesWithoutASocket(t *testing.T) {
	proc, _ := host(t, 1000)
	f := New(Options{Proc: proc})
	for _, pid := range []int32{42, 43} {
		if path, ok := f.socket(Process{PID: pid}); ok {
			t.Errorf("process %d: %s", pid, path)
		}
	}
}

func TestFollower_wanted(t *testing.T) {
	f := New(Options{})
	process := func(pid int32) Process { return Process{ID: model.ProcessID{PID: pid}, PID: pid} }
	f.begin(process(1))
	f.begin(process(2))
	f.followed[process(2).ID] = false // given up
	for pid, want := range map[int32]bool{1: false, 2: false, 3: true} {
		if got := f.wanted(process(pid)); got != want {
			t.Errorf("process %d: %v, want %v", pid, got, want)
		}
	}
	// One that has another's number by now is another one.
	if !f.wanted(Process{ID: model.ProcessID{PID: 1, Start: 9}, PID: 1}) {
		t.Error("a number that was followed stands for another process")
	}
	for pid := int32(3); pid <= maxFollowed; pid++ {
		f.begin(process(pid))
	}
	if f.wanted(process(maxFollowed + 1)) {
		t.Errorf("more than %d processes are followed", maxFollowed)
	}
}

func TestFollower_due(t *testing.T) {
	f := New(Options{})
	one, other := Process{ID: model.ProcessID{PID: 1}}, Process{ID: model.ProcessID{PID: 2}}
	var due []int
	for i := range 35 {
		if f.due(one) {
			due = append(due, i)
		}
	}
	if want := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 30}; !slices.Equal(due, want) {
		t.Errorf("%v, want %v", due, want)
	}
	if !f.due(other) {
		t.Error("a process that is new has to wait")
	}
	f.forget([]Process{other})
	if !f.due(one) || len(f.looked) != 2 {
		t.Errorf("%v: a process that was gone is remembered", f.looked)
	}
}
