package shop

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	// forgetTime is how long warmCache does not wait for its command: longer
	// than the five seconds after which a zombie is usually remarked, and short
	// enough that two at a time make one every four seconds.
	forgetTime = 5250 * time.Millisecond
	// deliveryTime is how long a delivery outlives the process that started it.
	deliveryTime = 1500 * time.Millisecond
	// launchGrace is how long a launcher that has ended may leave its output
	// open in the hands of the delivery, which it should not.
	launchGrace = time.Second
)

// warmCache starts a command and does not wait for it, which leaves a zombie:
// bad. It is reaped late.
func (s *shop) warmCache() error {
	end, err := s.begin("warmCache")
	if err != nil {
		return err
	}
	cmd := exec.Command(s.tools["cat"], filepath.Join(s.dir, ordersFile))
	if err := cmd.Start(); err != nil {
		end()
		return fmt.Errorf("warm the cache: %w", err)
	}
	go func() {
		defer end()
		s.pause(forgetTime)
		if err := cmd.Wait(); err != nil {
			s.log.Warn("the cache was not warmed", "error", err)
		}
	}()
	return nil
}

// queueMail runs a command that starts another one and ends before it: the
// delivery is an orphan. It lasts as long as its standard input, so it ends
// with the shop however the shop ends.
func (s *shop) queueMail() error {
	end, err := s.begin("queueMail")
	if err != nil {
		return err
	}
	stdin, hold, err := os.Pipe()
	if err != nil {
		end()
		return fmt.Errorf("queue the mail: %w", err)
	}
	launcher := s.detacher
	if len(launcher) == 0 {
		launcher = []string{s.tools["sh"], filepath.Join(s.dir, mailScript)}
	}
	// No context: a launcher that is killed may leave a delivery behind that
	// nobody knows.
	cmd := exec.Command(launcher[0], append(launcher[1:len(launcher):len(launcher)], s.tools["cat"])...)
	cmd.Stdin = stdin
	cmd.WaitDelay = launchGrace
	out, err := cmd.Output()
	delivery, findErr := findDelivery(out)
	if err := errors.Join(stdin.Close(), err, findErr); err != nil {
		hold.Close()
		if delivery != nil {
			delivery.Wait()
		}
		end()
		return fmt.Errorf("queue the mail: %w", err)
	}
	go func() {
		defer end()
		s.pause(deliveryTime)
		hold.Close()
		// It fails where the delivery was left to init.
		delivery.Wait()
	}()
	return nil
}

// findDelivery returns the process whose id a launcher printed. The delivery
// is alive while its standard input is open, so the id is its own.
func findDelivery(printed []byte) (*os.Process, error) {
	pid, err := parsePID(printed)
	if err != nil {
		return nil, err
	}
	return os.FindProcess(pid)
}

// parsePID reads the one line that a launcher prints.
func parsePID(printed []byte) (int, error) {
	line, rest, _ := bytes.Cut(printed, []byte("\n"))
	pid, err := strconv.Atoi(strings.TrimSpace(string(line)))
	if err != nil || pid <= 1 || len(rest) > 0 {
		return 0, fmt.Errorf("process id %q: not one number above 1", printed)
	}
	return pid, nil
}
