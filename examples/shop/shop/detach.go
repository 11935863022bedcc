package shop

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// Detach starts the command args with stdin as its standard input, prints its
// process id on a line to w, and returns without waiting for it: the program
// that calls it should end then, and so leave the command behind. It is what
// the program of Options.Detacher does with the arguments after its own.
func Detach(stdin *os.File, w io.Writer, args ...string) error {
	if len(args) == 0 {
		return errors.New("detach: no command")
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin = stdin
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("detach: %w", err)
	}
	if _, err := fmt.Fprintln(w, cmd.Process.Pid); err != nil {
		return fmt.Errorf("detach %s: print its process id: %w", args[0], err)
	}
	return nil
}
