package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// idle measures an agent for a minute of whatever happens on the machine.
func (b *bench) idle() error {
	const length = 60 * time.Second
	observers, err := b.observers(b.watchers())
	if err != nil {
		return err
	}
	fmt.Println("\n| observer | CPU of one core | RSS MiB | peak | lines shown meanwhile | others' CPUs |\n|---|---|---|---|---|---|")
	for _, o := range observers {
		run, err := b.start(o, 0)
		if err != nil {
			return err
		}
		line, err := idleLine(run, length)
		if err = errors.Join(err, run.stop()); err != nil {
			return err
		}
		fmt.Println(line)
	}
	return binarySize(b.goshawk)
}

func idleLine(run *observed, length time.Duration) (string, error) {
	before, err := threadCPU(run.pid)
	if err != nil {
		return "", err
	}
	shown, err := lineCount(run.out)
	if err != nil {
		return "", err
	}
	quiet, err := readBusy()
	if err != nil {
		return "", err
	}
	time.Sleep(length)
	after, err := threadCPU(run.pid)
	if err != nil {
		return "", err
	}
	foreign, err := quiet.foreign(after - before)
	if err != nil {
		return "", err
	}
	rss, err := memory(run.pid, "VmRSS")
	if err != nil {
		return "", err
	}
	peak, err := memory(run.pid, "VmHWM")
	if err != nil {
		return "", err
	}
	now, err := lineCount(run.out)
	return fmt.Sprintf("| %s | %.3f %% | %.1f | %.1f | %d | %.2f |", run.name,
		100*float64(after-before)/float64(length), rss, peak, now-shown, foreign), err
}

func lineCount(name string) (int, error) {
	data, err := os.ReadFile(name)
	return strings.Count(string(data), "\n"), err
}

func binarySize(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	fmt.Printf("\nbinary: %.1f MiB\n\n", float64(info.Size())/(1<<20))
	return nil
}

// begin measures the time to the first command shown, with 200 commands a
// second running.
func (b *bench) begin() error {
	observers, err := b.observers(b.watchers())
	if err != nil {
		return err
	}
	times := make([]sample, len(observers))
	background := exec.Command(b.spawner, "-for", "10m", "-rate", "200", "-workers", "1", "-args", "1")
	// It is killed, and leaves its command behind.
	background.Env = append(os.Environ(), "TMPDIR="+b.dir)
	if err := background.Start(); err != nil {
		return err
	}
	defer func() {
		background.Process.Kill()
		background.Wait()
	}()
	time.Sleep(200 * time.Millisecond)
	for range 2 * b.count {
		for i, o := range observers {
			d, err := firstSight(o)
			if err != nil {
				return err
			}
			times[i] = append(times[i], d.Seconds()*1e3)
		}
	}
	fmt.Println("\n| observer | ms to the first command shown |\n|---|---|")
	for i, o := range observers {
		fmt.Printf("| %s | %s |\n", o.name, times[i].text("%.0f"))
	}
	fmt.Println()
	return nil
}

// firstSight starts o and returns the time until it prints a line that names
// the spawner's command.
func firstSight(o observer) (time.Duration, error) {
	cmd := exec.Command(o.command[0], o.command[1:]...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	var took time.Duration
	lines := bufio.NewReader(out)
	for took == 0 {
		line, err := lines.ReadString('\n')
		if err != nil {
			return 0, errors.Join(fmt.Errorf("%s shows no command", o.name), cmd.Wait())
		}
		if strings.Contains(line, "/noop") {
			took = time.Since(begin)
		}
	}
	cmd.Process.Signal(os.Interrupt)
	io.Copy(io.Discard, lines)
	cmd.Wait()
	return took, nil
}

// many starts Goshawk beside 10,000 processes, and ends them.
func (b *bench) many() error {
	fmt.Println("\n| round | ms to the first command shown | RSS MiB when ready | peak | ended | seen | twice | damaged | lost |\n|---|---|---|---|---|---|---|---|---|")
	for round := range b.count {
		if err := b.manyRound(round); err != nil {
			return err
		}
	}
	fmt.Println()
	return nil
}

func (b *bench) manyRound(round int) (err error) {
	crowd := exec.Command(b.spawner, "-paused", "-count", "5000", "-args", "5", "-arg-bytes", "20")
	in, err := crowd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := crowd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := crowd.Start(); err != nil {
		return err
	}
	answers := bufio.NewReader(stdout)
	if _, err := answers.ReadString('\n'); err != nil {
		return fmt.Errorf("start 10,000 processes: %w", errors.Join(err, crowd.Wait()))
	}
	defer func() {
		in.Close()
		crowd.Wait()
	}()
	observers, err := b.observers([]string{"goshawk"})
	if err != nil {
		return err
	}
	run, err := b.start(observers[0], 0)
	if err != nil {
		return err
	}
	rss, err := memory(run.pid, "VmRSS")
	if err != nil {
		return errors.Join(err, run.stop())
	}
	in.Close()
	var r report
	if err := json.NewDecoder(answers).Decode(&r); err != nil {
		return errors.Join(err, run.stop())
	}
	time.Sleep(time.Second)
	peak, err := memory(run.pid, "VmHWM")
	if err = errors.Join(err, run.stop()); err != nil {
		return err
	}
	c, err := run.seen(r.Executable)
	fmt.Printf("| %d | %.0f | %.1f | %.1f | %d | %d | %d | %d | %d |\n", round+1, float64(run.took)/1e6, rss, peak,
		r.Commands, c.events, c.duplicates, c.damaged, c.lost)
	return err
}
