package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

// manyServices is how many services http-many starts, each of an executable of
// its own.
const manyServices = 50

// webMany prints how long goshawk up takes to observe many services that run
// already, and what memory it needs, right then and after some load.
func (b *bench) webMany() (err error) {
	var servers []*webServer
	defer func() {
		for _, s := range servers {
			err = errors.Join(err, s.stop())
		}
	}()
	for i := range manyServices {
		name := fmt.Sprintf("service-%02d", i)
		binary := filepath.Join(b.dir, name)
		if err := b.build(binary, "./test/bench/webserver", "-ldflags", "-X main.name="+name); err != nil {
			return err
		}
		s, err := b.serveAs(name, binary)
		if err != nil {
			return err
		}
		servers = append(servers, s)
	}
	fmt.Println("\n| round | s until all 50 are observed | RSS MiB then | after 500 requests each | peak | counted of 25000 | s to end |\n|---|---|---|---|---|---|---|")
	for round := range b.count {
		if err := b.webManyRound(round, servers); err != nil {
			return err
		}
	}
	fmt.Println()
	return nil
}

func (b *bench) webManyRound(round int, servers []*webServer) error {
	list, err := b.webAgents([]string{"up"})
	if err != nil {
		return err
	}
	begin := time.Now()
	run, err := b.attachMany(list[0], servers)
	if err != nil {
		return err
	}
	took := time.Since(begin)
	line, err := b.webManyLine(run, servers)
	if err = errors.Join(err, run.stop()); err != nil {
		return err
	}
	fmt.Printf("| %d | %.2f | %s | %.2f |\n", round+1, took.Seconds(), line, run.end.Seconds())
	return nil
}

// webManyLine returns the memory of the agent before and after some load, and
// what it counted of that.
func (b *bench) webManyLine(run *runningAgent, servers []*webServer) (string, error) {
	time.Sleep(2500 * time.Millisecond)
	rss, err := memory(run.pid, "VmRSS")
	if err != nil {
		return "", err
	}
	before, err := scrape()
	if err != nil {
		return "", err
	}
	for _, s := range servers {
		if _, err := b.put(s, "keepalive", 500, "-connections", "4"); err != nil {
			return "", err
		}
	}
	time.Sleep(2500 * time.Millisecond)
	after, err := scrape()
	if err != nil {
		return "", err
	}
	counted := 0
	for _, s := range servers {
		counted += after.requests(s.service) - before.requests(s.service)
	}
	later, err := memory(run.pid, "VmRSS")
	if err != nil {
		return "", err
	}
	peak, err := memory(run.pid, "VmHWM")
	return fmt.Sprintf("%.1f | %.1f | %.1f | %d", rss, later, peak, counted), err
}

// attachMany starts a and returns when it has counted a request of every
// server. Counters are read once a second, so that it may be that much late.
func (b *bench) attachMany(a webAgent, servers []*webServer) (*runningAgent, error) {
	run, err := b.attach(a, servers[0])
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		m, err := scrape()
		if err != nil {
			return nil, errors.Join(err, run.stop())
		}
		seen := 0
		for _, s := range servers {
			if m.requests(s.service) > 0 {
				seen++
				continue
			}
			if err := request(s.address); err != nil {
				return nil, errors.Join(err, run.stop())
			}
		}
		if seen == len(servers) {
			return run, nil
		}
	}
	return nil, errors.Join(fmt.Errorf("%s does not observe all services", a.name), run.stop())
}
