package cli

import (
	"bytes"
	"fmt"
	"io"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/export/table"
	"github.com/goshawk-io/goshawk/internal/observe/gotrace/hostsample"
)

// recordResult is what trace record prints.
type recordResult struct{ v1.TraceRecord }

// readHost reads the samples back: what is told is what the file says.
func (r *recordResult) readHost(file *traceFile) error {
	if _, err := file.samples.Seek(0, io.SeekStart); err != nil {
		return err
	}
	rec, err := hostsample.Read(file.samples)
	if err != nil {
		return err
	}
	end := rec.StartNS
	if rec.Footer != nil {
		end = rec.Footer.EndNS
	}
	s := hostsample.Summarise(rec, rec.StartNS, end)
	r.NotSeen = append(r.NotSeen, s.NotSeen...)
	r.Host = &v1.TraceRecordHost{
		Samples: s.Samples, DurationNS: s.ToNS - s.FromNS, CPUNS: s.CPUNS,
		RunDelayNS: s.RunDelayNS, RunDelayPerSecondNS: s.RunDelayPerSecondNS, WaitedShare: s.WaitedShare,
		QuotaCPUs: s.QuotaCPUs, Periods: s.Periods, ThrottledPeriods: s.ThrottledPeriods, ThrottledNS: s.ThrottledNS,
		CPUs: rec.CPUs, BusyShare: s.BusyShare, StealShare: s.StealShare, Load1: s.Load1, MaxRunning: s.MaxRunning,
		SysmonTID: s.Sysmon.TID, SysmonLateP99NS: s.Sysmon.P99NS, SysmonLateMaxNS: s.Sysmon.MaxNS,
	}
	return nil
}

// print prints the result, as JSON or for people.
func (r *recordResult) print(env Env, asJSON bool) error {
	if asJSON {
		return writeJSON(env.Stdout, &r.TraceRecord)
	}
	var b bytes.Buffer
	took := shortDuration(time.Duration(r.DurationNS))
	fmt.Fprintf(&b, "%s  %s", table.Printable(r.File), bytesText(uint64(r.Bytes)))
	if r.GoVersion != "" {
		fmt.Fprintf(&b, ", %s", r.GoVersion)
	}
	fmt.Fprintf(&b, ", received in %s\n", took)
	if r.Cut != "" {
		fmt.Fprintf(&b, "  cut: %s before it was whole; goshawk trace report reads what came\n", r.Cut)
	}
	if r.Note != "" {
		fmt.Fprintf(&b, "  note: %s\n", r.Note)
	}
	if r.Host != nil {
		hostText(&b, r.Host, r.PID)
	}
	for _, n := range r.NotSeen {
		fmt.Fprintf(&b, "  not seen: %s\n", table.Printable(n))
	}
	fmt.Fprintf(&b, "next: goshawk trace report %s\n", table.Printable(r.File))
	_, err := b.WriteTo(env.Stdout)
	return err
}

// hostText says what the host did to the process.
func hostText(b *bytes.Buffer, h *v1.TraceRecordHost, pid int32) {
	fmt.Fprintf(b, "%s  %s of process %d, %d missed; the sampling took %s of CPU, %.1f %% of one\n",
		table.Printable(h.File), counted(uint64(h.Samples), "sample", "samples"), pid, h.Missed, shortDuration(time.Duration(h.OwnCPUNS)), hundredths(h.OwnCPUNS, h.DurationNS))
	if h.Ended {
		fmt.Fprintln(b, "  the process has ended meanwhile")
	}
	fmt.Fprintf(b, "  CPU        %.2f used; ready without one for %s a second, %.1f %% of what it wanted\n",
		hundredths(h.CPUNS, h.DurationNS)/100, shortDuration(time.Duration(h.RunDelayPerSecondNS)), 100*h.WaitedShare)
	if h.QuotaCPUs > 0 {
		fmt.Fprintf(b, "  quota      %.3g CPUs; stopped in %d of %s, for %s\n",
			h.QuotaCPUs, h.ThrottledPeriods, counted(uint64(h.Periods), "period", "periods"), shortDuration(time.Duration(h.ThrottledNS)))
	} else {
		fmt.Fprintln(b, "  quota      none")
	}
	steal := ""
	if h.StealShare > 0 {
		steal = fmt.Sprintf(", %.0f %% taken by the hypervisor", 100*h.StealShare)
	}
	fmt.Fprintf(b, "  machine    %s, %.0f %% busy%s, load %.2f, up to %s ready or running\n",
		counted(uint64(h.CPUs), "CPU", "CPUs"), 100*h.BusyShare, steal, h.Load1, counted(uint64(h.MaxRunning), "thread", "threads"))
	if h.SysmonTID != 0 {
		fmt.Fprintf(b, "  sysmon     ready without a CPU for %s at most, p99 %s (thread %d)\n",
			shortDuration(time.Duration(h.SysmonLateMaxNS)), shortDuration(time.Duration(h.SysmonLateP99NS)), h.SysmonTID)
	}
}

// hundredths returns a share of a duration, 0 of none.
func hundredths(part, whole int64) float64 {
	if whole <= 0 {
		return 0
	}
	return 100 * float64(part) / float64(whole)
}
