package exitcode_test

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/upgrade/internal/exitcode"
)

func TestOf(t *testing.T) {
	t.Parallel()
	const exited = 8 // bits before the exit status
	for name, c := range map[string]struct {
		status unix.WaitStatus
		passed os.Signal
		want   int
	}{
		"well":                               {0, nil, 0},
		"badly":                              {3 << exited, nil, 3},
		"badly, after SIGTERM":               {3 << exited, unix.SIGTERM, 3},
		"with what a shell says of SIGTERM":  {143 << exited, unix.SIGTERM, 143},
		"by the SIGTERM that was passed on":  {unix.WaitStatus(unix.SIGTERM), unix.SIGTERM, 0},
		"by the SIGTERM of somebody else":    {unix.WaitStatus(unix.SIGTERM), nil, 143},
		"by SIGTERM, SIGINT was passed on":   {unix.WaitStatus(unix.SIGTERM), unix.SIGINT, 143},
		"by the SIGINT that was passed on":   {unix.WaitStatus(unix.SIGINT), unix.SIGINT, 130},
		"killed":                             {unix.WaitStatus(unix.SIGKILL), unix.SIGTERM, 137},
		"by a signal, with its memory saved": {unix.WaitStatus(unix.SIGSEGV) | 0x80, nil, 139},
	} {
		t.Run(name, func(t *testing.T) {
			if got := exitcode.Of(c.status, c.passed); got != c.want {
				t.Errorf("%d, want %d", got, c.want)
			}
		})
	}
}
