package swap

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/upgrade/internal/systemd"
)

// Exec is the shim of an engine: it executes a program in the place of this process, with
// the sockets announced to it. The arguments are what the engine has put behind
// [Options.Shim]: the descriptor of the program, behind which lies that by which the
// engine hears, a name for the program, and its arguments. It returns only when it
// fails, and the engine has been told by then.
func Exec(args []string) error {
	if len(args) < 3 {
		return errors.New("execute a program: is done for an engine alone")
	}
	fd, err := strconv.Atoi(args[0])
	if err != nil || fd < 3 {
		return fmt.Errorf("execute a program: %q is no descriptor", args[0])
	}
	report := os.NewFile(uintptr(fd+1), "report")
	defer report.Close()
	for _, own := range []int{fd, fd + 1} {
		if _, err := unix.FcntlInt(uintptr(own), unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
			return fmt.Errorf("execute a program: descriptor %d: %w", own, err)
		}
	}
	env := systemd.WithPID(os.Environ(), os.Getpid())
	// By the link the process has the name of its program, and not that of the descriptor.
	err = unix.Exec(args[1], args[2:], env)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.ELOOP) {
		err = unix.Exec(descriptorPath(fd), args[2:], env)
	}
	err = fmt.Errorf("execute %s: %w", args[2], err)
	_, told := report.WriteString(err.Error())
	return errors.Join(err, told)
}

func descriptorPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }
