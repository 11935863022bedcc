package upgrade_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/internal/testutil"
	"github.com/goshawk-io/goshawk/upgrade"
)

// The test's own program is the server that is upgraded: its plan is in the environment,
// which each version has from the one before.
const (
	planVariable = "UPGRADE_TEST_PLAN"
	// misfortune is a file whose text says where the next version comes to harm.
	misfortuneVariable = "UPGRADE_TEST_MISFORTUNE"
	// shimVariable makes the program what systemd is: it says to whom the sockets at its
	// descriptors are passed, and executes itself.
	shimVariable = "UPGRADE_TEST_SHIM"
)

// plan is how a server is to be.
type plan struct {
	Network, Address            string
	Probation, Heartbeat, Drain time.Duration
	Timeout                     time.Duration
	PIDFile                     string
	Generations                 int
	ControlFolder               string
	TLS, H2C                    bool
	// Packets is the address of a server of UDP, Raw that of one of connections, if they
	// are not empty.
	Packets, Raw string
	// State is how many bytes are handed over, 0 for no handover at all.
	State int
	// RefuseMemfd has the kernel refuse memory files.
	RefuseMemfd bool
}

func TestMain(m *testing.M) {
	if _, isShim := os.LookupEnv(shimVariable); isShim {
		panic(shim())
	}
	text, isVictim := os.LookupEnv(planVariable)
	if !isVictim {
		// They mostly wait.
		if err := flag.Set("test.parallel", "8"); err != nil {
			panic(err)
		}
		testutil.NoLeaks(m)
	}
	var p plan
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		panic(err)
	}
	if err := serve(p); err != nil {
		fmt.Fprintln(os.Stderr, os.Getpid(), err)
		os.Exit(1)
	}
}

// shim executes this program with the number of this process as that to which sockets are
// passed.
func shim() error {
	if err := os.Unsetenv(shimVariable); err != nil {
		return err
	}
	if err := os.Setenv("LISTEN_PID", fmt.Sprint(os.Getpid())); err != nil {
		return err
	}
	return unix.Exec("/proc/self/exe", os.Args, os.Environ())
}

// misfortune is what happens to this process, and where.
type misfortune struct{ where, what string }

// newMisfortune reads what is to happen to the versions that start from now on: the first
// one never has any.
func newMisfortune() misfortune {
	text, err := os.ReadFile(os.Getenv(misfortuneVariable))
	if err != nil {
		return misfortune{}
	}
	what, where, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	return misfortune{where, what}
}

// at comes to harm if this is the place.
func (m misfortune) at(where string) {
	if m.where == where {
		m.happen()
	}
}

func (m misfortune) happen() {
	switch m.what {
	case "exit":
		os.Exit(0)
	case "panic":
		go panic("misfortune")
		select {}
	case "kill":
		_ = unix.Kill(os.Getpid(), unix.SIGKILL)
		select {}
	case "stop":
		_ = unix.Kill(os.Getpid(), unix.SIGSTOP)
	case "block":
		select {}
	case "wait":
		for newMisfortune() == m {
			time.Sleep(time.Millisecond)
		}
	case "speak":
		speakAnother()
	}
}

// speakAnother is a version of another protocol.
func speakAnother() {
	if _, err := unix.Write(3, []byte(`{"kind":"started","version":2}`)); err != nil {
		panic(err)
	}
	select {}
}

// after comes to harm that long after the process was ready.
func (m misfortune) after() {
	if text, ok := strings.CutPrefix(m.where, "ready+"); ok {
		d, err := time.ParseDuration(text)
		if err != nil {
			panic(err)
		}
		time.AfterFunc(d, m.happen)
	}
}

// check is the program's own judgement of itself.
func (m misfortune) check(context.Context) error {
	m.at("check")
	if m.where == "check" && m.what == "refuse" {
		return errors.New("the database is gone")
	}
	return nil
}

