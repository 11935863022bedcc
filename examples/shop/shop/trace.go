package shop

import (
	"context"
	"encoding/hex"
	"io"
)

type traceKey struct{}

// withTraceparent gives a request a trace of its own, as instrumentation does.
func withTraceparent(ctx context.Context, random io.Reader) (context.Context, error) {
	value, err := newTraceparent(random)
	if err != nil {
		return ctx, err
	}
	return context.WithValue(ctx, traceKey{}, value), nil
}

// traceEnv returns the environment variables that tell a command its trace,
// none for a context without.
func traceEnv(ctx context.Context) []string {
	if value, ok := ctx.Value(traceKey{}).(string); ok {
		return []string{"TRACEPARENT=" + value}
	}
	return nil
}

// newTraceparent returns a W3C trace context header of version 00, sampled,
// with ids from random. An id of zeros is invalid, so none has a zero first
// byte.
func newTraceparent(random io.Reader) (string, error) {
	var ids [24]byte
	if _, err := io.ReadFull(random, ids[:]); err != nil {
		return "", err
	}
	ids[0] |= 1
	ids[16] |= 1
	return "00-" + hex.EncodeToString(ids[:16]) + "-" + hex.EncodeToString(ids[16:]) + "-01", nil
}
