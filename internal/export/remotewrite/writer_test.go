package remotewrite

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/series"
)

// at returns a clock that stands so long after begin.
func at(after time.Duration) func() time.Time {
	return func() time.Time { return begin().Add(after) }
}

// TestWriter_answers sends a minute of 3 series, 18 samples, in one request, to a
// receiver whose first answers are as the script says.
func TestWriter_answers(t *testing.T) {
	both := []Protocol{V1, V2}
	for _, tt := range []struct {
		name     string
		knows    []Protocol
		protocol Protocol
		script   []string
		want     Stats
		versions []string
		waited   time.Duration
	}{
		{"version 2.0 is taken", both, Auto, nil, Stats{Protocol: V2, Samples: 18, Requests: 1}, []string{"2.0.0"}, 0},
		{"version 1.0 is asked for", both, V1, nil, Stats{Protocol: V1, Samples: 18, Requests: 1}, []string{"0.1.0"}, 0},
		{"415 falls back", []Protocol{V1}, Auto, nil, Stats{Protocol: V1, Samples: 18, Requests: 1}, []string{"2.0.0", "0.1.0"}, 0},
		{"success without a count falls back", []Protocol{V1}, Auto, []string{"204"}, Stats{Protocol: V1, Samples: 18, Requests: 1}, []string{"2.0.0", "0.1.0"}, 0},
		{"400 to the first request falls back", []Protocol{V1}, Auto, []string{"400"}, Stats{Protocol: V1, Samples: 18, Requests: 1}, []string{"2.0.0", "0.1.0"}, 0},
		{"415 is final where 2.0 must be", []Protocol{V1}, V2, nil, Stats{Protocol: V2, Dropped: 18, LastError: "answered 415 Unsupported Media Type"}, []string{"2.0.0"}, 0},
		{"500 is tried again", both, V1, []string{"500", "503"}, Stats{Protocol: V1, Samples: 18, Requests: 1, Failed: 2}, []string{"0.1.0", "0.1.0", "0.1.0"}, 1500 * time.Millisecond},
		{"no connection is tried again, each time later", both, V1, slices.Repeat([]string{"down"}, 8), Stats{Protocol: V1, Samples: 18, Requests: 1, Failed: 8}, nil, (1 + 2 + 4 + 8 + 16 + 30 + 30 + 30) * time.Second / 2},
		{"429 is obeyed", both, V1, []string{"429 70"}, Stats{Protocol: V1, Samples: 18, Requests: 1, Failed: 1}, nil, 70 * time.Second},
		{"503 with a date is obeyed", both, V1, []string{"503 " + begin().Add(2*time.Minute).Format("Mon, 02 Jan 2006 15:04:05 GMT")}, Stats{Protocol: V1, Samples: 18, Requests: 1, Failed: 1}, nil, time.Minute},
		{"a Retry-After of a day is not", both, V1, []string{"429 86400"}, Stats{Protocol: V1, Samples: 18, Requests: 1, Failed: 1}, nil, 15 * time.Minute},
		{"a redirect is not followed", both, V1, []string{"307"}, Stats{Protocol: V1, Samples: 18, Requests: 1, Failed: 1}, nil, 500 * time.Millisecond},
		{"a wrong token is put right", both, V1, []string{"401", "403"}, Stats{Protocol: V1, Samples: 18, Requests: 1, Failed: 2}, []string{"0.1.0", "0.1.0", "0.1.0"}, 1500 * time.Millisecond},
		{"a wrong path is put right", both, V1, []string{"404"}, Stats{Protocol: V1, Samples: 18, Requests: 1, Failed: 1}, nil, 500 * time.Millisecond},
		{"409 is final", both, V1, []string{"409"}, Stats{Protocol: V1, Dropped: 18, LastError: "answered 409 Conflict"}, []string{"0.1.0"}, 0},
		{"400 is asked again time by time", both, V1, []string{"400"}, Stats{Protocol: V1, Samples: 18, Requests: 6}, slices.Repeat([]string{"0.1.0"}, 7), 0},
		{"and only what is refused again is dropped", both, V1, []string{"400", "", "400", "400", "400", "400", "400"}, Stats{Protocol: V1, Samples: 15, Requests: 5, Dropped: 3, LastError: "answered 400 Bad Request"}, nil, 0},
		{"an answer that is lost", both, V1, []string{"drop"}, Stats{Protocol: V1, Samples: 3, Requests: 1, Failed: 1, Dropped: 15}, nil, 500 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, r := newShelf(), newReceiver(tt.knows...)
				s.fill(3, 0, time.Minute, 10*time.Second)
				r.script = tt.script
				started := time.Now()
				w := newWriter(t, s, r, Options{Protocol: tt.protocol, Now: func() time.Time { return begin().Add(time.Minute + time.Since(started)) }})
				if err := w.send(t.Context(), false); err != nil {
					t.Fatal(err)
				}
				if tt.want.Dropped == 0 {
					r.wantAll(t, s)
				}
				if got := time.Since(started); got != tt.waited {
					t.Errorf("it waited for %v, want %v", got, tt.waited)
				}
				got := w.Stats()
				if tt.want.LastError != "" && got.LastError != tt.want.LastError {
					t.Errorf("error %q, want %q", got.LastError, tt.want.LastError)
				}
				tt.want.Name = "mimir"
				got.LastError, got.LastErrorAt, got.LastSuccess, tt.want.LastError = "", time.Time{}, time.Time{}, ""
				if got != tt.want {
					t.Errorf("got %+v, want %+v", got, tt.want)
				}
				if tt.versions != nil && !slices.Equal(r.versions, tt.versions) {
					t.Errorf("it sent the versions %q, want %q", r.versions, tt.versions)
				}
			})
		})
	}
}

