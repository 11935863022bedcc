package dashboards

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// anySource is the data source that the reader has chosen.
func anySource() source { return source{"prometheus", "${datasource}"} }

func TestDashboards_areFilesThatGrafanaReads(t *testing.T) {
	uids := make(map[string]string)
	for _, d := range read(t) {
		t.Run(d.file, func(t *testing.T) {
			switch {
			case d.UID+".json" != d.file:
				t.Errorf("uid %q is not the file's name", d.UID)
			case uids[d.UID] != "":
				t.Errorf("uid %q is that of %s", d.UID, uids[d.UID])
			case d.ID != nil:
				t.Errorf("id %d is one of some Grafana's database", *d.ID)
			case d.SchemaVersion != 39:
				t.Errorf("schemaVersion %d, want 39, which Grafana has since 10.4", d.SchemaVersion)
			case d.Title == "" || d.Description == "" || !slices.Contains(d.Tags, "goshawk"):
				t.Errorf("title %q, description %q, tags %v", d.Title, d.Description, d.Tags)
			case len(d.Links) != 1 || !slices.Contains(d.Links[0].Tags, "goshawk"):
				t.Errorf("links %v: want one to the dashboards with the tag goshawk", d.Links)
			}
			uids[d.UID] = d.file
			for _, word := range []string{"__inputs", "__requires", "DS_PROMETHEUS", "pluginVersion", "iteration"} {
				if bytes.Contains(d.raw, []byte(`"`+word)) || bytes.Contains(d.raw, []byte("${"+word)) {
					t.Errorf("has %s: that is of an export, and provisioning does not fill it in", word)
				}
			}
			var sources any
			if err := json.Unmarshal(d.raw, &sources); err != nil {
				t.Fatal(err)
			}
			checkSources(t, "", sources)
			checkFormat(t, d)
			checkPanels(t, d)
			checkVariables(t, d)
		})
	}
}

// checkFormat holds files to one form, so that a change is seen as what it is.
func checkFormat(t *testing.T, d *dashboard) {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, bytes.TrimSpace(d.raw), "", "  "); err != nil {
		t.Fatal(err)
	}
	if b.WriteByte('\n'); !bytes.Equal(d.raw, b.Bytes()) {
		t.Error("is not indented by two spaces, with a line end at its end")
	}
}

// checkSources looks at every data source, wherever it is.
func checkSources(t *testing.T, where string, value any) {
	t.Helper()
	switch value := value.(type) {
	case []any:
		for i, v := range value {
			checkSources(t, fmt.Sprintf("%s[%d]", where, i), v)
		}
	case map[string]any:
		for key, v := range value {
			if key == "datasource" {
				want := map[string]any{"type": "prometheus", "uid": "${datasource}"}
				if got, ok := v.(map[string]any); !ok || !maps.Equal(got, want) {
					t.Errorf("%s.datasource: %v, want %v", where, v, want)
				}
				continue
			}
			checkSources(t, where+"."+key, v)
		}
	}
}

func checkPanels(t *testing.T, d *dashboard) {
	t.Helper()
	ids, titles := make(map[int]bool), make(map[string]bool)
	for i, p := range d.Panels {
		if ids[p.ID] || p.ID <= 0 {
			t.Errorf("panel %q: id %d is there twice, or is none", p.Title, p.ID)
		}
		if titles[p.Title] || p.Title == "" {
			t.Errorf("panel %q: the title is there twice, or is none", p.Title)
		}
		ids[p.ID], titles[p.Title] = true, true
		for _, other := range d.Panels[:i] {
			a, b := p.GridPos, other.GridPos
			if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Errorf("panel %q is on top of %q", p.Title, other.Title)
			}
		}
		if g := p.GridPos; g.W <= 0 || g.H <= 0 || g.X < 0 || g.X+g.W > 24 {
			t.Errorf("panel %q: %v is not on the grid of 24 columns", p.Title, g)
		}
		if p.Type == "row" {
			continue
		}
		if len(p.Description) < 20 || !strings.HasSuffix(p.Description, ".") || p.FieldConfig.Defaults.Unit == "" {
			t.Errorf("panel %q: description %q, unit %q", p.Title, p.Description, p.FieldConfig.Defaults.Unit)
		}
		if p.Datasource != anySource() || len(p.Targets) == 0 {
			t.Errorf("panel %q: source %v, %d targets", p.Title, p.Datasource, len(p.Targets))
		}
		checkTargets(t, p)
		checkTable(t, p)
		checkLinks(t, p)
	}
}

func checkTargets(t *testing.T, p panel) {
	t.Helper()
	refs := make(map[string]bool)
	for _, target := range p.Targets {
		if refs[target.RefID] || target.RefID == "" {
			t.Errorf("panel %q: refId %q is there twice, or is none", p.Title, target.RefID)
		}
		refs[target.RefID] = true
		if target.Datasource != anySource() || target.Instant == target.Range || target.Format == "" {
			t.Errorf("panel %q, %s: %+v", p.Title, target.RefID, target)
		}
	}
	for _, o := range p.FieldConfig.Overrides {
		if o.Matcher.ID == "byFrameRefID" && !refs[o.Matcher.Options] {
			t.Errorf("panel %q: an override is for %q, which is no target", p.Title, o.Matcher.Options)
		}
	}
}

