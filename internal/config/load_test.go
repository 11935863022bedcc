package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/platform/yamldoc"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

func TestMain(m *testing.M) { testutil.NoLeaks(m) }

// options are those of an agent with a probe of each sort.
func options() Options {
	return Options{Probes: []KnownProbe{{Name: "exec"}, {Name: "tcp"}, {Name: "http", Functions: true, Requests: true}, {Name: "startup", Functions: true, Starts: true, OnRequest: true}}}
}

// probeFile is a document about a probe; spec is indented already.
func probeFile(name, spec string) string {
	return "apiVersion: goshawk.io/v1\nkind: Probe\nmetadata:\n  name: " + name + "\nspec:\n" + spec
}

// write writes files into a new folder and returns it.
func write(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		put(t, filepath.Join(dir, files[i]), files[i+1])
	}
	return dir
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// problems returns the errors of a load without the folder's name.
func problems(t *testing.T, err error, dir string) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var errs Errors
	if !errors.As(err, &errs) || len(errs) == 0 {
		t.Fatalf("the error is %T, want Errors that are not empty", err)
	}
	var list []string
	for _, e := range errs {
		if e.Hint == "" {
			t.Errorf("no hint: %v", e)
		}
		list = append(list, strings.ReplaceAll(e.Error(), dir+"/", ""))
	}
	return list
}

func TestLoad_readsProbes(t *testing.T) {
	changed := func(change func(*ProbeConfig)) ProbeConfig {
		p := standardProbe()
		change(&p)
		return p
	}
	tests := []struct {
		name string
		spec string
		want ProbeConfig
	}{
		{"nothing is the default", "", standardProbe()},
		{"empty objects are the default", "  targets:\n  sampling: {}\n  routes:\n    # limit: 3\n", standardProbe()},
		{"off", "  enabled: false\n", changed(func(p *ProbeConfig) { p.Enabled = false })},
		{"on, in capitals", "  enabled: TRUE\n", standardProbe()},
		{"targets", "  targets:\n    services: [shop, 'cart']\n    exclude: [\"billing\"]\n",
			changed(func(p *ProbeConfig) {
				p.Targets = Targets{Services: []string{"shop", "cart"}, Exclude: []string{"billing"}}
			})},
		{"no sampling at all is not the default", "  sampling: {perSecond: 0, failedPerSecond: 0}\n",
			changed(func(p *ProbeConfig) { p.Sampling.PerSecond, p.Sampling.FailedPerSecond = 0, 0 })},
		{"sampling", "  sampling:\n    perSecond: 1\n    failedPerSecond: 100000\n    slow: 1m30s\n",
			changed(func(p *ProbeConfig) { p.Sampling = Sampling{1, 100_000, 90 * time.Second} })},
		{"slow is automatic", "  sampling: {slow: auto}\n", standardProbe()},
		{"routes", "  routes: {limit: 10000}\n", changed(func(p *ProbeConfig) { p.Routes.Limit = 10_000 })},
		{"trace contexts", "  traceContextMap: true\n", changed(func(p *ProbeConfig) { p.TraceContextMap = true })},
		{"an alias", "  targets: {services: &a [shop]}\n  sampling: {slow: &s 1s}\n  routes: {limit: &n 7}\n",
			changed(func(p *ProbeConfig) {
				p.Targets.Services, p.Sampling.Slow, p.Routes.Limit = []string{"shop"}, time.Second, 7
			})},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := write(t, "a.yaml", probeFile("http", tt.spec))
			c, err := Load([]string{dir}, options())
			if err != nil {
				t.Fatal(err)
			}
			if got := c.Probe("http"); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
			if got := c.Probe("exec"); !reflect.DeepEqual(got, standardProbe()) {
				t.Errorf("a probe that no file mentions is %+v", got)
			}
		})
	}
}

