package shop

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
)

// Bounds of the load, in requests a second.
const (
	defaultRate = 15
	maxRate     = 50
)

// Options configures [Run] and [Load]. The zero value works.
type Options struct {
	// Addr is the loopback address that Run listens on; empty is
	// "127.0.0.1:0", a port that the kernel picks.
	Addr string
	// Log receives what an operator should know; nil discards it.
	Log *slog.Logger
	// Rate is how many requests a second Load sends; 0 or less is 15, and more
	// than 50 is 50.
	Rate float64
	// Dir is the folder in which Run creates its folder of temporary files;
	// empty is that of os.TempDir.
	Dir string
	// Detacher is a command with its first arguments that, with a further
	// command appended, calls [Detach] with it. It is the short-lived parent
	// of the process that outlives its parent, and must end by itself. When it
	// is empty a shell script takes its place.
	Detacher []string
	// Versions says whether the shop can be upgraded while it is open.
	Versions Versions
	// Ready is called once, when the shop accepts connections, with its URL
	// such as "http://127.0.0.1:40123". Run waits for it to return. It may be
	// nil.
	Ready func(url string)
}

func (o Options) addr() string {
	if o.Addr == "" {
		return "127.0.0.1:0"
	}
	return o.Addr
}

func (o Options) log() *slog.Logger {
	if o.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.Log
}

func (o Options) rate() float64 {
	if !(o.Rate > 0) {
		return defaultRate
	}
	return min(o.Rate, maxRate)
}

// checkLoopback refuses an address, host and port, that others can reach.
func checkLoopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("address %q: %w", addr, err)
	}
	if host == "localhost" {
		return nil
	}
	if ip, err := netip.ParseAddr(host); err != nil || !ip.IsLoopback() {
		return fmt.Errorf("address %q: %q is not a loopback address", addr, host)
	}
	return nil
}
