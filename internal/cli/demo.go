package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/goshawk-io/goshawk/examples/shop/shop"
	"github.com/goshawk-io/goshawk/upgrade"
)

// demoCommand is the hidden command that runs the demo service; demoDetach is
// its other mode.
const (
	demoCommand = "demo-shop"
	demoDetach  = "detach"
)

// The demo upgrades itself after a while, which goes well, and later again, which does
// not.
const (
	demoUpgradeAfter = 30 * time.Second
	demoProbation    = 5 * time.Second
)

// newDemoShop returns the command that `up --demo` runs as a process of its
// own, so that Goshawk observes it as it does any other.
func newDemoShop(env Env) *cobra.Command {
	return &cobra.Command{
		Use:                demoCommand,
		Short:              "Run the demo service until stdin ends",
		Hidden:             true,
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && args[0] == demoDetach {
				return shop.Detach(os.Stdin, os.Stdout, args[1:]...)
			}
			if upgrade.Supervised() {
				return runDemoShop(cmd.Context(), env)
			}
			// Its number stays through all versions, so that who has started it sees its end.
			exit, err := upgrade.Supervise(cmd.Context(), upgrade.SuperviseOptions{Log: env.logger()})
			if err == nil && exit != 0 {
				err = fmt.Errorf("demo: the shop ended with exit code %d", exit)
			}
			return err
		},
	}
}

func runDemoShop(ctx context.Context, env Env) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		// The parent holds the other end: it ends with the parent, however
		// that ends.
		_, _ = io.Copy(io.Discard, env.Stdin)
		stop()
	}()
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("demo: find my own executable: %w", err)
	}
	o := shop.Options{Log: env.logger(), Detacher: []string{self, demoCommand, demoDetach}}
	o.Versions = shop.Versions{On: true, Show: demoUpgradeAfter, Upgrade: upgrade.Options{Probation: demoProbation}}
	var customers sync.WaitGroup
	defer customers.Wait()
	defer stop() // the customers of a next version are its own
	o.Ready = func(url string) {
		customers.Go(func() {
			if err := shop.Load(ctx, url, o); err != nil {
				o.Log.Error("the demo has no customers", "error", err)
			}
		})
	}
	return shop.Run(ctx, o)
}

// startDemo runs the demo service beside, if wanted. The channel yields how it
// ended, once ctx is done.
func startDemo(ctx context.Context, env Env, wanted bool, log *slog.Logger) <-chan error {
	done := make(chan error, 1)
	if !wanted {
		done <- nil
		return done
	}
	go func() { done <- runDemo(ctx, env, log) }()
	return done
}

func runDemo(ctx context.Context, env Env, log *slog.Logger) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("demo: find my own executable: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, demoCommand)
	cmd.Env = append(os.Environ(), "OTEL_SERVICE_NAME=shop")
	said := &tail{}
	cmd.Stderr = said
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 3 * time.Second
	if _, err := cmd.StdinPipe(); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	log.Info("this is a demo: the service shop is Goshawk's own and misbehaves on purpose")
	err = cmd.Run()
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("demo: the shop ended: %w: %s", cmp.Or(err, errEnded), said.text)
}

var errEnded = errors.New("without an error")

// tail keeps the end of what is written to it.
type tail struct{ text []byte }

func (t *tail) Write(p []byte) (int, error) {
	const limit = 2048
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-limit):]
	return len(p), nil
}
