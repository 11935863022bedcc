package api

import (
	"net/netip"
	"sync"
	"time"
)

// Each network may fail attemptBurst times at once, and once more each
// attemptEvery. maxAttempts networks are remembered.
const (
	attemptBurst = 10
	attemptEvery = 5 * time.Second
	maxAttempts  = 4096
)

// attempts counts wrong tokens by where they come from, so that one who guesses
// does not lock out others.
type attempts struct {
	now func() time.Time

	mu sync.Mutex
	// until is when the failures of a network are all forgiven: each adds
	// attemptEvery.
	until map[netip.Prefix]time.Time
}

func newAttempts(now func() time.Time) *attempts {
	return &attempts{now: now, until: make(map[netip.Prefix]time.Time)}
}

// allowed reports whether a token from this network is looked at.
func (a *attempts) allowed(from netip.Prefix) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.until[from].Sub(a.now()) < attemptBurst*attemptEvery-attemptEvery/2
}

// failed counts a wrong token.
func (a *attempts) failed(from netip.Prefix) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	if _, known := a.until[from]; !known && len(a.until) >= maxAttempts {
		for network, until := range a.until {
			if !until.After(now) {
				delete(a.until, network)
			}
		}
		if len(a.until) >= maxAttempts {
			// So many at once are one attack; to forget is to let it try anew.
			clear(a.until)
		}
	}
	until := a.until[from]
	if until.Before(now) {
		until = now
	}
	a.until[from] = until.Add(attemptEvery)
}
