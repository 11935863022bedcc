package rules

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"
)

func TestTemplate_findsRanges(t *testing.T) {
	tests := []struct {
		name, expr   string
		plain, fixed bool
		unit         int
		filled       string
	}{
		{"a counter", `a_total{x="[5m]"}`, true, false, 0, `a_total{x="[5m]"}`},
		{"a rate", `sum(rate(a[{{.window}}]))`, false, false, perSecond, `sum(rate(a[2h]))`},
		{"a rate with spaces", "sum by (x) ( rate ( a{b='}'}[ {{ .window }} ] ) )", false, false, perSecond, "sum by (x) ( rate ( a{b='}'}[ 2h ] ) )"},
		{"an increase", `increase(a[{{.window}}]) + increase(b[{{.window}}])`, false, false, perEvent, `increase(a[2h]) + increase(b[2h])`},
		{"both", `increase(a[{{.window}}]) + rate(b[{{.window}}])`, false, false, 0, `increase(a[2h]) + rate(b[2h])`},
		{"another function", `deriv(a[{{.window}}])`, false, false, 0, `deriv(a[2h])`},
		{"a range of its own", `sum(rate(a[5m]))`, false, true, perSecond, `sum(rate(a[2h]))`},
		{"a comment", "a # rate(b[5m])", true, false, 0, "a # rate(b[5m])"},
		{"an open range", `rate(a[`, false, true, perSecond, `rate(a[2h`},
		{"nothing", ``, true, false, 0, ``},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := parseTemplate(tt.expr)
			if p.plain() != tt.plain || p.fixed() != tt.fixed {
				t.Errorf("plain %v, fixed %v", p.plain(), p.fixed())
			}
			p = p.open()
			if p.perWindow() != tt.unit || p.fill(2*time.Hour) != tt.filled {
				t.Errorf("unit %v, filled %q", p.perWindow(), p.fill(2*time.Hour))
			}
		})
	}
}

func TestBareSelector(t *testing.T) {
	tests := []struct{ name, expr, want string }{
		{"a name", " a_total ", "a_total"},
		{"labels", `a:b{c="d}",e=~'x\'}'}`, `a:b{c="d}",e=~'x\'}'}`},
		{"labels alone", `{__name__="a"}`, `{__name__="a"}`},
		{"a sum", `sum(a{b="c"})`, `a{b="c"}`},
		{"a sum by labels", `sum by (x, y) ( a )`, `a`},
		{"two sums", `sum(a) + sum(b)`, ""},
		{"arithmetic", `a / b`, ""},
		{"an offset", `a{b="c"} offset 5m`, ""},
		{"a call", `rate(a[5m])`, ""},
		{"an open brace", `a{b="c"`, ""},
		{"nothing", ``, ""},
		{"nothing summed", `sum()`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, ok := bareSelector(tt.expr); ok != (tt.want != "") || ok && got != tt.want {
				t.Errorf("got %q %v, want %q", got, ok, tt.want)
			}
		})
	}
}

// Queries come from files that others wrote.
func FuzzTemplate(f *testing.F) {
	for _, s := range []string{"", "[", "rate(a[{{.window}}])", "'", `"\`, "sum(a{b='c'})", "#\n[", ")]", "é[5m]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, expr string) {
		p := parseTemplate(expr)
		if p.plain() && p.fixed() {
			t.Error("has ranges, and none")
		}
		o := p.open()
		if o.fixed() {
			t.Errorf("%q still has ranges of its own", o.text)
		}
		_ = o.count("sum", time.Hour)
		if x, ok := bareSelector(expr); ok && (x == "" || !strings.Contains(expr, x)) {
			t.Errorf("%q is no part of %q", x, expr)
		}
	})
}

func TestLabelName(t *testing.T) {
	for key, want := range map[string]string{
		"team": "team", "app.kubernetes.io/name": "app_kubernetes_io_name", "2fast": "_2fast", "": "", "__name__": "", "Größe": "Gr__e",
	} {
		if got := labelName(key); got != want {
			t.Errorf("%q becomes %q, want %q", key, got, want)
		}
	}
}

// What is written is what a reader of YAML reads, whatever the texts are.
func FuzzWriteYAML(f *testing.F) {
	for _, s := range []string{"", "a", "5m", "yes", "a: b", "a\nb", " a", "a\n  b\n\nc", "\ta", "'\"", "\\", "{{ $value }}", "# a", "a #b", "a\r\nb", "\u0085", "\x00", "- a", "é", "~", "1e3", ".inf", "a:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		valid := strings.ToValidUTF8(s, "")
		g := []Group{{Name: "g" + valid, Interval: time.Minute, Comment: valid, Rules: []Rule{{
			Record: "r", Expr: valid, Comment: valid, Labels: map[string]string{"l": valid}, Annotations: map[string]string{"k" + valid: valid},
		}}}}
		var b bytes.Buffer
		if err := WriteYAML(&b, g); err != nil {
			t.Fatal(err)
		}
		var got struct {
			Groups []struct {
				Name  string
				Rules []struct {
					Record, Expr        string
					Labels, Annotations map[string]string
				}
			}
		}
		if err := yaml.Unmarshal(b.Bytes(), &got); err != nil {
			t.Fatalf("%v\n%s", err, b.Bytes())
		}
		if len(got.Groups) != 1 || len(got.Groups[0].Rules) != 1 {
			t.Fatalf("read as %+v\n%s", got, b.Bytes())
		}
		r := got.Groups[0].Rules[0]
		if got.Groups[0].Name != "g"+valid || r.Record != "r" || r.Expr != valid || r.Labels["l"] != valid || r.Annotations["k"+valid] != valid {
			t.Errorf("%q is read as %q\n%s", valid, r, b.Bytes())
		}
	})
}
