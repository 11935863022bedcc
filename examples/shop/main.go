package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/goshawk-io/goshawk/examples/shop/shop"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:0", "loopback `address` to serve on")
	show := flag.Duration("show-upgrades", 0, "upgrade itself after that `time`, and once more in vain")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *addr, *show, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, addr string, show time.Duration, args []string) error {
	if len(args) > 0 && args[0] == "detach" {
		return shop.Detach(os.Stdin, os.Stdout, args[1:]...)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own executable: %w", err)
	}
	o := shop.Options{Addr: addr, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)), Detacher: []string{self, "detach"}, Versions: shop.Versions{On: true, Show: show}}
	var customers sync.WaitGroup
	defer customers.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop() // the customers of a next version are its own
	o.Ready = func(url string) {
		customers.Go(func() {
			if err := shop.Load(ctx, url, o); err != nil {
				o.Log.Error("no customers", "error", err)
			}
		})
	}
	return shop.Run(ctx, o)
}
