package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/export/table"
	"github.com/goshawk-io/goshawk/internal/observe/gotrace/fetch"
	"github.com/goshawk-io/goshawk/internal/observe/gotrace/hostsample"
	"github.com/goshawk-io/goshawk/internal/platform"
)

const (
	traceRecordName = "trace record"
	// maxTraceSeconds is an hour: pprof keeps the connection open for as long.
	maxTraceSeconds = 3600
	// defaultTraceSeconds shows a few collections of a busy service.
	defaultTraceSeconds = 5
	// hostSuffix is added to the name of a trace for the samples of its host.
	hostSuffix = ".host.jsonl"
)

// traceRecord are the flags of trace record, and what it works with.
type traceRecord struct {
	url     string
	pid     int32
	seconds int
	file    string
	json    bool
	noHost  bool
	// pidSet and secondsSet say that the flags were given.
	pidSet, secondsSet bool
	// fetch is for tests that cannot wait as long as users do.
	fetch fetch.Options
}

func newTraceRecord(env Env) *cobra.Command {
	var o traceRecord
	cmd := &cobra.Command{
		Use:   "record {--url URL | --pid PID} [--seconds N] -o FILE",
		Short: "Record an execution trace from a pprof endpoint, and what it cannot see",
		Long: `Get an execution trace from net/http/pprof of a running service and write it to
FILE. URL may be http://HOST:PORT, that of the index (…/debug/pprof/) or of the
trace. With --pid the addresses that the process listens on are asked instead.

When the process is on this host FILE` + hostSuffix + ` gets what the trace cannot see,
on the same clock, every 10 ms: how long each thread was ready and had no CPU, when
the quota of its control group stopped it, how busy the machine was. goshawk trace
report reads both. What cannot be seen is told.

FILE is whole or not there: what is received goes to FILE.partial first. With Ctrl-C
FILE is what came until then, and the report says that it is cut.

Tracing costs the service CPU time for these seconds: the more often its goroutines
switch, the more, and the larger FILE becomes.

Exit codes: 0 done, 2 bad usage, or the endpoint gives no trace, 3 this host
cannot, 4 the trace ended too soon (FILE.partial has what came), 130 interrupted.`,
		Example: `  goshawk trace record --url http://localhost:6060 --seconds 3 -o shop.trace
  goshawk trace record --pid 4711 -o shop.trace
  goshawk trace record --url https://user:password@shop.example/debug/pprof/trace -o shop.trace --json
  goshawk trace report shop.trace`,
		Args: exactArgs(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.pidSet, o.secondsSet = cmd.Flags().Changed("pid"), cmd.Flags().Changed("seconds")
			return o.run(cmd.Context(), env)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.url, "url", "", "ask `URL` of a service, of its pprof, or of its trace")
	f.Int32Var(&o.pid, "pid", 0, "ask process `PID`: it is looked for where it serves pprof")
	f.IntVar(&o.seconds, "seconds", defaultTraceSeconds, "record for `N` seconds")
	f.StringVarP(&o.file, "output", "o", "", "write the trace to `FILE`")
	f.BoolVar(&o.json, "json", false, "print a JSON document")
	f.BoolVar(&o.noHost, "no-host", false, "do not sample the host")
	return cmd
}

// check refuses what contradicts itself.
func (o *traceRecord) check() error {
	switch {
	case o.url == "" && !o.pidSet:
		return usageError("write --url http://HOST:PORT, or --pid PID", "%s: want --url or --pid, got none", traceRecordName)
	case o.url != "" && o.pidSet:
		return usageError("leave out one of them", "%s: --url with --pid: they contradict each other", traceRecordName)
	case o.pidSet && o.pid <= 0:
		return usageError("goshawk ps lists the Go processes", "%s: --pid %d: is not a process id", traceRecordName, o.pid)
	case o.seconds < 1 || o.seconds > maxTraceSeconds:
		return usageError(fmt.Sprintf("write a number from 1 to %d", maxTraceSeconds), "%s: --seconds %d: is out of range", traceRecordName, o.seconds)
	case o.file == "":
		return usageError("write -o FILE", "%s: want -o FILE, got none", traceRecordName)
	case o.file == "-":
		return usageError("write the name of a file; goshawk trace report URL needs none", "%s: -o -: the samples of the host go beside a file", traceRecordName)
	}
	return nil
}

// recordSource is what a trace is recorded of.
type recordSource struct {
	client *fetch.Client
	url    *url.URL
	pid    int32 // 0 when not known
	unseen string
}

// source finds what to ask, and which process that is.
func (o *traceRecord) source(ctx context.Context) (*recordSource, error) {
	client := o.fetch
	client.NetworkOf = o.pid
	s := &recordSource{client: fetch.New(client), pid: o.pid}
	var err error
	if o.pidSet {
		s.url, err = s.client.Find(ctx, o.pid)
	} else {
		s.url, err = fetch.Endpoint(o.url, 0)
	}
	if err == nil {
		seconds := o.seconds
		if !o.secondsSet && s.url.Query().Has("seconds") {
			seconds = 0
		}
		s.url, err = fetch.Endpoint(s.url.String(), seconds)
	}
	if err != nil {
		s.client.Close()
		return nil, err
	}
	switch {
	case o.noHost:
		s.pid, s.unseen = 0, "--no-host was given"
	case s.pid == 0:
		if s.pid, err = s.client.Owner(ctx, s.url.String()); err != nil {
			s.unseen = strings.TrimPrefix(err.Error(), fetch.ErrNotSeen.Error()+": ")
		}
	}
	return s, nil
}

func (o *traceRecord) run(ctx context.Context, env Env) error {
	if err := o.check(); err != nil {
		return err
	}
	file, err := createTraceFile(o.file)
	if err != nil {
		return usageError("name a file that can be written", "%s: -o %s: %w", traceRecordName, shortOperand(o.file), withoutPath(err))
	}
	defer file.close()
	s, err := o.source(ctx)
	if err != nil {
		return fetchFailure(ctx, traceRecordName, err)
	}
	defer s.client.Close()
	if env.Width() > 0 {
		fmt.Fprintf(env.Stderr, "recording %s; Ctrl-C ends it\n", table.Printable(s.url.Redacted()))
	}
	result := recordResult{v1.TraceRecord{PID: s.pid, URL: s.url.Redacted()}}
	sampler := o.sample(s, file)
	err = receive(ctx, s, file, &result)
	o.finishHost(s, sampler, file, &result)
	if file.received == 0 {
		if err == nil {
			err = errors.New("the trace is empty")
		}
		return fetchFailure(ctx, traceRecordName, err)
	}
	interrupted := err != nil && ctx.Err() != nil
	switch {
	case interrupted:
		result.Cut = "interrupted"
	case err != nil:
		file.keepPartial(&result)
		failed := fetchFailure(ctx, traceRecordName, err)
		return &failure{code: exitInternal, err: failed, hint: "what came is in " + o.file + partialSuffix + ": goshawk trace report reads it"}
	}
	result.Complete = err == nil
	if err := file.commit(&result); err != nil {
		return notWritten(traceRecordName, err)
	}
	if err := notWritten(traceRecordName, result.print(env, o.json)); err != nil || !interrupted {
		return err
	}
	return errInterrupted
}

// sample starts to sample the host of a source, and returns nil when it cannot.
func (o *traceRecord) sample(s *recordSource, file *traceFile) *hostsample.Sampler {
	if s.pid == 0 {
		return nil
	}
	w, err := file.host()
	if err != nil {
		s.unseen = err.Error()
		return nil
	}
	sampler, err := hostsample.Start(w, hostsample.Options{PID: s.pid, Goshawk: buildVersion().Version})
	if err != nil {
		file.dropHost()
		s.unseen = err.Error()
		return nil
	}
	return sampler
}

// finishHost ends the sampling, and says what it has seen.
func (o *traceRecord) finishHost(s *recordSource, sampler *hostsample.Sampler, file *traceFile, r *recordResult) {
	unseen := func(why string) {
		r.NotSeen = append(r.NotSeen, "the host (threads without a CPU, throttling, load, sysmon): "+why)
	}
	if sampler == nil {
		unseen(s.unseen)
		return
	}
	footer, err := sampler.Stop()
	if err == nil {
		err = r.readHost(file)
	}
	if err != nil {
		file.dropHost()
		unseen(err.Error())
		return
	}
	r.Host.Missed, r.Host.OwnCPUNS, r.Host.Ended = footer.Missed, footer.OwnCPUNS, footer.Ended
}

// receive copies a trace to a file until it ends, and says how.
func receive(ctx context.Context, s *recordSource, file *traceFile, r *recordResult) error {
	t, err := s.client.Open(ctx, s.url.String(), 0)
	if err != nil {
		return err
	}
	defer t.Close()
	r.URL, r.GoVersion, r.Seconds = t.URL, t.Go, t.Asked.Seconds()
	_, err = io.CopyBuffer(file, struct{ io.Reader }{t}, make([]byte, 64<<10))
	r.Bytes, r.DurationNS = file.received, time.Since(t.Requested).Nanoseconds()
	// pprof sleeps for the seconds that it was asked for: an answer that is whole
	// before is of something else, or of fewer seconds.
	if early := t.Asked - time.Duration(r.DurationNS); err == nil && early > t.Asked/10 {
		r.Note = fmt.Sprintf("the answer was whole after %s: the endpoint was asked for %s", shortDuration(time.Duration(r.DurationNS)), t.Asked)
	}
	return err
}

// fetchFailure says why there is no trace: of what a user can do something about it is
// bad input, of what broke off an incomplete result.
func fetchFailure(ctx context.Context, command string, err error) error {
	var e *fetch.Error
	switch {
	case ctx.Err() != nil:
		return errInterrupted
	case errors.Is(err, platform.ErrUnsupported):
		return fmt.Errorf("%s: %w", command, err)
	case errors.Is(err, fs.ErrNotExist):
		return usageError("goshawk ps lists the Go processes", "%s: no such process: %w", command, err)
	case errors.As(err, &e):
		code := exitUsage
		if e.Started || errors.Is(err, fetch.ErrStalled) || errors.Is(err, fetch.ErrTooLong) || errors.Is(err, fetch.ErrCut) {
			code = exitInternal
		}
		return &failure{code: code, err: fmt.Errorf("%s: %w", command, err), hint: e.Hint}
	}
	return &failure{code: exitInternal, err: fmt.Errorf("%s: %w", command, err), hint: "make room, or write the trace elsewhere"}
}

// withoutPath drops the path of an error, which the message names already.
func withoutPath(err error) error {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return p.Err
	}
	return err
}
