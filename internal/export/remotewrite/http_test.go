package remotewrite

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/client_golang/exp/api/remote"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/goshawk-io/goshawk/internal/judge/series"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

// overHTTP posts to a URL.
type overHTTP struct {
	url    string
	client *http.Client
}

// Post implements [Poster].
func (p *overHTTP) Post(ctx context.Context, header http.Header, body []byte) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header = header
	response, err := p.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	response.Body = io.NopCloser(bytes.NewReader(text))
	return response, nil
}

func newOverHTTP(t testing.TB, url string, timeout time.Duration) *overHTTP {
	client := &http.Client{Timeout: timeout, Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	return &overHTTP{url, client}
}

// TestWriter_overHTTP has a server that hangs, breaks off and is slow.
func TestWriter_overHTTP(t *testing.T) {
	s, r := newShelf(), newReceiver(V1, V2)
	s.fill(20, 0, 4*time.Minute, 10*time.Second)
	var requests atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body)
		switch requests.Add(1) {
		case 1: // hangs
			<-request.Context().Done()
			return
		case 2: // breaks off before it has taken anything
			connection, _, _ := w.(http.Hijacker).Hijack()
			connection.Close()
			return
		case 3: // begins an answer
			w.Header().Set("Content-Length", "100")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		case 4:
			time.Sleep(100 * time.Millisecond)
		}
		response, _ := r.Post(request.Context(), request.Header, body)
		for name := range response.Header {
			w.Header().Set(name, response.Header.Get(name))
		}
		w.WriteHeader(response.StatusCode)
	}))
	t.Cleanup(server.Close)
	w := newWriter(t, s, newOverHTTP(t, server.URL, 2*time.Second), Options{MaxSamples: 50, Now: at(4 * time.Minute)})
	if err := w.send(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	r.wantAll(t, s)
	if got := w.Stats(); got.Failed < 3 || got.Dropped != 0 || got.Protocol != V2 {
		t.Errorf("got %+v, want 3 attempts that failed at least", got)
	}
}

// shop takes what Prometheus' own handler of requests has accepted.
type shop struct{ *receiver }

// Store implements the handler's interface of what keeps samples.
func (s shop) Store(request *http.Request, kind remote.WriteMessageType) (*remote.WriteResponse, error) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	response, taken := remote.NewWriteResponse(), s.take(http.Header{"Content-Type": {"x;" + string(kind)}}, snappy.Encode(nil, body))
	response.SetStatusCode(taken.StatusCode)
	if taken.StatusCode != http.StatusNoContent {
		return response, answerError(taken)
	}
	response.Samples = s.sizes[len(s.sizes)-1]
	return response, nil
}

// TestWriter_withTheHandlerOfPrometheus posts to the code by which servers of today
// read requests.
func TestWriter_withTheHandlerOfPrometheus(t *testing.T) {
	for _, tt := range []struct {
		knows remote.MessageTypes
		want  Protocol
	}{
		{remote.MessageTypes{remote.WriteV1MessageType, remote.WriteV2MessageType}, V2},
		{remote.MessageTypes{remote.WriteV2MessageType}, V2},
		{remote.MessageTypes{remote.WriteV1MessageType}, V1},
	} {
		t.Run(tt.knows.String(), func(t *testing.T) {
			s, r := newShelf(), newReceiver(V1, V2)
			s.fill(20, 0, 4*time.Minute, 10*time.Second)
			server := httptest.NewServer(remote.NewWriteHandler(shop{r}, tt.knows))
			t.Cleanup(server.Close)
			w := newWriter(t, s, newOverHTTP(t, server.URL, time.Minute), Options{MaxSamples: 50, Now: at(4 * time.Minute)})
			if err := w.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			r.wantAll(t, s)
			if got := w.Stats(); got.Protocol != tt.want || got.Dropped+got.Failed != 0 {
				t.Errorf("got %+v, want version %s", got, tt.want)
			}
		})
	}
}

// server is a Prometheus that takes samples.
type server struct {
	*testutil.Server
	t testing.TB
}

// newServer returns one that does not run yet.
func newServer(t testing.TB) *server {
	t.Helper()
	return &server{testutil.NewPrometheus(t, testutil.PrometheusOptions{}), t}
}

// read returns all samples that it has, as they are stored, which remote read is
// for: ReadRequest { Query { start, end, LabelMatcher { type, name, value } } }.
func (s *server) read() map[string][]series.Number {
	s.t.Helper()
	number := func(to []byte, field protowire.Number, n uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(to, field, protowire.VarintType), n)
	}
	matcher := appendText(appendText(number(nil, 1, 1), 2, nameLabel), 3, "") // is not empty
	query := appendMessage(number(number(nil, 1, 0), 2, uint64(time.Now().Add(24*time.Hour).UnixMilli())), 3, matcher)
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.URL("/api/v1/read"), bytes.NewReader(snappy.Encode(nil, appendMessage(nil, 1, query))))
	if err != nil {
		s.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if err != nil || response.StatusCode != http.StatusOK {
		s.t.Fatalf("remote read: %d %s %v", response.StatusCode, body, err)
	}
	data, err := snappy.Decode(nil, body)
	if err != nil {
		s.t.Fatal(err)
	}
	all := make(map[string][]series.Number)
	for _, result := range fields(data) {
		for _, one := range timeSeries(result.bytes) {
			all[one.Name.String()] = one.Numbers
		}
	}
	return all
}

