package load

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
)

// Kind is a kind of traffic.
type Kind string

// The kinds. Those that end in New open a connection for each request.
const (
	HTTP    Kind = "http"     // HTTP/1.1, keep-alive
	HTTPNew Kind = "http-new" // HTTP/1.1
	TLS     Kind = "tls"      // HTTP/1.1 over TLS, keep-alive
	TLSNew  Kind = "tls-new"  // HTTP/1.1 over TLS
	H2      Kind = "h2"       // HTTP/2 over TLS
	H2C     Kind = "h2c"      // HTTP/2 without TLS, with prior knowledge
	GRPC    Kind = "grpc"     // unary calls of grpc.health.v1.Health/Check, without TLS
)

// Kinds returns all kinds.
func Kinds() []Kind { return []Kind{HTTP, HTTPNew, TLS, TLSNew, H2, H2C, GRPC} }

// ParseKind returns the kind of that name.
func ParseKind(name string) (Kind, error) {
	if !slices.Contains(Kinds(), Kind(name)) {
		return "", fmt.Errorf("kind %q: is none of %v", name, Kinds())
	}
	return Kind(name), nil
}

// NewConnections reports whether each request opens a connection.
func (k Kind) NewConnections() bool { return strings.HasSuffix(string(k), "-new") }

// Protocol is what the server has to speak: http, tls, h2, h2c or grpc.
func (k Kind) Protocol() string { return strings.TrimSuffix(string(k), "-new") }

// clients returns one client for each worker.
func (k Kind) clients(o Options, counts *tally) ([]client, error) {
	var secure *tls.Config
	switch k {
	case TLS, TLSNew, H2:
		secure = &tls.Config{RootCAs: o.Roots, ServerName: serverName}
	}
	all := make([]client, o.Workers)
	for i := range all {
		first := i - i%o.Streams
		switch {
		case k.Protocol() == "http" || k.Protocol() == "tls":
			own := secure
			if secure != nil && o.Tickets {
				own = secure.Clone()
				own.ClientSessionCache = tls.NewLRUClientSessionCache(1)
			}
			all[i] = &http1{address: o.Address, timeout: o.Timeout, secure: own, each: k.NewConnections(), counts: counts}
		case i != first:
			all[i] = all[first]
		case k == H2 || k == H2C:
			all[i] = newHTTP2(o, secure, counts)
		case k == GRPC:
			c, err := newRPC(o, counts)
			if err != nil {
				return nil, err
			}
			all[i] = c
		default:
			return nil, fmt.Errorf("is none of %v", Kinds())
		}
	}
	return all, nil
}
