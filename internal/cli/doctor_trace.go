package cli

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/doctor"
	"github.com/goshawk-io/goshawk/internal/observe/gotrace"
	"github.com/goshawk-io/goshawk/internal/observe/gotrace/fetch"
	"github.com/goshawk-io/goshawk/internal/observe/gotrace/hostsample"
)

// traceUnseen is what only an execution trace shows.
const traceUnseen = "execution trace (saturated Ps, late wake-ups, assists, stops of the world, growing goroutines)"

// traceFindings are those about a trace.
type traceFindings struct{ findings []model.Finding }

// doctorTrace records an execution trace of a process and judges it. What cannot be had
// is noted as unseen, and nil returned: the other findings do not depend on it.
func doctorTrace(ctx context.Context, e *doctor.Evidence, pid int32, o *doctorOptions) *traceFindings {
	unseen := func(why string) {
		e.Unseen = append(e.Unseen, doctor.Unseen{What: traceUnseen, Why: why})
	}
	if o.trace == 0 {
		unseen("--trace was not given")
		return nil
	}
	r, err := recordForDoctor(ctx, pid, o)
	if err != nil {
		unseen(err.Error())
		return nil
	}
	// The trace counts them, and has a rule of its own about their growth.
	e.Unseen = slices.DeleteFunc(e.Unseen, func(u doctor.Unseen) bool { return u.What == doctor.UnseenGoroutines })
	return &traceFindings{gotrace.Find(r)}
}

// recordForDoctor records a trace, and what the host does meanwhile.
func recordForDoctor(ctx context.Context, pid int32, o *doctorOptions) (*gotrace.Report, error) {
	defer collectEarly()()
	source := traceRecord{url: o.pprof, pid: pid, pidSet: o.pprof == "", seconds: int((o.trace + time.Second - 1) / time.Second), secondsSet: true}
	s, err := source.source(ctx)
	if err != nil {
		return nil, err
	}
	defer s.client.Close()
	var samples bytes.Buffer
	sampler, _ := hostsample.Start(&samples, hostsample.Options{PID: pid, Goshawk: buildVersion().Version})
	r, err := analyseFrom(ctx, s.client, s.url.String())
	if sampler != nil {
		if _, stopped := sampler.Stop(); stopped == nil && r != nil {
			if rec, unread := hostsample.Read(&samples); unread == nil {
				// Without what the host did the findings are fewer, and as true.
				_ = gotrace.Join(r, rec)
			}
		}
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// analyseFrom analyses the trace that a URL answers.
func analyseFrom(ctx context.Context, client *fetch.Client, url string) (*gotrace.Report, error) {
	t, err := client.Open(ctx, url, 0)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	r, err := gotrace.Analyse(ctx, t, gotrace.Options{})
	if err == nil && r.Events == 0 {
		err = errors.New("the trace is empty")
	}
	return r, err
}