func TestJudge_believesWhatVersion2SaysOfItself(t *testing.T) {
	for _, tt := range []struct {
		name    string
		status  int
		written string
		want    outcome // without the error
	}{
		{"all are written", 204, "5", outcome{}},
		{"more than all", 204, "7", outcome{}},
		{"some are, and it is content", 200, "3", outcome{dropped: 2}},
		{"some are, and it complains", 400, "3", outcome{dropped: 2}},
		{"none are", 400, "0", outcome{dropped: 5}},
		{"it does not say", 204, "", outcome{verdict: unknown}},
		{"it says nonsense", 204, "-1", outcome{verdict: unknown}},
		{"it complains of all", 400, "", outcome{verdict: disliked}},
		{"some are, and the rest may be tried again", 503, "3", outcome{verdict: failed}},
		{"too large", 413, "", outcome{verdict: tooLarge}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := judge(V2, answer(tt.status, "", http.Header{writtenHeader: {tt.written}}), 5, begin())
			got.err = nil
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestAnswerError_showsOneBoundedLine(t *testing.T) {
	long := string(slices.Repeat([]byte("\x1b[31m\n"), 10_000))
	if got := answerError(answer(500, long, nil)).Error(); len(got) > 5*maxShownAnswer || slices.Contains([]byte(got), '\n') || slices.Contains([]byte(got), 0x1b) {
		t.Errorf("got %d bytes: %q", len(got), got)
	}
}

// TestWriter_outlivesAnything ends the writer at any moment, and has the receiver
// fail in all ways. Each sample arrives once.
func TestWriter_outlivesAnything(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			s, r := newShelf(), newReceiver(V1, V2)
			if seed%2 == 0 {
				r.knows = []Protocol{V1}
			}
			o := Options{Dir: t.TempDir(), MaxSamples: 1 + random.IntN(30), Protocol: Auto, Random: random.Float64}
			if seed%3 == 0 {
				o.Protocol = V1
			}
			words := []string{"down", "500", "503 5", "429 20", "", "", ""}
			now := time.Duration(0)
			o.Now = func() time.Time { return begin().Add(now) }
			newWriter(t, s, r, o) // it begins here
			for round := range 30 {
				for range 1 + random.IntN(40) {
					now += time.Duration(1+random.IntN(3000)) * time.Millisecond
					s.put("m_total", random.IntN(8), ms(now), random.Float64())
				}
				if random.IntN(4) == 0 { // comes late, in a new series
					s.put("late", 1000+round, ms(now-time.Duration(random.IntN(60))*time.Minute), 1)
				}
				r.script = nil
				for range random.IntN(6) {
					r.script = append(r.script, words[random.IntN(len(words))])
				}
				w := newWriter(t, s, r, o)
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(60_000))*time.Millisecond)
				_ = w.send(ctx, false)
				cancel()
			}
			r.script = nil
			if err := newWriter(t, s, r, o).Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			dropEarly(s, ms(-headStart))
			r.wantAll(t, s)
			if len(r.refused) > 0 {
				t.Errorf("it was sent what it had: %q", r.refused)
			}
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		})
	}
}

// dropEarly takes off the shelf what is older than a receiver begins with.
func dropEarly(s *shelf, until int64) {
	for name, stored := range s.all {
		stored.Numbers = slices.DeleteFunc(stored.Numbers, func(n series.Number) bool { return n.At <= until })
		if len(stored.Numbers) == 0 {
			delete(s.all, name)
		}
	}
}

