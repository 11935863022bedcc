package notify

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// senderOf returns that of the only destination of r.
func senderOf(t *testing.T, r Receiver, o Options) *httpSender {
	t.Helper()
	if err := r.Validate(); err != nil {
		t.Fatal(err)
	}
	if o.Now == nil {
		o.Now = func() time.Time { return noon }
	}
	s, ok := destinations(r, &o)[0].sender.(*httpSender)
	if !ok {
		t.Fatal("it is no sender over HTTP")
	}
	t.Cleanup(s.close)
	return s
}

// served starts a server and returns its URL.
func served(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s.URL
}

func alerts(list ...Alert) []Alert {
	for i := range list {
		list[i] = list[i].complete(noon)
	}
	return list
}

// TestDeliver_requests looks at what servers get.
func TestDeliver_requests(t *testing.T) {
	var got *http.Request
	var body string
	url := Secret(served(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got, body = r.Clone(context.Background()), string(b)
	}))
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	withUser := Secret(strings.Replace(string(url), "http://", "http://u:${TOKEN}@", 1))
	tests := []struct {
		name          string
		receiver      Receiver
		path          string
		authorization string
		header        [2]string
		body          string // what it begins with
	}{
		{"a webhook", Receiver{Webhook: &Webhook{URL: url + "/hook?x=${TOKEN}"}}, "/hook?x=sesame", "", [2]string{"Content-Type", "application/json"}, `{"receiver":"r","status":"firing","alerts":[{`},
		{"a webhook with headers", Receiver{Webhook: &Webhook{URL: url, Headers: map[string]Secret{"Authorization": "Bearer ${TOKEN}", "X-A": "${file:" + Secret(file) + "}"}}},
			"/", "Bearer sesame", [2]string{"X-A", "from-file"}, `{"receiver"`},
		{"a webhook with a user", Receiver{Webhook: &Webhook{URL: withUser}}, "/", "Basic " + basic("u", "sesame"), [2]string{"User-Agent", "goshawk"}, `{"receiver"`},
		{"an Alertmanager", Receiver{Alertmanager: &Alertmanager{URLs: []Secret{url}}}, "/api/v2/alerts", "", [2]string{"Content-Type", "application/json"}, `[{"labels":{"alertname":"Burn"`},
		{"an Alertmanager below a path", Receiver{Alertmanager: &Alertmanager{URLs: []Secret{url + "/am/"}, Bearer: "${TOKEN}"}}, "/am/api/v2/alerts", "Bearer sesame", [2]string{}, `[{`},
		{"an Alertmanager with a password", Receiver{Alertmanager: &Alertmanager{URLs: []Secret{url}, Username: "u", Password: "${TOKEN}", Headers: map[string]Secret{"X-Scope-OrgID": "shop"}}},
			"/api/v2/alerts", "Basic " + basic("u", "sesame"), [2]string{"X-Scope-Orgid", "shop"}, `[{`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.receiver.Name = "r"
			o := senderOf(t, tt.receiver, Options{Environ: []string{"TOKEN=sesame"}}).deliver(context.Background(), alerts(burning("a")))
			if o.err != nil {
				t.Fatal(o.err)
			}
			if got.Method != "POST" || got.RequestURI != tt.path || got.Header.Get("Authorization") != tt.authorization ||
				tt.header[0] != "" && got.Header.Get(tt.header[0]) != tt.header[1] || !strings.HasPrefix(body, tt.body) {
				t.Errorf("got %s %s %v\n%s", got.Method, got.RequestURI, got.Header, body)
			}
		})
	}
}

