package startup

import (
	"net"
	"net/url"
	"slices"
	"strings"
)

// GoProxies returns the hosts and ports of a value of GOPROXY, in its order and
// each once, in the form of [Facts.GoProxy]: without those who ask, and without
// what is no proxy on the network: direct, off, folders.
func GoProxies(value string) []string {
	var hosts []string
	for _, one := range strings.FieldsFunc(value, func(c rune) bool { return c == ',' || c == '|' }) {
		one = strings.TrimSpace(one)
		// The go command takes a name with neither scheme nor folder for https.
		if strings.ContainsAny(one, ".:/") && !strings.Contains(one, ":/") && !strings.HasPrefix(one, "/") {
			one = "https://" + one
		}
		u, err := url.Parse(one)
		if err != nil || u.Hostname() == "" {
			continue
		}
		port := u.Port()
		switch {
		case u.Scheme != "http" && u.Scheme != "https":
			continue
		case port != "":
		case u.Scheme == "http":
			port = "80"
		default:
			port = "443"
		}
		host := net.JoinHostPort(u.Hostname(), port)
		if _, _, err := net.SplitHostPort(host); err == nil && !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return hosts
}