// TestWriter_afterACrashInBetween has the receiver take a request of which the agent
// never learns, as with SIGKILL: the same samples are sent again, and those beside
// them, which are new, are not lost.
func TestWriter_afterACrashInBetween(t *testing.T) {
	s, r := newShelf(), newReceiver(V1)
	dir := t.TempDir()
	s.fill(3, 0, time.Minute, 10*time.Second)
	ctx, cancel := context.WithCancel(t.Context())
	crash := &crashing{receiver: r, cancel: cancel}
	if err := newWriter(t, s, crash, Options{Dir: dir, Protocol: V1, Now: at(time.Minute)}).send(ctx, false); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	s.fill(3, time.Minute, 2*time.Minute, 10*time.Second)
	w := newWriter(t, s, r, Options{Dir: dir, Protocol: V1, Now: at(2 * time.Minute)})
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.wantAll(t, s)
	if got := w.Stats(); got.Dropped != 15 || got.Samples != 21 {
		t.Errorf("got %+v, want 15 refused: all that it had, but the last of each series, which are no news", got)
	}
}

// crashing takes a request, and the agent ends.
type crashing struct {
	*receiver
	cancel context.CancelFunc
}

func (c *crashing) Post(ctx context.Context, header http.Header, body []byte) (_ *http.Response, err error) {
	if _, err := c.receiver.Post(ctx, header, body); err != nil {
		return nil, err
	}
	c.cancel()
	return nil, ctx.Err()
}

// TestWriter_doesNotDivideInVain has a receiver that takes nothing of the last day
// but the newest hour.
func TestWriter_doesNotDivideInVain(t *testing.T) {
	s, r := newShelf(), newReceiver(V1)
	s.fill(2, -20*time.Hour, 0, 10*time.Second)
	r.oldest = ms(-time.Hour)
	var log logBuffer
	w := newWriter(t, s, r, Options{Protocol: V1, Now: at(0), MaxSamples: 100, Log: log.logger()})
	w.cursor.floor, w.cursor.until = ms(-20*time.Hour)-1, ms(-20*time.Hour)-1
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	const all, fresh = 2 * 20 * 360, 2 * 360
	got := w.Stats()
	if got.Samples+got.Dropped != all || got.Samples < fresh-100 {
		t.Errorf("got %+v, want %d samples of the last hour, but for a request", got, fresh)
	}
	// Each has 50 times of two samples.
	if most := all/100 + (fewInVain+1+all/100/oneInVain)*(50+100); r.requests > most {
		t.Errorf("it took %d requests, want %d at most", r.requests, most)
	}
	if log.count("refuses samples, which") != 1 || log.count("refuses samples no more") != 1 {
		t.Errorf("log:\n%s", log.text.String())
	}
}

// TestWriter_oneSeriesTakesNoOthersWithIt has a series that a receiver does not take
// at any time, as one that another agent writes too.
func TestWriter_oneSeriesTakesNoOthersWithIt(t *testing.T) {
	s, r := newShelf(), newReceiver(V1)
	r.poison = `i="7"`
	now := time.Duration(0)
	w := newWriter(t, s, r, Options{Protocol: V1, Now: func() time.Time { return begin().Add(now) }})
	for round := range 30 {
		if round%2 == 0 {
			s.fill(50, now, now+time.Second, time.Second)
		} else {
			s.put("m_total", 7, ms(now), 1) // nothing else
		}
		if err := w.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		now += 10 * time.Second
	}
	delete(s.all, `m_total{i="7"}`)
	r.wantAll(t, s)
	if got := w.Stats(); got.Dropped != 30 || r.requests > 30*16 {
		t.Errorf("got %+v after %d requests, want 30 dropped", got, r.requests)
	}
}

func TestWriter_dividesWhatIsTooLarge(t *testing.T) {
	s, r := newShelf(), newReceiver(V1, V2)
	s.fill(10, 0, 5*time.Minute, 10*time.Second)
	r.most = 7
	w := newWriter(t, s, r, Options{Now: at(5*time.Minute - time.Second)})
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.wantAll(t, s)
	r.most, r.requests = 1, 0
	s.fill(2, 5*time.Minute, 5*time.Minute+1, time.Second) // ahead of the clock
	r.script = []string{"413", "413", "413"}
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.Stats(); got.Dropped != 2 || r.requests != 3 {
		t.Errorf("got %+v after %d requests, want 2 single samples dropped after 3", got, r.requests)
	}
}

