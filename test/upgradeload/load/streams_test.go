package load

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	health "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"
)

// streamFault is what a server of HTTP/2 does with a stream that it has read.
type streamFault int

const (
	streamAnswers   streamFault = iota
	streamRefused               // RST_STREAM that says it was not begun, the first time
	streamReset                 // RST_STREAM that says it broke
	refusedByGoAway             // GOAWAY up to the stream before, the first time
	keptByGoAway                // GOAWAY up to this stream, and then the end of the connection
	streamCut                   // the end of the connection within the answer
	connectionEnds              // the end of the connection
	connectionReset
	streamFails // status 503, or UNAVAILABLE
	streamSilent
)

// framed speaks HTTP/2 without TLS by its frames, to net/http and to grpc-go.
type framed struct {
	plan map[int]streamFault
	rpc  bool

	mu    sync.Mutex
	seen  map[int]bool
	conns map[net.Conn]bool
}

func startFramed(t *testing.T, plan map[int]streamFault, rpc bool) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &framed{plan: plan, rpc: rpc, seen: map[int]bool{}, conns: map[net.Conn]bool{}}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			f.conns[conn] = true
			f.mu.Unlock()
			serving.Go(func() {
				defer conn.Close()
				f.serve(conn.(*net.TCPConn))
			})
		}
	})
	t.Cleanup(func() {
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
		f.mu.Lock()
		for conn := range f.conns {
			conn.Close()
		}
		f.mu.Unlock()
		serving.Wait()
	})
	return listener.Addr().String()
}

// first reports whether a request is read for the first time.
func (f *framed) first(id int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	defer func() { f.seen[id] = true }()
	return !f.seen[id]
}

func (f *framed) serve(conn *net.TCPConn) {
	if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	frames := http2.NewFramer(conn, conn)
	if err := frames.WriteSettings(); err != nil {
		return
	}
	bodies := map[uint32][]byte{}
	for {
		frame, err := frames.ReadFrame()
		if err != nil {
			return
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				err = frames.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if !frame.IsAck() {
				err = frames.WritePing(true, frame.Data)
			}
		case *http2.DataFrame:
			id := frame.StreamID
			bodies[id] = append(bodies[id], frame.Data()...)
			if frame.StreamEnded() {
				err = f.handle(conn, frames, id, bodies[id])
			}
		}
		if errors.Is(err, errEnd) {
			// What is not read when a connection is closed makes its end a reset.
			if conn.CloseWrite() == nil {
				_, _ = io.Copy(io.Discard, conn)
			}
		}
		if err != nil {
			return
		}
	}
}

var (
	errEnd   = errors.New("the connection ends")
	errReset = errors.New("the connection is reset")
)

// handle does what is planned for the request of a stream.
func (f *framed) handle(conn *net.TCPConn, frames *http2.Framer, stream uint32, body []byte) error {
	id, err := f.number(body)
	if err != nil {
		return err
	}
	fault, again := f.plan[id], !f.first(id)
	switch {
	case fault == streamRefused && !again:
		return frames.WriteRSTStream(stream, http2.ErrCodeRefusedStream)
	case fault == refusedByGoAway && !again:
		return frames.WriteGoAway(stream-2, http2.ErrCodeNo, nil)
	case fault == streamReset:
		return frames.WriteRSTStream(stream, http2.ErrCodeInternal)
	case fault == keptByGoAway:
		return errors.Join(frames.WriteGoAway(stream, http2.ErrCodeNo, nil), errEnd)
	case fault == streamCut:
		return errors.Join(f.answer(frames, stream, "200", id, true), errEnd)
	case fault == connectionEnds:
		return errEnd
	case fault == connectionReset:
		return errors.Join(conn.SetLinger(0), errReset)
	case fault == streamFails:
		return f.answer(frames, stream, "503", id, false)
	case fault == streamSilent:
		return nil
	}
	return f.answer(frames, stream, "200", id, false)
}

