package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/judge/propose"
	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probes"
)

// seen returns the rollups of an hour: per minute so many requests that a service
// served, and a few that it made.
func seen(now time.Time, services map[string]uint64) func(context.Context, model.RollupQuery) (model.Rollups, error) {
	groups := probes.Find("http").Schema.Groups
	role := slices.Index(groups, "goshawk.role")
	return func(_ context.Context, q model.RollupQuery) (model.Rollups, error) {
		var answer model.Rollups
		if q.Probe != "http" {
			for minute := now.Add(-time.Hour); minute.Before(now); minute = minute.Add(time.Minute) {
				for _, service := range []string{"cart", "tool"} {
					answer.Items = append(answer.Items, model.Rollup{Time: minute, Probe: q.Probe, Service: service, Count: 50})
				}
			}
			return answer, nil
		}
		for minute := now.Add(-time.Hour); minute.Before(now); minute = minute.Add(time.Minute) {
			for service, count := range services {
				for _, who := range []string{"server", "client"} {
					r := model.Rollup{Time: minute, Probe: "http", Service: service, Group: make([]string, len(groups)), Count: count}
					r.Group[role] = who
					took := 20 * time.Millisecond
					if who == "client" {
						r.Failed, took = count, 20*time.Second
					}
					r.Durations.AddN(took, count)
					answer.Items = append(answer.Items, r)
				}
			}
			answer.Items = append(answer.Items, model.Rollup{Time: minute, Probe: "http", Service: "crowded", Count: 1000})
		}
		return answer, nil
	}
}

func names(all []objective.SLO) []string {
	list := []string{}
	for i := range all {
		name := all[i].Name
		if all[i].Proposal {
			name += " (proposed)"
		}
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

func TestProposer(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	folder := proposeFolder(t.TempDir())
	mine := &objective.SLO{Name: "mine", Service: "shop", Indicator: objective.Indicator{Signal: objective.SignalHTTP, Select: objective.Selector{Service: []string{"shop"}}}}
	p := &proposer{
		folder: folder, log: slog.New(slog.DiscardHandler), rollups: seen(now, map[string]uint64{"shop": 1000, "cart": 100, "quiet": 2}),
		known: func() []*objective.SLO { return []*objective.SLO{mine} },
	}
	for range 2 {
		p.look(t.Context(), now)
		all, problems := folder.Load()
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		want := []string{"cart-availability (proposed)", "cart-commands (proposed)", "cart-latency (proposed)", "shop-latency (proposed)"}
		if diff := cmp.Diff(want, names(all)); diff != "" {
			t.Error(diff)
		}
	}
	p.rollups = func(context.Context, model.RollupQuery) (model.Rollups, error) {
		return model.Rollups{}, errors.New("the disk is gone")
	}
	p.look(t.Context(), now)
}

func TestProposerKeepsWithinBounds(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	services := make(map[string]uint64)
	for i := range 50 {
		services[fmt.Sprintf("service-%02d", i)] = 100 + uint64(i)
	}
	var known []*objective.SLO
	for i := range maxThresholds {
		known = append(known, &objective.SLO{Name: fmt.Sprint(i), Indicator: objective.Indicator{
			Signal: objective.SignalHTTP, Threshold: time.Duration(i+1) * time.Second, Select: objective.Selector{Service: []string{"other"}},
		}})
	}
	folder := proposeFolder(t.TempDir())
	p := &proposer{folder: folder, log: slog.New(slog.DiscardHandler), rollups: seen(now, services), known: func() []*objective.SLO { return known }}
	p.look(t.Context(), now)
	all, _ := folder.Load()
	if len(all) != maxProposals || all[0].Name != "service-40-availability" {
		t.Errorf("%d proposals: %q", len(all), names(all))
	}
	for i := range all {
		if d := all[i].Indicator.Threshold; d > 0 && d%time.Second != 0 {
			t.Errorf("%s has a threshold of its own: %v", all[i].Name, d)
		}
	}
}

// TestSLOFiles_haveTheFolderToo has a proposal give way to what somebody has written, and a file of the
// folder that is wrong leave the others in force.
func TestSLOFiles_haveTheFolderToo(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	dir := t.TempDir()
	p := &proposer{folder: proposeFolder(dir), log: slog.New(slog.DiscardHandler), rollups: seen(now, map[string]uint64{"shop": 1000, "cart": 100}), known: func() []*objective.SLO { return nil }}
	p.look(t.Context(), now)
	if _, err := p.folder.Accept("cart-availability"); err != nil {
		t.Fatal(err)
	}
	written := filepath.Join(dir, "mine.yaml")
	text, err := propose.Text(&propose.For(&propose.Baseline{Service: "shop", Signal: objective.SignalHTTP, From: now.Add(-time.Hour), To: now, Total: 5000}, propose.Options{})[0])
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("shop-availability"), []byte("mine")), []byte("goshawk.io/proposal: 'true'"), []byte("team: web"))
	if err := os.WriteFile(written, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, sloFolder, "wrong.yaml"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	files := newSLOFiles(&judgingOptions{judgeOptions: judgeOptions{files: []string{written}}, dir: dir}, slog.New(slog.NewTextHandler(&log, nil)))
	for range 2 {
		all, problems, ok := files.load()
		if !ok {
			t.Fatal(problems)
		}
		want := []string{"cart-availability", "cart-commands (proposed)", "cart-latency (proposed)", "mine", "shop-latency (proposed)"}
		if diff := cmp.Diff(want, names(all)); diff != "" {
			t.Errorf("%s\n%s", diff, text)
		}
	}
	if strings.Count(log.String(), "wrong.yaml") != 1 {
		t.Errorf("the wrong file is not told of once:\n%s", &log)
	}
	if err := os.WriteFile(written, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, problems, ok := files.load(); ok || len(problems) == 0 {
		t.Error("a wrong file of the user is taken")
	}
}
