package hostsample

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

const (
	// maxLine bounds a line of a file: 256 threads take 24 KiB.
	maxLine = 128 << 10
	// maxSamples bounds how many samples are kept: five minutes of 10 ms. Of more,
	// neighbours are merged.
	maxSamples = 32768
	// maxDelta is the longest duration that one line may tell, 100000 s; also the
	// largest count.
	maxDelta = 1e14
)

// ErrFormat says that a file is not one of samples, or is damaged.
var ErrFormat = errors.New("is not a file of host samples")

// Read reads a file of samples, in bounded memory. A file that is cut has no Footer,
// and no error. An error for one that is damaged matches [ErrFormat]; the recording
// then holds what came before.
func Read(r io.Reader) (Recording, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 4096), maxLine)
	var rec Recording
	if !lines.Scan() {
		if err := lines.Err(); err != nil && !errors.Is(err, bufio.ErrTooLong) {
			return rec, err
		}
		return rec, fmt.Errorf("%w: it has no header", ErrFormat)
	}
	if err := rec.readHeader(lines.Bytes()); err != nil {
		return Recording{}, err
	}
	last := rec.StartNS
	for n := 2; lines.Scan(); n++ {
		line := lines.Bytes()
		if rec.Footer != nil {
			return rec, fmt.Errorf("%w: line %d comes after the last one", ErrFormat, n)
		}
		err := rec.readLine(line, &last)
		if err != nil && mayBeCut(line, err) && !lines.Scan() {
			// Nothing follows: the file is cut within a line.
			return rec, lines.Err()
		}
		if err != nil {
			return rec, fmt.Errorf("%w: line %d: %w", ErrFormat, n, err)
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return rec, fmt.Errorf("%w: a line is longer than %d bytes", ErrFormat, maxLine)
	} else if err != nil {
		return rec, err
	}
	return rec, nil
}

// mayBeCut reports whether a line can be the beginning of one that is right.
func mayBeCut(line []byte, err error) bool {
	syntax := (*json.SyntaxError)(nil)
	return errors.As(err, &syntax) || bytes.HasPrefix([]byte(samplePrefix), line) || bytes.HasPrefix([]byte(footerPrefix), line)
}

// Lines are told apart by how they begin, as this package writes them.
const (
	samplePrefix = `{"t_ns":`
	footerPrefix = `{"end_ns":`
)

func (rec *Recording) readHeader(line []byte) error {
	if !bytes.HasPrefix(line, []byte(`{"goshawk_host":`)) {
		return fmt.Errorf("%w: its first line is no header", ErrFormat)
	}
	if err := json.Unmarshal(line, &rec.Header); err != nil {
		return fmt.Errorf("%w: header: %w", ErrFormat, err)
	}
	h := &rec.Header
	if h.Version != FormatVersion {
		return fmt.Errorf("%w: it has version %d, and %d is known", ErrFormat, h.Version, FormatVersion)
	}
	if h.PID < 0 || h.StartNS < 0 || h.IntervalNS <= 0 || h.IntervalNS > maxDelta || h.CPUs < 0 || h.AllowedCPUs < 0 || h.GOMAXPROCS < 0 {
		return fmt.Errorf("%w: header: a number is out of range", ErrFormat)
	}
	for _, g := range h.Groups {
		if g.QuotaNS <= 0 || g.PeriodNS <= 0 || max(g.QuotaNS, g.PeriodNS) > maxDelta {
			return fmt.Errorf("%w: header: quota of %q is out of range", ErrFormat, g.Path)
		}
	}
	return nil
}

