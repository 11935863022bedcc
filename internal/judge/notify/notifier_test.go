package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// network answers requests without a network, so that it works in fake time.
type network struct {
	// answer is called for each request; 0 hangs until the request's context is
	// done.
	answer func(host string, n int) int

	mu     sync.Mutex
	counts map[string]int
	heard  []string
	bodies []string
	since  time.Time
}

func newNetwork(answer func(host string, n int) int) *network {
	if answer == nil {
		answer = func(string, int) int { return 200 }
	}
	return &network{answer: answer, counts: make(map[string]int), since: time.Now()}
}

func (w *network) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	code := w.answer(r.URL.Host, w.counts[r.URL.Host])
	w.counts[r.URL.Host]++
	w.heard = append(w.heard, fmt.Sprintf("%v %s %s %d", time.Since(w.since), r.URL.Host, contents(body), code))
	w.bodies = append(w.bodies, string(body))
	w.mu.Unlock()
	if code == 0 {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return &http.Response{StatusCode: code, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("an answer")), Request: r}, nil
}

// contents says what a body tells of: "a+" for one that fires, "a-" for one
// that has ended.
func contents(body []byte) string {
	type alert struct {
		Status string
		Labels map[string]string
		EndsAt time.Time
	}
	var alerts []alert
	if err := json.Unmarshal(body, &alerts); err != nil {
		var hook struct{ Alerts []alert }
		if err := json.Unmarshal(body, &hook); err != nil {
			return err.Error()
		}
		alerts = hook.Alerts
	}
	var list []string
	for _, a := range alerts {
		sign := "+"
		if a.Status == "resolved" || a.Status == "" && !a.EndsAt.After(time.Now()) {
			sign = "-"
		}
		list = append(list, a.Labels["slo"]+sign)
	}
	return strings.Join(list, ",")
}

// expect fails unless this was heard since it was last called.
func (w *network) expect(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.Sort(want)
	slices.Sort(w.heard)
	if !slices.Equal(w.heard, want) {
		t.Errorf("heard\n\t%s\nwant\n\t%s", strings.Join(w.heard, "\n\t"), strings.Join(want, "\n\t"))
	}
	w.heard = nil
}

// journal keeps what is logged.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

func (j *journal) logger() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }

// running is a notifier that runs until the test is over, or until stop.
func running(t *testing.T, o Options) (n *Notifier, stop func()) {
	t.Helper()
	if o.Rand == nil {
		o.Rand = func() float64 { return 0 }
	}
	n, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		n.Run(ctx)
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return n, stop
}

func hook(name string) Receiver {
	return Receiver{Name: name, Webhook: &Webhook{URL: Secret("http://" + name + "/x")}}
}

func TestNotifier_whoHangsHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newNetwork(func(host string, n int) int {
			if host == "hangs" && n < 2 {
				return 0
			}
			return 200
		})
		n, _ := running(t, Options{Receivers: []Receiver{hook("hangs"), hook("works")}, Client: &http.Client{Transport: w}})
		n.Notify([]Alert{burning("a")})
		w.expect(t, "0s hangs a+ 0", "0s works a+ 200")
		time.Sleep(5 * time.Second)
		n.Notify([]Alert{burning("a"), burning("b")}) // it does not block
		w.expect(t, "5s works b+ 200")
		time.Sleep(time.Minute)
		w.expect(t, "11s hangs b+ 0", "23s hangs a+ 200", "23s hangs b+ 200")
	})
}

func TestNotifier_triesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log journal
		w := newNetwork(func(_ string, n int) int { return []int{500, 503, 429, 408, 200}[min(n, 4)] })
		n, _ := running(t, Options{Receivers: []Receiver{hook("r")}, Client: &http.Client{Transport: w}, Log: log.logger()})
		n.Notify([]Alert{burning("a")})
		time.Sleep(time.Hour)
		w.expect(t, "0s r a+ 500", "1s r a+ 503", "3s r a+ 429", "7s r a+ 408", "15s r a+ 200")
		s := n.Stats()[0]
		if s.Sent != 1 || s.Retried != 4 || s.Failed != 0 || s.Dropped != 0 || s.Waiting != 0 || s.Firing != 1 || s.Failing ||
			s.LastError != "http://r: answered 408 Request Timeout: an answer" || time.Since(s.LastErrorAt) != time.Hour-7*time.Second || time.Since(s.LastSuccess) != time.Hour-15*time.Second {
			t.Errorf("%+v", s)
		}
		if text := log.String(); strings.Count(text, "tried again") != 4 || strings.Count(text, "delivered again") != 1 {
			t.Errorf("logged\n%s", text)
		}
	})
}

