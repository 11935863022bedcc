package upgrade

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/upgrade/internal/sealed"
)

// Handover is what a program wants the next version to know. It goes by memory that
// nobody can change any more.
type Handover interface {
	// Save writes it. It is called before the new process is started, while this one
	// serves: what changes afterwards is not in it. When the upgrade is aborted
	// meanwhile, writing fails. A panic is an error.
	Save(w io.Writer) error
	// Load reads it, before this process accepts. It is not called when the process before
	// had nothing, or something of another [Options.HandoverVersion]. An error makes
	// this process begin without, and must leave nothing of it behind.
	Load(r io.Reader) error
}

// ErrHandover is the reason of a process that begins without what was handed over.
var ErrHandover = errors.New("what was handed over cannot be used")

// maxMeta bounds what the library itself hands over, in bytes.
const maxMeta = 1 << 20

// meta is what the library itself hands over.
type meta struct {
	TicketKeys [][32]byte `json:"ticket_keys,omitempty"`
	// TicketsAge is how old the newest key is: a time would be that of a clock which may be
	// set.
	TicketsAge  time.Duration `json:"tickets_age_ns,omitempty"`
	HasHandover bool          `json:"has_handover"`
}

// stoppable is a writer that can be taken away from who writes.
type stoppable struct {
	mu      sync.Mutex
	to      io.Writer
	stopped error
}

func (s *stoppable) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped != nil {
		return 0, s.stopped
	}
	return s.to.Write(p)
}

// stop makes all writing fail. When it returns nobody writes.
func (s *stoppable) stop(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = why
}

// guarded calls a function of the program's, whose panic is an error: the service goes
// on without an upgrade. When ctx ends first, the function is left alone.
func (u *Upgrader) guarded(ctx context.Context, what string, do func() error) error {
	done := make(chan error, 1)
	go func() {
		defer func() {
			if r := recover(); r != nil {
				u.options.Log.Error("the program panics in an upgrade", "in", what, "panic", r, "stack", string(debug.Stack()))
				done <- fmt.Errorf("%s: panic: %v", what, r)
			}
		}()
		done <- do()
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", what, context.Cause(ctx))
	}
}

// pack writes what is handed over and returns its memory, nil if there is nothing. That
// of the program goes only with a process that knows how it stands.
func (u *Upgrader) pack(ctx context.Context, program bool) (*os.File, error) {
	u.mu.Lock()
	m := meta{TicketKeys: u.tickets.keys, HasHandover: program && u.options.Handover != nil}
	if len(m.TicketKeys) > 0 {
		m.TicketsAge = time.Since(u.tickets.since)
	}
	u.mu.Unlock()
	if len(m.TicketKeys) == 0 && !m.HasHandover {
		return nil, nil
	}
	f, err := u.packed(ctx, m)
	if err != nil {
		return nil, fmt.Errorf("hand over: %w", err)
	}
	return f, nil
}

func (u *Upgrader) packed(ctx context.Context, m meta) (*os.File, error) {
	text, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	w, err := sealed.Create("upgrade", u.options.HandoverVersion)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	if _, err := w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)); err != nil {
		return nil, err
	}
	if m.HasHandover {
		to := &stoppable{to: w}
		err := u.guarded(ctx, "save", func() error { return u.options.Handover.Save(to) })
		to.stop(errors.New("it is too late to hand over"))
		if err != nil {
			return nil, err
		}
	}
	return w.Seal()
}

// unpack reads what the process before has handed over. What cannot be read is as if it
// had not been there.
func (u *Upgrader) unpack(fd int) {
	unix.CloseOnExec(fd)
	f := os.NewFile(uintptr(fd), "handover")
	r, err := sealed.Open(f)
	err = errors.Join(err, f.Close())
	var m meta
	if err == nil {
		if m, err = readMeta(r); err != nil {
			err = errors.Join(err, r.Close())
		}
	}
	if err != nil {
		u.missing = fmt.Errorf("%w: %w", ErrHandover, err)
		return
	}
	u.tickets.keys, u.tickets.since = m.TicketKeys, time.Now().Add(-max(m.TicketsAge, 0))
	if m.HasHandover {
		u.handedOver = r
	} else {
		_ = r.Close()
	}
}

func readMeta(r io.Reader) (m meta, err error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return m, err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > maxMeta {
		return m, fmt.Errorf("its head has %d bytes", n)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return m, err
	}
	return m, json.NewDecoder(bytes.NewReader(text)).Decode(&m)
}

// load gives the program what was handed over to it.
func (u *Upgrader) load() {
	if u.handedOver == nil {
		return
	}
	defer u.handedOver.Close()
	if u.options.Handover == nil {
		return
	}
	if has, want := u.handedOver.Version(), u.options.HandoverVersion; has != want {
		u.missing = fmt.Errorf("%w: it is of version %d, this process reads %d", ErrHandover, has, want)
		return
	}
	if err := u.options.Handover.Load(u.handedOver); err != nil {
		u.missing = fmt.Errorf("%w: %w", ErrHandover, err)
	}
}
