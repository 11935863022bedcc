package dashboards

import (
	"go/ast"
	goparser "go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// written are the metrics that the sources of a package name, with their labels: its
// collectors cannot be had without all of an agent.
type written map[string][]string

// readSources reads the names of metrics in the sources of a package: those that are
// written as they are, and those that a function called desc puts behind a prefix.
func readSources(t testing.TB, dir string) written {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	all := make(written)
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := goparser.ParseFile(token.NewFileSet(), path, nil, goparser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			all.read(decl)
		}
	}
	return all
}

// read reads a declaration. Of a function that makes descriptions the labels are those
// that it gives to all of them, before those of each.
func (w written) read(decl ast.Decl) {
	name := regexp.MustCompile(`^goshawk_[a-z_]*[a-z]$`)
	var prefix string
	var labels []string
	ast.Inspect(decl, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			if text := literal(n); name.MatchString(text) && w[text] == nil {
				w[text] = []string{}
			}
		case *ast.AssignStmt:
			if len(n.Rhs) == 1 && called(n.Lhs[0], "desc") {
				prefix, labels = description(n.Rhs[0])
			}
		case *ast.CallExpr:
			if called(n.Fun, "desc") && prefix != "" {
				w[prefix+literal(n.Args[0])] = append(append([]string{}, labels...), literals(n.Args[2:])...)
			}
		}
		return true
	})
}

// description returns the prefix and the labels that a function gives to all names.
func description(function ast.Expr) (prefix string, labels []string) {
	ast.Inspect(function, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BinaryExpr:
			prefix = literal(n.X)
		case *ast.CompositeLit:
			labels = literals(n.Elts)
		}
		return true
	})
	return prefix, labels
}

func called(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == name
}

// literal returns the text of a string that is written as it is, "" of anything else.
func literal(e ast.Expr) string {
	if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
		text, _ := strconv.Unquote(lit.Value)
		return text
	}
	return ""
}

func literals(list []ast.Expr) []string {
	var all []string
	for _, e := range list {
		all = append(all, literal(e))
	}
	return all
}

// standIns returns collectors of metrics of these names, whose value is that of number.
func (w written) standIns(number func() float64) []prometheus.Collector {
	var all []prometheus.Collector
	for name, labels := range w {
		all = append(all, standIn{prometheus.NewDesc(name, "A stand-in.", labels, nil), labels, number})
	}
	return all
}

// standIn is a metric with one series, each label of which is "some".
type standIn struct {
	desc   *prometheus.Desc
	labels []string
	number func() float64
}

// Describe implements [prometheus.Collector].
func (s standIn) Describe(ch chan<- *prometheus.Desc) { ch <- s.desc }

// Collect implements [prometheus.Collector].
func (s standIn) Collect(ch chan<- prometheus.Metric) {
	values := make([]string, len(s.labels))
	for i := range values {
		values[i] = "some"
	}
	ch <- prometheus.MustNewConstMetric(s.desc, prometheus.UntypedValue, s.number(), values...)
}

func TestReadSources_findsNamesAndLabels(t *testing.T) {
	all := readSources(t, "../../internal/cli")
	for name, labels := range map[string]string{
		"goshawk_config_in_force":       "",
		"goshawk_notifications_pending": "receiver kind",
		"goshawk_slo_burn_rate":         "slo service window",
		"goshawk_slo_files_in_force":    "",
	} {
		if got, ok := all[name]; !ok || strings.Join(got, " ") != labels {
			t.Errorf("%s has the labels %q (%v), want %q", name, got, ok, labels)
		}
	}
}
