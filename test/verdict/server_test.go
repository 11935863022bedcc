package verdict

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/prometheus/util/compression"
	"google.golang.org/protobuf/encoding/protowire"
)

// server is a Prometheus of its own, with rules.
type server struct {
	t       testing.TB
	address string
	client  *http.Client
	cmd     *exec.Cmd
	output  *bytes.Buffer
	// end ends the server; to call it again does nothing.
	end func()
}

// startServer starts the program with a file of rules in a new folder, on a port of
// its own.
func startServer(t testing.TB, program string, rules []byte) *server {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{
		"prometheus.yml": "global:\n  evaluation_interval: 1s\nrule_files: [rules.yml]\n",
		"rules.yml":      string(rules),
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// Another may take a port that is free before the server does.
	for range 5 {
		s := &server{t: t, address: freeAddress(t), client: &http.Client{Transport: &http.Transport{}}, output: &bytes.Buffer{}}
		s.cmd = exec.Command(program,
			"--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"),
			"--web.listen-address="+s.address, "--web.enable-remote-write-receiver",
			fmt.Sprintf("--query.lookback-delta=%dms", lookback), "--log.level=warn")
		s.cmd.Stdout, s.cmd.Stderr = s.output, s.output
		if err := s.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		s.end = sync.OnceFunc(s.stop)
		t.Cleanup(s.end)
		if s.ready() {
			return s
		}
		s.end()
	}
	t.Fatal("no server becomes ready")
	return nil
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// ready waits until the server answers; it does not when it has ended.
func (s *server) ready() bool {
	for s.cmd.Process.Signal(syscall.Signal(0)) == nil {
		response, err := s.client.Get("http://" + s.address + "/-/ready")
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return true
			}
		}
		if s.ended() {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	return false
}

// ended reports whether the process has, which is not waited for yet.
func (s *server) ended() bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	_, after, _ := bytes.Cut(stat, []byte(") "))
	return err != nil || bytes.HasPrefix(after, []byte("Z"))
}

func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	_ = s.cmd.Wait()
	s.client.CloseIdleConnections()
	if s.t.Failed() && s.output.Len() > 0 {
		s.t.Logf("the server said:\n%.3000s", s.output)
	}
}

// counter is a series that is sent: its labels in order, name and value in turn, and
// its samples.
type counter struct {
	labels []string
	points []point
}

// append writes the counter as the message TimeSeries of remote write: labels (1)
// of name (1) and value (2), samples (2) of value (1) and milliseconds (2).
func (c *counter) append(to []byte) []byte {
	var body []byte
	for i := 0; i+1 < len(c.labels); i += 2 {
		label := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), c.labels[i])
		label = protowire.AppendString(protowire.AppendTag(label, 2, protowire.BytesType), c.labels[i+1])
		body = protowire.AppendBytes(protowire.AppendTag(body, 1, protowire.BytesType), label)
	}
	for _, p := range c.points {
		sample := protowire.AppendFixed64(protowire.AppendTag(nil, 1, protowire.Fixed64Type), math.Float64bits(p.value))
		sample = protowire.AppendVarint(protowire.AppendTag(sample, 2, protowire.VarintType), uint64(p.at))
		body = protowire.AppendBytes(protowire.AppendTag(body, 2, protowire.BytesType), sample)
	}
	return protowire.AppendBytes(protowire.AppendTag(to, 1, protowire.BytesType), body)
}

// write sends samples by remote write, and returns the status.
func (s *server) write(series []counter) (status int, said string, err error) {
	var data []byte
	for i := range series {
		data = series[i].append(data)
	}
	packed, err := compression.Encode(compression.Snappy, data, nil)
	if err != nil {
		return 0, "", err
	}
	response, err := s.client.Post("http://"+s.address+"/api/v1/write", "application/x-protobuf", bytes.NewReader(packed))
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

// mustWrite sends samples that the server takes, so many series at a time.
func (s *server) mustWrite(series []counter) {
	s.t.Helper()
	const most = 500
	for len(series) > 0 {
		n := min(most, len(series))
		if status, said, err := s.write(series[:n]); err != nil || status/100 != 2 {
			s.t.Fatalf("write: status %d, %.500s, %v", status, said, err)
		}
		series = series[n:]
	}
}

// row is a series of an answer, with its samples.
type row struct {
	Metric map[string]string
	Values []point
}

// point is a sample: milliseconds since 1970, and the value.
type point struct {
	at    int64
	value float64
}

// UnmarshalJSON reads [seconds, "value"].
func (p *point) UnmarshalJSON(data []byte) error {
	comma := bytes.IndexByte(data, ',')
	if comma < 0 || len(data) < comma+4 {
		return fmt.Errorf("sample %s", data)
	}
	at, err := strconv.ParseFloat(string(data[1:comma]), 64)
	if err != nil {
		return err
	}
	p.at = int64(at*1000 + 0.5)
	p.value, err = strconv.ParseFloat(string(bytes.Trim(data[comma+1:len(data)-1], `" `)), 64)
	return err
}

// samples returns the samples of series, as they are stored, in the time before at.
func (s *server) samples(selector string, at time.Time, length time.Duration) []row {
	s.t.Helper()
	query := url.Values{
		"query": {fmt.Sprintf("%s[%dms]", selector, length.Milliseconds())},
		"time":  {strconv.FormatFloat(float64(at.UnixMilli())/1000, 'f', 3, 64)},
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address+"/api/v1/query?"+query.Encode(), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	response, err := s.client.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		Status, Error string
		Data          struct{ Result []row }
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || answer.Status != "success" {
		s.t.Fatalf("query %s: %v %s %v", selector, response.Status, answer.Error, err)
	}
	return answer.Data.Result
}

// leftOut returns how many evaluations of each group the server left out, as it
// counts them itself.
func (s *server) leftOut() map[string]float64 {
	s.t.Helper()
	response, err := s.client.Get("http://" + s.address + "/metrics")
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	all := make(map[string]float64)
	for line := range bytes.Lines(text) {
		after, ok := bytes.CutPrefix(line, []byte(`prometheus_rule_group_iterations_missed_total{rule_group="`))
		if !ok {
			continue
		}
		group, rest, _ := bytes.Cut(after, []byte(`"} `))
		value, err := strconv.ParseFloat(string(bytes.TrimSpace(rest)), 64)
		if err != nil {
			s.t.Fatalf("metrics: %s: %v", line, err)
		}
		_, name, _ := bytes.Cut(group, []byte(";"))
		all[string(name)] = value
	}
	return all
}
