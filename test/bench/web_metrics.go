package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// metrics are the samples of a goshawk up: their values by name and labels, as
// they are written.
type metrics map[string]float64

// scrape reads the metrics of the goshawk up under test.
func scrape() (metrics, error) {
	answer, err := http.Get("http://" + goshawkAddress + "/metrics")
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("scrape: status %s", answer.Status)
	}
	return readMetrics(answer.Body)
}

// readMetrics reads the text format of Prometheus.
func readMetrics(text io.Reader) (metrics, error) {
	m := metrics{}
	lines := bufio.NewScanner(text)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "#") {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		if at < 0 {
			return nil, fmt.Errorf("scrape: line %q has no value", line)
		}
		value, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("scrape: line %q: %w", line, err)
		}
		m[line[:at]] = value
	}
	return m, lines.Err()
}

// sum adds up the samples of a name that have all of the labels, each written
// name="value".
func (m metrics) sum(name string, labels ...string) int {
	total := 0.0
	for key, value := range m {
		if base, _, _ := strings.Cut(key, "{"); base != name {
			continue
		}
		has := true
		for _, label := range labels {
			has = has && (strings.Contains(key, "{"+label) || strings.Contains(key, ","+label))
		}
		if has {
			total += value
		}
	}
	return int(total)
}

const requestCount = "http_server_request_duration_seconds_count"

// requests returns how many requests of a service were counted.
func (m metrics) requests(service string) int {
	return m.sum(requestCount, `service="`+service+`"`)
}

// losses returns the counters of what was lost: events and records of the http
// probe, and what a sink dropped.
func (m metrics) losses() map[string]int {
	found := map[string]int{}
	for key, value := range m {
		name, labels, _ := strings.Cut(key, "{")
		switch name {
		case "goshawk_probe_events_lost_total", "goshawk_probe_records_lost_total":
			if strings.Contains(labels, `probe="http"`) {
				found[key] = int(value)
			}
		case "goshawk_sink_events_dropped_total":
			found[key] = int(value)
		}
	}
	return found
}

// lost adds up the losses.
func (m metrics) lost() int {
	total := 0
	for _, n := range m.losses() {
		total += n
	}
	return total
}

// byRoute returns how many requests of a service were counted, by route.
func (m metrics) byRoute(service string) map[string]int {
	routes := map[string]int{}
	route := regexp.MustCompile(`[{,]http_route="([^"]*)"`)
	for key, value := range m {
		if strings.HasPrefix(key, requestCount+"{") && strings.Contains(key, `service="`+service+`"`) {
			if found := route.FindStringSubmatch(key); found != nil {
				routes[found[1]] += int(value)
			}
		}
	}
	return routes
}
