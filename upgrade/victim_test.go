package upgrade_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/upgrade"
)

// The test's own program is the server that is upgraded: its plan is in the environment,
// which each version has from the one before.
const (
	planVariable = "UPGRADE_TEST_PLAN"
	// misfortune is a file whose text says where the next version comes to harm.
	misfortuneVariable = "UPGRADE_TEST_MISFORTUNE"
)

// plan is how a server is to be.
type plan struct {
	Network, Address            string
	Probation, Heartbeat, Drain time.Duration
	Timeout                     time.Duration
	PIDFile                     string
	Generations                 int
	ControlFolder               string
}

func TestMain(m *testing.M) {
	text, isVictim := os.LookupEnv(planVariable)
	if !isVictim {
		os.Exit(m.Run())
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
	}
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

func serve(p plan) error {
	bad := newMisfortune()
	bad.at("main")
	var telling sync.Mutex
	tell := func(e upgrade.Event) {
		telling.Lock()
		defer telling.Unlock()
		_ = json.NewEncoder(os.Stdout).Encode(e)
	}
	o := upgrade.Options{
		Probation: p.Probation, Heartbeat: p.Heartbeat, Drain: p.Drain, Timeout: p.Timeout, PIDFile: p.PIDFile, ControlFolder: p.ControlFolder, Generations: p.Generations,
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Events: func(e upgrade.Event) {
			tell(e)
			if e.State == upgrade.Probation && e.From == upgrade.Warming {
				bad.after()
			}
		},
		Warm: func(context.Context) error {
			bad.at("warm")
			if bad.where == "warm" && bad.what == "refuse" {
				return errors.New("the cache stays cold")
			}
			return nil
		},
		Check: func(ctx context.Context) error {
			bad.at("check")
			if bad.where == "check" && bad.what == "refuse" {
				return errors.New("the database is gone")
			}
			return nil
		},
		Gate: func(ctx context.Context, next upgrade.Candidate) error {
			text, _ := os.ReadFile(os.Getenv(misfortuneVariable))
			switch string(text) {
			case "refuse gate":
				return errors.New("the objective is not kept")
			case "block gate":
				<-ctx.Done()
				return context.Cause(ctx)
			}
			return nil
		},
	}
	up, err := upgrade.New(o)
	if err != nil {
		return err
	}
	bad.at("new")
	l, err := up.Listen("web", p.Network, p.Address)
	if err != nil {
		return err
	}
	fmt.Printf("{\"listening\":%q}\n", l.Addr())
	bad.at("listen")
	up.Add(upgrade.HTTP(&http.Server{Handler: handler(bad)}, l))
	return up.Run(context.Background())
}

// handler answers with the number of the process.
func handler(bad misfortune) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		bad.at("request")
		if d, err := time.ParseDuration(r.URL.Query().Get("wait")); err == nil {
			select {
			case <-time.After(d):
			case <-r.Context().Done():
			}
		}
		fmt.Fprint(w, strconv.Itoa(os.Getpid()))
	})
	return mux
}