// checkTable checks that what a table shows of a column is about one that it has.
func checkTable(t *testing.T, p panel) {
	t.Helper()
	if p.Type != "table" {
		return
	}
	for _, tr := range p.Transformations {
		if tr.ID != "organize" {
			continue
		}
		names := slices.Collect(maps.Values(tr.Options.RenameByName))
		for _, o := range p.FieldConfig.Overrides {
			if !slices.Contains(names, o.Matcher.Options) {
				t.Errorf("panel %q: an override is for the column %q; there are %q", p.Title, o.Matcher.Options, names)
			}
		}
		var values, want []string
		for column := range tr.Options.RenameByName {
			if _, ok := tr.Options.IndexByName[column]; !ok || len(tr.Options.IndexByName) != len(names) {
				t.Errorf("panel %q: column %q has a name and no place, or the other way round", p.Title, column)
			}
			if strings.HasPrefix(column, "Value") {
				values = append(values, column)
			}
		}
		for _, target := range p.Targets {
			if len(p.Targets) > 1 {
				want = append(want, "Value #"+target.RefID)
			}
		}
		if slices.Sort(values); !slices.Equal(values, want) {
			t.Errorf("panel %q: names the columns %q, and the targets make %q", p.Title, values, want)
		}
		return
	}
	t.Errorf("panel %q: no transformation names its columns", p.Title)
}

// checkLinks checks that links lead to dashboards, and set variables that these have.
func checkLinks(t *testing.T, p panel) {
	t.Helper()
	for _, o := range p.FieldConfig.Overrides {
		for _, property := range o.Properties {
			if property.ID != "links" {
				continue
			}
			var links []link
			if err := json.Unmarshal(property.Value, &links); err != nil {
				t.Fatal(err)
			}
			for _, l := range links {
				u, err := url.Parse(strings.NewReplacer("${__url_time_range}", "from=a&to=b", "${", "", "}", "").Replace(l.URL))
				if err != nil {
					t.Fatalf("panel %q: link %q: %v", p.Title, l.URL, err)
				}
				to := find(t, strings.TrimPrefix(u.Path, "/d/"))
				for key := range u.Query() {
					name, ok := strings.CutPrefix(key, "var-")
					if ok && !slices.ContainsFunc(to.Templating.List, func(v variable) bool { return v.Name == name }) {
						t.Errorf("panel %q: link %q sets %s, which %s does not have", p.Title, l.URL, name, to.file)
					}
				}
			}
		}
	}
}

func checkVariables(t *testing.T, d *dashboard) {
	t.Helper()
	known := make(map[string]bool)
	for i, v := range d.Templating.List {
		query, err := v.query()
		if err != nil || query == "" {
			t.Errorf("variable %s: query %q, %v", v.Name, query, err)
		}
		switch {
		case i == 0 && (v.Name != "datasource" || v.Type != "datasource" || query != "prometheus"):
			t.Errorf("the first variable is %s of the type %s for %q, want datasource", v.Name, v.Type, query)
		case i > 0 && (v.Type != "query" || v.Datasource != anySource()):
			t.Errorf("variable %s: type %s, source %v", v.Name, v.Type, v.Datasource)
		case i > 0 && v.Definition != query:
			t.Errorf("variable %s: shows %q, and asks %q", v.Name, v.Definition, query)
		case v.IncludeAll && v.AllValue == "":
			t.Errorf("variable %s: All would be a list of thousands", v.Name)
		case known[v.Name]:
			t.Errorf("variable %s is there twice", v.Name)
		}
		for name := range usesOf([]byte(query)) {
			if !known[name] {
				t.Errorf("variable %s uses %s, which is not before it", v.Name, name)
			}
		}
		known[v.Name] = true
	}
	used := usesOf(d.raw)
	if !maps.Equal(known, used) {
		t.Errorf("has the variables %v, and uses %v", slices.Sorted(maps.Keys(known)), slices.Sorted(maps.Keys(used)))
	}
}

func TestProvisioning_findsTheDashboards(t *testing.T) {
	var providers struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Name, Folder, Type              string
			DisableDeletion, AllowUIUpdates bool
			UpdateIntervalSeconds           int
			Options                         struct{ Path string }
		}
	}
	var sources struct {
		APIVersion  int `yaml:"apiVersion"`
		Datasources []struct{ Name, Type, Access, URL, UID string }
	}
	for file, into := range map[string]any{"dashboards/goshawk.yaml": &providers, "datasources/goshawk.yaml": &sources} {
		data, err := os.ReadFile(filepath.Join(folder, "provisioning", file))
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(data, into); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	if providers.APIVersion != 1 || len(providers.Providers) != 1 || providers.Providers[0].Type != "file" || providers.Providers[0].Name == "" {
		t.Fatalf("providers %+v", providers)
	}
	if s := sources.Datasources; sources.APIVersion != 1 || len(s) != 1 || s[0].Type != "prometheus" || s[0].Access != "proxy" || s[0].URL == "" || s[0].UID != "" {
		t.Errorf("data sources %+v", sources)
	}
	page, err := os.ReadFile("../../docs/grafana.md")
	if err != nil {
		t.Fatal(err)
	}
	mount := "deploy/grafana/dashboards:" + providers.Providers[0].Options.Path + ":ro"
	if !bytes.Contains(page, []byte(mount)) {
		t.Errorf("docs/grafana.md does not mount %s", mount)
	}
	for _, d := range read(t) {
		if !regexp.MustCompile("(?m)^\\| \\[" + regexp.QuoteMeta(d.Title) + "\\]\\(\\.\\./deploy/grafana/dashboards/" + regexp.QuoteMeta(d.file) + "\\) \\|").Match(page) {
			t.Errorf("docs/grafana.md has no row for %s, %s", d.Title, d.file)
		}
	}
}
