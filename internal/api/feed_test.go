package api

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
)

// stream is a listener over a network. Its lines come without empty ones.
type stream struct {
	*http.Response
	lines *bufio.Scanner
}

// next returns the next line that is not empty, and "" at the end.
func (s *stream) next() string {
	for s.lines.Scan() {
		if line := s.lines.Text(); line != "" {
			return line
		}
	}
	return ""
}

// serveFeed serves feed and what list keeps.
func serveFeed(t *testing.T, feed *Feed, list *events) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(New(Options{Host: &host{}, Events: list, Feed: feed, Now: noon}))
	t.Cleanup(func() {
		feed.Close()
		server.Close()
	})
	return server
}

func listenTo(t *testing.T, server *httptest.Server, query string, header ...string) *stream {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+streamPath+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 1<<20)
	return &stream{response, lines}
}

func failed(e *model.Event) *model.Event {
	e.Values[2] = model.StringValue("1")
	return e
}

func TestStream_sendsWhatIsSelected(t *testing.T) {
	feed := NewFeed(FeedOptions{Filter: filter})
	server := serveFeed(t, feed, &events{})
	s := listenTo(t, server, "?failed=true&service=shop")
	if s.StatusCode != 200 || s.Header.Get("Content-Type") != "text/event-stream; charset=utf-8" || s.next() != "retry: 1000" {
		t.Fatalf("status %d, header %v", s.StatusCode, s.Header)
	}
	good, bad := event("good", 1, 2, time.Second), failed(event("bad", 2, 1, time.Second))
	feed.Add(good)
	feed.Add(bad)
	if got, want := s.next(), "id: "+bad.ID().String(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := s.next(); !strings.HasPrefix(got, `data: {"id":"`+bad.ID().String()+`","weight":1,`) || !strings.Contains(got, `"error.type":"1"`) {
		t.Errorf("got %s", got)
	}
	feed.Close()
	if got := s.next(); got != "" {
		t.Errorf("got %s after the end", got)
	}
}

func TestStream_continuesWhereItWasBroken(t *testing.T) {
	feed := NewFeed(FeedOptions{Filter: filter})
	list := &events{}
	first, second, third, fourth := event("a", 1, 40, time.Second), event("b", 2, 30, time.Second), event("c", 3, 20, time.Second), event("d", 4, 10, time.Second)
	for _, e := range []*model.Event{first, second, third} {
		list.add(e)
	}
	server := serveFeed(t, feed, list)
	s := listenTo(t, server, "", "Last-Event-ID", first.ID().String())
	// What was stored and comes again live is sent once.
	feed.Add(third)
	feed.Add(fourth)
	var got []string
	for len(got) < 3 {
		line := s.next()
		if line == "" {
			break
		}
		if id, ok := strings.CutPrefix(line, "id: "); ok {
			got = append(got, id)
		}
	}
	if want := fmt.Sprint([]string{second.ID().String(), third.ID().String(), fourth.ID().String()}); fmt.Sprint(got) != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestStream_saysWhenItCannotContinue(t *testing.T) {
	last := event("x", 1, 5000, time.Second)
	many := &events{}
	for i := range maxReplay + 10 {
		many.add(event("x", int32(i+2), 2000-i, time.Second))
	}
	for want, list := range map[string]*events{
		"data: What happened since the last event could not be read.":                 {err: errCursor},
		"data: More than 1000 events happened since the last one: the newest follow.": many,
	} {
		feed := NewFeed(FeedOptions{Filter: filter})
		s := listenTo(t, serveFeed(t, feed, list), "", "Last-Event-ID", last.ID().String())
		if s.next(); s.next() != "event: incomplete" || s.next() != want {
			t.Errorf("the stream does not say %s", want)
		}
	}
}

func TestStream_tellsASlowListenerWhatItLost(t *testing.T) {
	feed := NewFeed(FeedOptions{Filter: filter, Queue: 4})
	l, leave, err := feed.listen(model.Query{})
	if err != nil {
		t.Fatal(err)
	}
	defer leave()
	quick, leaveToo, err := feed.listen(model.Query{PID: 10})
	if err != nil {
		t.Fatal(err)
	}
	defer leaveToo()
	for i := range 10 {
		feed.Add(event("x", int32(i+1), 10-i, time.Second))
	}
	if len(l.queue) != 4 || l.dropped.Load() != 6 || feed.Dropped() != 6 || len(quick.queue) != 1 {
		t.Fatalf("%d wait and %d are lost, of all %d; another has %d", len(l.queue), l.dropped.Load(), feed.Dropped(), len(quick.queue))
	}
	w := httptest.NewRecorder()
	s := &server{Options: Options{Feed: feed}}
	ended, end := context.WithCancel(t.Context())
	out := &streamWriter{w: endingWriter{w, end}, control: http.NewResponseController(w)}
	out.begin()
	s.forward(ended, out, l, nil)
	if text := w.Body.String(); strings.Count(text, "\nid: ") != 4 || !strings.HasSuffix(text, "\nevent: dropped\ndata: 6\n\n") {
		t.Errorf("the stream says\n%s", text)
	}
	if n := l.bytes.Load(); n != 0 {
		t.Errorf("%d bytes are counted in an empty queue", n)
	}
}

// endingWriter ends the stream when the loss was told.
type endingWriter struct {
	*httptest.ResponseRecorder
	end func()
}

func (w endingWriter) Write(b []byte) (int, error) {
	if strings.Contains(string(b), "dropped") {
		w.end()
	}
	return w.ResponseRecorder.Write(b)
}

func TestFeed_boundsTheBytesThatWait(t *testing.T) {
	feed := NewFeed(FeedOptions{Filter: filter})
	l, leave, err := feed.listen(model.Query{})
	if err != nil {
		t.Fatal(err)
	}
	defer leave()
	for range 10 {
		feed.Add(event(strings.Repeat("x", defaultQueueBytes/4), 1, 1, 1))
	}
	if n := len(l.queue); n != 3 {
		t.Errorf("%d events of a quarter of the bound wait, want 3", n)
	}
}

func TestFeed_writesAnEventOnce(t *testing.T) {
	feed := NewFeed(FeedOptions{Filter: filter})
	var listeners [2]*listener
	for i := range listeners {
		l, leave, err := feed.listen(model.Query{})
		if err != nil {
			t.Fatal(err)
		}
		defer leave()
		listeners[i] = l
	}
	feed.Add(event("x", 1, 1, 1))
	if a, b := <-listeners[0].queue, <-listeners[1].queue; &a.data[0] != &b.data[0] {
		t.Error("each listener has JSON of its own")
	}
}

func TestFeed_handsOnSamplesAndNoTallies(t *testing.T) {
	feed := NewFeed(FeedOptions{Filter: filter})
	l, leave, err := feed.listen(model.Query{})
	if err != nil {
		t.Fatal(err)
	}
	defer leave()
	tally, sampled := event("tally", 1, 1, 1), event("sampled", 2, 1, 1)
	tally.Phase, tally.Tally = model.PhaseTally, &model.Tally{Count: 1000}
	sampled.Weight = 20
	feed.Add(tally)
	feed.Add(sampled)
	if n := len(l.queue); n != 1 {
		t.Fatalf("%d messages wait, want 1", n)
	}
	if got := string((<-l.queue).data); !strings.Contains(got, `"weight":20,`) || !strings.Contains(got, `"goshawk.weight":20`) {
		t.Errorf("got %s, want an event that stands for 20", got)
	}
}

func TestStream_refuses(t *testing.T) {
	feed := NewFeed(FeedOptions{Filter: filter, Listeners: 1})
	server := serveFeed(t, feed, &events{})
	first := listenTo(t, server, "")
	tests := []struct {
		name, query, last string
		status            int
		want              string
	}{
		{"one too many", "", "", 503, `{"error":"listen to events: too many listen: 1","hint":"try again later`},
		{"a page", "?limit=5", "", 400, `parameter limit=\"5\": there is no such parameter here`},
		{"an id that is none", "", "x", 400, `Last-Event-ID: event id \"x\": is not`},
		{"what cannot be filtered", "?service=broken", "", 400, `cannot be asked for`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := listenTo(t, server, tt.query, "Last-Event-ID", tt.last)
			body, _ := io.ReadAll(s.Body)
			if s.StatusCode != tt.status || !strings.Contains(string(body), tt.want) {
				t.Errorf("status %d, body %s; want %d and %s", s.StatusCode, body, tt.status, tt.want)
			}
		})
	}
	feed.Close()
	feed.Close()
	if first.next(); first.next() != "" {
		t.Error("the first stream goes on")
	}
	if s := listenTo(t, server, ""); s.StatusCode != 503 {
		t.Errorf("status %d after the end", s.StatusCode)
	}
}

func TestStream_endsWhenTheClientLeaves(t *testing.T) {
	feed := NewFeed(FeedOptions{Filter: filter})
	server := serveFeed(t, feed, &events{})
	s := listenTo(t, server, "")
	s.next()
	if !feed.Wanted() {
		t.Error("nobody listens")
	}
	s.Body.Close()
	for feed.Wanted() {
		time.Sleep(time.Millisecond)
	}
	feed.Add(event("x", 1, 1, 1))
}

func BenchmarkFeed_addForTwentyListeners(b *testing.B) {
	feed := NewFeed(FeedOptions{Filter: filter})
	for range 20 {
		l, leave, err := feed.listen(model.Query{Service: "shop"})
		if err != nil {
			b.Fatal(err)
		}
		defer leave()
		go func() {
			for {
				select {
				case m := <-l.queue:
					l.bytes.Add(-int64(len(m.data)))
				case <-feed.done:
					return
				}
			}
		}()
	}
	defer feed.Close()
	e := event("x", 1, 1, time.Second)
	b.ReportAllocs()
	for b.Loop() {
		feed.Add(e)
	}
}
