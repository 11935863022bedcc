// Command goshawk sees, judges, proves and changes running Go services.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/goshawk-io/goshawk/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Main(ctx, cli.SystemEnv(), os.Args[1:])
	stop()
	os.Exit(code)
}
