package cli

import (
	"fmt"
	"strings"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/export/table"
	"github.com/goshawk-io/goshawk/internal/model"
)

// doctor renders what was found, and what could not be seen.
func (t *startText) doctor(v *v1.Doctor) {
	t.doctorHead(v)
	if len(v.Findings) > 0 {
		t.section("Findings")
	}
	for _, f := range v.Findings {
		code := map[string]string{"error": "31", "warn": "33"}[f.Severity]
		t.wrapped("  ", t.paint(code, f.Severity+" "+f.Rule)+": "+table.Printable(f.Evidence))
		t.wrapped("      ", table.Printable(f.Remedy))
		t.wrapped("      ", t.paint("2", f.Doc))
	}
	if len(v.Unseen) > 0 {
		t.section("Not seen")
		for _, u := range v.Unseen {
			t.wrapped("  ", table.Printable(u.What)+": "+table.Printable(u.Why))
		}
	}
}

// doctorHead says what was looked at, and how much was found.
func (t *startText) doctorHead(v *v1.Doctor) {
	switch {
	case v.Process != nil:
		t.line("%s", t.paint("1", fmt.Sprintf("process %d, %s", v.Process.PID, table.Printable(v.Binary.Path))))
		t.wrapped("", doctorProcessText(v.Process))
	case v.Binary != nil:
		t.line("%s", t.paint("1", table.Printable(v.Binary.Path)))
	case v.Environment != nil:
		t.line("%s", t.paint("1", table.Printable(v.Environment.Directory)))
		t.wrapped("", doctorEnvironmentText(v.Environment))
	}
	if b := v.Binary; b != nil {
		t.wrapped("", table.Printable(strings.TrimSpace("built by "+orUnknown(b.GoVersion)+" "+ofModule(b.Module))))
	}
	counts := make(map[string]uint64)
	for _, f := range v.Findings {
		counts[f.Severity]++
	}
	var parts []string
	for _, severity := range []struct {
		of        model.Severity
		one, many string
	}{{model.SeverityError, "error", "errors"}, {model.SeverityWarn, "warning", "warnings"}, {model.SeverityInfo, "note", "notes"}} {
		if n := counts[severity.of.String()]; n > 0 {
			parts = append(parts, counted(n, severity.one, severity.many))
		}
	}
	found := "nothing found"
	if len(parts) > 0 {
		found = strings.Join(parts, ", ")
	}
	t.wrapped("", fmt.Sprintf("%s by %s", found, counted(uint64(len(v.Rules)), "rule", "rules")))
}

func ofModule(module string) string {
	if module == "" {
		return ""
	}
	return "of module " + module
}

func doctorEnvironmentText(e *v1.DoctorEnvironment) string {
	text := "no go command in PATH"
	if len(e.Installations) > 0 {
		text = orUnknown(e.Installations[0].GoVersion) + " at " + e.Installations[0].Path
	}
	if e.Module != "" {
		text += ", module " + e.Module
		if e.GoLine != "" {
			text += " for " + e.GoLine
		}
	}
	return table.Printable(text)
}

func doctorProcessText(p *v1.DoctorProcess) string {
	looked := "looked at once"
	if p.IntervalNS > 0 {
		looked = "looked at for " + shortDuration(time.Duration(p.IntervalNS))
	}
	parts := []string{looked, counted(uint64(p.Threads), "thread", "threads")}
	if p.Goroutines != nil {
		parts = append(parts, counted(uint64(*p.Goroutines), "goroutine", "goroutines"))
	}
	if p.DescriptorLimit > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d file descriptors", p.Descriptors, p.DescriptorLimit))
	}
	if p.QuotaCPUs > 0 {
		parts = append(parts, fmt.Sprintf("a quota of %.4g CPUs", p.QuotaCPUs))
	}
	if p.MemoryLimit > 0 {
		parts = append(parts, fmt.Sprintf("%s of %s of memory", bytesText(p.MemoryUsed), bytesText(p.MemoryLimit)))
	}
	return strings.Join(parts, ", ")
}
