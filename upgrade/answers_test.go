package upgrade_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/upgrade"
)

// victim is what the server is and knows.
type victim struct {
	plan         plan
	bad          misfortune
	up           *upgrade.Upgrader
	began        time.Time
	packets, raw string
	// loaded is what was handed over, its digest, and how long it took to read its first byte.
	loaded loaded
}

type loaded struct {
	Bytes  int
	Digest string
	First  time.Duration
}

// Save implements [upgrade.Handover].
func (v *victim) Save(w io.Writer) error {
	now := newMisfortune()
	now.at("save")
	if now.where == "save" && now.what == "refuse" {
		return errors.New("the state is torn")
	}
	chunk := bytes.Repeat([]byte("goshawk!"), 8<<10)
	for left := v.plan.State; left > 0; left -= len(chunk) {
		if _, err := w.Write(chunk[:min(left, len(chunk))]); err != nil {
			return err
		}
	}
	return nil
}

// Load implements [upgrade.Handover].
func (v *victim) Load(r io.Reader) error {
	begin := time.Now()
	var first [1]byte
	if _, err := io.ReadFull(r, first[:]); err != nil {
		return err
	}
	v.loaded.First = time.Since(begin)
	if v.bad.where == "load" && v.bad.what == "refuse" {
		return errors.New("it is of no use")
	}
	sum := sha256.New()
	sum.Write(first[:])
	n, err := io.Copy(sum, r)
	v.loaded.Bytes, v.loaded.Digest = int(n)+1, fmt.Sprintf("%x", sum.Sum(nil))
	return err
}

// handler answers with the number of the process, and to what tests ask for.
func (v *victim) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		v.bad.at("request")
		if d, err := time.ParseDuration(r.URL.Query().Get("wait")); err == nil {
			select {
			case <-time.After(d):
			case <-r.Context().Done():
				panic(http.ErrAbortHandler)
			}
		}
		if file := r.URL.Query().Get("until"); file != "" {
			hold(r.Context(), file)
		}
		fmt.Fprint(w, strconv.Itoa(os.Getpid()))
	})
	mux.HandleFunc("/hijack", v.hijack)
	mux.HandleFunc("/about", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(v.about())
	})
	mux.HandleFunc("/drift", func(w http.ResponseWriter, r *http.Request) {
		// What a program may do to itself.
		os.Args = append(os.Args, "drifted")
		_ = os.Setenv("UPGRADE_TEST_DRIFT", "yes")
		_ = os.Unsetenv("UPGRADE_TEST_KEPT")
		_ = os.Chdir("/")
		_ = os.Stdin.Close()
	})
	mux.HandleFunc("/limit", func(w http.ResponseWriter, r *http.Request) {
		limit(w, r.URL.Query().Get("room"))
	})
	return mux
}

// hold says that a request is handled, and waits until the test lets it go on.
func hold(ctx context.Context, file string) {
	if err := os.WriteFile(file+begun, nil, 0o600); err != nil {
		panic(err)
	}
	for {
		if _, err := os.Stat(file); err == nil {
			return
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			panic(http.ErrAbortHandler)
		}
	}
}

// limit leaves room for so many descriptors more, all for "".
func limit(w http.ResponseWriter, room string) {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	l.Cur = l.Max
	if n, err := strconv.Atoi(room); err == nil {
		// The lowest numbers that are free are used first.
		l.Cur = 0
		for free := 0; free <= n; l.Cur++ {
			if _, err := unix.FcntlInt(uintptr(l.Cur), unix.F_GETFD, 0); err != nil {
				free++
			}
		}
		l.Cur--
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// about is what a process says of itself.
type about struct {
	PID, Parent           int
	Goroutines, Files     int
	Args                  []string
	Folder, Drift, Kept   string
	Comm                  string
	Packets, Raw, Program string
	Loaded                loaded
	Status                upgrade.Status
}

func (v *victim) about() about {
	a := about{
		PID: os.Getpid(), Parent: os.Getppid(), Goroutines: runtime.NumGoroutine(), Args: os.Args,
		Drift: os.Getenv("UPGRADE_TEST_DRIFT"), Kept: os.Getenv("UPGRADE_TEST_KEPT"),
		Packets: v.packets, Raw: v.raw, Loaded: v.loaded, Status: v.up.Status(),
	}
	if files, err := os.ReadDir("/proc/self/fd"); err == nil {
		a.Files = len(files)
	}
	a.Folder, _ = os.Readlink("/proc/self/cwd")
	a.Program, _ = os.Readlink("/proc/self/exe")
	comm, _ := os.ReadFile("/proc/self/comm")
	a.Comm = strings.TrimSpace(string(comm))
	return a
}

// about returns what the process says of itself that answers a new connection.
func (r *rig) about() about {
	r.t.Helper()
	var a about
	if err := json.Unmarshal([]byte(r.ask("/about")), &a); err != nil {
		r.t.Fatal(err)
	}
	return a
}

// hijack takes a connection over, and says what becomes of it.
func (v *victim) hijack(w http.ResponseWriter, r *http.Request) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprintln(c, "taken over")
	go func() {
		<-v.up.Draining()
		fmt.Fprintln(c, "draining")
		if r.URL.Query().Get("then") == "close" {
			c.Close()
		}
	}()
}

// packets is a server that answers each packet with it and its number.
type packets struct{ net.PacketConn }

func (s *packets) Serve() error {
	b := make([]byte, 2048)
	for {
		n, from, err := s.ReadFrom(b)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := s.WriteTo(fmt.Appendf(nil, "%s %d", b[:n], os.Getpid()), from); err != nil {
			return err
		}
	}
}

func (s *packets) Drain(ctx context.Context) error {
	fmt.Fprintf(os.Stderr, "%d drains, replaced: %v\n", os.Getpid(), upgrade.Replaced(ctx))
	return s.Close()
}

// talk answers each byte with it, until it is to end.
func talk(ctx context.Context, c net.Conn) {
	defer context.AfterFunc(ctx, func() { fmt.Fprint(c, "!") })()
	_, _ = io.Copy(c, c)
}

// certificate returns a configuration with a certificate that is made for it.
func certificate() (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, nil
}