func TestNotifier_logsAFailureOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log journal
		w := newNetwork(func(string, int) int { return 500 })
		n, _ := running(t, Options{Receivers: []Receiver{hook("r")}, Client: &http.Client{Transport: w}, Log: log.logger()})
		n.Notify([]Alert{burning("a")})
		time.Sleep(time.Hour)
		synctest.Wait()
		if s := n.Stats()[0]; s.Retried < 10 || !s.Failing || s.Waiting != 1 || strings.Count(log.String(), "tried again") != 1 {
			t.Errorf("%+v, logged\n%s", s, log.String())
		}
	})
}

func TestNotifier_jitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newNetwork(func(_ string, n int) int { return 500 - 300*min(n/2, 1) })
		n, _ := running(t, Options{Receivers: []Receiver{hook("r")}, Client: &http.Client{Transport: w}, Rand: func() float64 { return 0.5 }})
		n.Notify([]Alert{burning("a")})
		time.Sleep(time.Minute)
		w.expect(t, "0s r a+ 500", "750ms r a+ 500", "2.25s r a+ 200")
	})
}

func TestNotifier_refused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log journal
		w := newNetwork(func(string, int) int { return 404 })
		n, _ := running(t, Options{Receivers: []Receiver{hook("r")}, Client: &http.Client{Transport: w}, Log: log.logger()})
		n.Notify([]Alert{burning("a")})
		time.Sleep(16 * time.Minute)
		w.expect(t, "0s r a+ 404", "15m0s r a+ 404")
		if s := n.Stats()[0]; s.Failed != 2 || s.Retried != 0 || !s.Failing || s.Firing != 0 {
			t.Errorf("%+v", s)
		}
		if text := log.String(); strings.Count(text, "refused") != 2 || !strings.Contains(text, "alert=Burn") {
			t.Errorf("logged\n%s", text)
		}
		n.Notify(nil)
		time.Sleep(time.Hour)
		w.expect(t)
	})
}

func TestNotifier_repeatsAndResolves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newNetwork(nil)
		often, silent := hook("often"), hook("silent")
		often.RepeatEvery, silent.OmitResolved = 40*time.Minute, true
		n, _ := running(t, Options{Receivers: []Receiver{hook("standard"), often, silent}, Client: &http.Client{Transport: w}})
		for range 2 * 60 {
			n.Notify([]Alert{burning("a")})
			time.Sleep(30 * time.Second)
		}
		n.Notify([]Alert{ended(burning("a"), time.Now())})
		w.expect(t, "0s often a+ 200", "0s silent a+ 200", "0s standard a+ 200",
			"40m0s often a+ 200", "1h0m0s often a- 200", "1h0m0s standard a- 200")
		n.Notify(nil)
		time.Sleep(24 * time.Hour)
		w.expect(t)
	})
}

func TestNotifier_alertmanager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newNetwork(func(host string, n int) int {
			if host == "b" && n < 1 {
				return 0
			}
			return 200
		})
		r := Receiver{Name: "am", Alertmanager: &Alertmanager{URLs: []Secret{"http://a", "http://b"}}}
		n, _ := running(t, Options{Receivers: []Receiver{r}, Client: &http.Client{Transport: w}})
		n.Notify([]Alert{burning("x"), burning("y")})
		w.expect(t, "0s a x+,y+ 200", "0s b x+,y+ 0")
		time.Sleep(2*time.Minute + 30*time.Second)
		w.expect(t, "1m0s a x+,y+ 200", "2m0s a x+,y+ 200", "11s b x+,y+ 200", "1m11s b x+,y+ 200", "2m11s b x+,y+ 200")
		var alerts []apiAlert
		last := w.bodies[len(w.bodies)-1]
		if err := json.Unmarshal([]byte(last), &alerts); err != nil || alerts[0].EndsAt != w.since.Add(2*time.Minute+11*time.Second+4*time.Minute).UTC() {
			t.Errorf("they end at %+v (%v)", alerts, err)
		}
		n.Notify([]Alert{burning("y")})
		time.Sleep(40 * time.Second)
		w.expect(t, "2m30s a x- 200", "2m30s b x- 200", "3m0s a y+ 200")
		if s := n.Stats(); len(s) != 1 || s[0].Kind != "alertmanager" || s[0].Sent != 15 || s[0].Retried != 2 || s[0].Firing != 2 || s[0].Failing || s[0].LastError != "http://b: no answer within 10s" {
			t.Errorf("%+v", s)
		}
	})
}

func TestNotifier_alertmanagerRefusesOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newNetwork(func(_ string, n int) int {
			return []int{400, 200, 400, 200}[min(n, 3)] // all, a, b, c
		})
		n, _ := running(t, Options{Receivers: []Receiver{{Name: "am", Alertmanager: &Alertmanager{URLs: []Secret{"http://am"}}}}, Client: &http.Client{Transport: w}})
		n.Notify([]Alert{burning("a"), burning("b"), burning("c")})
		w.expect(t, "0s am a+,b+,c+ 400", "0s am a+ 200", "0s am b+ 400", "0s am c+ 200")
		if s := n.Stats()[0]; s.Sent != 2 || s.Failed != 1 || s.Firing != 2 {
			t.Errorf("%+v", s)
		}
	})
}

