package target

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// nanosecondsPerTick is a tick of USER_HZ, which is 100 on every architecture
// that Go runs on under Linux.
const nanosecondsPerTick = 10_000_000

// Ticks converts a time of the boot clock in nanoseconds, such as the kernel's
// start_boottime of a process, to the ticks of [model.ProcessID].
func Ticks(bootNS uint64) uint64 { return bootNS / nanosecondsPerTick }

// procStat holds the fields of /proc/PID/stat that are of use here.
type procStat struct {
	state     byte
	ppid      int32
	threads   uint64
	start     uint64
	startCode uint64
	kernel    bool
	forked    bool // and did not execute a program since
}

// dead reports whether the process has ended. Of a process whose first thread
// alone has ended, the others live on.
func (s *procStat) dead() bool {
	return s.state == 'X' || s.state == 'Z' && s.threads <= 1
}

func readStat(dir int, s *scratch) (procStat, error) {
	b, err := appendFile(s.buf, dir, "stat", maxStat)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) {
		return procStat{}, ErrGone
	}
	if err != nil {
		return procStat{}, err
	}
	s.buf = b
	return parseStat(b)
}

// parseStat parses /proc/PID/stat. The name of the command may hold anything,
// so the fields are counted from the last parenthesis.
func parseStat(b []byte) (procStat, error) {
	at := bytes.LastIndexByte(b, ')')
	if at < 0 {
		return procStat{}, errors.New("stat: no command name")
	}
	const flagKernelThread, flagForkNoExec = 0x00200000, 0x00000040
	var stat procStat
	field := 2
	for rest := bytes.TrimSpace(b[at+1:]); len(rest) > 0 && field < 26; {
		var text []byte
		text, rest, _ = bytes.Cut(rest, []byte{' '})
		field++
		if field == 3 && len(text) == 1 {
			stat.state = text[0]
			continue
		}
		switch field {
		case 4, 9, 20, 22, 26:
		default:
			continue
		}
		n, err := strconv.ParseUint(string(text), 10, 64)
		if err != nil {
			return procStat{}, fmt.Errorf("stat: field %d: %w", field, err)
		}
		switch field {
		case 4:
			stat.ppid = int32(n)
		case 9:
			stat.kernel = n&flagKernelThread != 0
			stat.forked = n&flagForkNoExec != 0
		case 20:
			stat.threads = n
		case 22:
			stat.start = n
		case 26:
			stat.startCode = n
		}
	}
	if field < 22 || stat.state == 0 {
		return procStat{}, fmt.Errorf("stat: %d fields", field)
	}
	return stat, nil
}
