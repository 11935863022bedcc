package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/testutil"
)

// fakeVariable makes this program a server, which fakes an upgrade.
const fakeVariable = "UPGRADELOAD_FAKE"

func TestMain(m *testing.M) {
	switch fake := os.Getenv(fakeVariable); {
	case slices.Contains(os.Args[1:], "-burn"):
		os.Exit(command(os.Args[1:]))
	case fake != "":
		if err := serveFake(fake); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	testutil.NoLeaks(m)
}

// The fakes.
const (
	fakeLoses = "loses" // starts a successor, and ends without a drain
	fakeStays = "stays" // refuses to be upgraded
	fakeDies  = "dies"  // before it serves
	fakeStuck = "stuck" // as fakeStays, and does not end by itself
)

func serveFake(fake string) error {
	if fake == fakeDies {
		return fmt.Errorf("the fake %s", fake)
	}
	flags := flag.NewFlagSet("fake", flag.ContinueOnError)
	address := flags.String("listen", "", "")
	for _, ignored := range []string{"protocol", "certificate", "key"} {
		flags.String(ignored, "", "")
	}
	if err := flags.Parse(os.Args[1:]); err != nil {
		return err
	}
	listener, err := fakeListener(*address)
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGUSR2, syscall.SIGTERM)
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(err)
		}
		// So there is always one that can be lost.
		time.Sleep(50 * time.Millisecond)
		fmt.Fprintf(w, "%d %s", os.Getpid(), body)
	}))
	out := json.NewEncoder(os.Stdout)
	say := func(event, reason string, ms float64) error {
		return out.Encode(said{PID: os.Getpid(), Event: event, MS: ms, Reason: reason})
	}
	if err := say("serving", "", 0); err != nil {
		return err
	}
	if os.Getenv(inherited) != "" {
		if err := os.NewFile(4, "serving").Close(); err != nil {
			return err
		}
	}
	for s := range signals {
		switch {
		case s == syscall.SIGTERM && fake == fakeStuck:
		case s == syscall.SIGTERM:
			return nil
		case fake == fakeLoses:
			if err := succeed(listener); err != nil {
				return err
			}
			return say("upgraded", "", 12.5)
		default:
			if err := say("failed", "a|b", 0); err != nil {
				return err
			}
		}
	}
	return nil
}

// inherited says that descriptor 3 is the listener, and that 4 is to be closed when this
// process serves.
const inherited = "UPGRADELOAD_INHERITED"

func fakeListener(address string) (net.Listener, error) {
	if os.Getenv(inherited) == "" {
		return net.Listen("tcp", address)
	}
	return net.FileListener(os.NewFile(3, "listener"))
}

// succeed starts the next process and waits until it serves.
func succeed(listener net.Listener) error {
	file, err := listener.(*net.TCPListener).File()
	if err != nil {
		return err
	}
	out, in, err := os.Pipe()
	if err != nil {
		return err
	}
	next := exec.Command(os.Args[0], os.Args[1:]...)
	next.Env = append(os.Environ(), inherited+"=1")
	next.ExtraFiles = []*os.File{file, in}
	next.Stdout = os.Stdout
	if err := next.Start(); err != nil {
		return err
	}
	if err := in.Close(); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, out)
	return err
}
