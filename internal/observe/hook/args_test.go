package hook

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/goshawk-io/goshawk/internal/testutil"
)

// collect returns the lines of the calls that a session samples.
func collect(lines *[]string) func(*Sample) {
	return func(s *Sample) {
		var b strings.Builder
		b.WriteString(s.Func + "(")
		for i, a := range s.Args {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(a.Name + "=" + a.Text)
		}
		b.WriteString(")")
		if !s.Finished {
			b.WriteString(" unfinished")
		}
		if s.Failed {
			b.WriteString(" error " + s.Error)
		}
		*lines = append(*lines, b.String())
	}
}

// passed are the calls that the victim's "arguments" makes.
func passed() []string {
	cut := `"` + strings.Repeat("ü", 32) + `"…`
	return []string{
		`main.serve(r.method="GET", r.size=-7, r.ok=true, r.ratio=0.5, by.path="value", small=-3, text="te\"xt", raw="raw\xff", list=[]int(len 2))`,
		`main.serve(r=nil, by.path="", small=4, text=` + cut + `, raw="", list=[]int(len 0))`,
		`main.holds(any=*main.request, err=*main.failure, f=?, late=1s, m=nil, g=nil) error *main.failure`,
		`main.holds(any="in an interface", err="a word", f=?, late=-1ms, m=nil, g=nil) error "a word"`,
		`main.holds(any=nil, err=nil, f=?, late=0s, m=nil, g=nil)`,
		`main.holds(any=int, err="wraps failure", f=?, late=0s, m=nil, g=nil) error "wraps failure"`,
		`main.carries(p="loaded", by.n=3)`,
		`main.stacked(a=1, b=2, c=3, d=4, e=5, f=6, g=7, h=8, i=9, late="late", r.method="GET", r.size=-7, r.ok=true, r.ratio=0.5, ratio=?) error "stacked"`,
		`main.untouched(r.method=?, r.size=?, r.ok=?, r.ratio=?, text=?, err=*main.failure, raw=?)`,
	}
}

// passedOld is what is known of them where the DWARF leaves out parameters
// without a name: not what is on the stack behind these, or is not used.
func passedOld() []string {
	known := strings.NewReplacer(`raw="raw\xff", list=[]int(len 2)`, `raw=?, list=?`, `raw="", list=[]int(len 0)`, `raw=?, list=?`,
		`late="late", r.method="GET", r.size=-7, r.ok=true, r.ratio=0.5`, `late=?, r=?, r.method=?, r.size=?, r.ok=?, r.ratio=?`)
	lines := passed()
	for i, line := range lines {
		lines[i] = known.Replace(line)
	}
	return lines
}

func TestRunPrintsArguments(t *testing.T) {
	for _, build := range []struct {
		name string
		opts testutil.BuildOptions
	}{
		{"this release", testutil.BuildOptions{}},
		{"pie", testutil.BuildOptions{Flags: []string{"-buildmode=pie"}}},
		{"without optimisation", testutil.BuildOptions{Flags: []string{"-gcflags=-N -l"}}},
		{"go1.20", testutil.BuildOptions{Toolchain: "go1.20.14"}},
		{"go1.21", testutil.BuildOptions{Toolchain: "go1.21.13"}},
		{"go1.24", testutil.BuildOptions{Toolchain: "go1.24.13"}},
		{"a release to come", testutil.BuildOptions{Toolchain: "go1.27.4"}},
	} {
		t.Run(build.name, func(t *testing.T) {
			v := startVictim(t, build.opts)
			var lines []string
			m := measure(t, v, Options{
				Functions: []string{"main.serve", "main.holds", "main.carries", "main.stacked", "main.untouched"}, Args: true, interval: 1,
			}, RunOptions{Sample: collect(&lines)})
			v.do(t, "arguments 1")
			report, want := m.end(), passed()
			if strings.HasPrefix(build.opts.Toolchain, "go1.20.") || strings.HasPrefix(build.opts.Toolchain, "go1.21.") {
				want = passedOld()
			}
			if !slices.Equal(lines, want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
			}
			if f := find(t, report, "main.holds"); !f.ErrorsKnown || f.Errors != 3 {
				t.Errorf("main.holds: %d errors, known %v; want 3", f.Errors, f.ErrorsKnown)
			}
			if f := find(t, report, "main.untouched"); !f.ErrorsKnown || f.Errors != 0 {
				t.Errorf("main.untouched: %d errors, known %v; want 0", f.Errors, f.ErrorsKnown)
			}
			if report.SamplesLost != 0 {
				t.Errorf("%d samples were lost", report.SamplesLost)
			}
		})
	}
}

