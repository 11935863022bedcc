package api

import (
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/model"
)

// section is a part of the reference: what its heading names, and the names in
// the first column of its table.
type section struct {
	names []string
	text  string
}

// reference reads docs/api.md by its third-level headings.
func reference(t *testing.T) map[string]section {
	t.Helper()
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := make(map[string]section)
	row := regexp.MustCompile("(?m)^\\| `([^`]+)` \\|")
	for part := range strings.SplitSeq(string(text), "\n### ") {
		heading, body, _ := strings.Cut(part, "\n")
		body, _, _ = strings.Cut(body, "\n## ")
		var names []string
		for _, m := range row.FindAllStringSubmatch(body, -1) {
			names = append(names, m[1])
		}
		sections[strings.Trim(heading, "`")] = section{names, body}
	}
	return sections
}

func TestReference_hasAllEndPointsAndParameters(t *testing.T) {
	sections := reference(t)
	s := &server{}
	known := map[string]bool{"GET /api/v1/": true}
	for _, e := range s.endPoints() {
		known["GET "+e.Path] = true
		found, ok := sections["GET "+e.Path]
		if !ok {
			t.Errorf("docs/api.md does not describe %s", e.Path)
		}
		if !slices.Equal(found.names, e.Parameters) {
			t.Errorf("docs/api.md gives %s the parameters %v, it has %v", e.Path, found.names, e.Parameters)
		}
		for _, name := range found.names {
			if !strings.Contains(found.text, "`"+name+"=") {
				t.Errorf("docs/api.md has no example of %s of %s", name, e.Path)
			}
		}
	}
	for heading := range sections {
		if strings.HasPrefix(heading, "GET ") && !known[heading] {
			t.Errorf("docs/api.md describes %s, which is not there", heading)
		}
	}
}

func TestReference_hasAllFields(t *testing.T) {
	sections := reference(t)
	for _, value := range []any{
		v1.Error{}, v1.EndPoint{}, v1.Service{}, v1.Process{}, v1.Probe{}, v1.ProbePart{}, v1.ProbeTarget{}, v1.Field{}, v1.Rule{}, v1.Record{}, v1.Frame{},
		v1.Finding{}, v1.Rollup{}, v1.Bucket{}, v1.Waterfall{}, v1.Bar{}, v1.Part{}, v1.Store{}, v1.Status{},
		v1.Config{}, v1.ConfigError{}, v1.ConfigResource{},
		v1.SLO{}, v1.SLOSelector{}, v1.SLOAttribute{}, v1.SLOQuery{}, v1.SLOExclusion{}, v1.SLOWindow{}, v1.SLOAlert{}, v1.SLOHistory{}, v1.SLOPoint{}, v1.SLOFiring{},
		v1.TraceSummary{}, v1.KeptTrace{},
	} {
		typ := reflect.TypeOf(value)
		if got, want := sections[typ.Name()].names, jsonNames(typ); !slices.Equal(got, want) {
			t.Errorf("docs/api.md gives %s the fields %v, it has %v", typ.Name(), got, want)
		}
	}
	if got, want := sections["List"].names, jsonNames(reflect.TypeFor[v1.List[v1.Record]]()); !slices.Equal(got, want) {
		t.Errorf("docs/api.md gives List the fields %v, it has %v", got, want)
	}
}

func jsonNames(typ reflect.Type) []string {
	var names []string
	for field := range typ.Fields() {
		if field.Anonymous {
			names = append(names, jsonNames(field.Type)...)
			continue
		}
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

// TestReference_examplesWork checks that each JSON in the reference is what a
// client can read, and that each parameter's example is accepted.
func TestReference_examplesWork(t *testing.T) {
	for heading, s := range reference(t) {
		for _, m := range regexp.MustCompile("(?s)```json\n(.*?)\n```").FindAllStringSubmatch(s.text, -1) {
			if !json.Valid([]byte(m[1])) {
				t.Errorf("%s has an example that is no JSON: %s", heading, m[1])
			}
		}
		path, ok := strings.CutPrefix(heading, "GET ")
		if !ok || path == streamPath {
			continue
		}
		command := event("git", 7, 60, 1)
		h := New(Options{Host: &host{ready: true}, Events: &events{list: []*model.Event{command}}, Metrics: page(""), Judge: &judge{slos: objectives("{name}")}, Now: noon})
		for _, m := range regexp.MustCompile("\\| `([a-z_]+=[^`]*)` \\|").FindAllStringSubmatch(s.text, -1) {
			if strings.Contains(m[1], "...") {
				continue
			}
			if w := ask(t, h, "GET", path+"?"+m[1]); w.Code == 400 {
				t.Errorf("the example %s of %s is refused: %s", m[1], path, w.Body)
			}
		}
	}
}
