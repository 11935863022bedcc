package dashboards

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// folder is what is deployed.
const folder = "../../deploy/grafana"

// dashboard is a file of a dashboard, as far as it is looked at.
type dashboard struct {
	file string
	raw  []byte

	ID            *int
	UID, Title    string
	Description   string
	SchemaVersion int
	Tags          []string
	Links         []struct {
		Type string
		Tags []string
	}
	Panels     []panel
	Templating struct{ List []variable }
	// Annotations are regions that a query marks in all panels.
	Annotations struct {
		List []struct {
			Name, Expr string
			Datasource source
		}
	}
}

// source is which data source is asked.
type source struct{ Type, UID string }

type panel struct {
	ID                       int
	Type, Title, Description string
	Datasource               source
	GridPos                  struct{ X, Y, W, H int }
	TimeFrom                 string
	Targets                  []target
	FieldConfig              struct {
		Defaults struct {
			Unit  string
			Links []link
		}
		Overrides []struct {
			Matcher struct {
				ID      string
				Options string
			}
			Properties []struct {
				ID    string
				Value json.RawMessage
			}
		}
	}
	Transformations []struct {
		ID      string
		Options organize
	}
}

// link leads from a cell to a page.
type link struct{ Title, URL string }

// organize says which columns a table has, and how they are called.
type organize struct {
	ExcludeByName map[string]bool
	IndexByName   map[string]int
	RenameByName  map[string]string
}

type target struct {
	RefID, Expr, LegendFormat, Format string
	Datasource                        source
	Instant, Range                    bool
}

type variable struct {
	Name, Type, Regex, AllValue string
	Definition                  string
	Datasource                  source
	Multi, IncludeAll           bool
	// Query is an object for a variable of a query, and a text for others.
	Query json.RawMessage
}

// read returns all dashboards.
func read(t testing.TB) []*dashboard {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "dashboards", "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("dashboards: %v, %v", paths, err)
	}
	var all []*dashboard
	for _, path := range paths {
		d := &dashboard{file: filepath.Base(path)}
		if d.raw, err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(d.raw, d); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all = append(all, d)
	}
	return all
}

// find returns the dashboard of a uid.
func find(t testing.TB, uid string) *dashboard {
	t.Helper()
	for _, d := range read(t) {
		if d.UID == uid {
			return d
		}
	}
	t.Fatalf("no dashboard %q", uid)
	return nil
}

// question is an expression of a dashboard, and where it is.
type question struct {
	where string
	// panel and ref are which panel and target, "" for an annotation.
	panel, ref, expr, legend string
	// instant is for a table or a number, else it is asked for a time.
	instant bool
	// columns are those that a table makes of the answer.
	columns []string
}

// questions returns the expressions of panels and annotations.
func (d *dashboard) questions() []question {
	var all []question
	for _, a := range d.Annotations.List {
		all = append(all, question{where: d.file + ": annotation " + a.Name, expr: a.Expr})
	}
	for _, p := range d.Panels {
		for _, t := range p.Targets {
			q := question{where: fmt.Sprintf("%s: panel %q, %s", d.file, p.Title, t.RefID), panel: p.Title, ref: t.RefID, expr: t.Expr, legend: t.LegendFormat, instant: t.Instant}
			if t.Format == "table" {
				for _, tr := range p.Transformations {
					for name := range tr.Options.RenameByName {
						q.columns = append(q.columns, name)
					}
				}
			}
			all = append(all, q)
		}
	}
	return all
}

// query returns what a variable asks for.
func (v *variable) query() (string, error) {
	if v.Type != "query" {
		var text string
		err := json.Unmarshal(v.Query, &text)
		return text, err
	}
	var q struct{ Query string }
	err := json.Unmarshal(v.Query, &q)
	return q.Query, err
}

// usesOf returns the names of the variables that are used in a text, but for those
// that Grafana itself has.
func usesOf(text []byte) map[string]bool {
	used := make(map[string]bool)
	for _, m := range regexp.MustCompile(`\$(?:\{([A-Za-z_]\w*)[^}]*\}|([A-Za-z_]\w*))`).FindAllSubmatch(text, -1) {
		if name := string(bytes.Join(m[1:], nil)); !strings.HasPrefix(name, "__") {
			used[name] = true
		}
	}
	return used
}

// values are those of variables, by name.
type values map[string]string

// fill puts values into an expression, as Grafana does.
func (v values) fill(t testing.TB, expr string) string {
	t.Helper()
	expr = strings.NewReplacer("$__rate_interval", "4m", "$__range", "30m", "$__interval", step.String()).Replace(expr)
	return regexp.MustCompile(`\$\{?([A-Za-z_]\w*)\}?`).ReplaceAllStringFunc(expr, func(use string) string {
		value, ok := v[strings.Trim(use, "${}")]
		if !ok {
			t.Errorf("%s: nothing is known of %s", expr, use)
		}
		return value
	})
}

// options asks for what a variable may be, as Grafana does.
func (v *variable) options(t testing.TB, s store, known values) []string {
	t.Helper()
	query, err := v.query()
	if err != nil {
		t.Fatalf("variable %s: %v", v.Name, err)
	}
	var texts []string
	if m := regexp.MustCompile(`^label_values\((.+),\s*(\w+)\)$`).FindStringSubmatch(query); m != nil {
		expr := known.fill(t, m[1])
		selects(t, s, "variable "+v.Name, expr)
		for _, found := range s.ask(t, "count by ("+m[2]+") ("+expr+")", true) {
			if value := found.labels[m[2]]; value != "" {
				texts = append(texts, value)
			}
		}
	} else if m := regexp.MustCompile(`^query_result\((.+)\)$`).FindStringSubmatch(query); m != nil {
		expr := known.fill(t, m[1])
		selects(t, s, "variable "+v.Name, expr)
		for _, found := range s.ask(t, expr, true) {
			texts = append(texts, fmt.Sprintf("%s %v %d", found.name(), found.values[0], end().UnixMilli()))
		}
	} else {
		t.Fatalf("variable %s: query %q is neither label_values nor query_result", v.Name, query)
	}
	if v.Regex == "" {
		return texts
	}
	var parts []string
	for _, text := range texts {
		if m := regexp.MustCompile(strings.Trim(v.Regex, "/")).FindStringSubmatch(text); len(m) == 2 {
			parts = append(parts, m[1])
		}
	}
	return parts
}
