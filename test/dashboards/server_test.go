package dashboards

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/testutil"
)

// server is a Prometheus that has what a library has, and is asked as Grafana asks.
type server struct {
	*testutil.Server
	client *http.Client
}

// startServer starts Debian's Prometheus, which is a 2.42, on a copy.
func startServer(t *testing.T, of *library) *server {
	t.Helper()
	s := &server{testutil.NewPrometheus(t, testutil.PrometheusOptions{Args: []string{"--storage.tsdb.retention.time=100y"}}), &http.Client{Transport: &http.Transport{}}}
	if err := of.db.Snapshot(filepath.Join(s.Dir, "data"), true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.client.CloseIdleConnections)
	s.Start()
	return s
}

// ask implements store.
func (s *server) ask(t testing.TB, expr string, instant bool) []found {
	t.Helper()
	form := url.Values{"query": {expr}, "start": {unix(end().Add(-shown))}, "end": {unix(end())}, "step": {step.String()}}
	if instant {
		form.Set("start", unix(end()))
	}
	response, err := s.client.PostForm(s.URL("/api/v1/query_range"), form)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		Status, Error string
		Data          struct {
			Result []struct {
				Metric map[string]string
				Values [][2]any
			}
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || answer.Status != "success" {
		t.Fatalf("%s: %s %s %v", expr, response.Status, answer.Error, err)
	}
	var all []found
	for _, r := range answer.Data.Result {
		f := found{labels: r.Metric}
		for _, pair := range r.Values {
			value, err := strconv.ParseFloat(fmt.Sprint(pair[1]), 64)
			if err != nil {
				t.Fatalf("%s: %v", expr, err)
			}
			f.values = append(f.values, value)
		}
		all = append(all, f)
	}
	return all
}

func unix(at time.Time) string { return strconv.FormatInt(at.Unix(), 10) }
