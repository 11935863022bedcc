package ui

import (
	"fmt"
	"strings"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/change/upgrades"
)

// sampleUpgrades returns the upgrades of a shop that does not exist, one of each end, the
// same ones each time.
func sampleUpgrades(now time.Time) []v1.Record {
	const ms = int64(time.Millisecond)
	rolled := func(reason string) v1.Attributes {
		return v1.Attributes{upgrades.KeyOutcome: upgradeRolledBack, upgrades.KeyFailure: "rolled_back", upgrades.KeyReason: reason, upgrades.KeyResumed: int64(41_000)}
	}
	var list []v1.Record
	for i, c := range []struct {
		ago, took                     time.Duration
		started, ready, passive, next int64
		attributes                    v1.Attributes
	}{
		{9 * time.Minute, 10_214 * time.Millisecond, 18 * ms, 204 * ms, 204*ms + 310_000, 4720, v1.Attributes{upgrades.KeyOutcome: upgradeCommitted}},
		{21 * time.Minute, 3_480 * time.Millisecond, 17 * ms, 190 * ms, 190*ms + 280_000, 4719, rolled("the new process 4719 hangs: it has said nothing for 2s")},
		{33 * time.Minute, 61 * time.Millisecond, 16 * ms, 0, 0, 4718, rolled("the new process 4718 ended: exit status 2")},
		{34 * time.Minute, 2 * time.Millisecond, 0, 0, 0, 0, v1.Attributes{
			upgrades.KeyOutcome: upgradeNotStarted, upgrades.KeyFailure: "not_started", upgrades.KeyReason: "the program /srv/shop/shop is of another machine: aarch64",
		}},
		{47 * time.Minute, 10_310 * time.Millisecond, 22 * ms, 1_840 * ms, 1_840*ms + 420_000, 4711, v1.Attributes{upgrades.KeyOutcome: upgradeCommitted}},
	} {
		a := c.attributes
		a[upgrades.KeyKind], a[upgrades.KeyGeneration], a[upgrades.KeyPID], a[upgrades.KeyOpen] = upgrades.KindUpgrade, int64(3), int64(4711), int64(17)
		if i == 4 {
			a[upgrades.KeyGeneration], a[upgrades.KeyPID] = int64(2), int64(4650)
		}
		pid, _ := number(a, upgrades.KeyPID)
		for key, n := range map[string]int64{upgrades.KeyNextPID: c.next, upgrades.KeyStarted: c.started, upgrades.KeyReady: c.ready, upgrades.KeyPassive: c.passive} {
			if n > 0 {
				a[key] = n
			}
		}
		ns := int64(c.took)
		list = append(list, v1.Record{ID: fmt.Sprintf("upgrade-%d-1-%d", i+1, pid), Weight: 1, Event: v1.Event{
			Time: v1.Time(now.Add(-c.ago)), Probe: upgrades.Probe, PID: int32(pid), Service: "shop", DurationNS: &ns, Attributes: a,
			TraceID: fmt.Sprintf("0af7651916cd43dd8448eb211c8031%02x", i+1), SpanID: fmt.Sprintf("b7ad6b71692033%02x", i+1),
		}})
	}
	return list
}

// sampleDrain returns how the old process of an upgrade drained.
func sampleDrain(r *v1.Record) *v1.Record {
	ns := int64(4_120 * time.Millisecond)
	drain := *r
	drain.ID, drain.SpanID, drain.ParentSpanID = strings.Replace(r.ID, "upgrade-", "upgrade-9", 1), "b7ad6b71692033ff", r.SpanID
	drain.Time, drain.DurationNS = v1.Time(ended(&r.Event)), &ns
	drain.Attributes = v1.Attributes{upgrades.KeyKind: upgrades.KindDrain, upgrades.KeyGeneration: int64(2), upgrades.KeyPID: int64(r.PID), upgrades.KeyOpen: int64(0)}
	return &drain
}

// sampleMarks are the same upgrades for a chart.
func sampleMarks(now time.Time) []ShadingData {
	var list []ShadingData
	for _, r := range sampleUpgrades(now) {
		u := upgradeOf(&r)
		list = append(list, upgradeShade(&u))
	}
	return list
}

// galleryUpgrades are tables of upgrades.
func galleryUpgrades(now time.Time) []Exhibit[Table] {
	huge := sampleUpgrades(now)[1:3]
	for i := range huge {
		r := &huge[i]
		r.ID += "-huge"
		r.Service, r.Time = hugeName(), v1.Time(now.Add(-300*24*time.Hour))
		r.Attributes[upgrades.KeyReason] = strings.Repeat("<script>alert('x')</script> & \"quotes\" \x1b[0m ", 110)
		r.Attributes[upgrades.KeyGeneration] = int64(1) << 62
		r.Attributes[upgrades.KeyReady] = int64(1) << 62
	}
	return []Exhibit[Table]{
		{"upgrades, each end", upgradeTable("upgrades-usual", sampleUpgrades(now), false, now)},
		{"upgrades, of one service", withoutIDs(upgradeTable("upgrades-one", sampleUpgrades(now)[:2], true, now))},
		{"upgrades, extremes", upgradeTable("upgrades-huge", huge, false, now)},
		{"upgrades, none", upgradeTable("upgrades-none", nil, false, now)},
	}
}

// withoutIDs leaves out the ids of links, which another table of the page has.
func withoutIDs(t Table) Table {
	for i := range t.Rows {
		for k := range t.Rows[i].Cells {
			t.Rows[i].Cells[k].ID = ""
		}
	}
	return t
}