func TestWriter_boundsRequests(t *testing.T) {
	s, r := newShelf(), newReceiver(V1, V2)
	s.fill(100, 0, 5*time.Minute, 10*time.Second)
	for _, tt := range []struct {
		name string
		o    Options
		most int
	}{
		{"by samples", Options{MaxSamples: 64}, 64},
		{"by bytes", Options{MaxBytes: 100 * (perSample + 60)}, 100},
		{"by bytes that one sample has more of", Options{MaxBytes: 1}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r.got, r.sizes = make(map[string][]series.Number), nil
			tt.o.Now = at(5*time.Minute - time.Second)
			if err := newWriter(t, s, r, tt.o).Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			r.wantAll(t, s)
			if got := slices.Max(r.sizes); got > tt.most || got < tt.most/2 {
				t.Errorf("the largest request had %d samples, want %d at most", got, tt.most)
			}
		})
	}
}

func TestWriter_readsInSlices(t *testing.T) {
	s, r := newShelf(), newReceiver(V1, V2)
	// 1,000 series at 1 s are more than a slice holds in a minute.
	for second := range 120 {
		for i := range 1000 {
			s.put("m_total", i, ms(time.Duration(second)*time.Second), 1)
		}
	}
	w := newWriter(t, s, r, Options{Now: at(3 * time.Minute)})
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.wantAll(t, s)
	if s.reads < 4 {
		t.Errorf("it read %d times", s.reads)
	}
}

func TestWriter_leavesOutWhatIsTooOld(t *testing.T) {
	var log logBuffer
	s, r := newShelf(), newReceiver(V1, V2)
	dir, now := t.TempDir(), time.Duration(0)
	o := Options{Dir: dir, MaxAge: time.Hour, Now: func() time.Time { return begin().Add(now) }, Log: log.logger()}
	s.fill(2, 0, time.Minute, 10*time.Second)
	now = time.Minute
	w := newWriter(t, s, r, o)
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Nothing new for hours is nothing that is too old.
	for range 5 {
		now += time.Hour
		if err := w.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	r.wantAll(t, s)
	if log.count("too old") != 0 {
		t.Errorf("log:\n%s", log.text.String())
	}
	r.got = make(map[string][]series.Number)
	s.fill(2, 6*time.Hour, 8*time.Hour, 10*time.Second)
	now = 8 * time.Hour
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	dropEarly(s, ms(7*time.Hour))
	r.wantAll(t, s)
	if log.count("too old") != 1 {
		t.Errorf("log:\n%s", log.text.String())
	}
}

func TestWriter_sendsWhatIsWanted(t *testing.T) {
	s, r := newShelf(), newReceiver(V1, V2)
	s.put("goshawk_slo_events_total", 1, ms(0), 1)
	s.put("ALERTS", 1, ms(0), 1)
	s.put("slo:sli_events:growth30s", 1, ms(0), 1)
	if err := newWriter(t, s, r, Options{Metrics: []string{"goshawk_*", "ALERTS"}, Now: at(0)}).Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	delete(s.all, `slo:sli_events:growth30s{i="1"}`)
	r.wantAll(t, s)
}

// TestWriter_afterAStepOfTheClock has samples that are ahead of a clock that was set
// back.
func TestWriter_afterAStepOfTheClock(t *testing.T) {
	s, r := newShelf(), newReceiver(V1, V2)
	now := 10 * time.Minute
	w := newWriter(t, s, r, Options{Now: func() time.Time { return begin().Add(now) }})
	s.put("ahead", 1, ms(now+9*time.Minute), 1)
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.wantAll(t, s)
	for i := range 20 {
		s.put("m_total", 1, ms(now+time.Duration(i)*time.Second), 1)
		s.put("other_total", i, ms(now-time.Duration(i)*time.Minute+time.Second*10), 1)
		if err := w.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if i == 10 {
			now -= 9 * time.Minute
		}
	}
	dropEarly(s, ms(10*time.Minute-headStart))
	r.wantAll(t, s)
}

func TestWriter_saysHowFarBehindItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logBuffer
		s, r := newShelf(), newReceiver(V1, V2)
		s.fill(1, 0, time.Minute, 10*time.Second)
		started := time.Now()
		o := Options{Now: func() time.Time { return begin().Add(time.Minute + time.Since(started)) }, Log: log.logger()}
		w := newWriter(t, s, r, o)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.Run(ctx)
		}()
		synctest.Wait()
		if got := w.Stats(); got.Lag != 0 || got.Samples != 6 {
			t.Errorf("in sync: %+v", got)
		}
		r.script = slices.Repeat([]string{"down"}, 1000)
		s.fill(1, time.Minute, time.Minute+time.Second, time.Second)
		time.Sleep(10 * time.Minute)
		// It was in sync with the sample at 50 s.
		if got := w.Stats(); got.Lag != 10*time.Minute+10*time.Second || !got.Failing || got.LastError != errDown.Error() {
			t.Errorf("down: %+v", got)
		}
		r.mu.Lock()
		r.script = nil
		r.mu.Unlock()
		time.Sleep(mostWait)
		if got := w.Stats(); got.Lag != 0 || got.Failing {
			t.Errorf("up again: %+v", got)
		}
		if log.count("remote write fails") != 1 || log.count("works again") != 1 {
			t.Errorf("log:\n%s", log.text.String())
		}
		s.mu.Lock()
		s.err = series.ErrDisk
		s.mu.Unlock()
		time.Sleep(2 * DefaultEvery)
		if got := w.Stats(); !got.Failing {
			t.Errorf("the store is closed: %+v", got)
		}
		s.mu.Lock()
		s.err = nil
		s.mu.Unlock()
		time.Sleep(2 * DefaultEvery)
		if got := w.Stats(); got.Failing {
			t.Errorf("the store is open again: %+v", got)
		}
		cancel()
		<-done
		r.wantAll(t, s)
	})
}