// TestLoad_refuses lists what is wrong with the spec of the http probe, whose
// first line is the sixth.
func TestLoad_refuses(t *testing.T) {
	tests := []struct {
		name string
		spec string
		want []string
	}{
		{"yes for true", "  enabled: yes\n", []string{"6:12: spec.enabled: yes: is a text, not true or false"}},
		{"no value", "  enabled:\n", []string{"6:11: spec.enabled: has no value"}},
		{"a field that is not there", "  Enabled: true\n", []string{"6:3: spec.Enabled: there is no such field"}},
		{"a field twice", "  enabled: true\n  enabled: false\n", []string{"7:3: spec.enabled: is there twice, first in line 6"}},
		{"a key that is a list", "  ? [a]\n  : b\n", []string{"6:5: spec: a key is a list, not a text"}},
		{"a merge key", "  sampling: &s {perSecond: 1}\n  <<: *s\n", []string{"7:3: spec.<<: there is no such field"}},
		{"a list for an object", "  sampling: [1]\n", []string{"6:13: spec.sampling: is a list, not an object"}},
		{"a text for an object", "  sampling: often\n", []string{"6:13: spec.sampling: often: is a text, not an object"}},
		{"a negative number", "  sampling: {perSecond: -1}\n", []string{"6:25: spec.sampling.perSecond: -1: is not from 0 to 100000"}},
		{"an absurd number", "  sampling: {perSecond: 100001}\n", []string{"6:25: spec.sampling.perSecond: 100001: is not from 0 to 100000"}},
		{"a number that no machine has", "  routes: {limit: 99999999999999999999}\n", []string{"6:19: spec.routes.limit: 99999999999999999999: is not from 1 to 10000"}},
		{"a number with a fraction", "  routes: {limit: 1.5}\n", []string{"6:19: spec.routes.limit: 1.5: is not a whole decimal number"}},
		{"a hexadecimal number", "  routes: {limit: 0x10}\n", []string{"6:19: spec.routes.limit: 0x10: is not a whole decimal number"}},
		{"a number that may be octal", "  routes: {limit: 010}\n", []string{"6:19: spec.routes.limit: 010: begins with 0"}},
		{"no routes", "  routes: {limit: 0}\n", []string{"6:19: spec.routes.limit: 0: is not from 1 to 10000"}},
		{"a number in quotes", "  routes: {limit: \"5\"}\n", []string{"6:19: spec.routes.limit: 5: is a text, not a number"}},
		{"a number with a tag", "  routes: {limit: !!str 5}\n", []string{"6:19: spec.routes.limit: 5: is a text, not a number"}},
		{"an own tag", "  routes: {limit: !include x}\n", []string{"6:19: spec.routes.limit: x: is !include, not a number"}},
		{"a duration without unit", "  sampling: {slow: 500}\n", []string{"6:20: spec.sampling.slow: 500: has no unit"}},
		{"a duration that is none", "  sampling: {slow: soon}\n", []string{"6:20: spec.sampling.slow: soon: is not a duration"}},
		{"a negative duration", "  sampling: {slow: -1s}\n", []string{"6:20: spec.sampling.slow: -1s: is not from 1ms to 1h"}},
		{"all requests are slow", "  sampling: {slow: 0s}\n", []string{"6:20: spec.sampling.slow: 0s: is not from 1ms to 1h"}},
		{"a duration of a list", "  sampling: {slow: [1s]}\n", []string{"6:20: spec.sampling.slow: is a list, not a duration"}},
		{"a text for a list", "  targets: {services: shop}\n", []string{"6:23: spec.targets.services: shop: is a text, not a list"}},
		{"an empty list", "  targets: {services: []}\n", []string{"6:23: spec.targets.services: is an empty list"}},
		{"bad names of services", "  targets:\n    services: [a, \"\", ' b', 5, null, [c], a, \"x*\", \"y\\nz\"]\n", []string{
			`7:19: spec.targets.services[1]: "": is empty`,
			"7:23: spec.targets.services[2]:  b: has spaces around it",
			"7:29: spec.targets.services[3]: 5: is a number, not a text",
			"7:32: spec.targets.services[4]: is nothing, not a text",
			"7:38: spec.targets.services[5]: is a list, not a text",
			"7:43: spec.targets.services[6]: a: is there twice",
			"7:46: spec.targets.services[7]: x*: is a pattern, and names are compared whole",
			`7:52: spec.targets.services[8]: "y\nz": has more than one line`,
		}},
		{"a long name", "  targets: {services: [" + strings.Repeat("n", 256) + "]}\n", []string{
			"6:24: spec.targets.services[0]: " + strings.Repeat("n", 120) + "... (256 bytes): is longer than 255 bytes"}},
		{"many names", "  targets: {services: [" + strings.Repeat("n,", 1001) + "]}\n", []string{"6:23: spec.targets.services: has 1001 items"}},
		{"attach to it and do not", "  targets: {exclude: [shop], services: [shop]}\n", []string{
			"6:41: spec.targets.services[0]: shop: is among the services and among those to leave alone"}},
		{"several errors", "  enabled: 1\n  sampling: {perSecond: x, slow: 5}\n  color: red\n", []string{
			"6:12: spec.enabled: 1: is a number, not true or false",
			"7:25: spec.sampling.perSecond: x: is a text, not a number",
			"7:34: spec.sampling.slow: 5: has no unit",
			"8:3: spec.color: there is no such field",
		}},
		{"what would colour a terminal", "  \"\\e[31m\": 1\n", []string{`6:3: spec."\x1b[31m": there is no such field`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := write(t, "a.yaml", probeFile("http", tt.spec))
			c, err := Load([]string{dir}, options())
			if c != nil {
				t.Error("there is a configuration as well")
			}
			var want []string
			for _, w := range tt.want {
				want = append(want, "a.yaml:"+w)
			}
			if got := problems(t, err, dir); !slices.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

func TestLoad_documents(t *testing.T) {
	exec, tcp := probeFile("exec", "  enabled: false\n"), probeFile("tcp", "")
	tests := []struct {
		name  string
		files []string
		want  []string // the resources, or the errors
		fails bool
	}{
		{"two documents in a file", []string{"a.yaml", exec + "---\n" + tcp}, []string{"a.yaml:1 Probe exec", "a.yaml:8 Probe tcp"}, false},
		{"files in their order", []string{"b.yml", tcp, "a.yaml", exec}, []string{"a.yaml:1 Probe exec", "b.yml:1 Probe tcp"}, false},
		{"other files are not read", []string{"a.yaml", exec, "README.md", "x: [", ".b.yaml", "x: ["}, []string{"a.yaml:1 Probe exec"}, false},
		{"a comment alone", []string{"a.yaml", "# nothing yet\n"}, nil, false},
		{"documents of nothing", []string{"a.yaml", "---\n---\n# x\n---\n" + exec + "---\n"}, []string{"a.yaml:5 Probe exec"}, false},
		{"windows", []string{"a.yaml", "\ufeff" + strings.ReplaceAll(exec, "\n", "\r\n")}, []string{"a.yaml:1 Probe exec"}, false},
		{"without a spec", []string{"a.yaml", "apiVersion: goshawk.io/v1\nkind: Probe\nmetadata: {name: exec}\n"}, []string{"a.yaml:1 Probe exec"}, false},

		{"a resource twice", []string{"a.yaml", exec + "---\n" + tcp, "b.yaml", exec}, []string{"b.yaml:4:9: metadata.name: exec: is defined already, at a.yaml:4:9"}, true},
		{"an unknown kind", []string{"a.yaml", "apiVersion: goshawk.io/v1\nkind: Prob\nspec: {x: 1}\n"}, []string{"a.yaml:2:7: kind: Prob: there is no such kind in goshawk.io/v1"}, true},
		{"another's kind", []string{"a.yaml", exec + "---\nkind: SLO\napiVersion: openslo/v1\n"}, []string{"a.yaml:9:13: apiVersion: openslo/v1: there is no such version; the kind is SLO"}, true},
		{"no kind", []string{"a.yaml", "metadata: {name: exec}\n"}, []string{"a.yaml:1:1: apiVersion: is missing", "a.yaml:1:1: kind: is missing"}, true},
		{"a kind that is a number", []string{"a.yaml", "apiVersion: 1\nkind: [x]\n"}, []string{"a.yaml:1:13: apiVersion: 1: is a number, not a text", "a.yaml:2:7: kind: is a list, not a text"}, true},
		{"no name", []string{"a.yaml", "apiVersion: goshawk.io/v1\nkind: Probe\nmetadata: {}\nspec: {x: 1}\n"}, []string{"a.yaml:3:11: metadata.name: is missing", "a.yaml:4:8: spec.x: there is no such field"}, true},
		{"no metadata", []string{"a.yaml", "apiVersion: goshawk.io/v1\nkind: Probe\n"}, []string{"a.yaml:1:1: metadata: is missing"}, true},
		{"an unknown probe", []string{"a.yaml", probeFile("htp", "  routes: {limit: 0}\n")}, []string{"a.yaml:4:9: metadata.name: htp: there is no such probe", "a.yaml:6:19: spec.routes.limit: 0: is not from 1 to 10000"}, true},
		{"what the probe does not have", []string{"a.yaml", probeFile("exec", "  sampling: {perSecond: -1}\n  targets: {services: [a]}\n")}, []string{
			"a.yaml:6:3: spec.sampling: the probe exec sees no requests", "a.yaml:7:3: spec.targets: the probe exec attaches to no functions of services"}, true},
		{"fields beside", []string{"a.yaml", exec + "status: {}\n"}, []string{"a.yaml:7:1: status: there is no such field"}, true},
		{"a list", []string{"a.yaml", "- a\n"}, []string{"a.yaml:1:1: the document is a list, not an object"}, true},
		{"a text", []string{"a.yaml", "hello\n"}, []string{"a.yaml:1:1: hello: the document is a text, not an object"}, true},

		{"an open bracket", []string{"a.yaml", exec + "---\na: [1\nb: 2\n"}, []string{"a.yaml:9:2: is no YAML: did not find expected ',' or ']', while parsing a flow sequence that begins in line 8"}, true},
		{"a tab", []string{"a.yaml", "a:\n\tb: 1\n"}, []string{"a.yaml:2:1: is no YAML: found character that cannot start any token, while scanning for the next token"}, true},
		{"an alias of nothing", []string{"a.yaml", "a: *b\n"}, []string{"a.yaml:1:4: is no YAML: unknown anchor 'b' referenced"}, true},
		{"errors before no YAML", []string{"a.yaml", "kind: x\n---\na: b: c\n"}, []string{"a.yaml:1:1: apiVersion: is missing", "a.yaml:3:5: is no YAML: mapping values are not allowed in this context"}, true},
		{"Latin 1", []string{"a.yaml", "# fine\n# f\xfcr\n"}, []string{"a.yaml:2:4: is not UTF-8: byte 0xfc"}, true},
		{"UTF-16", []string{"a.yaml", "\xff\xfea\x00"}, []string{"a.yaml:1:1: is not UTF-8: byte 0xff"}, true},
		{"a control character", []string{"a.yaml", "a: b\nc: \x00\n"}, []string{"a.yaml:2:4: has the control character 0x00"}, true},
		{"an empty file", []string{"a.yaml", "", "b.yaml", exec}, []string{"a.yaml: is empty, as a file is that is being written"}, true},
		{"errors of all files", []string{"a.yaml", "a: [", "b.yaml", probeFile("exec", "  enabled: 1\n")}, []string{
			"a.yaml:2:1: is no YAML: did not find expected node content, while parsing a flow node", "b.yaml:6:12: spec.enabled: 1: is a number, not true or false"}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := write(t, tt.files...)
			c, err := Load([]string{dir}, options())
			got := problems(t, err, dir)
			if (err != nil) != tt.fails {
				t.Errorf("the error is %v", err)
			}
			for _, r := range c.Resources() {
				got = append(got, fmt.Sprintf("%s:%d %s %s", filepath.Base(r.File), r.Line, r.Kind, r.Name))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

func TestLoad_paths(t *testing.T) {
	dir := write(t, "a.yaml", probeFile("exec", ""), "b.yaml", probeFile("tcp", ""))
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"empty", "deep", "deep/a.yaml"} {
		if err := os.Mkdir(at(name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(at("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	large, err := os.Create(at("large"))
	if err != nil {
		t.Fatal(err)
	}
	// It has no blocks: only its size is large.
	if err := errors.Join(large.Truncate(100<<20), large.Close()); err != nil {
		t.Fatal(err)
	}
	put(t, at("larger"), "#"+strings.Repeat("x", yamldoc.MaxFileBytes))
	put(t, at("largest"), "#"+strings.Repeat("x", yamldoc.MaxFileBytes-1))
	for link, to := range map[string]string{"link": "a.yaml", "broken": "nothing", "loop": "loop"} {
		if err := os.Symlink(to, at(link)); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name  string
		paths []string
		want  string // the first error, empty for none
		files int
	}{
		{"no path", nil, "", 0},
		{"two files", []string{at("a.yaml"), at("b.yaml")}, "", 2},
		{"a folder", []string{dir}, "", 2},
		{"a link", []string{at("link")}, "", 1},
		{"as large as may be", []string{at("largest")}, "", 1},
		{"a file twice", []string{at("a.yaml"), dir}, "a.yaml:4:9: metadata.name: exec: is defined already, at a.yaml:4:9", 0},
		{"no file", []string{at("nothing")}, "nothing: no such file or directory", 0},
		{"no name", []string{""}, `"": names no file`, 0},
		{"an empty folder", []string{at("empty")}, "empty: the folder has no *.yaml file", 0},
		{"a folder of folders", []string{at("deep")}, "deep: the folder has no *.yaml file", 0},
		{"a pipe", []string{at("pipe")}, "pipe: is a pipe, not a file", 0},
		{"a device", []string{"/dev/zero"}, "/dev/zero: is a device, not a file", 0},
		{"100 MiB", []string{at("large")}, "large: is larger than 256 KiB", 0},
		{"a byte too large", []string{at("larger")}, "larger: is larger than 256 KiB", 0},
		{"a link to nothing", []string{at("broken")}, "broken: no such file or directory", 0},
		{"a link to itself", []string{at("loop")}, "loop: too many levels of symbolic links", 0},
		{"a path of 1 MB", []string{strings.Repeat("p", 1<<20)}, strings.Repeat("p", 120) + "... (1048576 bytes): file name too long", 0},
		{"a path with a line break", []string{at("x\ny")}, `x\ny": no such file or directory`, 0},
		{"a path that ends within", []string{"a\x00b"}, `"a\x00b": invalid argument`, 0},
		{"below a file", []string{at("a.yaml") + "/x"}, "a.yaml/x: not a directory", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Load(tt.paths, options())
			got := problems(t, err, dir)
			if len(got) == 0 {
				got = []string{""}
			}
			if !strings.HasSuffix(got[0], tt.want) || tt.want == "" && err != nil {
				t.Errorf("the error is %q, want %q", got[0], tt.want)
			}
			if n := len(c.Files()); n != tt.files {
				t.Errorf("%d files were read, want %d", n, tt.files)
			}
			if (c.Hash() != "") != (tt.files > 0) {
				t.Errorf("the hash is %q", c.Hash())
			}
		})
	}
}

func TestLoad_bounds(t *testing.T) {
	t.Run("many files", func(t *testing.T) {
		var files []string
		for i := range 1001 {
			files = append(files, fmt.Sprintf("%04d.yaml", i), "#")
		}
		dir := write(t, files...)
		_, err := Load([]string{dir}, Options{})
		if got, want := problems(t, err, dir), []string{"1000.yaml: there are 1001 files, more than 1000"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	t.Run("large together", func(t *testing.T) {
		var files []string
		for i := range (4<<20)/yamldoc.MaxFileBytes + 1 {
			files = append(files, fmt.Sprintf("%02d.yaml", i), "#"+strings.Repeat("x", yamldoc.MaxFileBytes-1))
		}
		dir := write(t, files...)
		_, err := Load([]string{dir}, Options{})
		if got, want := problems(t, err, dir), []string{"16.yaml: all files together are larger than 4 MiB"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	t.Run("many errors", func(t *testing.T) {
		var spec strings.Builder
		for i := range yamldoc.MaxErrors + 5 {
			fmt.Fprintf(&spec, "  x%d: 1\n", i)
		}
		dir := write(t, "a.yaml", probeFile("exec", spec.String()), "b.yaml", "[", "c.yaml", "[")
		_, err := Load([]string{dir}, options())
		got := problems(t, err, dir)
		if len(got) != yamldoc.MaxErrors+2 || got[0] != "a.yaml:6:3: spec.x0: there is no such field" ||
			got[yamldoc.MaxErrors] != "a.yaml: has 5 more errors" || got[yamldoc.MaxErrors+1] != "b.yaml: is not checked, and 1 files after it" {
			t.Errorf("%d errors, the last are %q", len(got), got[len(got)-3:])
		}
	})
	t.Run("a bomb of aliases", func(t *testing.T) {
		var b strings.Builder
		b.WriteString("  targets:\n    services: &a0 [x, x]\n  sampling:\n")
		for i := range 60 {
			fmt.Fprintf(&b, "    a%d: &a%d [*a%d, *a%d]\n", i+1, i+1, i, i)
		}
		b.WriteString("    slow: *a60\n  routes: {limit: &l [*l]}\n")
		dir := write(t, "a.yaml", probeFile("http", b.String()))
		_, err := Load([]string{dir}, options())
		got := problems(t, err, dir)
		if len(got) != 63 || got[61] != "a.yaml:69:11: spec.sampling.slow: is a list, not a duration" {
			t.Errorf("%d errors: %q", len(got), got)
		}
	})
}

func TestConfig_isImmutable(t *testing.T) {
	dir := write(t, "a.yaml", probeFile("http", "  targets: {services: [shop], exclude: [cart]}\n"))
	c, err := Load([]string{dir}, options())
	if err != nil {
		t.Fatal(err)
	}
	p, want := c.Probe("http"), c.Probe("http")
	p.Targets.Services[0], p.Targets.Exclude[0] = "changed", "changed"
	c.Files()[0], c.Resources()[0].Name = "changed", "changed"
	if got := c.Probe("http"); !reflect.DeepEqual(got, want) {
		t.Errorf("the probe became %+v", got)
	}
	if c.Files()[0] == "changed" || c.Resources()[0].Name == "changed" {
		t.Error("what the caller got is the configuration's own")
	}
}

func TestConfig_zeroValueIsTheDefault(t *testing.T) {
	for name, c := range map[string]*Config{"nil": nil, "zero": new(Config)} {
		if got := c.Probe("exec"); !reflect.DeepEqual(got, standardProbe()) || c.Hash() != "" || c.Files() != nil || c.Resources() != nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestLoad_acceptsAnyProbeWithoutAList(t *testing.T) {
	dir := write(t, "a.yaml", probeFile("later", "  enabled: false\n  routes: {limit: 5}\n"))
	c, err := Load([]string{dir}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if p := c.Probe("later"); p.Enabled || p.Routes.Limit != 5 {
		t.Errorf("got %+v", p)
	}
}

func TestTargets_Match(t *testing.T) {
	tests := []struct {
		name    string
		targets Targets
		service string
		want    bool
	}{
		{"all by default", Targets{}, "shop", true},
		{"one of those", Targets{Services: []string{"cart", "shop"}}, "shop", true},
		{"none of those", Targets{Services: []string{"cart"}}, "shop", false},
		{"excluded", Targets{Exclude: []string{"shop"}}, "shop", false},
		{"another is excluded", Targets{Exclude: []string{"cart"}}, "shop", true},
		{"the part of a name", Targets{Services: []string{"sho"}}, "shop", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.targets.Match(tt.service); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestHash(t *testing.T) {
	hash := func(files ...string) string {
		c, err := Load([]string{write(t, files...)}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		return c.Hash()
	}
	first := hash("a.yaml", "# a", "b.yaml", "# b")
	if again := hash("a.yaml", "# a", "b.yaml", "# b"); again != first {
		t.Errorf("another folder has the hash %s, not %s", again, first)
	}
	for name, other := range map[string]string{
		"other content":    hash("a.yaml", "# a", "b.yaml", "# c"),
		"other names":      hash("a.yaml", "# a", "c.yaml", "# b"),
		"moved to another": hash("a.yaml", "# a# b", "b.yaml", "#"),
		"a file less":      hash("a.yaml", "# a"),
	} {
		if other == first {
			t.Errorf("%s: the hash is the same", name)
		}
	}
}
