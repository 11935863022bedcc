package upgrade

import (
	"context"
	"math"
	"time"
)

// HTTPIdle is how long a drain leaves a connection of HTTP/1 open on which no request
// comes, where another process serves in the place of this one; HTTPIdleLast is that
// where none does. Both are at most half the time that the drain has. Each connection
// has up to a fifth more, so that clients which send in a steady rhythm are not all met
// by the end of their connections.
const (
	HTTPIdle     = 5 * time.Second
	HTTPIdleLast = time.Second
)

// HTTPSpread is over how long a drain spreads telling connections of HTTP that they end,
// where another process serves in the place of this one, so that not all clients connect
// to that at once. It is at most a quarter of the time that the drain has. Where no process
// serves all are told at once.
const HTTPSpread = time.Second

type replacedKey struct{}

// Replaced reports whether ctx, that of a [Server]'s Drain, is of a process in whose place
// another one serves: then the drain may take its time. It is not when the service ends.
func Replaced(ctx context.Context) bool { return ctx.Value(replacedKey{}) != nil }

func withReplaced(ctx context.Context) context.Context {
	return context.WithValue(ctx, replacedKey{}, true)
}

// pace is how fast a drain ends connections.
type pace struct {
	began        time.Time
	spread, idle time.Duration
}

// newPace is that of a drain which begins now.
func newPace(ctx context.Context, now time.Time) *pace {
	p := &pace{began: now, idle: HTTPIdleLast}
	if Replaced(ctx) {
		p.spread, p.idle = HTTPSpread, HTTPIdle
	}
	if deadline, ok := ctx.Deadline(); ok {
		left := max(deadline.Sub(now), 0)
		p.spread, p.idle = min(p.spread, left/4), min(p.idle, left/2)
	}
	return p
}

// tells reports whether a connection is told from now on that it ends. Its share, from 0
// on and less than 1, is where it is among all.
func (p *pace) tells(share float64, now time.Time) bool {
	return now.Sub(p.began) >= time.Duration(share*float64(p.spread))
}

// toldAll reports whether all connections are told.
func (p *pace) toldAll(now time.Time) bool { return p.tells(1, now) }

// patienceWith returns how long a connection of a share may be idle.
func (p *pace) patienceWith(share float64) time.Duration {
	return p.idle + time.Duration(share*float64(p.idle)/5)
}

// shareOf returns the share of the n-th connection. Whichever of them are left, those
// of any few that follow each other lie evenly.
func shareOf(n uint64) float64 {
	_, share := math.Modf(float64(n&(1<<32-1)) * (math.Phi - 1))
	return share
}
