package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/internal/observe/uprobe"
)

// webPoints prints how often a request runs each program of the agents that is
// at a function of the server, and what that costs: the kernel's measure of the
// program, and for the way to it what a hit with an empty program costs here.
func (b *bench) webPoints() error {
	list, err := b.webAgents(b.webNames)
	if err != nil {
		return err
	}
	costs, err := uprobe.Calibrate(context.Background())
	if err != nil {
		return err
	}
	fmt.Printf("\nA hit with an empty program: %v where the instruction is emulated, %v where it is single-stepped.\n", costs.Emulated.Empty, costs.Stepped.Empty)
	before, err := os.ReadFile(statsSwitch)
	if err != nil {
		return err
	}
	if err := os.WriteFile(statsSwitch, []byte("1"), 0); err != nil {
		return err
	}
	defer os.WriteFile(statsSwitch, before, 0)
	for _, a := range list {
		if a.command == "" {
			continue
		}
		if err := b.webPointsOf(a, costs); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) webPointsOf(a webAgent, costs uprobe.Costs) (err error) {
	s, err := b.serve()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	run, err := b.attach(a, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, run.stop()) }()
	if _, err := b.wrk(s, time.Second); err != nil {
		return err
	}
	before, err := run.mark(s)
	if err != nil {
		return err
	}
	was, err := heldPrograms(run.pid)
	if err != nil {
		return err
	}
	if _, err := b.wrk(s, b.seconds); err != nil {
		return err
	}
	now, err := heldPrograms(run.pid)
	if err != nil {
		return err
	}
	served, err := s.served()
	if err != nil {
		return err
	}
	printPoints(a.name, served-before.served, was, now, costs)
	return nil
}

// heldProgram is what the kernel counts of a program.
type heldProgram struct {
	ID   int    `json:"id"`
	Type string `json:"type"`
	Name string `json:"name"`
	NS   int64  `json:"run_time_ns"`
	Runs int64  `json:"run_cnt"`
}

// heldPrograms returns the programs for functions that process pid holds, by
// their ids.
func heldPrograms(pid int) (map[int]heldProgram, error) {
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
	var list []heldProgram
	if err := json.Unmarshal(out, &list); err != nil {
		return nil, fmt.Errorf("bpftool prog show: %w", err)
	}
	found := map[int]heldProgram{}
	for _, p := range list {
		if held[strconv.Itoa(p.ID)] && p.Type == "kprobe" {
			found[p.ID] = p
		}
	}
	return found, nil
}

func printPoints(name string, requests int, was, now map[int]heldProgram, costs uprobe.Costs) {
	fmt.Printf("\n%s, %d requests\n\n| program | hits per request | ns per run | ns per request: program | with the hit, emulated | with the hit, single-stepped |\n|%s\n",
		name, requests, strings.Repeat("---|", 6))
	var hits, took float64
	n := float64(requests)
	row := func(name string, hits, took float64) {
		fmt.Printf("| %s | %.2f | %.0f | %.0f | %.0f | %.0f |\n", name, hits, took/max(hits, 1/n), took,
			took+hits*float64(costs.Emulated.Empty), took+hits*float64(costs.Stepped.Empty))
	}
	byName := func(x, y int) int { return cmp.Or(strings.Compare(now[x].Name, now[y].Name), cmp.Compare(x, y)) }
	for _, id := range slices.SortedFunc(maps.Keys(now), byName) {
		ran, ns := float64(now[id].Runs-was[id].Runs)/n, float64(now[id].NS-was[id].NS)/n
		if ran < 0.001 {
			continue
		}
		hits, took = hits+ran, took+ns
		row(now[id].Name, ran, ns)
	}
	row("all", hits, took)
	fmt.Println()
}
