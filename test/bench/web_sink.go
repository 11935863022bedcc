package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"

	"google.golang.org/protobuf/encoding/protowire"
)

// spanSink receives spans in OTLP over HTTP and counts those of servers.
type spanSink struct {
	listener net.Listener
	server   *http.Server
	count    atomic.Int64
}

func newSpanSink() (*spanSink, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &spanSink{listener: listener}
	s.server = &http.Server{Handler: http.HandlerFunc(s.receive)}
	go s.server.Serve(listener)
	return s, nil
}

func (s *spanSink) address() string { return s.listener.Addr().String() }

func (s *spanSink) spans() int { return int(s.count.Load()) }

// Close ends the connections that are open.
func (s *spanSink) Close() error { return s.server.Close() }

func (s *spanSink) receive(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil && r.URL.Path == "/v1/traces" {
		var n int
		n, err = serverSpans(body)
		s.count.Add(int64(n))
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// serverSpans counts the spans of kind server in an ExportTraceServiceRequest.
// To decode it whole would take CPU time from what is measured.
func serverSpans(request []byte) (int, error) {
	n := 0
	err := each(request, 1, func(resource []byte) error {
		return each(resource, 2, func(scope []byte) error {
			return each(scope, 2, func(span []byte) error {
				kind, err := number(span, 6)
				if kind == 2 {
					n++
				}
				return err
			})
		})
	})
	return n, err
}

// each calls f with each field of message that has the number want and a
// length.
func each(message []byte, want protowire.Number, f func([]byte) error) error {
	return fields(message, func(number protowire.Number, kind protowire.Type, value []byte) error {
		if number != want || kind != protowire.BytesType {
			return nil
		}
		inner, size := protowire.ConsumeBytes(value)
		if size < 0 {
			return protowire.ParseError(size)
		}
		return f(inner)
	})
}

// number returns the last integer field of message with the number want.
func number(message []byte, want protowire.Number) (uint64, error) {
	var found uint64
	err := fields(message, func(number protowire.Number, kind protowire.Type, value []byte) error {
		if number == want && kind == protowire.VarintType {
			found, _ = protowire.ConsumeVarint(value)
		}
		return nil
	})
	return found, err
}

func fields(message []byte, f func(protowire.Number, protowire.Type, []byte) error) error {
	for len(message) > 0 {
		number, kind, tag := protowire.ConsumeTag(message)
		if tag < 0 {
			return fmt.Errorf("decode spans: %w", protowire.ParseError(tag))
		}
		size := protowire.ConsumeFieldValue(number, kind, message[tag:])
		if size < 0 {
			return fmt.Errorf("decode spans: %w", protowire.ParseError(size))
		}
		if err := f(number, kind, message[tag:tag+size]); err != nil {
			return err
		}
		message = message[tag+size:]
	}
	return nil
}
