package upgrade

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"time"
)

// Ticket keys are changed this often; so many are kept that a session can be
// resumed for a week, as with crypto/tls itself.
const (
	ticketEvery = 24 * time.Hour
	ticketKeys  = 7
)

// tickets are the keys by which TLS sessions are resumed by whichever process.
type tickets struct {
	keys  [][32]byte // the newest first
	since time.Time  // when the newest was made
	// ring has the keys for all configurations, also for copies of them, which
	// net/http makes. It is nil before there is one.
	ring *tls.Config
}

// ShareTickets makes the TLS sessions that one version has begun be resumed by the next
// ones, and changes the keys once a day. It must be called before the configuration is
// used, and before [Upgrader.Run]. It sets WrapSession and UnwrapSession, and refuses a
// configuration that has these.
func (u *Upgrader) ShareTickets(config *tls.Config) error {
	if config.WrapSession != nil || config.UnwrapSession != nil {
		return errors.New("upgrade: share TLS tickets: the configuration wraps sessions itself")
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.tickets.ring == nil {
		u.tickets.ring = new(tls.Config)
	}
	if err := u.turnTickets(time.Now()); err != nil {
		return fmt.Errorf("upgrade: share TLS tickets: %w", err)
	}
	config.WrapSession, config.UnwrapSession = u.tickets.ring.EncryptTicket, u.tickets.ring.DecryptTicket
	return nil
}

// turnTickets makes a new key if the newest is old, and has all configurations use the
// keys. The lock is held, and there is a ring.
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
	t.ring.SetSessionTicketKeys(t.keys)
	return nil
}
