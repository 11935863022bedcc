package ui

import (
	"net/url"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/change/upgrades"
)

// upgradeTable shows upgrades. Those of one service need no column for it.
func upgradeTable(id string, records []v1.Record, ofOne bool, now time.Time) Table {
	t := Table{
		ID: id, Caption: "Upgrades",
		Columns: []Column{
			{Label: "Began", Class: upgradeTimeClass(records, now)}, {Label: "Service", Class: "w-service"}, {Label: "Upgrade to", Class: "w-upgrade"}, {Label: "Outcome", Class: "w-outcome"},
			{Label: "Parts", Class: "w-parts", Title: "Its parts; what is too short to be seen is drawn a little longer"},
			{Label: "Took", Class: "w-num-s num", Title: "Until the new process had taken over, or the old one served again"},
			{Label: "Ready", Class: "w-num-s num", Title: "After how long the new process accepted connections"},
			{Label: "Resumed", Class: "w-num-s num", Title: "How long after the failure was noticed the old process accepted again"}, {Label: "Reason"},
		},
		Empty: noUpgrades(),
	}
	for i := range records {
		t.Rows = append(t.Rows, upgradeRow(&records[i], now))
	}
	if ofOne {
		t.Columns = append(t.Columns[:1:1], t.Columns[2:]...)
		for i := range t.Rows {
			t.Rows[i].Cells = append(t.Rows[i].Cells[:1:1], t.Rows[i].Cells[2:]...)
		}
	}
	return t
}

// noUpgrades says how servers become such that can be upgraded.
func noUpgrades() State {
	return State{
		Kind: "empty", Title: "No upgrade was seen",
		Text: "Servers that use package github.com/goshawk-io/goshawk/upgrade replace themselves by a new version without losing a request, and tell of it. Any other server can be run by this command:",
		Code: "goshawk upgrade run -- ./server",
	}
}

// upgradeTimeClass is the width of the times: with the date when not all are of today.
func upgradeTimeClass(records []v1.Record, now time.Time) string {
	for i := range records {
		if y, m, d := time.Time(records[i].Time).UTC().Date(); !sameDay(now.UTC(), y, m, d) {
			return "w-day"
		}
	}
	return "w-time"
}

func upgradeRow(r *v1.Record, now time.Time) Row {
	u := upgradeOf(r)
	end := u.end()
	row := Row{Class: rowClass(end)}
	if end.Class == "warn" {
		row.Class = "noted"
	}
	name := Cell{Kind: "link", Text: u.name(), Title: u.name(), Href: upgradeHref(r), ID: "row-" + url.PathEscape(r.ID), Class: "main"}
	parts := Cell{Kind: "bars", Bar: u.bar(), Class: "parts-cell"}
	if len(parts.Bar.Rects) == 0 {
		parts = numCell("")
	}
	reason := Cell{Kind: "text", Text: clip(visible(u.reason), 300), Title: clip(visible(u.reason), 2000), Class: "wide wrap"}
	if u.reason == "" {
		reason.Class += " none"
	}
	row.Cells = []Cell{
		{Kind: "time", When: newWhen(r.Time, now)}, serviceCell(r), name, {Kind: "outcome", Outcome: end},
		parts, numCell(duration(u.took)), passedOr(u.ready), passedOr(u.resume), reason,
	}
	return row
}

// upgradeKeys are the parts of a table's bars.
func upgradeKeys() []Key {
	return upgradeLegend(upgrades.KindSpawn, upgrades.KindWarm, upgrades.KindHandOver, upgrades.KindProbation)
}