func TestDeliver_lacksASecret(t *testing.T) {
	for _, tt := range []struct {
		receiver Receiver
		want     string
	}{
		{Receiver{Name: "r", Webhook: &Webhook{URL: "${X}"}}, "the environment variable X is not set"},
		{Receiver{Name: "r", Webhook: &Webhook{URL: "http://a", Headers: map[string]Secret{"A": "${X}"}}}, "the header A: the environment variable X is not set"},
		{Receiver{Name: "r", Alertmanager: &Alertmanager{URLs: []Secret{"http://a"}, Bearer: "${X}"}}, "the bearer token: the environment variable X is not set"},
		{Receiver{Name: "r", Alertmanager: &Alertmanager{URLs: []Secret{"http://a"}, Password: "${X}"}}, "the password: the environment variable X is not set"},
		{Receiver{Name: "r", Webhook: &Webhook{URL: "${Y}"}}, "the URL does not begin with http:// or https://"},
		{Receiver{Name: "r", Webhook: &Webhook{URL: "http://127.0.0.1:1", TLS: &TLS{CAFile: "/none/such"}}}, "http://127.0.0.1:1: certificates of authorities: open /none/such: no such file or directory"},
	} {
		o := senderOf(t, tt.receiver, Options{Environ: []string{"Y=hunter2"}}).deliver(context.Background(), alerts(burning("a")))
		if errorText(o.err) != tt.want || o.refused || o.uncertain {
			t.Errorf("got %+v, want %s", o, tt.want)
		}
		// What lacks at the start is said as well.
		if tt.want = strings.TrimPrefix(tt.want, "http://127.0.0.1:1: "); errorText(Check(tt.receiver, []string{"Y=hunter2"})) != "receiver r: "+tt.want {
			t.Errorf("the check says %v", Check(tt.receiver, []string{"Y=hunter2"}))
		}
	}
}

func TestDeliver_answers(t *testing.T) {
	tests := []struct {
		name    string
		handler http.HandlerFunc
		want    outcome // without err
		err     string  // after the server's URL, empty for none
	}{
		{"fine", func(http.ResponseWriter, *http.Request) {}, outcome{}, ""},
		{"fine, and nothing to say", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, outcome{}, ""},
		{"fine, and breaks off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			w.WriteHeader(200)
		}, outcome{}, ""},
		{"an error", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "the database\nis gone\x1b[31m", 500) }, outcome{}, `answered 500 Internal Server Error: "the database\nis gone\x1b[31m"`},
		{"an odd code", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(599) }, outcome{}, "answered 599 "},
		{"a gateway that waited in vain", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(504) }, outcome{uncertain: true}, "answered 504 Gateway Timeout"},
		{"busy for a while", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "120")
			w.WriteHeader(429)
		}, outcome{retryAfter: 2 * time.Minute}, "answered 429 Too Many Requests"},
		{"busy until then", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", noon.Add(time.Minute).Format(http.TimeFormat))
			w.WriteHeader(503)
		}, outcome{retryAfter: time.Minute}, "answered 503 Service Unavailable"},
		{"busy until before", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", noon.Add(-time.Minute).Format(http.TimeFormat))
			w.WriteHeader(503)
		}, outcome{}, "answered 503 Service Unavailable"},
		{"busy for nonsense", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "-5")
			w.WriteHeader(503)
		}, outcome{}, "answered 503 Service Unavailable"},
		{"too slow for it", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(408) }, outcome{}, "answered 408 Request Timeout"},
		{"wrong", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, " no ", 400) }, outcome{refused: true}, "answered 400 Bad Request: no"},
		{"not let in", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, outcome{refused: true}, "answered 401 Unauthorized"},
		{"not changed", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(304) }, outcome{refused: true}, "answered 304 Not Modified"},
		{"without end", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(400)
			for {
				if _, err := io.WriteString(w, strings.Repeat("x", 1<<16)); err != nil {
					return
				}
			}
		}, outcome{refused: true}, "answered 400 Bad Request: " + strings.Repeat("x", maxShown) + "..."},
		{"a header without end", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 2*maxAnswerHeader))
		}, outcome{uncertain: true}, "exceeded 65536 bytes"},
		{"what is no HTTP", func(w http.ResponseWriter, _ *http.Request) {
			c, _, _ := http.NewResponseController(w).Hijack()
			_, _ = io.WriteString(c, "SSH-2.0-x\r\n")
			c.Close()
		}, outcome{uncertain: true}, `malformed HTTP response "SSH-2.0-x"`},
		{"hangs up", func(w http.ResponseWriter, _ *http.Request) {
			c, _, _ := http.NewResponseController(w).Hijack()
			c.Close()
		}, outcome{uncertain: true}, "EOF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			url := served(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				tt.handler(w, r)
			})
			got := senderOf(t, Receiver{Name: "r", Webhook: &Webhook{URL: Secret(url)}}, Options{}).deliver(context.Background(), alerts(burning("a")))
			want := ""
			if tt.err != "" {
				want = url + ": " + tt.err
			}
			// How the library says what is no answer at all is its own.
			if text := errorText(got.err); text != want && !(got.uncertain && strings.HasPrefix(text, url) && strings.Contains(text, tt.err)) {
				t.Errorf("the error is %s, want %s", text, want)
			}
			if got.err = nil; got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// TestDeliver_readsNotAll has an answer that is larger than what anybody keeps.
