package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// keepBusy starts n processes that use a core each. They end with the returned
// function, or with this process.
func keepBusy(n int) (stop func() error, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var ends []func() error
	stop = func() error {
		var errs []error
		for _, end := range ends {
			errs = append(errs, end())
		}
		return errors.Join(errs...)
	}
	for range n {
		command := exec.Command(self, "-burn")
		input, err := command.StdinPipe()
		if err == nil {
			err = command.Start()
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("keep a core busy: %w", err), stop())
		}
		ends = append(ends, func() error { return errors.Join(input.Close(), command.Wait()) })
	}
	return stop, nil
}

// burn keeps one core busy until standard input ends.
func burn() {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		// Its end is all that matters, and an error is one.
		_, _ = io.Copy(io.Discard, os.Stdin)
	}()
	for n := 0; ; n++ {
		if n%1_000_000 == 0 {
			select {
			case <-ended:
				return
			default:
			}
		}
	}
}
