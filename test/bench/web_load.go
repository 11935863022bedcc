package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// loadReport is what webload prints.
type loadReport struct {
	Kind      string `json:"kind"`
	Sent      int    `json:"sent"`
	Completed int    `json:"completed"`
	Partial   int    `json:"partial"`
	ElapsedNS int64  `json:"elapsed_ns"`
	CPUNS     int64  `json:"cpu_ns"`
	P50NS     int64  `json:"p50_ns"`
	P99NS     int64  `json:"p99_ns"`
}

// put runs webload to its end.
func (b *bench) put(s *webServer, kind string, count int, more ...string) (loadReport, error) {
	args := append([]string{b.webload, "-address", s.address, "-kind", kind, "-count", strconv.Itoa(count)}, more...)
	command := b.niced(args...)
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return loadReport{}, fmt.Errorf("webload %s: %w", kind, err)
	}
	var r loadReport
	if err := json.Unmarshal(out, &r); err != nil {
		return r, fmt.Errorf("webload %s: %w", kind, err)
	}
	return r, nil
}

// exactLoad is a part of http-exact: its share of all requests, and the route
// that they are for.
type exactLoad struct {
	kind, route string
	percent     int
}

func exactLoads() []exactLoad {
	return []exactLoad{
		{"keepalive", "/hello/{name}", 65}, {"pipelined", "/pipelined/{id}", 25},
		{"aborted", "/aborted/{id}", 4}, {"panics", "/panics/{id}", 4}, {"taken", "/taken/{id}", 2},
	}
}

// webExact compares what goshawk up counts with what a load completed and with
// what the server served.
func (b *bench) webExact() (err error) {
	list, err := b.webAgents([]string{"up"})
	if err != nil {
		return err
	}
	s, err := b.serve()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	run, err := b.attach(list[0], s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, run.stop()) }()
	before, served, err := b.counted(s)
	if err != nil {
		return err
	}
	fmt.Println("\n| load | sent whole | given up before | ended as wanted | served | counted | counted - served | seconds |\n|---|---|---|---|---|---|---|---|")
	total := loadReport{Kind: "all"}
	first, firstServed := before, served
	for _, l := range exactLoads() {
		r, err := b.put(s, l.kind, b.webCount/100*l.percent)
		if err != nil {
			return err
		}
		now, nowServed, err := b.counted(s)
		if err != nil {
			return err
		}
		printExact(r, nowServed-served, now.byRoute(s.service)[l.route]-before.byRoute(s.service)[l.route])
		before, served = now, nowServed
		total.Sent, total.Completed, total.Partial = total.Sent+r.Sent, total.Completed+r.Completed, total.Partial+r.Partial
		total.ElapsedNS += r.ElapsedNS
	}
	printExact(total, served-firstServed, before.requests(s.service)-first.requests(s.service))
	printGrowth(first, before, s.service)
	return nil
}

// printGrowth prints the series of a service that grew, and what was lost.
func printGrowth(from, to metrics, service string) {
	fmt.Println()
	for _, key := range slices.Sorted(maps.Keys(to)) {
		if strings.HasPrefix(key, requestCount+"{") && strings.Contains(key, `service="`+service+`"`) && to[key] != from[key] {
			fmt.Printf("    %s %.0f\n", key, to[key]-from[key])
		}
	}
	losses := to.losses()
	for _, key := range slices.Sorted(maps.Keys(losses)) {
		fmt.Printf("    %s %d\n", key, losses[key]-from.losses()[key])
	}
	fmt.Println()
}

func printExact(r loadReport, served, counted int) {
	fmt.Printf("| %s | %d | %d | %d | %d | %d | %+d | %.1f |\n", r.Kind, r.Sent, r.Partial, r.Completed, served, counted, counted-served, float64(r.ElapsedNS)/1e9)
}

// counted reads what goshawk up has counted and what was served, when that
// changes no more. Counters of the kernel are read once a second.
func (b *bench) counted(s *webServer) (metrics, int, error) {
	served, err := s.settled()
	if err != nil {
		return nil, 0, err
	}
	time.Sleep(2500 * time.Millisecond)
	m, err := scrape()
	return m, served, err
}

// webRate sends requests at an even rate and prints what an agent lost.
func (b *bench) webRate() error {
	const rate, length = 20_000, 20
	fmt.Println("\n| agent | requests/s | p50 us | p99 us | served | counted or spans | said lost | server CPU us per request | agent's CPU of one core | us per request | RSS MiB | peak | others' CPUs |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|")
	list, err := b.webAgents(b.webNames)
	if err != nil {
		return err
	}
	for range b.count {
		for _, a := range list {
			if err := b.webRateOf(a, rate, rate*length); err != nil {
				return err
			}
		}
	}
	fmt.Println()
	return nil
}

func (b *bench) webRateOf(a webAgent, rate, count int) (err error) {
	s, err := b.serve()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	run, err := b.attach(a, s)
	if err != nil {
		return err
	}
	line, err := b.webRateLine(run, s, rate, count)
	if err = errors.Join(err, run.stop()); err != nil {
		return err
	}
	if run.events {
		lost, err := run.saidLost()
		if err != nil {
			return err
		}
		line.lost = lost
	}
	line.print()
	return nil
}

// rateLine is a row of http-rate.
type rateLine struct {
	name               string
	load               loadReport
	served, seen, lost int
	server, agent      time.Duration
	rss, peak, foreign float64
}

func (b *bench) webRateLine(run *runningAgent, s *webServer, rate, count int) (rateLine, error) {
	l := rateLine{name: run.name}
	before, err := run.mark(s)
	if err != nil {
		return l, err
	}
	idle, err := readBusy()
	if err != nil {
		return l, err
	}
	if l.load, err = b.put(s, "rate", count, "-rate", strconv.Itoa(rate), "-connections", "64"); err != nil {
		return l, err
	}
	after, err := run.mark(s)
	if err != nil {
		return l, err
	}
	l.served, l.seen, l.lost = after.served-before.served, after.seen-before.seen, after.lost-before.lost
	l.server, l.agent = after.server-before.server, after.agent-before.agent
	if l.foreign, err = idle.foreign(l.server + l.agent + time.Duration(l.load.CPUNS)); err != nil || run.pid == 0 {
		return l, err
	}
	if l.rss, err = memory(run.pid, "VmRSS"); err != nil {
		return l, err
	}
	l.peak, err = memory(run.pid, "VmHWM")
	return l, err
}

func (l *rateLine) print() {
	n, seconds := float64(l.served), float64(l.load.ElapsedNS)/1e9
	fmt.Printf("| %s | %.0f | %d | %d | %d | %d | %d | %.1f | %.1f %% | %.2f | %.0f | %.0f | %.2f |\n", l.name, n/seconds, l.load.P50NS/1000, l.load.P99NS/1000,
		l.served, l.seen, l.lost, float64(l.server)/n/1e3, 100*l.agent.Seconds()/seconds, float64(l.agent)/n/1e3, l.rss, l.peak, l.foreign)
}
