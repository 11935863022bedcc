package main

import (
	"debug/elf"
	"fmt"
	"io"
	"os"
	"time"
)

// probed returns how many bytes of a server's code differ from its file: each
// is a probe of someone. The server must be linked to a fixed address.
func probed(s *webServer) (int, error) {
	file, err := elf.Open(fmt.Sprintf("/proc/%d/exe", s.pid))
	if err != nil {
		return 0, fmt.Errorf("probes on the server: %w", err)
	}
	defer file.Close()
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", s.pid))
	if err != nil {
		return 0, fmt.Errorf("probes on the server: %w", err)
	}
	defer memory.Close()
	n := 0
	for _, segment := range file.Progs {
		if segment.Type != elf.PT_LOAD || segment.Flags&elf.PF_X == 0 {
			continue
		}
		want, now := make([]byte, segment.Filesz), make([]byte, segment.Filesz)
		if _, err := segment.ReadAt(want, 0); err != nil && err != io.EOF {
			return 0, fmt.Errorf("probes on the server: %w", err)
		}
		if _, err := memory.ReadAt(now, int64(segment.Vaddr)); err != nil {
			return 0, fmt.Errorf("probes on the server: %w", err)
		}
		for i := range want {
			if want[i] != now[i] {
				n++
			}
		}
	}
	return n, nil
}

// undisturbed waits until nobody's probes are on a server that has no agent,
// for at most patience, and reports whether that is so. Another Goshawk on this
// machine needs a second to see a new server.
func undisturbed(s *webServer, patience time.Duration) (bool, error) {
	for end := time.Now().Add(patience); ; time.Sleep(500 * time.Millisecond) {
		n, err := probed(s)
		if n == 0 || err != nil || time.Now().After(end) {
			return n == 0, err
		}
	}
}
