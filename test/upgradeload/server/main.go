package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/goshawk-io/goshawk/upgrade"
)

// options are the flags.
type options struct {
	listen, protocol, certificate, key string
	delay, probation, drain            time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.listen, "listen", "127.0.0.1:0", "`address` to listen on")
	flag.StringVar(&o.protocol, "protocol", "http", "http, tls, h2, h2c or grpc")
	flag.StringVar(&o.certificate, "certificate", "", "`file` of the certificate for TLS")
	flag.StringVar(&o.key, "key", "", "`file` of its key")
	flag.DurationVar(&o.delay, "delay", 2*time.Millisecond, "how long a request takes")
	flag.DurationVar(&o.probation, "probation", 300*time.Millisecond, "how long a new process is on probation")
	flag.DurationVar(&o.drain, "drain", 10*time.Second, "how long connections may take to end")
	flag.Parse()
	if err := run(context.Background(), o); err != nil {
		fmt.Fprintln(os.Stderr, "server:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	up, err := upgrade.New(upgrade.Options{
		Probation: o.probation,
		Drain:     o.drain,
		Events:    tell(json.NewEncoder(os.Stdout)),
		Log:       slog.New(slog.NewTextHandler(os.Stderr, nil)).With("process", os.Getpid()),
	})
	if err != nil {
		return err
	}
	ln, err := up.Listen("web", "tcp", o.listen)
	if err != nil {
		return err
	}
	s, err := serverOf(o, up, ln)
	if err != nil {
		return err
	}
	up.Add(s)
	return up.Run(ctx)
}

// line is what is said on standard output.
type line struct {
	PID   int    `json:"pid"`
	Event string `json:"event"`
	Next  int    `json:"next,omitempty"`
	// MS is the time from the beginning of the upgrade until the new process accepted.
	MS     float64 `json:"ms,omitempty"`
	Reason string  `json:"reason,omitempty"`
}

func tell(out *json.Encoder) func(upgrade.Event) {
	say := func(l line) {
		// Nobody has to listen.
		_ = out.Encode(l)
	}
	return func(e upgrade.Event) {
		if o := e.Outcome; o != nil {
			l := line{PID: e.PID, Event: "upgraded", Next: o.PID, MS: float64(o.Ready) / 1e6, Reason: o.Reason}
			if o.Outcome != upgrade.Committed {
				l.Event = "failed"
			}
			say(l)
		}
		if e.State == upgrade.Running {
			say(line{PID: e.PID, Event: "serving"})
		}
	}
}

func serverOf(o options, up *upgrade.Upgrader, ln net.Listener) (upgrade.Server, error) {
	s := &http.Server{Handler: handler(o.delay), Protocols: new(http.Protocols)}
	switch o.protocol {
	case "grpc":
		return rpcServer(o.delay, ln), nil
	case "http":
		s.Protocols.SetHTTP1(true)
		return upgrade.HTTP(s, ln), nil
	case "h2c":
		s.Protocols.SetUnencryptedHTTP2(true)
		return upgrade.HTTP(s, ln), nil
	case "tls", "h2":
		pair, err := tls.LoadX509KeyPair(o.certificate, o.key)
		if err != nil {
			return nil, fmt.Errorf("certificate: %w", err)
		}
		s.Protocols.SetHTTP1(o.protocol == "tls")
		s.Protocols.SetHTTP2(o.protocol == "h2")
		s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}}
		if err := up.ShareTickets(s.TLSConfig); err != nil {
			return nil, err
		}
		return upgrade.HTTP(s, ln), nil
	}
	return nil, fmt.Errorf("protocol %q: is none of http, tls, h2, h2c and grpc", o.protocol)
}

func handler(delay time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		time.Sleep(delay)
		fmt.Fprintf(w, "%d %s", os.Getpid(), body)
	})
}