func TestNew_refusesWhatCannotBe(t *testing.T) {
	good := Options{Name: "a", Source: newShelf(), Poster: newReceiver()}
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Options){
		"no name":                func(o *Options) { o.Name = "" },
		"a name that is a path":  func(o *Options) { o.Name = "../a" },
		"no source":              func(o *Options) { o.Source = nil },
		"no poster":              func(o *Options) { o.Poster = nil },
		"an unknown protocol":    func(o *Options) { o.Protocol = "3.0" },
		"a negative bound":       func(o *Options) { o.MaxSamples = -1 },
		"the metric as a label":  func(o *Options) { o.Labels = map[string]string{"__name__": "x"} },
		"no name of a label":     func(o *Options) { o.Labels = map[string]string{"a-b": "x"} },
		"a value that is binary": func(o *Options) { o.Labels = map[string]string{"a": "\xff"} },
		"a pattern that is none": func(o *Options) { o.Metrics = []string{"["} },
	} {
		o := good
		change(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestNew_setsACorruptFileAside(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "remote-write-mimir.json")
	if err := os.WriteFile(path, []byte(`{"version":1,"floor_ms":5,"until_ms":4}`), 0o600); err != nil {
		t.Fatal(err)
	}
	var log logBuffer
	s, r := newShelf(), newReceiver(V1, V2)
	s.fill(1, 0, time.Minute, 10*time.Second)
	w := newWriter(t, s, r, Options{Dir: dir, Log: log.logger(), Now: at(time.Minute)})
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.wantAll(t, s)
	if _, err := os.Stat(path + ".corrupt"); err != nil || log.count("begins anew") != 1 {
		t.Errorf("%v; log: %s", err, log.text.String())
	}
	if c, err := (stateFile{path}).read(); err != nil || c.until != ms(50*time.Second) {
		t.Errorf("a new file: %+v, %v", c, err)
	}
}

func TestWriter_goesOnWithoutAFile(t *testing.T) {
	var log logBuffer
	s, r := newShelf(), newReceiver(V1, V2)
	w := newWriter(t, s, r, Options{Dir: filepath.Join(t.TempDir(), "gone"), Log: log.logger(), Now: at(time.Minute)})
	for i := range 3 {
		s.put("m_total", 1, ms(time.Duration(i)*time.Second), 1)
		if err := w.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	r.wantAll(t, s)
	if log.count("sent twice") != 1 {
		t.Errorf("log: %s", log.text.String())
	}
}

func TestCursor_forgetsWhatNobodyLooksBackTo(t *testing.T) {
	c := newCursor(begin())
	for i := range 100 {
		c.take(uint64(i), ms(time.Duration(i)*time.Minute))
		c.advance(ms(time.Duration(i) * time.Minute))
	}
	if got, want := len(c.last), int(lookBack/time.Minute); got != want {
		t.Errorf("it knows %d series, want %d", got, want)
	}
}

func FuzzDecodeCursor(f *testing.F) {
	c := newCursor(begin())
	for i := range 10 {
		c.take(uint64(i)<<60, ms(time.Duration(i%3)*time.Second))
	}
	data, err := c.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"version":1,"floor_ms":-1}`))
	f.Add([]byte(`{"version":1,"last":[{"series":["1","1"]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := decodeCursor(data)
		if err != nil {
			return
		}
		again, err := c.encode()
		if err != nil {
			t.Fatal(err)
		}
		d, err := decodeCursor(again)
		if err != nil || fmt.Sprint(c) != fmt.Sprint(d) {
			t.Errorf("%v became %v, %v", c, d, err)
		}
	})
}
