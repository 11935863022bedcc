package script

import (
	"fmt"
	"os"
	"runtime/trace"
	"sync"
	"time"
)

// tracer is a program that writes an execution trace of what it does for a while:
// goroutines that sleep, hand over and wait for each other.
func tracer(args []string) int {
	if err := writeTrace(args); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func writeTrace(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: tracer FILE DURATION")
	}
	lasting, err := time.ParseDuration(args[1])
	if err != nil {
		return err
	}
	f, err := os.Create(args[0])
	if err != nil {
		return err
	}
	if err := trace.Start(f); err != nil {
		return err
	}
	var mu sync.Mutex
	for end := time.Now().Add(lasting); time.Now().Before(end); {
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				mu.Lock()
				defer mu.Unlock()
				time.Sleep(10 * time.Microsecond)
			})
		}
		all.Wait()
	}
	trace.Stop()
	return f.Close()
}