// number returns that of a request.
func (f *framed) number(body []byte) (int, error) {
	if !f.rpc {
		return strconv.Atoi(string(body))
	}
	var request health.HealthCheckRequest
	if len(body) < 5 {
		return 0, io.ErrUnexpectedEOF
	}
	if err := proto.Unmarshal(body[5:], &request); err != nil {
		return 0, err
	}
	return strconv.Atoi(request.GetService())
}

func (f *framed) answer(frames *http2.Framer, stream uint32, status string, id int, cut bool) error {
	if !f.rpc {
		err := writeHeader(frames, stream, false, ":status", status)
		if cut {
			return errors.Join(err, frames.WriteData(stream, false, []byte("1 ")))
		}
		return errors.Join(err, frames.WriteData(stream, true, fmt.Appendf(nil, "1 %d", id)))
	}
	message, err := proto.Marshal(&health.HealthCheckResponse{Status: health.HealthCheckResponse_SERVING})
	if err != nil {
		return err
	}
	data := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	err = writeHeader(frames, stream, false, ":status", "200", "content-type", "application/grpc", "pid", "1", "id", strconv.Itoa(id))
	if cut {
		return err
	}
	code := map[string]string{"200": "0", "503": "14"}[status]
	return errors.Join(err, frames.WriteData(stream, false, append(data, message...)),
		writeHeader(frames, stream, true, "grpc-status", code))
}

func writeHeader(frames *http2.Framer, stream uint32, end bool, pairs ...string) error {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for i := 0; i < len(pairs); i += 2 {
		if err := encoder.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]}); err != nil {
			return err
		}
	}
	return frames.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndStream: end, EndHeaders: true})
}

func TestRun_findsLossesOfStreams(t *testing.T) {
	each := func(f streamFault, ids ...int) map[int]streamFault {
		plan := map[int]streamFault{}
		for _, id := range ids {
			plan[id] = f
		}
		return plan
	}
	for _, tt := range []struct {
		name      string
		plan      map[int]streamFault
		h2c, grpc losses
		resent    int
	}{
		{"none", nil, losses{}, losses{}, 0},
		{"refuses streams", each(streamRefused, 3, 7), losses{}, losses{}, 2},
		{"refuses streams by GOAWAY", each(refusedByGoAway, 3, 7), losses{}, losses{}, 2},
		{"resets streams", each(streamReset, 3, 7), losses{Stream: 2}, losses{Status: 2}, 0},
		{"keeps streams by GOAWAY, and ends", each(keptByGoAway, 3, 7), losses{GoAway: 2}, losses{EOFReused: 2}, 0},
		{"ends within answers", each(streamCut, 3, 7), losses{Cut: 2}, losses{EOFReused: 2}, 0},
		{"ends a reused connection", each(connectionEnds, 3, 7), losses{EOFReused: 2}, losses{EOFReused: 2}, 0},
		{"ends a fresh connection", each(connectionEnds, 0), losses{EOFFresh: 1}, losses{EOFFresh: 1}, 0},
		{"resets a reused connection", each(connectionReset, 3, 7), losses{ResetReused: 2}, losses{ResetReused: 2}, 0},
		{"fails", each(streamFails, 3, 7), losses{WrongAnswer: 2}, losses{Status: 2}, 0},
		{"does not answer", each(streamSilent, 3, 7), losses{Timeout: 2}, losses{Timeout: 2}, 0},
	} {
		for kind, want := range map[Kind]losses{H2C: tt.h2c, GRPC: tt.grpc} {
			t.Run(string(kind)+", "+tt.name, func(t *testing.T) {
				const n = 10
				o := sending(kind, startFramed(t, tt.plan, kind == GRPC), n, 1)
				if want[Timeout] > 0 {
					o.Timeout = 200 * time.Millisecond
				}
				r := checkRun(t, o, n, want)
				if r.Resent != tt.resent {
					t.Errorf("%d were sent again, want %d", r.Resent, tt.resent)
				}
			})
		}
	}
}