// readLine takes a line after the first; last is the time of the line before.
func (rec *Recording) readLine(line []byte, last *int64) error {
	if bytes.HasPrefix(line, []byte(footerPrefix)) {
		f := &Footer{}
		if err := json.Unmarshal(line, f); err != nil {
			return err
		}
		if f.EndNS < *last || !inRange(f.Samples, f.Missed, f.OwnCPUNS, int64(f.ThreadsLeftOut), int64(f.SysmonTID)) {
			return errors.New("a number is out of range")
		}
		rec.Footer = f
		return nil
	}
	if !bytes.HasPrefix(line, []byte(samplePrefix)) {
		return errors.New("is neither a sample nor the last line")
	}
	var s Sample
	if err := json.Unmarshal(line, &s); err != nil {
		return err
	}
	if s.TimeNS < *last {
		return errors.New("time goes backwards")
	}
	if err := s.check(); err != nil {
		return err
	}
	*last = s.TimeNS
	rec.add(s)
	return nil
}

func inRange(numbers ...int64) bool {
	return !slices.ContainsFunc(numbers, func(n int64) bool { return n < 0 || n > maxDelta })
}

func (s *Sample) check() error {
	ok := inRange(s.CPUNS, s.RunDelayNS, s.Slices, s.Periods, s.ThrottledPeriods, s.ThrottledNS) && len(s.Threads) <= maxListed
	if m := s.Machine; m != nil {
		ok = ok && inRange(m.BusyNS, m.IdleNS, m.StealNS, int64(m.Running)) && m.Load1 >= 0 && m.Load1 < maxDelta
	}
	for i, t := range s.Threads {
		ok = ok && inRange(t.CPUNS, t.RunDelayNS, t.Slices) && t.TID > 0 && (i == 0 || s.Threads[i-1].TID < t.TID)
	}
	if !ok {
		return errors.New("a number is out of range")
	}
	return nil
}

// add keeps a sample, and halves how many there are when they are too many.
func (rec *Recording) add(s Sample) {
	if len(rec.Samples) < maxSamples {
		rec.Samples = append(rec.Samples, s)
		return
	}
	half := len(rec.Samples) / 2
	for i := range half {
		rec.Samples[i] = merge(&rec.Samples[2*i], &rec.Samples[2*i+1])
	}
	clear(rec.Samples[half:])
	rec.Samples = append(rec.Samples[:half], s)
}

// merge returns a sample of the time of two neighbours.
func merge(a, b *Sample) Sample {
	s := *b
	s.CPUNS = plus(a.CPUNS, b.CPUNS)
	s.RunDelayNS = plus(a.RunDelayNS, b.RunDelayNS)
	s.Slices = plus(a.Slices, b.Slices)
	s.Periods = plus(a.Periods, b.Periods)
	s.ThrottledPeriods = plus(a.ThrottledPeriods, b.ThrottledPeriods)
	s.ThrottledNS = plus(a.ThrottledNS, b.ThrottledNS)
	switch {
	case b.Machine == nil:
		s.Machine = a.Machine
	case a.Machine != nil:
		m := *b.Machine
		m.BusyNS, m.IdleNS, m.StealNS = plus(m.BusyNS, a.Machine.BusyNS), plus(m.IdleNS, a.Machine.IdleNS), plus(m.StealNS, a.Machine.StealNS)
		m.Running = max(m.Running, a.Machine.Running)
		s.Machine = &m
	}
	s.Threads = mergeThreads(a.Threads, b.Threads)
	return s
}

// mergeThreads adds up threads of two lists that are in the order of their ids.
func mergeThreads(a, b []Thread) []Thread {
	merged := make([]Thread, 0, max(len(a), len(b)))
	for len(a)+len(b) > 0 && len(merged) < maxListed {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].TID < b[0].TID:
			merged, a = append(merged, a[0]), a[1:]
		case len(a) == 0 || b[0].TID < a[0].TID:
			merged, b = append(merged, b[0]), b[1:]
		default:
			merged = append(merged, Thread{
				TID: a[0].TID, CPUNS: plus(a[0].CPUNS, b[0].CPUNS), RunDelayNS: plus(a[0].RunDelayNS, b[0].RunDelayNS), Slices: plus(a[0].Slices, b[0].Slices),
			})
			a, b = a[1:], b[1:]
		}
	}
	return slices.Clip(merged)
}

// plus adds numbers that are not negative, up to the largest there is.
func plus(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
