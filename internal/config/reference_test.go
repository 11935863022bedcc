package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// table renders a kind's fields as the docs have them.
func table(k Kind) string {
	var b strings.Builder
	b.WriteString("| field | value | default | of | |\n|---|---|---|---|---|\n")
	for _, f := range k.Fields {
		standard := ""
		if f.Default != "" {
			standard = "`" + f.Default + "`"
		}
		of, kind := f.Of, f.Kind
		if of == "" {
			of = "all"
		}
		if kind == "" {
			kind = "an object"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", f.Path, kind, standard, of, f.Summary)
	}
	return b.String()
}

// TestReference_isInTheDocs holds docs/configuration.md to the fields that
// the decoder reads.
func TestReference_isInTheDocs(t *testing.T) {
	docs := readText(t, "../../docs/configuration.md")
	for _, k := range Reference() {
		if want := table(k); !strings.Contains(docs, want) {
			t.Errorf("docs/configuration.md lacks the table of %s, which is\n%s", k.Name, want)
		}
	}
	fields := len(regexp.MustCompile("(?m)^\\| `spec\\.").FindAllString(docs, -1))
	for _, k := range Reference() {
		fields -= len(k.Fields)
	}
	if fields != 0 {
		t.Errorf("docs/configuration.md has %d rows of fields more than there are fields", fields)
	}
}

// TestReference_defaultsAreTheDecoders reads a file with every default that
// the docs name, which must change nothing.
func TestReference_defaultsAreTheDecoders(t *testing.T) {
	probes := options().Probes
	dir := write(t, "a.yaml", Example(probes))
	c, err := Load([]string{dir}, options())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(c.Resources()), len(probes); got != want {
		t.Errorf("%d resources, want %d", got, want)
	}
	for _, p := range probes {
		want := standardProbe()
		want.Enabled = !p.OnRequest
		if got := c.Probe(p.Name); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v", p.Name, got)
		}
	}
	for _, f := range Reference()[0].Fields {
		name := f.Path[strings.LastIndex(f.Path, ".")+1:]
		if !regexp.MustCompile(`(?m)^ +(# )?` + name + `:`).MatchString(Example(probes)) {
			t.Errorf("the example lacks %s", f.Path)
		}
	}
}

// TestReference_samplesAreRight reads the example with what is commented out
// in force.
func TestReference_samplesAreRight(t *testing.T) {
	text := regexp.MustCompile(`(?m)^( +)# (\w+: )`).ReplaceAllString(Example(options().Probes), "$1$2")
	c, err := Load([]string{write(t, "a.yaml", text)}, options())
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Probe("http").Targets; got.Services == nil || got.Exclude == nil {
		t.Errorf("got %+v from\n%s", got, text)
	}
}

// TestDocs_filesAreRight reads the files of examples/ and each file in the
// docs.
func TestDocs_filesAreRight(t *testing.T) {
	files, err := filepath.Glob("../../examples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, name := range files {
		if _, err := Load([]string{name}, options()); err != nil {
			t.Error(err)
		}
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(readText(t, "../../docs/configuration.md"), -1)
	if len(blocks) == 0 {
		t.Error("docs/configuration.md has no example")
	}
	for _, block := range blocks {
		if _, err := Load([]string{write(t, "docs.yaml", block[1])}, options()); err != nil {
			t.Errorf("%v in\n%s", err, block[1])
		}
	}
}

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