func TestNotifier_alertmanagerGoesWhileItRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newNetwork(func(_ string, n int) int { return []int{400, 200, 503, 200}[min(n, 3)] })
		n, _ := running(t, Options{Receivers: []Receiver{{Name: "am", Alertmanager: &Alertmanager{URLs: []Secret{"http://am"}}}}, Client: &http.Client{Transport: w}})
		n.Notify([]Alert{burning("a"), burning("b"), burning("c")})
		w.expect(t, "0s am a+,b+,c+ 400", "0s am a+ 200", "0s am b+ 503")
		time.Sleep(time.Second)
		w.expect(t, "1s am b+,c+ 200")
	})
}

func TestNotifier_restart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		w := newNetwork(nil)
		o := Options{Receivers: []Receiver{hook("r")}, Client: &http.Client{Transport: w}, Dir: dir}
		n, stop := running(t, o)
		n.Notify([]Alert{burning("a"), burning("b"), burning("c")})
		w.expect(t, "0s r a+ 200", "0s r b+ 200", "0s r c+ 200")
		stop()
		time.Sleep(time.Minute)

		n, stop = running(t, o)
		n.Notify([]Alert{burning("a"), ended(burning("b"), time.Now())})
		w.expect(t, "1m0s r b- 200")
		time.Sleep(time.Minute)
		n.Notify([]Alert{burning("a")})
		w.expect(t) // c may be found still
		time.Sleep(time.Minute)
		n.Notify([]Alert{burning("a")})
		w.expect(t, "3m0s r c- 200")
		stop()

		time.Sleep(4 * time.Hour)
		n, stop = running(t, o)
		n.Notify([]Alert{burning("a")})
		w.expect(t, "4h3m0s r a+ 200")
		stop()

		// Another address has been told nothing.
		o.Receivers[0].Webhook.URL = "http://r/other"
		n, _ = running(t, o)
		n.Notify([]Alert{burning("a")})
		w.expect(t, "4h3m0s r a+ 200")
	})
}

// TestNotifier_keepsTheLast ends right after a delivery.
func TestNotifier_keepsTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newNetwork(nil)
		o := Options{Receivers: []Receiver{hook("r")}, Client: &http.Client{Transport: w}, Dir: t.TempDir()}
		n, stop := running(t, o)
		n.Notify([]Alert{burning("a")})
		synctest.Wait() // the file was written, and is left alone for a while
		n.Notify([]Alert{burning("a"), burning("b")})
		synctest.Wait()
		stop()
		w.expect(t, "0s r a+ 200", "0s r b+ 200")
		n, _ = running(t, o)
		n.Notify([]Alert{burning("a"), burning("b")})
		w.expect(t)
	})
}

// TestNotifier_killed reads what a notifier wrote that had no time to end.
func TestNotifier_killed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		w := newNetwork(nil)
		o := Options{Receivers: []Receiver{hook("r")}, Client: &http.Client{Transport: w}, Dir: dir}
		n, _ := running(t, o)
		n.Notify([]Alert{burning("a")})
		time.Sleep(time.Second)
		w.expect(t, "0s r a+ 200")
		data, err := os.ReadFile(filepath.Join(dir, stateName))
		if err != nil {
			t.Fatal(err)
		}
		o.Dir = t.TempDir()
		if err := os.WriteFile(filepath.Join(o.Dir, stateName), data, 0o600); err != nil {
			t.Fatal(err)
		}
		n, _ = running(t, o)
		n.Notify([]Alert{burning("a")})
		time.Sleep(time.Hour)
		w.expect(t)
		n.Notify([]Alert{ended(burning("a"), time.Now())})
		w.expect(t, "1h0m1s r a- 200")
	})
}

func TestNotifier_endsWhileItDelivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log journal
		w := newNetwork(func(string, int) int { return 0 })
		n, stop := running(t, Options{Receivers: []Receiver{hook("r")}, Client: &http.Client{Transport: w}, Log: log.logger()})
		n.Notify([]Alert{burning("a")})
		time.Sleep(3 * time.Second)
		stop()
		if got := time.Since(w.since); got != 3*time.Second {
			t.Errorf("it took until %v", got)
		}
		if log.String() != "" {
			t.Errorf("logged\n%s", log.String())
		}
	})
}

