package dashboards

import (
	"context"
	"io"
	"log/slog"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	pmodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	engine "github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// The time that stores are of. It is enough for all windows: a longer one has what
// there is.
const (
	length = 80 * time.Minute
	step   = time.Minute
)

func end() time.Time   { return time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC) }
func begin() time.Time { return end().Add(-length) }

// shown is the time that a dashboard shows.
const shown = 30 * time.Minute

// found is a series of an answer.
type found struct {
	labels map[string]string
	values []float64
}

// name writes the labels as Grafana does where it lists series.
func (f *found) name() string {
	m := labels.FromMap(f.labels)
	return f.labels["__name__"] + m.DropReserved(func(name string) bool { return name == pmodel.MetricNameLabel }).String()
}

// number reports whether the series has any.
func (f *found) number() bool {
	for _, v := range f.values {
		if !math.IsNaN(v) {
			return true
		}
	}
	return false
}

// store answers questions: at the end of time, or over what is shown.
type store interface {
	ask(t testing.TB, expr string, instant bool) []found
}

// library is a store of Prometheus as a library, with its query engine.
type library struct {
	db     *tsdb.DB
	engine *promql.Engine
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func newLibrary(t testing.TB) *library {
	t.Helper()
	options := tsdb.DefaultOptions()
	options.MinBlockDuration = (24 * time.Hour).Milliseconds()
	options.MaxBlockDuration = options.MinBlockDuration
	db, err := tsdb.Open(t.TempDir(), quiet(), nil, options, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return &library{db: db, engine: promql.NewEngine(promql.EngineOpts{
		Logger: quiet(), MaxSamples: 50_000_000, Timeout: time.Minute, Parser: parser.NewParser(parser.Options{}),
		EnableAtModifier: true, EnableNegativeOffset: true,
	})}
}

// ask implements store.
func (l *library) ask(t testing.TB, expr string, instant bool) []found {
	t.Helper()
	from, every := end(), time.Duration(0)
	if !instant {
		from, every = end().Add(-shown), step
	}
	q, err := l.engine.NewRangeQuery(t.Context(), l.db, nil, expr, from, end(), max(every, time.Second))
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	defer q.Close()
	matrix, err := q.Exec(t.Context()).Matrix()
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	var all []found
	for _, s := range matrix {
		f := found{labels: s.Metric.Map()}
		for _, p := range s.Floats {
			f.values = append(f.values, p.F)
		}
		all = append(all, f)
	}
	return all
}

// add stores samples of one time.
func (l *library) add(t testing.TB, at time.Time, samples map[*labels.Labels]float64) {
	t.Helper()
	a := l.db.Appender(t.Context())
	for series, value := range samples {
		if _, err := a.Append(0, *series, at.UnixMilli(), value); err != nil {
			t.Fatalf("sample of %v at %v: %v", series, at, err)
		}
	}
	if err := a.Commit(); err != nil {
		t.Fatal(err)
	}
}

// evaluate returns what evaluates a file of rules at a time, its groups in order.
func (l *library) evaluate(t testing.TB, file []byte, order []string) func(at time.Time) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	manager := engine.NewManager(&engine.ManagerOptions{
		QueryFunc: engine.EngineQueryFunc(l.engine, l.db), NotifyFunc: func(context.Context, string, ...*engine.Alert) {},
		Appendable: l.db, Queryable: l.db, Logger: quiet(), ExternalURL: &url.URL{}, Registerer: prometheus.NewRegistry(),
		Parser: parser.NewParser(parser.Options{}),
	})
	groups, errs := manager.LoadGroups(step, labels.EmptyLabels(), "", nil, false, path)
	if len(errs) > 0 {
		t.Fatalf("rules: %v\n%s", errs, file)
	}
	var all []*engine.Group
	for _, name := range order {
		g := groups[engine.GroupKey(path, name)]
		for _, rule := range g.Rules() {
			if alert, ok := rule.(*engine.AlertingRule); ok {
				alert.SetRestored(true) // or ALERTS are not stored
			}
		}
		all = append(all, g)
	}
	return func(at time.Time) {
		for _, g := range all {
			if at.UnixNano()%int64(g.Interval()) != 0 {
				continue
			}
			g.Eval(t.Context(), at)
			for _, rule := range g.Rules() {
				if err := rule.LastError(); err != nil {
					t.Fatalf("%s at %v: %v\n%s", rule.Name(), at, err, rule.Query())
				}
			}
		}
	}
}

// copyTo stores all samples in another store, with labels added.
func (l *library) copyTo(t testing.TB, other *library, pairs ...string) {
	t.Helper()
	querier, err := l.db.Querier(begin().UnixMilli(), end().UnixMilli())
	if err != nil {
		t.Fatal(err)
	}
	defer querier.Close()
	a := other.db.Appender(t.Context())
	set := querier.Select(t.Context(), false, nil, labels.MustNewMatcher(labels.MatchRegexp, pmodel.MetricNameLabel, ".+"))
	for set.Next() {
		b := labels.NewBuilder(set.At().Labels())
		for i := 0; i+1 < len(pairs); i += 2 {
			b.Set(pairs[i], pairs[i+1])
		}
		series := b.Labels()
		samples := set.At().Iterator(nil)
		for samples.Next() == chunkenc.ValFloat {
			at, value := samples.At()
			if _, err := a.Append(0, series, at, value); err != nil {
				t.Fatalf("%v: %v", series, err)
			}
		}
	}
	if err := set.Err(); err != nil {
		t.Fatal(err)
	}
	if err := a.Commit(); err != nil {
		t.Fatal(err)
	}
}

// selects fails the test when one of the selectors of an expression selects nothing,
// whatever the expression as a whole answers.
func selects(t testing.TB, s store, where, expr string) {
	t.Helper()
	tree, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		t.Errorf("%s: %v\n%s", where, err, expr)
		return
	}
	parser.Inspect(tree, func(node parser.Node, _ []parser.Node) error {
		if v, ok := node.(*parser.VectorSelector); ok {
			// What ends before, as an alert does, is there too.
			if len(s.ask(t, "last_over_time("+strings.TrimSpace(v.String())+"[1h])", true)) == 0 {
				t.Errorf("%s: nothing writes %s\n%s", where, v, expr)
			}
		}
		return nil
	})
}