func TestDeliver_readsNotAll(t *testing.T) {
	written := make(chan error, 1)
	url := served(t, func(w http.ResponseWriter, _ *http.Request) {
		block := make([]byte, 1<<20)
		for range 256 {
			if _, err := w.Write(block); err != nil {
				written <- err
				return
			}
		}
		written <- nil
	})
	if o := senderOf(t, Receiver{Name: "r", Webhook: &Webhook{URL: Secret(url)}}, Options{}).deliver(context.Background(), alerts(burning("a"))); o.err != nil {
		t.Error(o.err)
	}
	if err := <-written; err == nil {
		t.Error("all 256 MiB were read")
	}
}

// TestNotifier_hangsUp has a server that keeps connections open: they end with
// the notifier.
func TestNotifier_hangsUp(t *testing.T) {
	var open atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed:
			open.Add(-1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	r := Receiver{Name: "r", Webhook: &Webhook{URL: Secret(server.URL)}}
	n, stop := running(t, Options{Receivers: []Receiver{r}})
	sends := func(want uint64) {
		n.Notify([]Alert{burning("a"), burning(fmt.Sprint(want))})
		until(t, "it was sent", func() bool { return n.Stats()[0].Sent == want })
	}
	sends(2)
	if got := open.Load(); got != 1 {
		t.Errorf("%d connections are open", got)
	}
	// One that is configured anew begins anew.
	r.Webhook.Headers = map[string]Secret{"A": "b"}
	if err := n.Set([]Receiver{r}); err != nil {
		t.Fatal(err)
	}
	sends(4) // one has ended
	until(t, "the first is closed", func() bool { return open.Load() == 1 })
	stop()
	until(t, "all are closed", func() bool { return open.Load() == 0 })
}

func TestDeliver_nobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	l.Close()
	o := senderOf(t, Receiver{Name: "r", Webhook: &Webhook{URL: Secret(url + "/hunter2")}}, Options{}).deliver(context.Background(), alerts(burning("a")))
	if want := url + ": dial tcp " + l.Addr().String() + ": connect: connection refused"; errorText(o.err) != want || o.uncertain || o.refused {
		t.Errorf("got %+v, want %s", o, want)
	}
}

func TestDeliver_followsNoRedirect(t *testing.T) {
	var leaked atomic.Int32
	other := served(t, func(http.ResponseWriter, *http.Request) { leaked.Add(1) })
	for _, code := range []int{301, 302, 303, 307, 308} {
		url := served(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other+"/hunter2", code) })
		o := senderOf(t, Receiver{Name: "r", Webhook: &Webhook{URL: Secret(url)}}, Options{}).deliver(context.Background(), alerts(burning("a")))
		want := fmt.Sprintf("%s: answered %d %s, a redirect to %s, which is not followed", url, code, http.StatusText(code), other)
		if errorText(o.err) != want || !o.refused {
			t.Errorf("got %+v, want %s", o, want)
		}
	}
	if n := leaked.Load(); n != 0 {
		t.Errorf("%d redirects were followed", n)
	}
}

// pipes listens without a network, so that servers work in fake time.
type pipes struct{ accepted chan net.Conn }

func (p pipes) Accept() (net.Conn, error) {
	c, ok := <-p.accepted
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// TestDeliver_cutsOffWhoHangs has real clients and servers that stop at each
// place where they can.
func TestDeliver_cutsOffWhoHangs(t *testing.T) {
	tests := []struct {
		name    string
		handler func(w http.ResponseWriter, r *http.Request, forever <-chan struct{})
		ok      bool
	}{
		{"before it reads", func(_ http.ResponseWriter, _ *http.Request, forever <-chan struct{}) { <-forever }, false},
		{"before it answers", func(_ http.ResponseWriter, r *http.Request, forever <-chan struct{}) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-forever
		}, false},
		{"within what it answers", func(w http.ResponseWriter, _ *http.Request, forever <-chan struct{}) {
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			<-forever
		}, true},
		{"never, but takes its time", func(w http.ResponseWriter, _ *http.Request, _ <-chan struct{}) {
			for range 1000 {
				_, _ = io.WriteString(w, "x")
				_ = http.NewResponseController(w).Flush()
				time.Sleep(time.Second)
			}
		}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				forever, listener := make(chan struct{}), pipes{make(chan net.Conn)}
				server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { tt.handler(w, r, forever) })}
				go func() { _ = server.Serve(listener) }()
				transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
					ours, theirs := net.Pipe()
					listener.accepted <- theirs
					return ours, nil
				}}
				s := senderOf(t, Receiver{Name: "r", Webhook: &Webhook{URL: "http://r", Timeout: 7 * time.Second}}, Options{Client: &http.Client{Transport: transport}})
				start := time.Now()
				o := s.deliver(context.Background(), alerts(burning("a")))
				if took := time.Since(start); took != 7*time.Second {
					t.Errorf("it took %v", took)
				}
				if want := "http://r: no answer within 7s"; tt.ok != (o.err == nil) || !tt.ok && (o.err.Error() != want || !o.uncertain) {
					t.Errorf("got %+v", o)
				}
				s.close()
				close(forever)
				close(listener.accepted)
				server.Close()
				time.Sleep(time.Hour) // who takes time ends
			})
		})
	}
}

