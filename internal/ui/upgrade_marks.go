package ui

import (
	"context"
	"math"
	"slices"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/change/upgrades"
)

// upgradeMarksID is the id of the data of the marks of a page's charts.
const upgradeMarksID = "upgrade-marks"

// ServiceUpgrades is the part of a service's page about its upgrades.
type ServiceUpgrades struct {
	Table  Table
	Legend []Key
	All    string
	// Marks are the same upgrades, and more, for the charts.
	Marks []ShadingData
}

// The most upgrades that a service's page lists, and that its charts mark.
const (
	latestUpgrades = 5
	markedUpgrades = 100
)

// serviceUpgrades returns the upgrades of a service in a time; nil when there are none.
func (s *server) serviceUpgrades(ctx context.Context, name string, asked v1.EventQuery, now time.Time) (*ServiceUpgrades, []string, error) {
	q := upgradeQuery(name, upgrades.KindUpgrade, "")
	q.From, q.To, q.Limit = asked.From, asked.To, markedUpgrades
	list, err := s.api.Events(ctx, q)
	if err != nil || len(list.Items) == 0 {
		return nil, list.Incomplete, err
	}
	v := &ServiceUpgrades{
		Table: upgradeTable("upgrades-table", list.Items[:min(len(list.Items), latestUpgrades)], true, now), Legend: upgradeKeys(), All: link("/upgrades", "service", name),
	}
	// Charts draw them in the order of time.
	for i := range slices.Backward(list.Items) {
		u := upgradeOf(&list.Items[i])
		v.Marks = append(v.Marks, upgradeShade(&u))
	}
	return v, list.Incomplete, nil
}

// addUpgrades marks upgrades in all charts of the page. Charts without marks find those
// that come later.
func (v *Service) addUpgrades(u *ServiceUpgrades, w window) {
	v.Upgrades = u
	var marks []ShadingData
	if u != nil {
		marks = u.Marks
	}
	charts := []*Chart{&v.Rate, &v.Durations}
	if v.Requests != nil {
		charts = append(charts, &v.Requests.Rate, &v.Requests.Durations)
	}
	for _, c := range charts {
		c.mark(upgradeMarksID, marks, w)
	}
}

// upgradeShade marks the time of an upgrade.
func upgradeShade(u *upgradeFacts) ShadingData {
	return ShadingData{Look: u.end().Class, Text: u.mark(), From: seconds(u.began), To: seconds(u.ended())}
}

// mark marks times in a chart; id is that of the element in which a script finds them.
func (c *Chart) mark(id string, marks []ShadingData, w window) {
	c.MarksFrom = id
	from, step := seconds(w.from), w.step.Seconds()
	place := func(at float64) float64 {
		return math.Round(min(max((at-from)/step, 0), float64(c.Width))*1000) / 1000
	}
	known := make(map[string]bool)
	for _, m := range marks {
		if m.To < from || m.From > seconds(w.to) {
			continue
		}
		x := place(m.From)
		c.Shades = append(c.Shades, Rect{X: x, W: max(place(m.To)-x, float64(c.Width)/1000), H: 100, Class: "mark-" + m.Look, Title: m.Text})
		if !known[m.Look] {
			known[m.Look] = true
			c.Legend = append(c.Legend, Key{"mark-" + m.Look, markWords(m.Look)})
		}
	}
}

func markWords(look string) string {
	switch look {
	case "ok":
		return "upgrade"
	case "warn":
		return "upgrade, rolled back"
	case "bad":
		return "upgrade, rolled back in probation or not started"
	}
	return "upgrade, end not known"
}
