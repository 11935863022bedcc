package swap

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/upgrade"
	"github.com/goshawk-io/goshawk/upgrade/internal/systemd"
)

// TestHear_whatIsSaidBeforeTheVersionIsNoted has a version that says that it is ready
// before the engine has come to note that it is one.
func TestHear_whatIsSaidBeforeTheVersionIsNoted(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	e, err := New(Options{
		Command: []string{self}, Shim: []string{self}, ControlFolder: upgrade.NoControl,
		Listeners: []Listener{{Name: "web", Network: "tcp", Address: "127.0.0.1:0"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer e.working.Wait()
	defer cancel()
	e.working.Go(func() { e.hear(ctx) })
	n, err := systemd.NewNotifier(e.env)
	if err != nil {
		t.Fatal(err)
	}

	e.starting.Lock()
	if err := n.Ready(0); err != nil {
		t.Error(err)
	}
	// If it is heard by now, that is over before the version is noted.
	short, stop := context.WithTimeout(ctx, 100*time.Millisecond)
	defer stop()
	_ = n.Barrier(short)
	v := &version{pid: os.Getpid(), said: make(chan struct{}), died: make(chan struct{})}
	e.mu.Lock()
	e.versions[v.pid] = v
	e.mu.Unlock()
	e.starting.Unlock()

	if err := n.Barrier(ctx); err != nil {
		t.Error(err)
	}
	select {
	case <-v.said:
	default:
		t.Error("it is not heard")
	}
}
