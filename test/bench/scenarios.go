package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// load returns the spawner's flags for a run as long as b says.
func (b *bench) load(more ...string) []string {
	return append([]string{"-for", b.seconds.String()}, more...)
}

func (b *bench) compare(s storm) error {
	all, err := b.rounds(b.names, s)
	if err != nil {
		return err
	}
	printSeries(all)
	return nil
}

// watchers are the chosen observers that observe.
func (b *bench) watchers() []string {
	return slices.DeleteFunc(slices.Clone(b.names), func(name string) bool { return name == "none" })
}

func (b *bench) storm() error { return b.compare(storm{spawner: b.load()}) }

func (b *bench) small() error {
	return b.compare(storm{spawner: b.load("-args", "5", "-arg-bytes", "20")})
}

func (b *bench) program() error {
	return b.compare(storm{spawner: b.load("-args", "5", "-arg-bytes", "20", "-command", "/bin/true")})
}

// hindered runs the observers alone, as s hinders them.
func (b *bench) hindered(s storm) error {
	all, err := b.rounds(b.watchers(), s)
	if err != nil {
		return err
	}
	printSeries(all)
	return nil
}

func (b *bench) stalled(more ...string) error {
	spawner := append([]string{"-for", (2 * b.seconds).String()}, more...)
	return b.hindered(storm{spawner: spawner, stall: 500 * time.Millisecond, period: 2 * time.Second})
}

func (b *bench) stall() error { return b.stalled("-rate", "2000") }

func (b *bench) stallMax() error { return b.stalled() }

func (b *bench) starved(more ...string) error {
	more = append(more, "-workers", "6", "-nice", "-15")
	return b.hindered(storm{spawner: b.load(more...), observerNice: 19})
}

func (b *bench) starve() error { return b.starved("-rate", "750") }

func (b *bench) starveMax() error { return b.starved() }

func (b *bench) loss() error {
	for _, args := range []string{"10", "0"} {
		for _, ring := range []string{"4KiB", "64KiB"} {
			own := *b
			own.goshawkArgs = append(slices.Clone(b.goshawkArgs), "--ring-size", ring)
			all, err := own.rounds([]string{"goshawk"}, storm{spawner: b.load("-args", args)})
			b.runs = own.runs
			if err != nil {
				return err
			}
			fmt.Printf("\n%s, %s arguments of 512 bytes:\n", ring, args)
			printSeries(all)
		}
	}
	return nil
}

const statsSwitch = "/proc/sys/kernel/bpf_stats_enabled"

// programs prints what each eBPF program of the probe costs, by the kernel's
// own measure.
func (b *bench) programs() error {
	before, err := os.ReadFile(statsSwitch)
	if err != nil {
		return err
	}
	if err := os.WriteFile(statsSwitch, []byte("1"), 0); err != nil {
		return err
	}
	defer os.WriteFile(statsSwitch, before, 0)
	observers, err := b.observers([]string{"goshawk"})
	if err != nil {
		return err
	}
	for _, args := range []string{"10", "0"} {
		run, err := b.start(observers[0], 0)
		if err != nil {
			return err
		}
		was, err := programStats(run.pid)
		if err != nil {
			return err
		}
		r, err := b.spawn(b.load("-args", args))
		if err != nil {
			return err
		}
		now, err := programStats(run.pid)
		if err != nil {
			return err
		}
		if err := run.stop(); err != nil {
			return err
		}
		printPrograms(args, r, was, now)
	}
	return nil
}

func printPrograms(args string, r report, was, now map[string]programStat) {
	fmt.Printf("\n%s arguments of 512 bytes, %.0f commands/s\n\n| program | runs per command | ns per run | ns per command |\n|---|---|---|---|\n", args, r.rate())
	total, n := 0.0, float64(r.Commands)
	for _, name := range slices.Sorted(maps.Keys(now)) {
		ran, took := now[name].Runs-was[name].Runs, now[name].NS-was[name].NS
		total += float64(took) / n
		fmt.Printf("| %s | %.2f | %.0f | %.0f |\n", name, float64(ran)/n, float64(took)/float64(max(ran, 1)), float64(took)/n)
	}
	fmt.Printf("| all | | | %.0f |\n\n", total)
}

// programStat is what the kernel counts of a program.
type programStat struct {
	ID   int    `json:"id"`
	Name string `json:"name"`
	NS   int64  `json:"run_time_ns"`
	Runs int64  `json:"run_cnt"`
}

// programStats returns the counts of the programs that process pid holds.
func programStats(pid int) (map[string]programStat, error) {
	held := map[string]bool{}
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		data, _ := os.ReadFile(name)
		for line := range strings.Lines(string(data)) {
			if id, ok := strings.CutPrefix(line, "prog_id:"); ok {
				held[strings.TrimSpace(id)] = true
			}
		}
	}
	out, err := exec.Command("bpftool", "-j", "prog", "show").Output()
	if err != nil {
		return nil, fmt.Errorf("bpftool prog show: %w", err)
	}
	var list []programStat
	if err := json.Unmarshal(out, &list); err != nil {
		return nil, fmt.Errorf("bpftool prog show: %w", err)
	}
	stats := map[string]programStat{}
	for _, p := range list {
		if held[strconv.Itoa(p.ID)] && p.Name != "" {
			stats[p.Name] = p
		}
	}
	return stats, nil
}
