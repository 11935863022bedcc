package upgrade_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/goshawk-io/goshawk/upgrade"
	objectives "github.com/goshawk-io/goshawk/upgrade/gate"
	"github.com/goshawk-io/goshawk/upgrade/upgradegrpc"
)

// handler is what the examples serve.
var handler http.Handler

// Five lines make a server of net/http upgradable: SIGUSR2, or goshawk upgrade trigger,
// replaces it by what lies at the path of its program by then.
func Example() {
	serve := func(ctx context.Context) error {
		up, err := upgrade.New(upgrade.Options{})
		if err != nil {
			return err
		}
		ln, err := up.Listen("web", "tcp", ":8080")
		if err != nil {
			return err
		}
		up.Add(upgrade.HTTP(&http.Server{Handler: handler}, ln))
		return up.Run(ctx)
	}
	if err := serve(context.Background()); err != nil {
		log.Fatal(err)
	}
}

// A new version has to be well for half a minute, and the objectives of the service must
// not burn at the end of that; else the old one serves again.
func ExampleOptions() {
	// ping says whether the database answers.
	ping := func(context.Context) error { return nil }
	up, err := upgrade.New(upgrade.Options{
		Probation: 30 * time.Second,
		Check:     ping,
		Gate:      objectives.Objectives(objectives.ObjectivesOptions{Service: "shop"}),
		Drain:     time.Minute,
	})
	if err != nil {
		log.Fatal(err)
	}
	_ = up
}

// Sessions that one version has begun are resumed by the next one.
func ExampleUpgrader_ShareTickets() {
	serve := func(ctx context.Context, up *upgrade.Upgrader, certificate tls.Certificate) error {
		ln, err := up.Listen("web", "tcp", ":8443")
		if err != nil {
			return err
		}
		s := &http.Server{Handler: handler, TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}}}
		if err := up.ShareTickets(s.TLSConfig); err != nil {
			return err
		}
		up.Add(upgrade.HTTP(s, ln))
		return up.Run(ctx)
	}
	_ = serve
}

// A server of grpc-go is drained by GOAWAY, and finishes the calls that have begun.
func ExampleUpgrader_Add() {
	add := func(up *upgrade.Upgrader, s *grpc.Server) error {
		ln, err := up.Listen("grpc", "tcp", ":9090")
		if err != nil {
			return err
		}
		up.Add(upgradegrpc.Server(s, ln))
		return nil
	}
	_ = add
}

// Other protocols are served by a function for each connection, whose context ends when
// the server drains.
func ExampleConns() {
	add := func(up *upgrade.Upgrader) error {
		ln, err := up.Listen("echo", "tcp", ":7007")
		if err != nil {
			return err
		}
		up.Add(upgrade.Conns(ln, func(ctx context.Context, c net.Conn) {
			stop := context.AfterFunc(ctx, func() { c.SetReadDeadline(time.Now()) }) // no further line
			defer stop()
			io.Copy(c, c)
		}))
		return nil
	}
	_ = add
}

// A handler that has taken over its connection ends when its process drains.
func ExampleUpgrader_Draining() {
	watch := func(up *upgrade.Upgrader) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			defer c.Close()
			tick := time.NewTicker(time.Second)
			defer tick.Stop()
			for {
				select {
				case <-up.Draining():
					fmt.Fprintln(c, "come again")
					return
				case now := <-tick.C:
					fmt.Fprintln(c, now)
				}
			}
		}
	}
	_ = watch
}

// clock answers each packet with the time.
type clock struct{ net.PacketConn }

func (c clock) Serve() error {
	packet := make([]byte, 1500)
	for {
		_, from, err := c.ReadFrom(packet)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		c.WriteTo([]byte(time.Now().String()), from)
	}
}

func (c clock) Drain(context.Context) error { return c.Close() }

// Packets wait in the socket while no process reads: none is lost in an upgrade.
func ExampleUpgrader_ListenPacket() {
	add := func(up *upgrade.Upgrader) error {
		pc, err := up.ListenPacket("clock", "udp", ":5353")
		if err != nil {
			return err
		}
		up.Add(clock{pc})
		return nil
	}
	_ = add
}

// cache is state that the next version begins with.
type cache struct {
	mu      sync.Mutex
	Entries map[string]string
}

func (c *cache) Save(w io.Writer) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return json.NewEncoder(w).Encode(c.Entries)
}

func (c *cache) Load(r io.Reader) error {
	entries := map[string]string{}
	if err := json.NewDecoder(r).Decode(&entries); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Entries = entries
	return nil
}

// A version whose HandoverVersion is another one begins without what was saved, and says so.
func ExampleHandover() {
	up, err := upgrade.New(upgrade.Options{Handover: &cache{}, HandoverVersion: 1})
	if err != nil {
		log.Fatal(err)
	}
	_ = up
}

// In a container the first process stays, and its versions come and go below it.
func ExampleSupervise() {
	supervise := true // -supervise
	if supervise && !upgrade.Supervised() {
		exit, err := upgrade.Supervise(context.Background(), upgrade.SuperviseOptions{})
		if err != nil {
			log.Fatal(err)
		}
		os.Exit(exit)
	}
}

// TestExamples_haveTheCodeOfTheDocs keeps the code of docs/upgrade.md compiling: each
// fragment is a part of an example.
func TestExamples_haveTheCodeOfTheDocs(t *testing.T) {
	code := func(name string) string {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for line := range strings.Lines(string(text)) {
			lines = append(lines, strings.TrimSpace(line))
		}
		return strings.ReplaceAll(strings.Join(lines, "\n"), "objectives.", "gate.")
	}
	examples := code("example_test.go")
	fragments := strings.Split(code("../docs/upgrade.md"), "\n```go\n")[1:]
	if len(fragments) < 5 {
		t.Errorf("docs/upgrade.md has %d fragments of code", len(fragments))
	}
	for _, f := range fragments {
		f, _, _ = strings.Cut(f, "```")
		if !strings.Contains(examples, f) {
			t.Errorf("no example has\n%s", f)
		}
	}
}
