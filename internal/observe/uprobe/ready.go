package uprobe

import (
	"sync"
	"time"

	"github.com/cilium/ebpf"
)

const (
	// readyEvery is shorter than a grace period of RCU.
	readyEvery = 3 * time.Millisecond
	// readyLimit is when nobody is about to attach any more.
	readyLimit = 100 * time.Millisecond
)

// Ready makes the kernel ready for uprobes, in the background, and keeps it so
// until stop is called or 100 ms have passed. It is for who attaches as soon as its
// programs are loaded: the first uprobe in a while waits for a grace period of RCU,
// 5 to 30 ms (percpu_down_write of dup_mmap_sem in the kernel's
// kernel/events/uprobes.c), and others within the next one do not. Where it cannot
// be done an attach takes as long as it takes.
//
// What makes it ready are uprobes in a file of this process that nobody executes.
// They are gone some 100 ms after stop, which does not wait for that.
func Ready() (stop func()) {
	done := make(chan struct{})
	go keepReady(done)
	return sync.OnceFunc(func() { close(done) })
}

func keepReady(done <-chan struct{}) {
	// Where each uprobe has a link of its own, a link that closes keeps others from
	// being opened.
	if !multi() {
		return
	}
	program, err := ebpf.NewProgram(emptyProgram())
	if err != nil {
		return
	}
	defer program.Close()
	m, err := hostMeter()
	if err != nil {
		return
	}
	file, err := m.file(1)
	if err != nil {
		return
	}
	defer file.Close()
	sites := []Site{{Offset: m.offset(0, EntryStepped)}}
	limit := time.After(readyLimit)
	for {
		link, _, err := attach(file, program, sites, Options{}, true)
		if err != nil {
			return
		}
		// The kernel waits for whoever may be running the uprobe.
		go link.Close()
		select {
		case <-done:
			return
		case <-limit:
			return
		case <-time.After(readyEvery):
		}
	}
}
