package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// report is what the spawner prints.
type report struct {
	Executable    string `json:"executable"`
	Workers       int    `json:"workers"`
	Commands      int    `json:"commands"`
	ElapsedNS     int64  `json:"elapsed_ns"`
	CPUSelfNS     int64  `json:"cpu_self_ns"`
	CPUChildrenNS int64  `json:"cpu_children_ns"`
}

func (r report) rate() float64 { return float64(r.Commands) / float64(r.ElapsedNS) * 1e9 }

// cpuMicros is the CPU time of parent and child per command.
func (r report) cpuMicros() float64 {
	return float64(r.CPUSelfNS+r.CPUChildrenNS) / float64(r.Commands) / 1e3
}

// storm is one run of the spawner under an observer.
type storm struct {
	spawner      []string
	observerNice int
	// stall, when set, stops the observer for so long in every period.
	stall, period time.Duration
}

// outcome is what one storm gave.
type outcome struct {
	report
	counts
	observerMicros float64 // CPU time of the observer per command
	rss            float64 // MiB, the peak
	foreign        float64 // CPUs that others used meanwhile
	tracers        int     // programs of others that traced
}

// unaccounted is how many known commands are neither shown nor said to be
// lost; it is negative when others' commands were lost too.
func (o outcome) unaccounted() int {
	missing := o.Commands - o.events - o.lost
	if o.exact {
		missing += o.Workers + 1 - o.spawners
	}
	return missing
}

func (b *bench) run(o observer, s storm) (outcome, error) {
	tracers := alone(b.patience)
	run, err := b.start(o, s.observerNice)
	if err != nil {
		return outcome{}, err
	}
	result, err := b.measure(run, s)
	if err = errors.Join(err, run.stop()); err != nil {
		return result, err
	}
	result.counts, err = run.seen(result.Executable)
	result.tracers = tracers
	return result, err
}

func (b *bench) measure(run *observed, s storm) (outcome, error) {
	var result outcome
	var before time.Duration
	var err error
	if run.pid != 0 {
		if before, err = threadCPU(run.pid); err != nil {
			return result, err
		}
	}
	idle, err := readBusy()
	if err != nil {
		return result, err
	}
	end := make(chan struct{})
	stalled := make(chan struct{})
	go func() {
		defer close(stalled)
		stallUntil(end, run.pid, s)
	}()
	result.report, err = b.spawn(s.spawner)
	close(end)
	<-stalled
	if err != nil {
		return result, err
	}
	known := time.Duration(result.CPUSelfNS + result.CPUChildrenNS)
	if run.pid != 0 {
		// The kernel frees what ended a grace period later, and a starved
		// observer catches up.
		time.Sleep(time.Second)
		after, err := threadCPU(run.pid)
		if err != nil {
			return result, err
		}
		known += after - before
		result.observerMicros = float64(after-before) / float64(result.Commands) / 1e3
		if result.rss, err = memory(run.pid, "VmHWM"); err != nil {
			return result, err
		}
	}
	result.foreign, err = idle.foreign(known)
	return result, err
}

// stallUntil stops and continues the process pid until end is closed.
func stallUntil(end <-chan struct{}, pid int, s storm) {
	if pid == 0 || s.stall == 0 {
		<-end
		return
	}
	pause := func(d time.Duration) bool {
		select {
		case <-end:
			return false
		case <-time.After(d):
			return true
		}
	}
	defer syscall.Kill(pid, syscall.SIGCONT)
	for pause(s.period - s.stall) {
		syscall.Kill(pid, syscall.SIGSTOP)
		if !pause(s.stall) {
			return
		}
		syscall.Kill(pid, syscall.SIGCONT)
	}
}

// spawn runs the spawner to its end.
func (b *bench) spawn(args []string) (report, error) {
	cmd := exec.Command(b.spawner, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return report{}, fmt.Errorf("spawner %s: %w", strings.Join(args, " "), err)
	}
	var r report
	if err := json.Unmarshal(out, &r); err != nil {
		return r, fmt.Errorf("spawner %s: %w", strings.Join(args, " "), err)
	}
	return r, nil
}

// series are the outcomes of one observer, round by round.
type series struct {
	name                                     string
	rate, cpu, observer, rss, lost, foreign  sample
	commands, events, unaccounted, lostTotal int
	duplicates, damaged, tracers             int
}

func (s *series) add(o outcome) {
	s.rate = append(s.rate, o.rate())
	s.cpu = append(s.cpu, o.cpuMicros())
	s.observer = append(s.observer, o.observerMicros)
	s.rss = append(s.rss, o.rss)
	s.lost = append(s.lost, float64(o.lost))
	s.foreign = append(s.foreign, o.foreign)
	s.commands += o.Commands
	s.events += o.events
	s.lostTotal += o.lost
	s.unaccounted += o.unaccounted()
	s.duplicates += o.duplicates
	s.damaged += o.damaged
	s.tracers = max(s.tracers, o.tracers)
}

// rounds runs every observer once in each round, in turning order.
func (b *bench) rounds(names []string, s storm) ([]*series, error) {
	observers, err := b.observers(names)
	if err != nil {
		return nil, err
	}
	all := make([]*series, len(observers))
	for i, o := range observers {
		all[i] = &series{name: o.name}
	}
	for round := range b.count {
		for i := range observers {
			n := (i + round) % len(observers)
			o, err := b.run(observers[n], s)
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(os.Stderr, "round %d %-10s %6.0f/s %5.1f us, observer %5.1f us, %d of %d seen, %d lost, others %.2f CPUs, %d tracers\n",
				round+1, observers[n].name, o.rate(), o.cpuMicros(), o.observerMicros, o.events, o.Commands, o.lost, o.foreign, o.tracers)
			all[n].add(o)
		}
	}
	return all, nil
}

func printSeries(all []*series) {
	fmt.Println("\n| observer | commands/s | CPU us per command | ratio to none | observer CPU us per command | seen | said lost | unaccounted | twice | damaged | peak RSS MiB | others' CPUs | others' tracers |")
	fmt.Println("|" + strings.Repeat("---|", 13))
	for _, s := range all {
		ratio := "-"
		if all[0].name == "none" && s != all[0] {
			ratio = s.cpu.over(all[0].cpu).text("%.2f")
		}
		if s.name == "none" {
			fmt.Printf("| none | %s | %s | - | - | - of %d | - | - | - | - | - | %s | %d |\n",
				s.rate.text("%.0f"), s.cpu.text("%.0f"), s.commands, s.foreign.text("%.2f"), s.tracers)
			continue
		}
		fmt.Printf("| %s | %s | %s | %s | %s | %d of %d | %d | %d | %d | %d | %s | %s | %d |\n", s.name,
			s.rate.text("%.0f"), s.cpu.text("%.0f"), ratio, s.observer.text("%.0f"), s.events, s.commands,
			s.lostTotal, s.unaccounted, s.duplicates, s.damaged, s.rss.text("%.0f"), s.foreign.text("%.2f"), s.tracers)
	}
	fmt.Println()
}
