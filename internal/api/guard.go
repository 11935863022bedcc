package api

import (
	"fmt"
	"html/template"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

// GuardOptions says whom [Guard] lets in. The zero value is for a listener on
// a loopback address: it trusts everybody on this machine.
type GuardOptions struct {
	// Hosts are names by which requests may call the server, beside localhost
	// and addresses.
	Hosts []string
	// Token, when not empty, must come with each request, as a bearer token or
	// by a login.
	Token Token
	// TLS says that the connection is encrypted: a cookie never leaves it.
	TLS bool
	// Now is the clock; nil means [time.Now].
	Now func() time.Time
}

// Guard returns a handler that gives next only the requests that may see what
// the agent sees. In this order it refuses: another host than this one (a name
// rebound to a loopback address), another site's page, and whoever does not
// know the token. /healthz needs no token.
func Guard(next http.Handler, o GuardOptions) http.Handler {
	if o.Now == nil {
		o.Now = time.Now
	}
	g := &guard{GuardOptions: o, next: next, attempts: newAttempts(o.Now), page: newLoginPage()}
	return http.HandlerFunc(g.serve)
}

type guard struct {
	GuardOptions
	next     http.Handler
	attempts *attempts
	page     *template.Template
}

func (g *guard) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if host := hostName(r.Host); !g.knows(host) {
		write(w, refuse(http.StatusMisdirectedRequest, "use an address, such as 127.0.0.1, or localhost; goshawk up --host adds a name",
			"host %q: not served here", host))
		return
	}
	if cause := foreign(r); cause != "" {
		write(w, refuse(http.StatusForbidden, "open the page itself, or ask without a browser", "request refused: %s", cause))
		return
	}
	switch {
	case g.Token.IsZero(), r.URL.Path == "/healthz":
		g.next.ServeHTTP(w, r)
	case r.URL.Path == loginPath:
		g.login(w, r)
	default:
		g.authorise(w, r)
	}
}

// knows reports whether host is a name of this server. An address cannot be
// rebound. HTTP/1.0 names no host.
func (g *guard) knows(host string) bool {
	if host == "" || host == "localhost" {
		return true
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return slices.ContainsFunc(g.Hosts, func(name string) bool { return strings.EqualFold(strings.TrimSuffix(name, "."), host) })
}

// hostName returns a Host header without port, brackets and last dot, in small
// letters.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	} else if n := len(host); n > 1 && host[0] == '[' && host[n-1] == ']' {
		host = host[1 : n-1]
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// foreign returns why r comes from another site, "" when it does not. A link
// to a page may come from anywhere; what it shows stays with who followed it.
func foreign(r *http.Request) string {
	site := r.Header.Get("Sec-Fetch-Site")
	if origin := r.Header.Get("Origin"); origin != "" {
		from, err := url.Parse(origin)
		if err != nil || from.Host == "" || !strings.EqualFold(from.Host, r.Host) {
			return fmt.Sprintf("the origin %q is another one", origin)
		}
	}
	switch {
	case site == "" || site == "same-origin" || site == "none":
		return ""
	case isNavigation(r):
		return ""
	}
	return "the page that asks is " + site
}

// isNavigation reports whether a browser opens a page at the top.
func isNavigation(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) &&
		r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document" &&
		!strings.HasPrefix(r.URL.Path, "/api/") && r.URL.Path != "/metrics"
}

// authorise lets who knows the token pass.
func (g *guard) authorise(w http.ResponseWriter, r *http.Request) {
	if cookie, err := r.Cookie(sessionCookie); err == nil && g.Token.valid(cookie.Value, g.Now()) {
		g.next.ServeHTTP(w, r)
		return
	}
	scheme, bearer, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if ok && strings.EqualFold(scheme, "Bearer") {
		switch g.check(r, strings.TrimSpace(bearer)) {
		case right:
			g.next.ServeHTTP(w, r)
		case tooMany:
			g.tooMany(w)
		default:
			g.unauthorised(w, "the token is not the right one")
		}
		return
	}
	if wantsPage(r) {
		http.Redirect(w, r, loginPath+"?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
		return
	}
	g.unauthorised(w, "a token is needed")
}

func (g *guard) unauthorised(w http.ResponseWriter, cause string) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="goshawk"`)
	write(w, refuse(http.StatusUnauthorized, "send the header Authorization: Bearer TOKEN, or log in at "+loginPath, "%s", cause))
}

func (g *guard) tooMany(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "10")
	write(w, answer{status: http.StatusTooManyRequests, body: v1.Error{Error: "too many wrong tokens", Hint: "wait some seconds"}})
}

// wantsPage reports whether a browser asks for something to look at.
func wantsPage(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html") &&
		!strings.HasPrefix(r.URL.Path, "/api/") && r.URL.Path != "/metrics" && r.Header.Get("HX-Request") == ""
}

type verdict uint8

const (
	wrong verdict = iota
	right
	tooMany
)

// check judges a token that r came with.
func (g *guard) check(r *http.Request, given string) verdict {
	from := remote(r)
	switch {
	case !g.attempts.allowed(from):
		return tooMany
	case g.Token.equals(given):
		return right
	}
	g.attempts.failed(from)
	return wrong
}

// remote returns the address that r comes from, for IPv6 its network: whoever
// has one address of it has all.
func remote(r *http.Request) netip.Prefix {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Prefix{}
	}
	addr, length := from.Addr().Unmap().WithZone(""), 32
	if addr.Is6() {
		length = 64
	}
	prefix, _ := addr.Prefix(length)
	return prefix
}
