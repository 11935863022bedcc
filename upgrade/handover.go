package upgrade

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/upgrade/internal/sealed"
)

// Handover is what a program wants the next version to know. It goes by memory that
// nobody can change any more.
type Handover interface {
	// Save writes it. It is called before the new process is started, while this one
	// serves: what changes afterwards is not in it.
	Save(w io.Writer) error
	// Load reads it, before this process accepts. It is not called when the process before
	// had nothing, or something of another [Options.HandoverVersion]. An error makes
	// this process begin without, and must leave nothing of it behind.
	Load(r io.Reader) error
}

// ErrHandover is the reason of a process that begins without what was handed over.
var ErrHandover = errors.New("what was handed over cannot be used")

// Ticket keys are changed this often; so many are kept that a session can be
// resumed for a week, as with crypto/tls itself.
const (
	ticketEvery = 24 * time.Hour
	ticketKeys  = 7
	maxMeta     = 1 << 20
)

// meta is what the library itself hands over.
type meta struct {
	TicketKeys   [][32]byte `json:"ticket_keys,omitempty"`
	TicketsSince time.Time  `json:"tickets_since,omitzero"`
	HasHandover  bool       `json:"has_handover"`
}

// tickets are the keys by which TLS sessions are resumed by whichever process.
type tickets struct {
	keys    [][32]byte // the newest first
	since   time.Time
	configs []*tls.Config
}

// ShareTickets makes the TLS sessions that one version has begun be resumed by the next
// ones, and changes the keys once a day. It must be called before the configuration is
// used, and before [Upgrader.Run].
func (u *Upgrader) ShareTickets(config *tls.Config) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.tickets.configs = append(u.tickets.configs, config)
	return u.turnTickets(time.Now())
}

// turnTickets makes a new key if the newest is old, and has all configurations use the
// keys. The lock is held.
func (u *Upgrader) turnTickets(now time.Time) error {
	t := &u.tickets
	if len(t.keys) == 0 || now.Sub(t.since) >= ticketEvery {
		var key [32]byte
		if _, err := rand.Read(key[:]); err != nil {
			return fmt.Errorf("make a ticket key: %w", err)
		}
		t.keys = append([][32]byte{key}, t.keys[:min(len(t.keys), ticketKeys-1)]...)
		t.since = now
	}
	for _, c := range t.configs {
		c.SetSessionTicketKeys(t.keys)
	}
	return nil
}

// pack writes what is handed over and returns its memory, nil if there is nothing.
func (u *Upgrader) pack() (*os.File, error) {
	u.mu.Lock()
	m := meta{TicketKeys: u.tickets.keys, TicketsSince: u.tickets.since, HasHandover: u.options.Handover != nil}
	u.mu.Unlock()
	if len(m.TicketKeys) == 0 && !m.HasHandover {
		return nil, nil
	}
	text, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	w, err := sealed.Create("upgrade", u.options.HandoverVersion)
	if err != nil {
		return nil, fmt.Errorf("hand over: %w", err)
	}
	defer w.Close()
	if _, err := w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)); err != nil {
		return nil, fmt.Errorf("hand over: %w", err)
	}
	if m.HasHandover {
		if err := u.options.Handover.Save(w); err != nil {
			return nil, fmt.Errorf("hand over: %w", err)
		}
	}
	f, err := w.Seal()
	if err != nil {
		return nil, fmt.Errorf("hand over: %w", err)
	}
	return f, nil
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
		m, err = readMeta(r)
	}
	if err != nil {
		u.missing = fmt.Errorf("%w: %w", ErrHandover, err)
		return
	}
	u.tickets.keys, u.tickets.since = m.TicketKeys, m.TicketsSince
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
