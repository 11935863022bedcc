package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/goshawk-io/goshawk/internal/platform"
)

// sudo replaces this process by the same command under sudo. It returns only
// when that fails.
func sudo() error {
	unsupported := func(cause error) error {
		return &platform.UnsupportedError{What: "up", Cause: cause, Hint: "run as root, or grant CAP_BPF and CAP_PERFMON"}
	}
	path, err := exec.LookPath("sudo")
	if err != nil {
		return unsupported(fmt.Errorf("not root, and %w", err))
	}
	self, err := os.Executable()
	if err != nil {
		return unsupported(fmt.Errorf("find my own executable: %w", err))
	}
	args := append([]string{"sudo", "--preserve-env=NO_COLOR,TERM," + tokenVariable, "--", self}, os.Args[1:]...)
	return unsupported(errors.Join(errors.New("execute sudo"), syscall.Exec(path, args, os.Environ())))
}