// authority makes certificates for a test.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	dir  string
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key = a.make(&x509.Certificate{Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil, nil)
	a.write("ca.pem", "CERTIFICATE", a.cert.Raw)
	return a
}

func (a *authority) make(template, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(1), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if parent == nil {
		parent, parentKey = template, key
	}
	raw, err := x509.CreateCertificate(crand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

func (a *authority) write(name, kind string, data []byte) string {
	a.t.Helper()
	path := filepath.Join(a.dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return path
}

// issue writes a certificate for name and its key.
func (a *authority) issue(name string) (certFile, keyFile string) {
	cert, key := a.make(&x509.Certificate{Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}}, a.cert, a.key)
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.write(name+".pem", "CERTIFICATE", cert.Raw), a.write(name+".key", "PRIVATE KEY", raw)
}

func TestDeliver_tls(t *testing.T) {
	a := newAuthority(t)
	serverCert, serverKey := a.issue("bridge")
	clientCert, clientKey := a.issue("goshawk")
	pair, err := tls.LoadX509KeyPair(serverCert, serverKey)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
	server.Config.ErrorLog = newJournalLog()
	server.StartTLS()
	t.Cleanup(server.Close)
	ca := filepath.Join(a.dir, "ca.pem")
	tests := []struct {
		name string
		tls  *TLS
		want string // a part of the error, empty for none
	}{
		{"known to each other", &TLS{CAFile: ca, CertFile: clientCert, KeyFile: clientKey, ServerName: "bridge"}, ""},
		{"everybody is trusted", &TLS{CertFile: clientCert, KeyFile: clientKey, SkipVerify: true}, ""},
		{"nobody is trusted", &TLS{CertFile: clientCert, KeyFile: clientKey, ServerName: "bridge"}, "certificate signed by unknown authority"},
		{"another name", &TLS{CAFile: ca, CertFile: clientCert, KeyFile: clientKey, ServerName: "other"}, "certificate is valid for bridge, not other"},
		{"without a certificate", &TLS{CAFile: ca, ServerName: "bridge"}, "certificate required"},
		{"a certificate that is not there", &TLS{CAFile: ca, ServerName: "bridge", CertFile: "/none/such", KeyFile: clientKey}, "certificate /none/such: open /none/such: no such file or directory"},
		{"authorities that are none", &TLS{CAFile: clientKey}, "has none in PEM"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := Receiver{Name: "r", Webhook: &Webhook{URL: Secret(server.URL), TLS: tt.tls}}
			o := senderOf(t, r, Options{}).deliver(context.Background(), alerts(burning("a")))
			if got := errorText(o.err); !strings.Contains(got, tt.want) || (got == "") != (tt.want == "") || o.refused {
				t.Errorf("got %+v, want %s", o, tt.want)
			}
		})
	}
	t.Run("what was wrong is mended", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "ca.pem")
		s := senderOf(t, Receiver{Name: "r", Webhook: &Webhook{URL: Secret(server.URL), TLS: &TLS{CAFile: file, CertFile: clientCert, KeyFile: clientKey, ServerName: "bridge"}}}, Options{})
		for i, from := range []string{clientCert, ca} {
			data, err := os.ReadFile(from)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, data, 0o600); err != nil {
				t.Fatal(err)
			}
			if o := s.deliver(context.Background(), alerts(burning("a"))); (o.err == nil) != (i == 1) {
				t.Errorf("with %s: %+v", filepath.Base(from), o)
			}
		}
	})
}
