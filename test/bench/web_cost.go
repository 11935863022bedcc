package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// webOutcome is what one run of the server under load gave.
type webOutcome struct {
	wrkResult
	serverMicros float64 // CPU time of the server per request
	agentMicros  float64 // CPU time of the agent per request
	rss, peak    float64 // MiB, of the agent
	missing      int     // requests without a span, or that were not counted
	lost         int     // what the agent says it lost
	foreign      float64 // CPUs that others used meanwhile
	took         time.Duration
	disturbed    bool // probes of others were on the server
}

// webRun measures one agent. It does so again, a few times, when the probes of
// others were on the server before or after.
func (b *bench) webRun(a webAgent) (result webOutcome, err error) {
	for range 4 {
		if result, err = b.webTry(a); err != nil || !result.disturbed {
			break
		}
		fmt.Fprintf(os.Stderr, "%s: again, there were probes of others\n", a.name)
	}
	return result, err
}

// webTry measures one agent, on a server of its own.
func (b *bench) webTry(a webAgent) (result webOutcome, err error) {
	s, err := b.serve()
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	time.Sleep(500 * time.Millisecond) // for others to show
	before, err := undisturbed(s, b.patience)
	if err != nil {
		return result, err
	}
	run, err := b.attach(a, s)
	if err != nil {
		return result, err
	}
	// The heap grows once, and Goshawk gives up a point that tells nothing.
	if _, err = b.wrk(s, time.Second); err == nil {
		result, err = b.webMeasure(run, s)
	}
	result.took = run.took
	if err = errors.Join(err, run.stop()); err != nil {
		return result, err
	}
	after, err := undisturbed(s, 5*time.Second) // detaching takes its time
	result.disturbed = !before || !after
	if err == nil && run.events {
		result.lost, err = run.saidLost()
	}
	return result, err
}

// webMark is a reading of the counters around a load.
type webMark struct {
	served, seen, lost int
	server, agent      time.Duration
}

// mark reads the counters once the agent has seen what was served: the load
// has ended.
func (r *runningAgent) mark(s *webServer) (m webMark, err error) {
	if err := r.settle(s, &m); err != nil {
		return m, err
	}
	// Asked before, it would lack what was still in the server's queues.
	if m.served, err = s.served(); err != nil {
		return m, err
	}
	if m.server, err = threadCPU(s.pid); err != nil {
		return m, err
	}
	if r.pid != 0 {
		m.agent, err = threadCPU(r.pid)
	}
	return m, err
}

// settle reads what the agent has seen, when that grows no more.
func (r *runningAgent) settle(s *webServer, m *webMark) error {
	switch {
	case r.spans:
		m.seen = r.sink.spans()
		for same := 0; same < 12; same++ {
			time.Sleep(250 * time.Millisecond)
			if now := r.sink.spans(); now != m.seen {
				m.seen, same = now, 0
			}
		}
	case r.metrics:
		time.Sleep(1500 * time.Millisecond) // counters are read once a second
		counted, err := scrape()
		if err != nil {
			return err
		}
		m.seen, m.lost = counted.requests(s.service), counted.lost()
	case r.events:
		time.Sleep(1500 * time.Millisecond)
	}
	return nil
}

func (b *bench) webMeasure(run *runningAgent, s *webServer) (webOutcome, error) {
	var result webOutcome
	before, err := run.mark(s)
	if err != nil {
		return result, err
	}
	idle, err := readBusy()
	if err != nil {
		return result, err
	}
	self, err := threadCPU(os.Getpid())
	if err != nil {
		return result, err
	}
	if result.wrkResult, err = b.wrk(s, b.seconds); err != nil {
		return result, err
	}
	server, err := threadCPU(s.pid)
	if err != nil {
		return result, err
	}
	known := server - before.server + result.cpu
	if now, err := threadCPU(os.Getpid()); err == nil {
		known += now - self
	}
	if run.pid != 0 {
		now, err := threadCPU(run.pid)
		if err != nil {
			return result, err
		}
		known += now - before.agent
	}
	if result.foreign, err = idle.foreign(known); err != nil {
		return result, err
	}
	after, err := run.mark(s)
	if err != nil {
		return result, err
	}
	served := float64(after.served - before.served)
	result.serverMicros = float64(server-before.server) / served / 1e3
	if run.pid == 0 {
		return result, nil
	}
	result.agentMicros = float64(after.agent-before.agent) / served / 1e3
	if !run.events {
		result.missing = after.served - before.served - (after.seen - before.seen)
		result.lost = after.lost - before.lost
	}
	if result.rss, err = memory(run.pid, "VmRSS"); err != nil {
		return result, err
	}
	result.peak, err = memory(run.pid, "VmHWM")
	return result, err
}