// TestPrometheus_hasWhatTheEngineHas sends what an engine and its rules have stored
// in half an hour to a real server, which is stopped in between. It is of before
// version 2.0 was there, and answers requests of that with success.
func TestPrometheus_hasWhatTheEngineHas(t *testing.T) {
	for _, protocol := range []Protocol{V1, Auto} {
		t.Run("protocol "+string(protocol), func(t *testing.T) {
			p := newServer(t)
			p.Start()
			started := time.Now().Add(-30 * time.Minute).Truncate(time.Second)
			now := started
			engine, err := series.Open(t.Context(), series.Options{
				Dir: t.TempDir(), Manual: true, Now: func() time.Time { return now }, Elapsed: func() time.Duration { return now.Sub(started) },
			})
			if err != nil {
				t.Fatal(err)
			}
			defer engine.Close()
			var rules []series.Rule
			for i := range 10 {
				rules = append(rules, series.Rule{Record: fmt.Sprintf("slo:sli_events:count%dm", i), Expr: fmt.Sprintf("m_total > %d", 100*i), Labels: map[string]string{"sloth_id": "ä"}})
			}
			rules = append(rules, series.Rule{Alert: "Burns", Expr: "m_total % 7 > 3", Labels: map[string]string{"severity": "page"}})
			if err := engine.SetRules([]series.RuleGroup{{Name: "g", Rules: rules}}); err != nil {
				t.Fatal(err)
			}
			w := newWriter(t, engine, newOverHTTP(t, p.URL("/api/v1/write"), time.Minute), Options{
				Dir: t.TempDir(), Protocol: protocol, Now: func() time.Time { return now }, MaxSamples: 300,
			})
			for i := range 180 {
				now = now.Add(10 * time.Second)
				for n := range 20 {
					sample := series.Sample{Metric: "m_total", Labels: series.Labels{{Name: "n", Value: fmt.Sprint(n)}}, Value: float64(i * n)}
					if _, err := engine.Append(t.Context(), now, []series.Sample{sample}); err != nil {
						t.Fatal(err)
					}
				}
				if i%3 == 0 {
					if err := engine.Evaluate(t.Context(), now); err != nil {
						t.Fatal(err)
					}
				}
				switch {
				case i == 60:
					p.Stop()
				case i == 120:
					p.Start()
				}
				if err := w.Flush(t.Context()); (err != nil) != (i >= 60 && i < 120) {
					t.Fatalf("round %d: %v", i, err)
				}
			}
			want := stored(t, engine, 0)
			wantSame(t, p.read(), want)
			if s := w.Stats(); s.Dropped != 0 || s.Protocol != V1 || s.Samples < 10_000 {
				t.Errorf("got %+v of %d series", s, len(want))
			}
		})
	}
}

// BenchmarkPrometheus_isDown is ten minutes without a server, of real time: see
// docs/export.md. It reports what is lost, and how long it takes until nothing waits.
func BenchmarkPrometheus_isDown(b *testing.B) {
	p := newServer(b)
	p.Start()
	began := time.Now().Add(-headStart).UnixMilli()
	a := startAgent(b, b.TempDir(), 10)
	w := newWriter(b, a.engine, newOverHTTP(b, p.URL("/api/v1/write"), 10*time.Second), Options{Dir: b.TempDir()})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.Run(ctx)
	}()
	for b.Loop() {
		time.Sleep(2 * time.Minute)
		b.Logf("up: %+v, %s", w.Stats(), memory())
		p.Stop()
		time.Sleep(10 * time.Minute)
		b.Logf("down: %+v, %s", w.Stats(), memory())
		p.Start()
		up := time.Now()
		for w.Stats().Lag > 0 || w.Stats().Failing {
			time.Sleep(10 * time.Millisecond)
		}
		b.ReportMetric(time.Since(up).Seconds(), "s-until-in-sync")
		b.Logf("up again: %+v, %s", w.Stats(), memory())
	}
	a.end()
	cancel()
	<-done
	if err := w.Flush(b.Context()); err != nil {
		b.Error(err)
	}
	got, want, lost, total := p.read(), stored(b, a.engine, began), 0, 0
	for name, numbers := range want {
		total += len(numbers)
		lost += len(numbers) - len(got[name])
	}
	wantSame(b, got, want)
	b.ReportMetric(float64(lost), "lost")
	b.ReportMetric(float64(total), "samples")
	if err := a.engine.Close(); err != nil {
		b.Error(err)
	}
}

// memory returns what the process takes, and took at most.
func memory() string {
	status, _ := os.ReadFile("/proc/self/status")
	var list []string
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "VmRSS") || strings.HasPrefix(line, "VmHWM") {
			list = append(list, strings.Join(strings.Fields(line), " "))
		}
	}
	return strings.Join(list, ", ")
}
