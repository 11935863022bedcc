package cli

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/goshawk-io/goshawk/internal/api"
)

// tokenVariable is the environment variable that holds the token.
const tokenVariable = "GOSHAWK_TOKEN"

// accessOptions are the flags that say where to listen and whom to let in.
type accessOptions struct {
	listen                    string
	tokenFile                 string
	tlsCert, tlsKey, clientCA string
	hosts                     []string
}

func (o *accessOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.listen, "listen", "127.0.0.1:7788", "serve HTTP on `ADDR`; port 0 takes a free one")
	f.StringVar(&o.tokenFile, "token-file", "", "let in who knows the token in `FILE` (or in "+tokenVariable+")")
	f.StringVar(&o.tlsCert, "tls-cert", "", "serve HTTPS with the certificate in `FILE` (PEM)")
	f.StringVar(&o.tlsKey, "tls-key", "", "the key of that certificate, in `FILE` (PEM)")
	f.StringVar(&o.clientCA, "tls-client-ca", "", "let in who has a certificate of an authority in `FILE` (PEM)")
	f.StringArrayVar(&o.hosts, "host", nil, "answer requests for the host `NAME`; may be repeated")
}

// access is what the flags mean.
type access struct {
	// loopback says that only this machine can connect.
	loopback bool
	token    api.Token
	// tls is nil for plain HTTP.
	tls   *tls.Config
	hosts []string
}

// read checks the flags and reads the files that they name.
func (o *accessOptions) read(env Env) (access, error) {
	var a access
	host, _, err := net.SplitHostPort(o.listen)
	if err != nil {
		return a, usageError("write ADDRESS:PORT, such as 127.0.0.1:7788", "up: --listen %q: %w", o.listen, err)
	}
	ip := net.ParseIP(host)
	a.loopback = host == "localhost" || ip != nil && ip.IsLoopback()
	for _, name := range o.hosts {
		if name == "" || strings.ContainsAny(name, ":/ ") {
			return a, usageError("write a name without scheme and port, such as host.example", "up: --host %q: is not the name of a host", name)
		}
	}
	a.hosts = o.hosts
	if a.token, err = o.readToken(env); err != nil {
		return a, err
	}
	if a.tls, err = o.readTLS(); err != nil {
		return a, err
	}
	if !a.loopback && a.token.IsZero() && o.clientCA == "" {
		cause := "other machines can reach it, and nothing asks who they are"
		if a.tls != nil {
			cause = "other machines can reach it, and TLS alone lets everybody in"
		}
		return a, usageError("give --token-file FILE, or --tls-cert, --tls-key and --tls-client-ca; or listen on 127.0.0.1", "up: --listen %q: %s", o.listen, cause)
	}
	if !a.loopback {
		// Without its own name the machine is reached by address.
		if name, err := os.Hostname(); err == nil {
			a.hosts = append(a.hosts, name)
		}
	}
	return a, nil
}

func (o *accessOptions) readToken(env Env) (api.Token, error) {
	const hint = "make one: head -c 24 /dev/urandom | base64"
	text, from := env.Getenv(tokenVariable), tokenVariable
	if o.tokenFile != "" {
		from = "--token-file " + o.tokenFile
		b, err := os.ReadFile(o.tokenFile)
		if err != nil {
			return api.Token{}, usageError(hint, "up: --token-file: %w", err)
		}
		text = string(b)
	} else if text == "" {
		return api.Token{}, nil
	}
	token, err := api.NewToken(text)
	if err != nil {
		return api.Token{}, usageError(hint, "up: %s: the token %w", from, err)
	}
	return token, nil
}

func (o *accessOptions) readTLS() (*tls.Config, error) {
	const hint = "give --tls-cert and --tls-key, and for clients with certificates --tls-client-ca"
	if o.tlsCert == "" && o.tlsKey == "" && o.clientCA == "" {
		return nil, nil
	}
	if o.tlsCert == "" || o.tlsKey == "" {
		return nil, usageError(hint, "up: --tls-cert and --tls-key: one without the other")
	}
	pair, err := tls.LoadX509KeyPair(o.tlsCert, o.tlsKey)
	if err != nil {
		return nil, usageError(hint, "up: --tls-cert %s: %w", o.tlsCert, err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if o.clientCA == "" {
		return config, nil
	}
	text, err := os.ReadFile(o.clientCA)
	if err != nil {
		return nil, usageError(hint, "up: --tls-client-ca: %w", err)
	}
	config.ClientCAs = x509.NewCertPool()
	if !config.ClientCAs.AppendCertsFromPEM(text) {
		return nil, usageError(hint, "up: --tls-client-ca %s: has no certificate in PEM", o.clientCA)
	}
	config.ClientAuth = tls.RequireAndVerifyClientCert
	return config, nil
}

// url returns where a browser finds what listens at addr.
func (a access) url(addr net.Addr) string {
	scheme := "http"
	if a.tls != nil {
		scheme = "https"
	}
	tcp, ok := addr.(*net.TCPAddr)
	if ok && tcp.IP.IsUnspecified() {
		if name, err := os.Hostname(); err == nil {
			return fmt.Sprintf("%s://%s", scheme, net.JoinHostPort(name, fmt.Sprint(tcp.Port)))
		}
	}
	return scheme + "://" + addr.String()
}
