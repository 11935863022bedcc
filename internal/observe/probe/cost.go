package probe

import (
	"fmt"
	"io"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// EnableCost makes the kernel account for the time that eBPF programs run,
// which [Probe.Health] reports. It costs each run two readings of a clock and
// holds until the result is closed.
func EnableCost() (io.Closer, error) {
	closer, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	if err != nil {
		return nil, fmt.Errorf("enable eBPF run time statistics: %w", err)
	}
	return closer, nil
}