func TestNotifier_Set(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newNetwork(nil)
		n, _ := running(t, Options{Receivers: []Receiver{hook("stays"), hook("goes")}, Client: &http.Client{Transport: w}})
		n.Notify([]Alert{burning("a")})
		w.expect(t, "0s stays a+ 200", "0s goes a+ 200")
		stays := hook("stays")
		stays.RepeatEvery, stays.Webhook.Timeout = time.Hour, time.Second
		if err := n.Set([]Receiver{hook("comes"), stays}); err != nil {
			t.Fatal(err)
		}
		w.expect(t)
		n.Notify([]Alert{burning("a")})
		w.expect(t, "0s comes a+ 200")
		time.Sleep(time.Hour)
		w.expect(t, "1h0m0s stays a+ 200")
		n.Notify(nil)
		w.expect(t, "1h0m0s stays a- 200", "1h0m0s comes a- 200")
		time.Sleep(24 * time.Hour) // one that is gone repeats nothing
		w.expect(t)
		var names []string
		for _, s := range n.Stats() {
			names = append(names, s.Receiver)
		}
		if !slices.Equal(names, []string{"comes", "stays"}) {
			t.Errorf("the receivers are %v", names)
		}
	})
}

func TestNotifier_startsWithNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newNetwork(nil)
		n, _ := running(t, Options{Client: &http.Client{Transport: w}})
		n.Notify([]Alert{burning("a")})
		synctest.Wait()
		if err := n.Set([]Receiver{hook("r")}); err != nil {
			t.Fatal(err)
		}
		n.Notify([]Alert{burning("a")})
		w.expect(t, "0s r a+ 200")
	})
}

func TestNotifier_saysWhatItDrops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log journal
		w := newNetwork(func(string, int) int { return 500 })
		n, _ := running(t, Options{Receivers: []Receiver{hook("r")}, Client: &http.Client{Transport: w}, Log: log.logger(), MaxWaiting: 2})
		for range 3 {
			n.Notify([]Alert{burning("a"), burning("b"), burning("c")})
		}
		if s := n.Stats()[0]; s.Dropped != 3 || s.Waiting != 2 || strings.Count(log.String(), "too many wait") != 1 {
			t.Errorf("%+v, logged\n%s", s, log.String())
		}
	})
}

// TestNotifier_diskFull has no folder for its file for a while.
func TestNotifier_diskFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log journal
		w := newNetwork(nil)
		dir := filepath.Join(t.TempDir(), "later")
		n, _ := running(t, Options{Receivers: []Receiver{hook("r")}, Client: &http.Client{Transport: w}, Log: log.logger(), Dir: dir})
		n.Notify([]Alert{burning("a")})
		w.expect(t, "0s r a+ 200")
		time.Sleep(40 * time.Second)
		synctest.Wait()
		if strings.Count(log.String(), "is not kept") != 1 {
			t.Errorf("logged\n%s", log.String())
		}
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		time.Sleep(saveAgain)
		synctest.Wait()
		data, err := os.ReadFile(filepath.Join(dir, stateName))
		if !strings.Contains(string(data), burning("a").Fingerprint()) || !strings.Contains(log.String(), "is kept again") {
			t.Errorf("%s (%v), logged\n%s", data, err, log.String())
		}
	})
}

func TestNotifier_showsNoSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log journal
		r := hook("r")
		r.Webhook.URL, r.Webhook.Headers = "http://user:sesame@r/T0/hunter2", map[string]Secret{"Authorization": "Bearer ${TOKEN}"}
		w := newNetwork(func(_ string, n int) int { return []int{500, 403, 0}[n%3] })
		dir := t.TempDir()
		n, stop := running(t, Options{
			Receivers: []Receiver{r}, Client: &http.Client{Transport: echo{w}}, Log: log.logger(), Dir: dir, Environ: []string{"TOKEN=swordfish"},
		})
		n.Notify([]Alert{burning("a"), burning("b"), burning("c")})
		time.Sleep(time.Hour)
		stop()
		state, err := os.ReadFile(filepath.Join(dir, stateName))
		if err != nil {
			t.Fatal(err)
		}
		shown := log.String() + fmt.Sprintf("%+v", n.Stats()) + string(state)
		for _, secret := range []string{"hunter2", "sesame", "swordfish"} {
			if strings.Contains(shown, secret) {
				t.Errorf("it shows %s:\n%s", secret, shown)
			}
		}
		if !strings.Contains(shown, "(secret)") || !strings.Contains(shown, "http://r: ") {
			t.Errorf("it shows\n%s", shown)
		}
	})
}

// echo answers with the secrets of the request, as some servers do.
type echo struct{ w *network }

func (e echo) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := e.w.RoundTrip(r)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", r.URL, errors.Join(err))
	}
	answer.Body = io.NopCloser(strings.NewReader(fmt.Sprintf("cannot POST %s with %v", r.URL.RequestURI(), r.Header) + strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer")))
	return answer, nil
}

// newJournalLog returns a log that nobody reads.
func newJournalLog() *log.Logger { return log.New(io.Discard, "", 0) }