// gate is asked by the old version, so that its misfortune is that of now.
func gate(ctx context.Context, next upgrade.Candidate) error {
	switch now := newMisfortune(); {
	case now.where == "request" || strings.HasPrefix(now.where, "ready+"):
		// It comes to harm, however long that takes.
		<-ctx.Done()
		return context.Cause(ctx)
	case now.where != "gate":
	case now.what == "refuse":
		return errors.New("the objective is not kept")
	case now.what == "block":
		<-ctx.Done()
		return context.Cause(ctx)
	case now.what == "wait":
		for newMisfortune() == now && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		return context.Cause(ctx)
	case now.what == "panic":
		panic("misfortune")
	case now.what == "freeze":
		return freeze(next.PID)
	}
	return nil
}

// freeze stops a child, and waits until all of it stands still.
func freeze(pid int) error {
	if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
		return err
	}
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WSTOPPED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func serve(p plan) error {
	if p.RefuseMemfd {
		if err := refuseMemfd(); err != nil {
			return err
		}
	}
	bad := newMisfortune()
	bad.at("main")
	v := &victim{plan: p, bad: bad, began: time.Now()}
	var telling sync.Mutex
	o := upgrade.Options{
		Probation: p.Probation, Heartbeat: p.Heartbeat, Drain: p.Drain, Timeout: p.Timeout, PIDFile: p.PIDFile, ControlFolder: p.ControlFolder, Generations: p.Generations,
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Events: func(e upgrade.Event) {
			telling.Lock()
			defer telling.Unlock()
			_ = json.NewEncoder(os.Stdout).Encode(e)
			if e.State == upgrade.Probation && e.From == upgrade.Warming {
				bad.after()
			}
		},
		Verify: func(*os.File) error { newMisfortune().at("verify"); return nil },
		Warm: func(context.Context) error {
			bad.at("warm")
			if bad.where == "warm" && bad.what == "refuse" {
				return errors.New("the cache stays cold")
			}
			return nil
		},
		Check:  bad.check,
		Gate:   gate,
		Reload: func(context.Context) error { return nil },
	}
	if p.State > 0 {
		o.Handover, o.HandoverVersion = v, 1
		if bad.where == "load" && bad.what == "change" {
			o.HandoverVersion = 2
		}
	}
	up, err := upgrade.New(o)
	if err != nil {
		return err
	}
	v.up = up
	bad.at("new")
	l, err := v.open()
	if err != nil {
		return err
	}
	fmt.Printf("{\"listening\":%q}\n", l.Addr())
	bad.at("listen")
	return up.Run(context.Background())
}

// open opens all that the plan has, and returns the listener of HTTP.
func (v *victim) open() (net.Listener, error) {
	l, err := v.up.Listen("web", v.plan.Network, v.plan.Address)
	if err != nil {
		return nil, err
	}
	s := &http.Server{Handler: v.handler()}
	if v.plan.TLS {
		if s.TLSConfig, err = certificate(); err != nil {
			return nil, err
		}
		if err := v.up.ShareTickets(s.TLSConfig); err != nil {
			return nil, err
		}
	}
	if v.plan.H2C {
		s.Protocols = new(http.Protocols)
		s.Protocols.SetHTTP1(true)
		s.Protocols.SetUnencryptedHTTP2(true)
	}
	v.up.Add(upgrade.HTTP(s, l))
	if v.plan.Packets != "" {
		c, err := v.up.ListenPacket("dns", "udp", v.plan.Packets)
		if err != nil {
			return nil, err
		}
		v.packets = c.LocalAddr().String()
		v.up.Add(&packets{c})
	}
	if v.plan.Raw != "" && v.bad != (misfortune{"raw", "drop"}) {
		raw, err := v.up.Listen("raw", "tcp", v.plan.Raw)
		if err != nil {
			return nil, err
		}
		v.raw = raw.Addr().String()
		v.up.Add(upgrade.Conns(raw, talk))
	}
	return l, nil
}
