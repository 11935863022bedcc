package load

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	health "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

// rpc is a connection of gRPC that several workers share. The method is that of the
// health service, so that no code is generated: the name of the service that is asked
// for is the number of the request, and the server says its process in the header.
type rpc struct {
	timeout time.Duration
	conn    *grpc.ClientConn
	check   health.HealthClient
	owners  owners
}

func newRPC(o Options, counts *tally) (*rpc, error) {
	// DisableRetry leaves the repetition of streams that the server has not begun.
	conn, err := grpc.NewClient("passthrough:///"+o.Address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDisableRetry(), grpc.WithStatsHandler(&attempts{counts}))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", o.Address, err)
	}
	return &rpc{timeout: o.Timeout, conn: conn, check: health.NewHealthClient(conn)}, nil
}

// exchange implements client.
func (c *rpc) exchange(id int) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), c.timeout)
	defer cancel()
	var header metadata.MD
	var at peer.Peer
	answer, err := c.check.Check(ctx, &health.HealthCheckRequest{Service: strconv.Itoa(id)}, grpc.Header(&header), grpc.Peer(&at))
	local := ""
	if at.LocalAddr != nil {
		local = at.LocalAddr.String()
	}
	owner := c.owners.of(local)
	if err != nil {
		return 0, &Loss{Kind: brokenCall(err, owner != 0), PID: owner, Cause: err}
	}
	pid, err := check(200, strings.Join(header.Get("pid"), ",")+" "+strings.Join(header.Get("id"), ","), id)
	if err == nil && answer.GetStatus() != health.HealthCheckResponse_SERVING {
		err = fmt.Errorf("health is %v", answer.GetStatus())
	}
	if err != nil {
		return 0, &Loss{Kind: WrongAnswer, PID: owner, Cause: err}
	}
	c.owners.set(local, pid)
	return pid, nil
}

// brokenCall is the kind of an error of grpc-go, which keeps the error of a connection
// only as text.
func brokenCall(err error, reused bool) LossKind {
	code, text := status.Code(err), err.Error()
	pick := func(whenReused, whenFresh LossKind) LossKind {
		if reused {
			return whenReused
		}
		return whenFresh
	}
	switch {
	case code == codes.DeadlineExceeded:
		return Timeout
	case code != codes.Unavailable:
		return Status
	case strings.Contains(text, "connection refused"):
		return Refused
	case strings.Contains(text, "connection reset") || strings.Contains(text, "broken pipe"):
		return pick(ResetReused, ResetFresh)
	case strings.Contains(text, "EOF"):
		return pick(EOFReused, EOFFresh)
	}
	return Status
}

// close implements client.
func (c *rpc) close() {
	// Workers that share it close it more than once, which is an error of the later.
	_ = c.conn.Close()
}

// attempts counts connections, and calls that were sent again.
type attempts struct{ counts *tally }

// TagRPC implements [stats.Handler].
func (*attempts) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// HandleRPC implements [stats.Handler].
func (a *attempts) HandleRPC(_ context.Context, s stats.RPCStats) {
	if begin, ok := s.(*stats.Begin); ok && begin.IsTransparentRetryAttempt {
		a.counts.resent.Add(1)
	}
}

// TagConn implements [stats.Handler].
func (*attempts) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn implements [stats.Handler].
func (a *attempts) HandleConn(_ context.Context, s stats.ConnStats) {
	if _, ok := s.(*stats.ConnBegin); ok {
		a.counts.dials.Add(1)
	}
}
