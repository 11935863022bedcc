package script

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/goshawk-io/goshawk/upgrade"
)

// server is a program that serves, told by its arguments:
//
//	serve FILE      answer at descriptor 3 with the text of FILE at the start; one that
//	                begins with "broken" ends the server with exit code 3
//	library FILE    the same by the package upgrade, at the unix socket web.sock; print
//	                each state and the generation
//	get SOCKET      print what is answered at a unix socket
//
// It ends by SIGTERM, and by SIGHUP with exit code 42.
func server(args []string) int {
	if len(args) != 2 {
		fmt.Fprintln(os.Stderr, "server: bad arguments")
		return 2
	}
	if args[0] == "get" {
		return askSocket(args[1])
	}
	text, err := os.ReadFile(args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if strings.HasPrefix(string(text), "broken") {
		return 3
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, "%s", text) })}
	if args[0] == "library" {
		err = serveByLibrary(s)
	} else {
		err = serveDescriptor(s)
	}
	var code exitCode
	switch {
	case errors.As(err, &code):
		return int(code)
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// exitCode ends the server.
type exitCode int

func (exitCode) Error() string { return "it is to end" }

func serveDescriptor(s *http.Server) error {
	l, err := net.FileListener(os.NewFile(3, os.Getenv("LISTEN_FDNAMES")))
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGHUP)
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(l) }()
	if err := notifyReady(); err != nil {
		return err
	}
	select {
	case err := <-failed:
		return err
	case sig := <-signals:
		if sig == syscall.SIGHUP {
			return exitCode(42)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return s.Shutdown(ctx)
}

func notifyReady() error {
	at := os.Getenv("NOTIFY_SOCKET")
	if at == "" {
		return nil
	}
	c, err := net.Dial("unixgram", at)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = io.WriteString(c, "READY=1")
	return err
}

func serveByLibrary(s *http.Server) error {
	up, err := upgrade.New(upgrade.Options{
		Probation: 100 * time.Millisecond, ControlFolder: os.Getenv("CONTROL"),
		Events: func(e upgrade.Event) { fmt.Println(e.State, e.Generation) },
	})
	if err != nil {
		return err
	}
	l, err := up.Listen("web", "unix", "web.sock")
	if err != nil {
		return err
	}
	up.Add(upgrade.HTTP(s, l))
	return up.Run(context.Background())
}

func askSocket(socket string) int {
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	answer, err := client.Get("http://server/")
	if err == nil {
		_, err = io.Copy(os.Stdout, answer.Body)
		err = errors.Join(err, answer.Body.Close())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
