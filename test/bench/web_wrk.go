package main

import (
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// wrkResult is what wrk says.
type wrkResult struct {
	requests int
	rate     float64 // per second
	p50, p99 time.Duration
	cpu      time.Duration // of wrk
}

// wrk loads the server with 16 connections, each of which sends a request when
// it has the reply to the one before.
func (b *bench) wrk(s *webServer, d time.Duration) (wrkResult, error) {
	command := b.niced("wrk", "-t1", "-c16", "-d"+strconv.Itoa(max(1, int(d.Seconds())))+"s", "--latency", "http://"+s.address+"/hello/world")
	cmd := exec.Command(command[0], command[1:]...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return wrkResult{}, fmt.Errorf("%s: %w: %s", strings.Join(command, " "), err, out)
	}
	r, err := readWrk(string(out))
	r.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return r, err
}

// readWrk reads what wrk prints. A request that failed is an error.
func readWrk(out string) (wrkResult, error) {
	var r wrkResult
	for _, bad := range []string{"Socket errors", "Non-2xx"} {
		if strings.Contains(out, bad) {
			return r, fmt.Errorf("wrk: requests failed: %s", out)
		}
	}
	for _, field := range []struct {
		pattern string
		read    func(string) error
	}{
		{`(\d+) requests in `, func(s string) (err error) { r.requests, err = strconv.Atoi(s); return err }},
		{`Requests/sec:\s+([\d.]+)`, func(s string) (err error) { r.rate, err = strconv.ParseFloat(s, 64); return err }},
		{`50%\s+([\d.]+[a-z]+)`, func(s string) (err error) { r.p50, err = time.ParseDuration(s); return err }},
		{`99%\s+([\d.]+[a-z]+)`, func(s string) (err error) { r.p99, err = time.ParseDuration(s); return err }},
	} {
		found := regexp.MustCompile(field.pattern).FindStringSubmatch(out)
		if found == nil {
			return r, fmt.Errorf("wrk: no %s in %s", field.pattern, out)
		}
		if err := field.read(found[1]); err != nil {
			return r, fmt.Errorf("wrk: %w", err)
		}
	}
	return r, nil
}
