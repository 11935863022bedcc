package rules

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	engine "github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
)

// rig is a Prometheus without a server: a store, the query engine, and the
// evaluation of rules, at times that the test says.
type rig struct {
	t      testing.TB
	db     *tsdb.DB
	engine *promql.Engine
	groups []*engine.Group
	refs   map[string]labels.Labels
}

func newRig(t testing.TB, slos []objective.SLO, o Options) *rig {
	t.Helper()
	file, _ := yamlOf(t, slos, o)
	path := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(path, file, 0o644); err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	options := tsdb.DefaultOptions()
	options.MinBlockDuration = (24 * time.Hour).Milliseconds()
	options.MaxBlockDuration = options.MinBlockDuration
	db, err := tsdb.Open(t.TempDir(), quiet, nil, options, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	r := &rig{t: t, db: db, refs: make(map[string]labels.Labels)}
	parse := parser.NewParser(parser.Options{})
	r.engine = promql.NewEngine(promql.EngineOpts{
		Logger: quiet, Reg: nil, MaxSamples: 50_000_000, Timeout: time.Minute,
		EnableAtModifier: true, EnableNegativeOffset: true, Parser: parse,
	})
	manager := engine.NewManager(&engine.ManagerOptions{
		QueryFunc:   engine.EngineQueryFunc(r.engine, db),
		NotifyFunc:  func(context.Context, string, ...*engine.Alert) {},
		Appendable:  db,
		Queryable:   db,
		Logger:      quiet,
		ExternalURL: &url.URL{},
		Registerer:  prometheus.NewRegistry(),
		Parser:      parse,
	})
	groups, errs := manager.LoadGroups(time.Minute, labels.EmptyLabels(), "", nil, false, path)
	if len(errs) > 0 {
		t.Fatalf("load: %v\n%s", errs, file)
	}
	// A map has lost the order of the file, in which groups need each other.
	given, _, err := Groups(slos, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range given {
		group := groups[engine.GroupKey(path, g.Name)]
		for _, rule := range group.Rules() {
			if alert, ok := rule.(*engine.AlertingRule); ok {
				alert.SetRestored(true) // or ALERTS are not stored
			}
		}
		r.groups = append(r.groups, group)
	}
	return r
}

// add stores a sample.
func (r *rig) add(at time.Time, value float64, pairs ...string) {
	r.t.Helper()
	key := fmt.Sprint(pairs)
	if _, ok := r.refs[key]; !ok {
		r.refs[key] = labels.FromStrings(pairs...)
	}
	a := r.db.Appender(context.Background())
	if _, err := a.Append(0, r.refs[key], at.UnixMilli(), value); err != nil {
		r.t.Fatalf("sample %v at %v: %v", pairs, at, err)
	}
	if err := a.Commit(); err != nil {
		r.t.Fatal(err)
	}
}

// evaluate evaluates the groups whose time it is.
func (r *rig) evaluate(at time.Time) {
	r.t.Helper()
	for _, g := range r.groups {
		if at.UnixNano()%int64(g.Interval()) != 0 {
			continue
		}
		g.Eval(context.Background(), at)
		for _, rule := range g.Rules() {
			if err := rule.LastError(); err != nil {
				r.t.Fatalf("%s at %v: %v\n%s", rule.Name(), at, err, rule.Query())
			}
		}
	}
}

// ask returns the one value of an expression; ok is false when it has none.
func (r *rig) ask(at time.Time, expr string) (value float64, ok bool) {
	r.t.Helper()
	vector := r.all(at, expr)
	switch len(vector) {
	case 0:
		return 0, false
	case 1:
		return vector[0].F, true
	}
	r.t.Fatalf("%s has %d values: %v", expr, len(vector), vector)
	return 0, false
}

func (r *rig) all(at time.Time, expr string) promql.Vector {
	r.t.Helper()
	q, err := r.engine.NewInstantQuery(context.Background(), r.db, nil, expr, at)
	if err != nil {
		r.t.Fatal(err)
	}
	defer q.Close()
	vector, err := q.Exec(context.Background()).Vector()
	if err != nil {
		r.t.Fatalf("%s: %v", expr, err)
	}
	return append(promql.Vector{}, vector...)
}
