package doctor

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/goshawk-io/goshawk/internal/model"
)

// The shares of a group's memory limit from which on it is nearly used up, and at
// which a GOMEMLIMIT leaves too little for what the runtime does not count: the
// executable's pages, C memory, other processes of the group.
const (
	memoryNear   = 0.90
	limitTooHigh = 0.98
	memoryMuch   = 0.60
)

func memoryRules() []Rule {
	return []Rule{
		{"gomemlimit", ScopeProcess, model.SeverityWarn, "GOMEMLIMIT does not fit the memory limit of the control group.", goMemLimit},
		{"gogc-off", ScopeProcess, model.SeverityWarn, "GOGC=off without a GOMEMLIMIT.", goGCOff},
		{"memory-near-limit", ScopeProcess, model.SeverityError, "90 % of the memory limit are in use.", memoryNearLimit},
		{"oom-kills", ScopeProcess, model.SeverityWarn, "The kernel has killed processes of its control group for want of memory.", oomKills},
	}
}

// parseMemLimit reads GOMEMLIMIT as the runtime does: a number of bytes with a
// suffix, or off, which is no limit.
func parseMemLimit(text string) (bytes uint64, ok bool) {
	shift := 0
	for _, unit := range []struct {
		suffix string
		shift  int
	}{{"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}, {"B", 0}} {
		if rest, found := strings.CutSuffix(text, unit.suffix); found {
			text, shift = rest, unit.shift
			break
		}
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil || n > (1<<63-1)>>shift {
		return 0, false
	}
	return n << shift, true
}

func goMemLimit(ev *Evidence) []model.Finding {
	p, m := ev.Process, &ev.Process.Memory
	if m.Limit == 0 || !p.HasEnvironment {
		return nil
	}
	of := fmt.Sprintf("its control group %s may use %s", clipped(m.Group), size(m.Limit))
	suggestion := size(m.Limit / 10 * 9)
	suggestion = strings.ReplaceAll(suggestion, " ", "")
	if limit, ok := parseMemLimit(p.GoMemLimit); ok {
		if float64(limit) <= limitTooHigh*float64(m.Limit) {
			return nil
		}
		return one(model.SeverityWarn, fmt.Sprintf("GOMEMLIMIT=%s is %s, and %s: the kernel kills it before the garbage collector works harder", clipped(p.GoMemLimit), size(limit), of),
			"Set GOMEMLIMIT to about 90 % of the limit, here "+suggestion+": not everything that counts is Go's.")
	}
	if ev.Binary != nil && slices.Contains(ev.Binary.Modules, "github.com/KimMachineGun/automemlimit") {
		return nil
	}
	is := "not set"
	if p.GoMemLimit != "" {
		is = p.GoMemLimit
	}
	severity := model.SeverityInfo
	if float64(m.Used) >= memoryMuch*float64(m.Limit) {
		severity = model.SeverityWarn
	}
	return one(severity, fmt.Sprintf("%s, %s are in use, and GOMEMLIMIT is %s: the garbage collector lets the heap grow to twice what lives, whatever the limit", of, size(m.Used), clipped(is)),
		"Set GOMEMLIMIT="+suggestion+" (90 % of the limit), or call debug.SetMemoryLimit, which cannot be seen from here.")
}

func goGCOff(ev *Evidence) []model.Finding {
	p := ev.Process
	if _, ok := parseMemLimit(p.GoMemLimit); p.GoGC != "off" || ok {
		return nil
	}
	return one(model.SeverityWarn, "GOGC=off and no GOMEMLIMIT: nothing is ever collected", "Set GOMEMLIMIT, too, or unset GOGC. For a program that ends soon nothing need be done.")
}

func memoryNearLimit(ev *Evidence) []model.Finding {
	m := &ev.Process.Memory
	if m.Limit == 0 || float64(m.Used) < memoryNear*float64(m.Limit) {
		return nil
	}
	return one(model.SeverityError, fmt.Sprintf("%s of %s (%s) of its control group %s are in use, pages of files not counted", size(m.Used), size(m.Limit), percent(float64(m.Used), float64(m.Limit)), clipped(m.Group)),
		"Raise the limit, or find what holds the memory (a heap profile): at the limit the kernel kills a process of the group.")
}

func oomKills(ev *Evidence) []model.Finding {
	m := &ev.Process.Memory
	if m.OOMKills == 0 {
		return nil
	}
	return one(model.SeverityWarn, fmt.Sprintf("the kernel has killed %s of its control group %s for want of memory", counted(m.OOMKills, "process", "processes"), clipped(m.Group)),
		"Raise the memory limit, and set GOMEMLIMIT to about 90 % of it: it comes again.")
}