func TestRunPrintsChosenArguments(t *testing.T) {
	v := startVictim(t, testutil.BuildOptions{})
	var lines []string
	m := measure(t, v, Options{
		Functions: []string{"main.serve", "main.carries", "main.stacked", "main.leaf"}, Args: true, interval: 1,
		Paths: []string{"by.load", "r.url.path", "r.by.path", "r.err", "r.url.next.path", "small", "late"},
	}, RunOptions{Sample: collect(&lines)})
	v.do(t, "arguments 1")
	v.do(t, "leaf 1")
	m.end()
	url := `r.url.path="/index", r.by.path="by", r.err="of the request", r.url.next.path="` + strings.Repeat("ü", 32) + `"…`
	want := []string{
		`main.serve(` + url + `, small=-3)`,
		`main.serve(r.url.path=?, r.by.path=?, r.err=?, r.url.next.path=?, small=4)`,
		`main.carries(by.load=int)`,
		`main.stacked(` + url + `, late="late") error "stacked"`,
		`main.leaf()`,
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}

func TestRunLimitsSamples(t *testing.T) {
	v := startVictim(t, testutil.BuildOptions{})
	var lines []string
	m := measure(t, v, Options{Functions: []string{"main.leaf"}, Args: true, interval: 1e12}, RunOptions{Sample: collect(&lines)})
	v.do(t, "leaf 5000")
	w := want{"main.leaf", 5000, 5000, 0}
	w.check(t, m.end())
	if !slices.Equal(lines, []string{"main.leaf(n=0)"}) {
		t.Errorf("%d samples: %.200q", len(lines), lines)
	}
}

func TestRunPrintsCallsThatDoNotReturn(t *testing.T) {
	v := startVictim(t, testutil.BuildOptions{})
	var lines []string
	m := measure(t, v, Options{Functions: []string{"main.blocks", "main.panics"}, Args: true, Paths: []string{"i"}, interval: 1}, RunOptions{Sample: collect(&lines)})
	v.do(t, "block 1")
	v.do(t, "panic 2")
	m.end()
	want := []string{"main.panics(i=1)", "main.blocks() unfinished", "main.panics(i=0) unfinished"}
	if !slices.Equal(lines, want) {
		t.Errorf("got %q, want %q", lines, want)
	}
}

func TestRunCountsErrorsOfDWARF(t *testing.T) {
	for name, tt := range map[string]struct {
		opts  testutil.BuildOptions
		known bool
		note  string
	}{
		"with DWARF":    {testutil.BuildOptions{}, true, ""},
		"without DWARF": {testutil.BuildOptions{Flags: []string{"-ldflags=-w"}}, false, "build it without -ldflags=-w"},
		"stripped":      {testutil.BuildOptions{Flags: []string{"-ldflags=-s -w"}}, false, "build it without -ldflags=-w"},
	} {
		t.Run(name, func(t *testing.T) {
			v := startVictim(t, tt.opts)
			var lines []string
			m := measure(t, v, Options{Functions: []string{"main.mayFail"}, Args: true}, RunOptions{Sample: collect(&lines)})
			v.do(t, "fail 90")
			f := find(t, m.end(), "main.mayFail")
			errors := uint64(0)
			if tt.known {
				errors = 30
			}
			if f.Calls != 90 || f.Latency.Count() != 90 || f.Errors != errors || f.ErrorsKnown != tt.known {
				t.Errorf("%d calls, %d durations, %d errors, known %v", f.Calls, f.Latency.Count(), f.Errors, f.ErrorsKnown)
			}
			notes := strings.Join(m.session.Notes(), "\n")
			if (notes == "") != (tt.note == "") || !strings.Contains(notes, tt.note) || len(m.session.Notes()) > 1 {
				t.Errorf("notes %q, want one about %q", notes, tt.note)
			}
			if (len(lines) > 0) != tt.known {
				t.Errorf("samples %q", lines)
			}
		})
	}
}

// TestRunCountsErrorsThatAreKnown counts those of functions whose results the
// compiler describes in its own ways.
func TestRunCountsErrorsThatAreKnown(t *testing.T) {
	for _, build := range []struct {
		name string
		opts testutil.BuildOptions
	}{
		{"this release", testutil.BuildOptions{}},
		{"without optimisation", testutil.BuildOptions{Flags: []string{"-gcflags=-N -l"}}},
		{"go1.23", testutil.BuildOptions{Toolchain: "go1.23.12"}},
		{"a release to come", testutil.BuildOptions{Toolchain: "go1.27.4"}},
	} {
		t.Run(build.name, func(t *testing.T) {
			v := startVictim(t, build.opts)
			m := measure(t, v, Options{Functions: []string{"main.putsOff", "main.loopOver", "main.loopNamed", "main.valuesLoop"}}, RunOptions{})
			v.do(t, "putoff 90")
			v.do(t, "loops 90")
			report := m.end()
			for name, errors := range map[string]uint64{"main.putsOff": 30, "main.loopOver": 3, "main.loopNamed": 3, "main.valuesLoop": 3} {
				f := find(t, report, name)
				if f.Calls != 90 || f.ErrorsKnown && f.Errors != errors || !f.ErrorsKnown && f.Errors != 0 || name == "main.putsOff" && !f.ErrorsKnown {
					t.Errorf("%s: %d calls, %d errors, known %v; want 90 calls and %d errors, or what is not known", name, f.Calls, f.Errors, f.ErrorsKnown, errors)
				}
			}
		})
	}
}

func TestOpenRefusesArguments(t *testing.T) {
	v := startVictim(t, testutil.BuildOptions{})
	for _, tt := range []struct{ name, path, hint string }{
		{"a parameter that is not there", "q", "main.serve has r *main.request, r.method"},
		{"a field that is not there", "r.nothing", "r.method"},
		{"a field of a number", "small.x", "small int8"},
		{"a field that is a struct", "r.by", "r.method"},
		{"nothing", "", "r.method"},
		{"an endless path", "r." + strings.Repeat("url.", 10000), "r.method"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Open(t.Context(), Options{PID: v.PID, Functions: []string{"main.serve"}, Args: true, Paths: []string{"r.ok", tt.path}})
			if err == nil {
				s.Close()
				t.Fatal("opened")
			}
			var input *InputError
			if !errors.As(err, &input) || len(err.Error()) > 400 || !strings.Contains(err.Error(), fmt.Sprintf("argument %.200q:", tt.path)) || !strings.Contains(input.Hint, tt.hint) {
				t.Errorf("error %v, hint %v; want one about %q", err, input, tt.hint)
			}
		})
	}
}

func TestRunPrintsConstantsThatTheProcessHasNotRead(t *testing.T) {
	for name, flags := range map[string][]string{"static": nil, "pie": {"-buildmode=pie"}} {
		t.Run(name, func(t *testing.T) {
			v := startVictim(t, testutil.BuildOptions{Flags: flags})
			var lines []string
			m := measure(t, v, Options{Functions: []string{"main.untouched"}, Args: true, Paths: []string{"text"}, interval: 1}, RunOptions{Sample: collect(&lines)})
			v.do(t, "constant 1")
			m.end()
			if want := []string{`main.untouched(text="0123456789")`}; !slices.Equal(lines, want) {
				t.Errorf("got %q, want %q", lines, want)
			}
		})
	}
}
