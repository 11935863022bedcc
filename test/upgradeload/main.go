package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/goshawk-io/goshawk/test/upgradeload/load"
)

// options are the flags.
type options struct {
	server, peer                     string
	kinds                            []load.Kind
	rate                             float64
	duration, every, window, control time.Duration
	runs, busy, connections          int
	verbose, tickets                 bool
}

// Errors that decide the exit status.
var (
	errLost     = errors.New("requests were lost")
	errNoChange = errors.New("no other process than the first one answered")
)

func main() {
	os.Exit(command(os.Args[1:]))
}

// command returns the exit status.
func command(args []string) int {
	var o options
	flags := flag.NewFlagSet("upgradeload", flag.ContinueOnError)
	kinds := flags.String("kind", "http", "`kinds` of traffic, separated by commas, or all: "+fmt.Sprint(load.Kinds()))
	flags.StringVar(&o.server, "server", "", "`program` that uses the library")
	flags.StringVar(&o.peer, "peer", "", "`program` to compare with")
	flags.Float64Var(&o.rate, "rate", 0, "requests per second; 0 is 1000, and 600 with a connection for each request")
	flags.DurationVar(&o.duration, "duration", time.Minute, "how long a run takes")
	flags.DurationVar(&o.every, "every", time.Second, "time between upgrades")
	flags.DurationVar(&o.window, "window", 500*time.Millisecond, "how long after its trigger an upgrade counts")
	flags.DurationVar(&o.control, "control", 15*time.Second, "how long the load without upgrades takes, before and after a run; 0 is none")
	flags.IntVar(&o.runs, "runs", 5, "runs of each kind")
	flags.IntVar(&o.busy, "busy", 0, "cores to keep busy beside")
	flags.IntVar(&o.connections, "connections", 64, "connections of HTTP/1.1, and requests that are under way at most")
	flags.BoolVar(&o.tickets, "tickets", false, "resume sessions of TLS when connecting again")
	flags.BoolVar(&o.verbose, "v", false, "show what servers log, all losses, and latencies by the time since a trigger")
	burning := flags.Bool("burn", false, "only keep a core busy, until standard input ends")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if *burning {
		burn()
		return 0
	}
	err := o.parse(*kinds)
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		err = measureAll(ctx, o, os.Stdout, os.Stderr)
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errLost):
		fmt.Fprintln(os.Stderr, "upgradeload:", err)
		return 1
	}
	fmt.Fprintln(os.Stderr, "upgradeload:", err)
	return 2
}

func (o *options) parse(kinds string) error {
	if kinds == "all" {
		o.kinds = load.Kinds()
	} else {
		for _, name := range strings.Split(kinds, ",") {
			k, err := load.ParseKind(name)
			if err != nil {
				return fmt.Errorf("-kind: %w", err)
			}
			o.kinds = append(o.kinds, k)
		}
	}
	switch {
	case o.server == "" && o.peer == "":
		return errors.New("-server: names no program")
	case o.every <= 0 || o.duration <= 0 || o.runs <= 0:
		return errors.New("-every, -duration and -runs: have to be above 0")
	case o.window <= 0 || o.window > o.every:
		return fmt.Errorf("-window %v: has to be above 0 and not above -every, which is %v", o.window, o.every)
	}
	return nil
}

// rateOf returns the rate of a kind, in requests per second.
func (o *options) rateOf(k load.Kind) float64 {
	switch {
	case o.rate > 0:
		return o.rate
	case k.NewConnections():
		return 600
	}
	return 1000
}