// webSeries are the outcomes of one agent, round by round, and what they are
// beside the runs without one just before and after.
type webSeries struct {
	agent                                   webAgent
	rate, server, per, rss, peak, p50, took sample
	added, throughput, foreign              sample
	requests, missing, lost, disturbed      int
}

func (s *webSeries) add(o webOutcome, base ...webOutcome) {
	s.rate = append(s.rate, o.rate)
	s.server = append(s.server, o.serverMicros)
	s.per = append(s.per, o.agentMicros)
	s.rss = append(s.rss, o.rss)
	s.peak = append(s.peak, o.peak)
	s.p50 = append(s.p50, float64(o.p50)/1e3)
	s.took = append(s.took, o.took.Seconds())
	s.foreign = append(s.foreign, o.foreign)
	s.requests += o.requests
	s.missing += o.missing
	s.lost += o.lost
	if o.disturbed {
		s.disturbed++
	}
	if len(base) == 0 {
		return
	}
	var rate, server float64
	for _, n := range base {
		rate += n.rate / float64(len(base))
		server += n.serverMicros / float64(len(base))
	}
	s.added = append(s.added, o.serverMicros-server)
	s.throughput = append(s.throughput, o.rate/rate)
}

// webCost runs the agents in turn, with a run without an agent before and after
// each.
func (b *bench) webCost() error {
	names := b.webNames
	list, err := b.webAgents(names)
	if err != nil {
		return err
	}
	none := &webSeries{agent: webAgent{name: "none"}}
	all := []*webSeries{none}
	for _, a := range list {
		if a.command != "" {
			all = append(all, &webSeries{agent: a})
		}
	}
	agents := all[1:]
	last, err := b.webAlone(none)
	if err != nil {
		return err
	}
	for round := range b.count {
		for i := range agents {
			one := agents[(i+round)%len(agents)]
			o, err := b.webRun(one.agent)
			if err != nil {
				return err
			}
			next, err := b.webAlone(none)
			if err != nil {
				return err
			}
			one.add(o, last, next)
			last = next
			fmt.Fprintf(os.Stderr, "round %d %-8s %6.0f/s (x %.2f), server %5.1f us (%+.1f), agent %5.1f us, %d missing, %d lost of %d, others %.2f CPUs\n", round+1,
				one.agent.name, o.rate, one.throughput[round], o.serverMicros, one.added[round], o.agentMicros, o.missing, o.lost, o.requests, o.foreign)
		}
	}
	printWeb(all)
	return nil
}

// webAlone measures the server without an agent.
func (b *bench) webAlone(none *webSeries) (webOutcome, error) {
	o, err := b.webRun(none.agent)
	if err == nil {
		none.add(o)
	}
	return o, err
}

func printWeb(all []*webSeries) {
	fmt.Println("\n| agent | requests/s | throughput ratio | server CPU us per request | added | agent CPU us per request | p50 us | missing | said lost | RSS MiB | peak | s to the first request seen | others' CPUs | runs with others' probes |")
	fmt.Println("|" + strings.Repeat("---|", 14))
	for _, s := range all {
		if s.agent.command == "" {
			fmt.Printf("| none | %s | - | %s | - | - | %s | - | - | - | - | - | %s | %d |\n",
				s.rate.text("%.0f"), s.server.text("%.1f"), s.p50.text("%.0f"), s.foreign.text("%.2f"), s.disturbed)
			continue
		}
		missing := fmt.Sprintf("%d of %d", s.missing, s.requests)
		if s.agent.events {
			missing = "-"
		}
		fmt.Printf("| %s | %s | %s | %s | %s | %s | %s | %s | %d | %s | %s | %s | %s | %d |\n", s.agent.name, s.rate.text("%.0f"),
			s.throughput.text("%.2f"), s.server.text("%.1f"), s.added.text("%.1f"), s.per.text("%.1f"), s.p50.text("%.0f"), missing,
			s.lost, s.rss.text("%.0f"), s.peak.text("%.0f"), s.took.text("%.1f"), s.foreign.text("%.2f"), s.disturbed)
	}
	fmt.Println()
}
