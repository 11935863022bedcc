package waterfall

import (
	"cmp"
	"net"
	"strconv"
	"strings"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/model"
)

// The probes whose events are rows.
const (
	probeExec = "exec"
	probeHTTP = "http"
	probeTCP  = "tcp"
)

// The kinds of bars.
const (
	kindCommand    = "command"
	kindRequest    = "request"
	kindCall       = "call"
	kindConnection = "connection"
)

// The attributes of the http and tcp probes that bars are made of.
const (
	keyRole        = "goshawk.role"
	keyMethod      = "http.request.method"
	keyRoute       = "http.route"
	keyTemplate    = "url.template"
	keyPath        = "url.path"
	keyStatus      = "http.response.status_code"
	keyHTTPOutcome = "goshawk.http.outcome"
	keyServer      = "server.address"
	keyServerPort  = "server.port"
	keyTCPEvent    = "goshawk.tcp.event"
	keyPeer        = "network.peer.address"
	keyPeerPort    = "network.peer.port"
)

func describeRequest(b *v1.Bar, e *model.Event) {
	path := e.Get(keyPath).Str()
	b.Kind = kindRequest
	what := cmp.Or(e.Get(keyTemplate).Str(), e.Get(keyRoute).Str(), path)
	b.Detail = path
	if isCall(e) {
		b.Kind, b.Detail = kindCall, ""
		what = address(e.Get(keyServer), e.Get(keyServerPort)) + cmp.Or(e.Get(keyTemplate).Str(), path)
	}
	b.Label = shorten(strings.TrimSpace(e.Get(keyMethod).Str()+" "+what), longestLabel)
	if e.Service != "" {
		by := "served by "
		if b.Kind == kindCall {
			by = "from "
		}
		b.Detail = strings.TrimSpace(b.Detail + " " + by + e.Service)
	}
	b.Detail = shorten(b.Detail, longestDetail)
	b.Outcome = cmp.Or(e.Get(keyHTTPOutcome).Str(), "done")
	if status := e.Get(keyStatus); status.IsSet() && b.Outcome == "done" {
		b.Outcome = strconv.FormatInt(status.Int(), 10)
	}
	b.Outcome = shorten(b.Outcome, longestLabel)
}

func describeConnection(b *v1.Bar, e *model.Event) {
	b.Kind = kindConnection
	event := strings.ReplaceAll(cmp.Or(e.Get(keyTCPEvent).Str(), "connection"), "_", " ")
	port := e.Get(keyPeerPort)
	if !port.IsSet() {
		port = e.Get(keyServerPort)
	}
	b.Label = shorten("TCP "+event+" "+address(e.Get(keyPeer), port), longestLabel)
	b.Outcome = shorten(e.Failure().Str(), longestLabel)
}

func isCall(e *model.Event) bool { return e.Get(keyRole).Str() == "client" }

// isServed reports whether e is a request that was served.
func isServed(e *model.Event) bool { return e.Schema.Probe == probeHTTP && !isCall(e) }

// address joins a host and a port, either of which may be missing.
func address(host, port model.Value) string {
	switch {
	case !port.IsSet() || port.Int() == 0:
		return host.Str()
	case host.Str() == "":
		return ":" + strconv.FormatInt(port.Int(), 10)
	}
	return net.JoinHostPort(host.Str(), strconv.FormatInt(port.Int(), 10))
}
