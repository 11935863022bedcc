package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/model"
)

// A stream says something each keepAlive, so that proxies keep the connection
// and that one which is gone is noticed; a listener that takes nothing for
// writePatience is cut off; a browser comes back after retryMS.
const (
	keepAlive     = 15 * time.Second
	writePatience = 20 * time.Second
	retryMS       = 1000
)

// maxReplay bounds the stored events that a returning listener is sent.
const maxReplay = v1.MaxLimit

// stream sends events as they happen until the client or the agent ends.
func (s *server) stream(w http.ResponseWriter, r *http.Request) {
	parsed, err := v1.ParseFeedQuery(r.URL.Query())
	if err != nil {
		write(w, badParameter(err))
		return
	}
	last, returning, err := lastEvent(r)
	if err != nil {
		write(w, refuse(http.StatusBadRequest, "send the id of the last event, or nothing", "Last-Event-ID: %v", err))
		return
	}
	q := parsed.Model(s.Now())
	// Whoever listens before the store is asked misses nothing in between.
	l, leave, err := s.Feed.listen(q)
	if err != nil {
		if errors.Is(err, errFeedFull) || errors.Is(err, errFeedClosed) {
			w.Header().Set("Retry-After", "5")
			write(w, refuse(http.StatusServiceUnavailable, "try again later, or read /api/v1/events", "listen to events: %v", err))
			return
		}
		write(w, badParameter(err))
		return
	}
	defer leave()
	out := &streamWriter{w: w, control: http.NewResponseController(w)}
	out.begin()
	var sent map[model.EventID]bool
	if returning {
		sent = s.replay(r.Context(), out, q, last)
	}
	s.forward(r.Context(), out, l, sent)
}

// forward sends what l receives but for the events in sent.
func (s *server) forward(ctx context.Context, out *streamWriter, l *listener, sent map[model.EventID]bool) {
	tick := time.NewTicker(keepAlive)
	defer tick.Stop()
	for out.flush() {
		select {
		case <-ctx.Done():
			return
		case <-s.Feed.done:
			return
		case <-tick.C:
			out.comment("alive")
		case m := <-l.queue:
			l.take(m, out, sent)
			// What waits already goes out in the same write.
			for range len(l.queue) {
				l.take(<-l.queue, out, sent)
			}
		}
		if n := l.dropped.Swap(0); n > 0 {
			out.named("dropped", strconv.FormatUint(n, 10))
		}
	}
}

// take writes a message that came out of l's queue, unless it is in sent.
func (l *listener) take(m message, out *streamWriter, sent map[model.EventID]bool) {
	l.bytes.Add(-int64(len(m.data)))
	if !sent[m.id] {
		out.event(m)
	}
}

// replay sends the stored events that ended after last did, oldest first, and
// returns which they were.
func (s *server) replay(ctx context.Context, out *streamWriter, q model.Query, last model.EventID) map[model.EventID]bool {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	q.From, q.Limit = time.Unix(0, last.End), maxReplay
	page, err := s.Events.Events(ctx, q)
	if err != nil {
		s.Log.Error("a stream could not be continued", "error", err)
		out.named("incomplete", "What happened since the last event could not be read.")
		return nil
	}
	if page.Next != "" {
		out.named("incomplete", "More than "+strconv.Itoa(maxReplay)+" events happened since the last one: the newest follow.")
	}
	for _, what := range page.Incomplete {
		out.named("incomplete", what)
	}
	sent := map[model.EventID]bool{last: true}
	var data []byte
	for _, record := range slices.Backward(page.Records) {
		id := record.Event.ID()
		if sent[id] {
			continue
		}
		sent[id] = true
		data = v1.AppendRecord(data[:0], record)
		out.event(message{id, data})
	}
	return sent
}

// lastEvent returns the id that a returning browser sends.
func lastEvent(r *http.Request) (id model.EventID, returning bool, err error) {
	text := r.Header.Get("Last-Event-ID")
	if text == "" {
		return id, false, nil
	}
	id, err = model.ParseEventID(text)
	return id, err == nil, err
}

// streamWriter writes server-sent events. After a failed write it does nothing.
type streamWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	buffer  []byte
	failed  bool
}

func (o *streamWriter) begin() {
	h := o.w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	// nginx would collect the stream otherwise.
	h.Set("X-Accel-Buffering", "no")
	o.w.WriteHeader(http.StatusOK)
	o.buffer = append(o.buffer, "retry: "...)
	o.buffer = append(strconv.AppendInt(o.buffer, retryMS, 10), "\n\n"...)
}

func (o *streamWriter) comment(text string) {
	o.buffer = append(append(append(o.buffer, ": "...), text...), "\n\n"...)
}

func (o *streamWriter) named(event, data string) {
	o.buffer = append(append(append(o.buffer, "event: "...), event...), "\ndata: "...)
	o.buffer = append(append(o.buffer, strings.ReplaceAll(data, "\n", " ")...), "\n\n"...)
}

func (o *streamWriter) event(m message) {
	o.buffer = append(append(append(o.buffer, "id: "...), m.id.String()...), "\ndata: "...)
	o.buffer = append(append(o.buffer, m.data...), "\n\n"...)
	if len(o.buffer) > 1<<16 {
		o.flush()
	}
}

// flush writes what was collected and reports whether the client takes it.
func (o *streamWriter) flush() bool {
	if len(o.buffer) == 0 || o.failed {
		return !o.failed
	}
	// Not every writer has deadlines or needs to be flushed.
	_ = o.control.SetWriteDeadline(time.Now().Add(writePatience))
	_, err := o.w.Write(o.buffer)
	if err == nil {
		if err = o.control.Flush(); errors.Is(err, http.ErrNotSupported) {
			err = nil
		}
	}
	o.buffer, o.failed = o.buffer[:0], err != nil
	return !o.failed
}
